"""The settings, read once from the environment and `.env`, and checked.

`make settings` writes `.env.example` and docs/settings.md from what stands here.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from xml.etree import ElementTree

from aiohttp import web
from envparse import Env
from redis.asyncio import BlockingConnectionPool
from yarl import URL

from environment.envfile import Envfile, Mistake, read_envfile
from environment.names import slip

ROOT = Path(__file__).resolve().parent
# What one types in ROOT before a command. Debian has no `python` beside that of `make run`.
PROGRAM = ".venv/bin/python app.py" if Path(sys.prefix) == ROOT / ".venv" else "python app.py"
MESSAGE_COLLECTION = "messages"
USER_COLLECTION = "users"
SESSION_COLLECTION = "sessions"
LINK_COLLECTION = "links"
FILE_COLLECTION = "files"
CHUNK_COLLECTION = "chunks"  # of files
PREVIEW_COLLECTION = "previews"  # of pictures

LOGO_LIMIT = 100_000  # bytes; each visitor loads it
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"  # how each begins; the size comes next
SVG = "{http://www.w3.org/2000/svg}svg"

UNITS = {"TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 1000}  # of sizes
LARGEST = UNITS["TB"]

T = TypeVar("T")


class StartError(Exception):
    """The chat can't start; the text says why, and what to do."""


class TemporaryStartError(StartError):
    """The chat can't start now, but may if it is tried again."""


@dataclass(frozen=True)
class Logo:
    """An image that stands for the room."""

    kind: str  # `svg` or `png`
    content: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.kind.upper()} of {len(self.content):,} bytes"


class Size(int):
    """A number of bytes, which is shown as an operator writes it."""

    def __str__(self) -> str:
        for unit, size in UNITS.items():
            if self and not self % size:
                return f"{self // size} {unit}"
        return f"{int(self)}"


def setting(default: T, meaning: str, read: Callable[[str], T], **about: Any) -> T:
    """Return a field of Settings; Variable says what the arguments are.

    `read` is a lambda, because the functions that read a text stand at the end of this module.
    """
    return field(default=default, metadata={"meaning": meaning, "read": read, **about})


@dataclass(frozen=True)
class Settings:
    """Every setting: its default, what it means to the operator, and how it is read."""

    DEBUG: bool = setting(
        False,
        "Log every request, and look for changed templates and static files.",
        lambda text: _boolean(text),
    )
    LOG_FORMAT: str = setting(
        "text",
        "How the log is written to standard error: `text`, or `json`, which is one object per line "
        "with time, level, logger, message and, after an error, traceback.",
        lambda text: _one_of(text, "text", "json"),
    )
    SITE_HOST: str = setting(
        "127.0.0.1",
        "Address to listen on, or a name that has one or more: `0.0.0.0` is every IPv4 address of "
        "the machine, `::` every address, IPv4 and IPv6.",
        lambda text: text,
        on_heroku="0.0.0.0",
    )
    SITE_PORT: int = setting(
        8080,
        "Port to listen on. Heroku sets it.",
        lambda text: _number(text, highest=65535),
    )
    MONGO_HOST: str = setting(
        "",
        "Address of the database, which begins with `mongodb://` or `mongodb+srv://`, with a user "
        "who has the role `readWrite` there. Unset: the embedded database in `DATA_DIR`.",
        lambda text: _match(
            text, r"mongodb(\+srv)?://.*", "begin it with mongodb:// or mongodb+srv://"
        ),
        needed_on_heroku="the mongodb+srv:// address of your cluster",
        is_secret=True,
    )
    MONGO_DB_NAME: str = setting(
        "",
        "Name of the database. Unset: the one that `MONGO_HOST` names, else `chat`.",
        lambda text: _match(
            text, r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", "use letters, digits, _ and -"
        ),
    )
    REDIS_URL: str = setting(
        "",
        "Address of a Redis that joins several processes on one MongoDB, which begins with "
        "`redis://` or `rediss://`. Heroku's add-on sets it. Unset: the processes find each "
        "other's messages in the database, within two seconds, and each lists only its own people.",
        lambda text: _redis_url(text),
        is_secret=True,
    )
    REDIS_VERIFY: bool = setting(
        True,
        "Check the certificate behind `rediss://`. Heroku's own Redis has a self-signed one: "
        "set this to `false` there, and nowhere else.",
        lambda text: _boolean(text),
    )
    SECRET_KEY: tuple[str, ...] = setting(
        (),
        "Encrypts the session cookies: any text of 8 characters or more. Of several keys, "
        "separated by commas, the first encrypts and all decrypt, so a key can be replaced without "
        "signing anybody out. Unset: a key is made once and kept in `DATA_DIR`.",
        lambda text: _list(text, r".{8,}", "each key needs at least 8 characters"),
        needed_on_heroku="a long random text",
        is_secret=True,
    )
    SESSION_STORAGE: str = setting(
        "cookie",
        "Where a browser's session is kept: `cookie`, encrypted in the cookie itself, or `redis`, "
        "as in the tutorial. With `redis` the cookie holds only a key, and a Redis that loses its "
        "data signs everybody out.",
        lambda text: _one_of(text, "cookie", "redis"),
    )
    DATA_DIR: Path = setting(  # noqa: RUF009 - it returns a field
        ROOT / "data",
        "Folder of the embedded database and of the generated key, relative to the chat's own.",
        lambda text: _folder(text),
    )
    METRICS_TOKEN: str = setting(
        "",
        "Bearer token with which Prometheus reads `/metrics`: at least 16 letters, digits or "
        "`._~+/=-`. Unset: there is no `/metrics`.",
        # What may stand in a header (RFC 6750, 2.1), and is too long to be guessed.
        lambda text: _match(
            text,
            r"[A-Za-z0-9._~+/=-]{16,}",
            "use at least 16 letters and digits, as from openssl rand -hex 16",
        ),
        is_secret=True,
    )
    PUBLIC_ORIGINS: tuple[str, ...] = setting(
        (),
        "Origins under which people reach the chat, separated by commas, such as "
        "`https://chat.example.com`. If set, no other host is answered. Unset: every host is "
        "answered, but only loopback hosts if `HOST` is loopback.",
        lambda text: _origins(text),
    )
    TRUSTED_PROXIES: int = setting(
        0,
        "How many proxies stand in front of the chat. With N of them, the client's address is the "
        "Nth entry from the right of `X-Forwarded-For`.",
        lambda text: _number(text, highest=10),
        on_heroku=1,
    )
    SECURE_COOKIES: bool = setting(
        False,
        "Whether people reach the chat by https: then cookies are `Secure` and `__Host-`, browsers "
        "are told to stay with https, and plain http from a proxy is redirected.",
        lambda text: _boolean(text),
        on_heroku=True,
    )
    MESSAGES_PER_SECOND: int = setting(
        5,
        "Messages a second that one person may send on average; four times as many at once. "
        "0: no limit.",
        lambda text: _limit(text),
    )
    MESSAGE_LENGTH: int = setting(
        10_000,
        "Characters that a message may have, from 100 to 40,000. Earlier messages that are longer "
        "stay as they are.",
        lambda text: _number(text, lowest=100, highest=40_000),
    )
    FILE_SIZE_LIMIT: Size = setting(  # noqa: RUF009 - it returns a field
        Size(25 * UNITS["MB"]),
        "Size of the largest file that can be sent, as in `25 MB` or `500 kB`. 0: no files can be "
        "sent; those that are there stay.",
        lambda text: _size(text),
    )
    FILES_PER_USER: Size = setting(  # noqa: RUF009 - it returns a field
        Size(1 * UNITS["GB"]),
        "What all files of one person may take. 0: no limit.",
        lambda text: _size(text),
    )
    FILES_IN_ALL: Size = setting(  # noqa: RUF009 - it returns a field
        Size(20 * UNITS["GB"]),
        "What the files of all people may take in the database. If that is full, earlier files "
        "stay and new ones are refused. 0: no limit.",
        lambda text: _size(text),
    )
    SOCKETS_PER_USER: int = setting(
        10,
        "WebSockets that one person may have open. 0: no limit.",
        lambda text: _limit(text),
    )
    REGISTRATIONS_PER_HOUR: int = setting(
        10,
        "Accounts an hour that one address may create without an invitation. 0: no limit.",
        lambda text: _limit(text),
    )
    MODERATORS: tuple[str, ...] = setting(
        (),
        "Logins of the moderators, separated by commas. Create an account before you list its "
        "login: whoever registers a listed login is a moderator. Unset: the first account of an "
        "empty room is a moderator's, and names others; a room without a moderator, such as one of "
        "an earlier version, needs this setting.",
        lambda text: _list(text, r"[^\s@]+", "list logins, as in alice, bob"),
    )
    REGISTRATION: str = setting(
        "open",
        "Who may create an account: `open`, whoever knows the address; `invite`, whoever has a "
        "link that a moderator or the command `invite` has made; `closed`, nobody. The first "
        "account of an empty room can always be created.",
        lambda text: _one_of(text, "open", "invite", "closed"),
    )
    ROOM_NAME: str = setting(
        "Chat",
        "What the room is called, in headings and titles, and as an app on a phone.",
        lambda text: _room_name(text),
    )
    ROOM_COLOR: str = setting(
        "",
        "Colour of buttons, links and icons, as in `#0a7d55`; light and dark pages have the tone "
        "of it that can be read there. Unset: blue.",
        lambda text: _match(text, "#[0-9A-Fa-f]{6}", "write it with six digits, as in #0a7d55"),
    )
    ROOM_LOGO: Logo | None = setting(  # noqa: RUF009 - it returns a field
        None,
        "An SVG or PNG file of at most 100 kB, square if possible, which stands for the room on "
        "its pages, in tabs and on a phone; relative to the chat's own folder. Unset: a speech "
        "bubble.",
        lambda text: _logo(text),
    )


SETTINGS = web.AppKey("settings", Settings)


class Variable(NamedTuple):
    """A variable of the environment, and the setting that is read from it."""

    field: str  # of Settings
    default: Any
    meaning: str  # for the operator; names and values are in backquotes
    read: Callable[[str], Any]  # raises ValueError, which says what to write instead
    on_heroku: Any = None  # the default there, if it is another
    needed_on_heroku: str = ""  # what the operator has to set it to there
    is_secret: bool = False

    @property
    def name(self) -> str:
        """The name in the environment: HOST and PORT for the tutorial's SITE_HOST and SITE_PORT."""
        return self.field.removeprefix("SITE_")


def variables() -> list[Variable]:
    """Return the variables of all settings."""
    return [Variable(each.name, each.default, **each.metadata) for each in fields(Settings)]


def load_settings() -> Settings:
    """Read the environment, and `.env` for what is missing there. Raises StartError."""
    values = {}
    for variable, value in each_setting():
        if isinstance(value, StartError):
            raise value
        values[variable.field] = value
    settings = Settings(**values)
    if settings.SESSION_STORAGE == "redis" and not settings.REDIS_URL:
        raise StartError("SESSION_STORAGE=redis needs a Redis: set REDIS_URL.")
    for variable in variables():
        needed = variable.needed_on_heroku if "DYNO" in os.environ else ""
        if needed and not values[variable.field]:
            raise StartError(
                f"{variable.name} is not set, and a dyno's disk does not last: "
                f"set it to {needed} (heroku config:set)."
            )
    return settings


def each_setting() -> Iterator[tuple[Variable, Any]]:
    """Yield each variable with its value, or with the StartError that says what is wrong with it.

    Raises StartError if `.env` can't be read, or if a name is certainly mistyped.
    """
    for mistake in read_environment().mistakes:
        raise StartError(str(mistake))
    for variable in variables():
        text = os.environ.get(variable.name, "").strip()
        value = variable.default
        if "DYNO" in os.environ and variable.on_heroku is not None:
            value = variable.on_heroku
        try:
            if text:
                value = variable.read(_literal(text))
        except ValueError as error:
            shown = "(not shown)" if variable.is_secret else repr(text)
            value = StartError(f"{variable.name}={shown} is not valid: {error}.")
        yield variable, value


def read_environment() -> Envfile:
    """Put what `.env` says beneath the environment, and return it with what is wrong with either.

    Raises StartError if `.env` can't be read at all.
    """
    path = ROOT / ".env"
    names = [variable.name for variable in variables()]
    try:
        file = read_envfile(path, names)
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}.") from None
    for name, value in os.environ.items():
        meant = "" if name in names or not value.strip() else slip(name, names)
        if meant and meant not in os.environ.keys() | file.values.keys():
            file.mistakes.append(Mistake(f"the environment sets {name}", f"{meant} is meant"))
    if not file.mistakes:
        for name, value in file.values.items():
            if not os.environ.get(name, "").strip():  # it is as if it was not set
                os.environ[name] = value
    return file


def _literal(text: str) -> str:
    # `SECRET_KEY=$(openssl rand -hex 16)` would be a key that everybody knows.
    if re.fullmatch(r"\$\(.+\)|\$\{.+\}|`.+`", text):
        raise ValueError("nothing is put in for that here, write the value itself")
    return text


def _boolean(text: str) -> bool:
    # envparse reads any unknown word as false.
    if text.lower() not in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        raise ValueError("use true or false")
    return bool(Env.cast(text, bool))


def _number(text: str, highest: int, remedy: str = "", lowest: int = 0) -> int:
    # int() alone would accept 8_080, and the digits of other scripts.
    if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
        raise ValueError(remedy or f"use a number from {lowest} to {highest}")
    return int(text)


def _limit(text: str) -> int:
    return _number(text, 1_000_000, "use a whole number, 0 for no limit")


def _size(text: str) -> Size:
    found = re.fullmatch(r"([0-9]{1,13}(?:\.[0-9]{1,3})?) ?([kMGT]?B)?", text, re.IGNORECASE)
    if found:
        units = {"b": 1, **{name.lower(): size for name, size in UNITS.items()}}
        size = Decimal(found[1]) * units[(found[2] or "b").lower()]
        if size <= LARGEST:
            return Size(size)
    raise ValueError("use a size up to 1 TB, such as 25 MB")


def _one_of(text: str, *words: str) -> str:
    if text not in words:
        *others, last = words
        raise ValueError(f"use {', '.join(others)} or {last}")
    return text


def _match(text: str, pattern: str, remedy: str) -> str:
    if not re.fullmatch(pattern, text, re.DOTALL):
        raise ValueError(remedy)
    return text


def _list(text: str, pattern: str, remedy: str) -> tuple[str, ...]:
    return tuple(_match(item.strip(), pattern, remedy) for item in text.split(","))


def _room_name(text: str) -> str:
    if not text.isprintable() or len(text) > 40:
        raise ValueError("use 40 characters or less, in one line")
    return text


def _logo(text: str) -> Logo:
    path = ROOT / text
    try:
        if not path.is_file():
            raise ValueError("there is no such file, give the path of an SVG or PNG")
        with path.open("rb") as file:
            content = file.read(LOGO_LIMIT + 1)
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None
    if len(content) > LOGO_LIMIT:
        raise ValueError("use a file of at most 100 kB")
    # By what it is, not by what it is called: browsers show no picture of another type.
    if content.startswith(PNG) and b"IEND" in content[24:]:  # whole
        return Logo("png", content)
    try:
        is_svg = ElementTree.fromstring(content).tag == SVG
    except (ElementTree.ParseError, ValueError, LookupError):  # of other encodings
        is_svg = False
    if not is_svg:
        raise ValueError("use a PNG or an SVG file")
    return Logo("svg", content)


def _folder(text: str) -> Path:
    if text[0] in "~$":  # it would be a folder of that name in the checkout
        raise ValueError("nothing is put in for ~ or $ here, write the whole path")
    return ROOT / text


def _redis_url(text: str) -> str:
    try:
        pool = BlockingConnectionPool.from_url(text)
        pool.make_connection()  # type: ignore[no-untyped-call]  # which reads the options
    except Exception:  # of any kind: each option fails in its own way
        raise ValueError("use an address such as redis://localhost:6379/0") from None
    return text


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip().lower() for origin in text.split(","))
    if not all(map(_is_origin, origins)):
        raise ValueError("list origins such as https://chat.example.com")
    return origins


def _is_origin(text: str) -> bool:
    """Return whether a text is an origin as browsers write it: no path, user or default port."""
    try:
        return text.startswith(("http://", "https://")) and text == str(URL(text).origin())
    except ValueError:
        return False
