"""The environment, read once and checked; `.env` beside this file lies beneath it."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from aiohttp import web
from envparse import Env

ROOT = Path(__file__).resolve().parent
MESSAGE_COLLECTION = "messages"
USER_COLLECTION = "users"
SESSION_COLLECTION = "sessions"

T = TypeVar("T")


class StartError(Exception):
    """The chat cannot start; the sentence says why and what helps."""


@dataclass(frozen=True)
class Settings:
    """Every variable of the environment, under its own name (`HOST` and `PORT` as `SITE_*`)."""

    DEBUG: bool = False
    SITE_HOST: str = "127.0.0.1"
    SITE_PORT: int = 8080
    SECRET_KEY: tuple[str, ...] = ()  # the first encrypts, all decrypt; empty: made and kept
    MONGO_HOST: str = ""  # empty: the embedded database
    MONGO_DB_NAME: str = ""  # empty: the one the URI names, else chat
    DATA_DIR: Path = ROOT / "data"
    PUBLIC_ORIGINS: tuple[str, ...] = ()
    TRUSTED_PROXIES: int = 0
    SECURE_COOKIES: bool = False
    MESSAGES_PER_SECOND: int = 5  # this and the next two: 0 turns the limit off
    SOCKETS_PER_USER: int = 10
    REGISTRATIONS_PER_HOUR: int = 10
    MODERATORS: tuple[str, ...] = ()  # logins


SETTINGS = web.AppKey("settings", Settings)


def load_settings() -> Settings:
    """Read the environment and `.env`. Raises StartError for a value that does not parse."""
    _read_envfile(ROOT / ".env")
    on_heroku = "DYNO" in os.environ
    settings = Settings(
        DEBUG=_read("DEBUG", False, _boolean, "use true or false"),
        SITE_HOST=_read("HOST", "0.0.0.0" if on_heroku else "127.0.0.1", str.strip, ""),
        SITE_PORT=_read("PORT", 8080, _number(0, 65535), "use a number from 0 to 65535"),
        SECRET_KEY=_read("SECRET_KEY", (), _keys, "each key needs at least 8 characters", True),
        MONGO_HOST=_read(
            "MONGO_HOST", "", _mongo_uri, "begin it with mongodb:// or mongodb+srv://", True
        ),
        MONGO_DB_NAME=_read("MONGO_DB_NAME", "", _db_name, "use letters, digits, _ and -"),
        DATA_DIR=_read("DATA_DIR", ROOT / "data", lambda text: ROOT / text, ""),
        PUBLIC_ORIGINS=_read(
            "PUBLIC_ORIGINS", (), _origins, "list origins such as https://chat.example.com"
        ),
        TRUSTED_PROXIES=_read(
            "TRUSTED_PROXIES", int(on_heroku), _number(0, 10), "use a number from 0 to 10"
        ),
        SECURE_COOKIES=_read("SECURE_COOKIES", on_heroku, _boolean, "use true or false"),
        MESSAGES_PER_SECOND=_limit("MESSAGES_PER_SECOND", 5),
        SOCKETS_PER_USER=_limit("SOCKETS_PER_USER", 10),
        REGISTRATIONS_PER_HOUR=_limit("REGISTRATIONS_PER_HOUR", 10),
        MODERATORS=_read("MODERATORS", (), _logins, "list logins, as in alice, bob"),
    )
    if on_heroku:
        _require_what_outlives_a_dyno(settings)
    return settings


def make_data_dir(data_dir: Path) -> None:
    """Make the folder for data, which nobody else may enter. Raises StartError."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"DATA_DIR={data_dir} cannot be made: {error.strerror}.") from None


def _require_what_outlives_a_dyno(settings: Settings) -> None:
    """Heroku throws its disk away at every restart: data and key have to live elsewhere."""
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
            Env.read_envfile(str(path))
        except (ValueError, OSError) as error:
            raise StartError(f"{path} cannot be read: {error}.") from None


def _read(name: str, default: T, parse: Callable[[str], T], remedy: str, secret: bool = False) -> T:
    try:
        text = os.environ.get(name, "")
        return parse(text) if text.strip() else default
    except ValueError:
        value = "(not shown)" if secret else repr(os.environ[name])
        raise StartError(f"{name}={value} is not valid: {remedy}.") from None


def _limit(name: str, default: int) -> int:
    return _read(name, default, _number(0, 1_000_000), "use a whole number, 0 for no limit")


def _boolean(text: str) -> bool:
    # envparse takes every unknown word, and "true" with a space before it, for false.
    word = text.strip().lower()
    if word not in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        raise ValueError(text)
    return word in ("true", "yes", "on", "1")


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # int() alone would take 8_080, and digits of other scripts.
        if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return parse


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in text.split(","))
    if any(len(key) < 8 for key in keys):
        raise ValueError
    return keys


def _logins(text: str) -> tuple[str, ...]:
    logins = tuple(login.strip() for login in text.split(","))
    if not all(logins) or any(re.search(r"[\s@]", login) for login in logins):
        raise ValueError
    return logins


def _mongo_uri(text: str) -> str:
    if not text.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError
    return text.strip()


def _db_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", text):
        raise ValueError
    return text


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip().lower() for origin in text.split(","))
    for origin in origins:
        parts = urlsplit(origin)
        # As a browser writes it: no path, no user, no default port.
        is_default_port = parts.port == {"http": 80, "https": 443}.get(parts.scheme, parts.port)
        if not parts.hostname or "@" in parts.netloc or (is_default_port and parts.port):
            raise ValueError(origin)
        if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(origin)
    return origins
