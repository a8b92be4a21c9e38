"""The file of an export: JSON Lines (https://jsonlines.org), each an object with its `type`.

    {"type": "chat", "version": 1}
    {"type": "account", "id": …, "login": …, …}                in the order of `login_key`
    {"type": "message", "seq": 1, "key": …, "msg": …, …}       messages and changes in the order
    {"type": "change", "seq": 2, "key": …, "of": 1, …}         of `seq`, the log
    {"type": "file", "key": …, "user_id": …, "file": {"id": …, "size": …, …}}
    {"type": "chunk", "id": …, "n": 0, "data": …}              the file's content, in order, in
    {"type": "chunk", "id": …, "n": 1, "data": …}              base64, 128 KiB in each line
    {"type": "preview", "id": …, "data": …}                    if it has one; then the next file
    {"type": "end", "accounts": 1, "entries": 2, "files": 1}   without it the export is cut off

Accounts have their password's hash, whether they moderate or are banned, when they were seen, and
how far they have read. Messages are as they read now: of a change only its number is left. Files
stand in the order of the messages that name them by `key`; `--without-files` leaves them out, and
what the messages say of them stays. The same room always gives the same bytes.
"""

import base64
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from auth.passwords import is_checkable
from chat.cleaning import SURROGATES
from chat.entry import DELETED, EDITED, MessageEntry, is_change
from chat.message_index import MESSAGE_SEQ, message_seq
from files.store import COMPLETE
from pages.times import iso_time
from storage.database import Document

VERSION = 1
HEADER = {"type": "chat", "version": VERSION}

Fields = dict[str, Any]


class BadLine(Exception):
    """A line of the file can't be read; the text says why."""


def account_fields(user: Document, last: int) -> Fields:
    """Return an account as a line; `last` is the number of the last entry that is exported."""
    created = user.get("created")
    if not isinstance(created, datetime):  # an update may have made it a text: see storage/
        created = user["_id"].generation_time
    fields = {
        "type": "account",
        "id": str(user["_id"]),
        **{name: user[name] for name in ("login", "login_key", "look")},
        "email": str(user.get("email") or ""),
        **{name: user[name] for name in ("email_key", "password")},
        "created": iso_time(created),
    }
    if "seen" in user:
        fields["seen"] = user["seen"]
    if "read" in user:
        fields["read"] = min(user["read"], last)
    return fields | {name: True for name in ("moderator", "banned") if user.get(name)}


def entry_fields(document: Document) -> Fields:
    """Return an entry of the log as a line."""
    entry = MessageEntry.from_document({"msg": "", **document})
    fields: Fields = {
        "type": "change" if is_change(document) else "message",
        "seq": entry.seq,
        "key": entry.key,
        "user": entry.user,
        "user_id": entry.user_id,
        "time": iso_time(entry.time),
    }
    if is_change(document):
        return fields | {"of": document["of"]}
    to_all = {} if entry.to_all is None else {"all": entry.to_all}
    file = {"file": entry.file.to_document()} if entry.file else {}
    state = {"state": entry.state} if entry.state else {}
    return fields | {"msg": entry.msg} | to_all | file | state


def file_fields(message: Fields) -> Fields:
    """Return the line with which the file of a message begins; `message` is the message's line."""
    return {"type": "file", **{name: message[name] for name in ("key", "user_id", "file")}}


def content_fields(kind: str, id_: str, data: bytes, **number: int) -> Fields:
    """Return the line of a chunk, which has a number `n`, or of a preview."""
    return {"type": kind, "id": id_, **number, "data": base64.b64encode(data).decode()}


def content_of(fields: Fields) -> bytes:
    """Return what the line of a chunk or of a preview has."""
    return base64.b64decode(fields["data"])


def counts(end: Fields) -> str:
    """Return what the last line counts, as a command says it."""
    counted = {name: end[name] for name in ("accounts", "entries", "files") if name in end}
    return ", ".join(f"{name} {count:,}" for name, count in counted.items())


def to_line(fields: Fields) -> bytes:
    """Return a line with these fields."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes) -> Fields:
    """Return the fields of a line, checked. Raises BadLine."""
    try:
        fields: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise BadLine("it is not JSON") from None
    if not isinstance(fields, dict):
        raise BadLine("it is no object")
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise BadLine("it has no known type")
    needed, optional = FIELDS[kind]
    names = fields.keys() - {"type"}
    if missing := needed.keys() - names:
        raise BadLine(f"{min(missing)!r} is missing")
    for name in sorted(names):
        is_right = (needed | optional).get(name)
        if is_right is None:
            raise BadLine(f"{name!r} is not a field of this type")
        if not is_right(fields[name]):
            raise BadLine(f"{name!r} has a wrong value")
    return fields


def to_document(fields: Fields) -> Document:
    """Return the account, the entry, or the part of a file in a line, to be stored."""
    match fields["type"]:
        case "file":
            named = {name: fields[name] for name in ("key", "user_id")}
            state = {"state": COMPLETE, "touched": int(time.time())}
            ids = {"_id": ObjectId(), "file_id": fields["file"]["id"]}
            return {**ids, **fields["file"], **named, **state}
        case "chunk":
            return {"_id": f"{fields['id']}:{fields['n']}", "data": content_of(fields)}
        case "preview":
            return {"_id": fields["id"], "data": content_of(fields)}
    document = {name: value for name, value in fields.items() if name not in ("type", "id")}
    for name in document.keys() & {"created", "time"}:
        document[name] = datetime.fromisoformat(document[name])
    if "seq" in document:
        document[MESSAGE_SEQ] = message_seq(document)
    return {"_id": ObjectId(fields.get("id")), **document}


def _is_text(value: Any) -> bool:
    # JSON can contain half a surrogate pair, which no database accepts.
    return isinstance(value, str) and not SURROGATES.search(value)


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 10**15


def _is_time(value: Any) -> bool:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return time.tzinfo == UTC and iso_time(time) == value


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch("[A-Za-z0-9_-]{22}", value))


def _is_content(value: Any) -> bool:
    try:
        return bool(base64.b64decode(value, validate=True))
    except (TypeError, ValueError):
        return False


def _is_file(value: Any) -> bool:
    """Return whether this is what a message says of its file."""
    if not isinstance(value, dict) or not {"id", "name", "type", "size"} <= value.keys():
        return False
    if not all(name in FILE and FILE[name](value[name]) for name in value):
        return False
    preview = f"/file/{value['id']}/preview"
    return bool(value.get("preview", preview) == preview)


def _is_password(text: str) -> bool:
    # What is no hash at all is harmless, because nobody can log in with it.
    return is_checkable(text) or not text.startswith("$argon2id$v=")


_ENTRY: dict[str, Callable[[Any], bool]] = {
    "seq": lambda value: _is_number(value) and value > 0,
    "key": _is_text,
    "user": _is_text,
    "user_id": _is_text,
    "time": _is_time,
}
FILE: dict[str, Callable[[Any], bool]] = {
    "id": _is_id,
    "name": lambda value: _is_text(value) and bool(re.fullmatch(r"[^/\0-\x1f]{1,200}", value)),
    "type": lambda value: _is_text(value) and bool(re.fullmatch(r"[\w.+-]+/[\w.+-]+", value, re.A)),
    **dict.fromkeys(("size", "width", "height"), lambda value: _is_number(value) and value > 0),
    **dict.fromkeys(("preview", "text"), _is_text),
}
# By type: the fields that a line needs, and those that it may have.
FIELDS: dict[str, tuple[dict[str, Callable[[Any], bool]], dict[str, Callable[[Any], bool]]]] = {
    "chat": ({"version": _is_number}, {}),
    "account": (
        {
            "id": lambda value: _is_text(value) and bool(re.fullmatch("[0-9a-f]{24}", value)),
            **dict.fromkeys(("login", "login_key", "look", "email", "email_key"), _is_text),
            "password": lambda value: value is None or (_is_text(value) and _is_password(value)),
            "created": _is_time,
        },
        {
            "seen": lambda value: _is_number(value) and value < 10**11,  # a date
            "read": _is_number,
            **dict.fromkeys(("moderator", "banned"), lambda value: value is True),
        },
    ),
    "message": (
        {**_ENTRY, "msg": _is_text},
        {
            "all": lambda value: isinstance(value, bool),
            "file": _is_file,
            "state": lambda value: value in (EDITED, DELETED),
        },
    ),
    "change": ({**_ENTRY, "of": _is_number}, {}),
    "file": ({"key": _is_text, "user_id": _is_text, "file": _is_file}, {}),
    "chunk": ({"id": _is_id, "n": _is_number, "data": _is_content}, {}),
    "preview": ({"id": _is_id, "data": _is_content}, {}),
    "end": ({"accounts": _is_number, "entries": _is_number}, {"files": _is_number}),
}
