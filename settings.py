"""The settings, read once from the environment and `.env`, and checked."""

import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from aiohttp import web
from envparse import Env
from redis.asyncio.connection import parse_url

ROOT = Path(__file__).resolve().parent
MESSAGE_COLLECTION = "messages"
USER_COLLECTION = "users"
SESSION_COLLECTION = "sessions"
LINK_COLLECTION = "links"

log = logging.getLogger(__name__)


class StartError(Exception):
    """The chat can't start; the text says why, and what to do."""


@dataclass(frozen=True)
class Settings:
    """Every setting and its default, by its name in the environment (without SITE_)."""

    DEBUG: bool = False
    LOG_FORMAT: str = "text"  # or json
    SITE_HOST: str = "127.0.0.1"
    SITE_PORT: int = 8080
    SECRET_KEY: tuple[str, ...] = ()  # the first encrypts, all decrypt; empty: one is generated
    MONGO_HOST: str = ""  # empty: the embedded database
    MONGO_DB_NAME: str = ""  # empty: the one in MONGO_HOST, else chat
    REDIS_URL: str = ""  # empty: other processes are heard through the database only
    REDIS_VERIFY: bool = True  # the certificate behind rediss://
    SESSION_STORAGE: str = "cookie"  # or redis
    DATA_DIR: Path = ROOT / "data"
    METRICS_TOKEN: str = ""  # empty: /metrics is answered to this machine only
    PUBLIC_ORIGINS: tuple[str, ...] = ()
    TRUSTED_PROXIES: int = 0
    SECURE_COOKIES: bool = False
    MESSAGES_PER_SECOND: int = 5  # this and the next two: 0 turns the limit off
    SOCKETS_PER_USER: int = 10
    REGISTRATIONS_PER_HOUR: int = 10
    MODERATORS: tuple[str, ...] = ()  # logins
    ROOM_NAME: str = "Chat"
    REGISTRATION: str = "open"  # or invite, by a link only, or closed


SETTINGS = web.AppKey("settings", Settings)


def load_settings() -> Settings:
    """Read the environment, and `.env` for what is missing there. Raises StartError."""
    values = {}
    for name, value in each_setting():
        if isinstance(value, StartError):
            raise value
        values[VARIABLES[name].field or name] = value
    settings = Settings(**values)
    if settings.SESSION_STORAGE == "redis" and not settings.REDIS_URL:
        raise StartError("SESSION_STORAGE=redis needs a Redis: set REDIS_URL.")
    if "DYNO" in os.environ:
        _check_heroku(settings)
    return settings


def each_setting() -> Iterator[tuple[str, Any]]:
    """Yield each variable with its value, or with the StartError that says what is wrong with it.

    Raises StartError if `.env` can't be read.
    """
    _read_envfile(ROOT / ".env")
    default = Settings()
    if "DYNO" in os.environ:
        default = Settings(SITE_HOST="0.0.0.0", TRUSTED_PROXIES=1, SECURE_COOKIES=True)
    for name, variable in VARIABLES.items():
        text = os.environ.get(name, "")
        try:
            value = (
                variable.parse(text) if text.strip() else getattr(default, variable.field or name)
            )
        except ValueError as error:
            shown = "(not shown)" if variable.is_secret else repr(text)
            value = StartError(f"{name}={shown} is not valid: {error}.")
        yield name, value


def make_data_dir(data_dir: Path) -> None:
    """Make the folder for data, which only its owner may enter. Raises StartError."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"DATA_DIR={data_dir} cannot be made: {error.strerror}.") from None
    if not data_dir.stat().st_mode & 0o077:
        return
    try:
        # It was there before: for our data, or for something else, as /tmp is.
        names = {path.name for path in data_dir.iterdir()}
        if names and not names & {"lock", "secret_key"}:
            raise PermissionError
        data_dir.chmod(0o700)
    except OSError:
        log.warning("others may enter DATA_DIR=%s: use a folder of its own, mode 0700", data_dir)


def _check_heroku(settings: Settings) -> None:
    """Check that data and key are not kept on a dyno's disk, which every restart empties."""
    if not settings.MONGO_HOST:
        raise StartError(
            "MONGO_HOST is not set, and a dyno's disk does not last: "
            "set it to the mongodb+srv:// address of your cluster (heroku config:set)."
        )
    if not settings.SECRET_KEY:
        raise StartError(
            "SECRET_KEY is not set, and a dyno's disk does not last: "
            "set it to a long random text (heroku config:set)."
        )


def _read_envfile(path: Path) -> None:
    if path.is_file():
        try:
            path.read_text("utf-8")  # envparse only warns of a file that it can't read
            Env.read_envfile(str(path))
        except (ValueError, OSError) as error:
            raise StartError(f"{path} cannot be read: {error}.") from None


def _boolean(text: str) -> bool:
    # envparse reads any unknown word, and " true", as false.
    word = text.strip().lower()
    if word not in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        raise ValueError("use true or false")
    return word in ("true", "yes", "on", "1")


def _whole_number(text: str, highest: int, remedy: str) -> int:
    # int() alone would accept 8_080, and the digits of other scripts.
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text) or int(text) > highest:
        raise ValueError(remedy)
    return int(text)


def _number(highest: int) -> Callable[[str], int]:
    return lambda text: _whole_number(text, highest, f"use a number from 0 to {highest}")


def _limit(text: str) -> int:
    return _whole_number(text, 1_000_000, "use a whole number, 0 for no limit")


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in text.split(","))
    if any(len(key) < 8 for key in keys):
        raise ValueError("each key needs at least 8 characters")
    return keys


def _logins(text: str) -> tuple[str, ...]:
    logins = tuple(login.strip() for login in text.split(","))
    if not all(logins) or any(re.search(r"[\s@]", login) for login in logins):
        raise ValueError("list logins, as in alice, bob")
    return logins


def _name(text: str) -> str:
    if not text.isprintable() or len(text.strip()) > 40:
        raise ValueError("use 40 characters or less, in one line")
    return text.strip()


def _mongo_uri(text: str) -> str:
    if not text.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("begin it with mongodb:// or mongodb+srv://")
    return text.strip()


def _redis_url(text: str) -> str:
    try:
        parse_url(text.strip())
    except ValueError:
        raise ValueError("use an address such as redis://localhost:6379/0") from None
    return text.strip()


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.strip() not in words:
            *others, last = words
            raise ValueError(f"use {', '.join(others)} or {last}")
        return text.strip()

    return parse


def _token(text: str) -> str:
    # What may stand in a header (RFC 6750, 2.1), and is too long to be guessed.
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,}", text.strip()):
        raise ValueError("use at least 16 letters and digits, as from openssl rand -hex 16")
    return text.strip()


def _db_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", text):
        raise ValueError("use letters, digits, _ and -")
    return text


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip().lower() for origin in text.split(","))
    if not all(map(_is_origin, origins)):
        raise ValueError("list origins such as https://chat.example.com")
    return origins


def _is_origin(text: str) -> bool:
    """Return whether a text is an origin as browsers write it: no path, user or default port."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and text == f"{parts.scheme}://{parts.netloc}"
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and port != {"http": 80, "https": 443}[parts.scheme]
    )


class Variable(NamedTuple):
    """How a setting is read from a variable of the environment."""

    parse: Callable[[str], Any]  # raises ValueError, which says what to write instead
    is_secret: bool = False
    field: str = ""  # of Settings, if it has another name


VARIABLES = {
    "DEBUG": Variable(_boolean),
    "LOG_FORMAT": Variable(_one_of("text", "json")),
    "HOST": Variable(str.strip, field="SITE_HOST"),
    "PORT": Variable(_number(65535), field="SITE_PORT"),
    "SECRET_KEY": Variable(_keys, is_secret=True),
    "MONGO_HOST": Variable(_mongo_uri, is_secret=True),
    "MONGO_DB_NAME": Variable(_db_name),
    "REDIS_URL": Variable(_redis_url, is_secret=True),
    "REDIS_VERIFY": Variable(_boolean),
    "SESSION_STORAGE": Variable(_one_of("cookie", "redis")),
    "DATA_DIR": Variable(lambda text: ROOT.joinpath(text)),
    "METRICS_TOKEN": Variable(_token, is_secret=True),
    "PUBLIC_ORIGINS": Variable(_origins),
    "TRUSTED_PROXIES": Variable(_number(10)),
    "SECURE_COOKIES": Variable(_boolean),
    "MESSAGES_PER_SECOND": Variable(_limit),
    "SOCKETS_PER_USER": Variable(_limit),
    "REGISTRATIONS_PER_HOUR": Variable(_limit),
    "MODERATORS": Variable(_logins),
    "ROOM_NAME": Variable(_name),
    "REGISTRATION": Variable(_one_of("open", "invite", "closed")),
}
