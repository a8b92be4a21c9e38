"""A long log, written into the embedded database's file in seconds."""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

from auth.logins import look
from settings import (
    CHUNK_COLLECTION,
    FILE_COLLECTION,
    MESSAGE_COLLECTION,
    PREVIEW_COLLECTION,
    SESSION_COLLECTION,
    USER_COLLECTION,
)

EXPIRED = 200  # sessions
RARE_WORDS_UNTIL = 1000  # the number of the last message with the rare word
MISSING = object()  # in place of a value that the first document has
NEWEST = 600  # messages and changes after all the others, more than the chat has in memory


def fill_with_files(database: Path, count: int) -> None:
    """Store as many files, all like the first one that is there, with a chunk and a preview."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        ids = [id_of(number) for number in range(count)]
        _store(
            connection, FILE_COLLECTION, ({"_id": id_, "file_id": id_, "id": id_} for id_ in ids)
        )
        _store(connection, CHUNK_COLLECTION, ({"_id": f"{id_}:0"} for id_ in ids))
        _store(connection, PREVIEW_COLLECTION, ({"_id": id_} for id_ in ids))


def fill(database: Path, count: int, *, with_changes: bool = False) -> None:
    """Store as many messages, accounts and sessions, all like the first ones that are there.

    Perhaps also twice as many changes of the first message, then NEWEST messages, and as many
    changes.

    One word is in every message, one in every tenth, one in the older half, one in ten messages.
    """
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        _fill(connection, count, with_changes)


def _fill(connection: sqlite3.Connection, count: int, with_changes: bool) -> None:
    def message(seq: int) -> dict[str, Any]:
        text = text_of(seq, count)
        return {"_id": id_of(seq), "seq": seq, "message_seq": seq, "key": key_of(seq), "msg": text}

    def change(seq: int) -> dict[str, Any]:
        fields = {"message_seq": 0, "key": key_of(seq), "of": 1, "msg": MISSING}
        return {"_id": id_of(seq), "seq": seq, **fields}

    messages: Iterable[dict[str, Any]] = map(message, range(2, count + 1))
    if with_changes:
        newest = newest_after(count)
        changes = map(change, range(count + 1, newest.start))
        last_changes = map(change, range(newest.stop, newest.stop + NEWEST))
        messages = chain(messages, changes, map(message, newest), last_changes)
    users = (
        {"_id": id_of(n), "login_key": login, "look": look(login), "email_key": f"{n}@x"}
        for n, login in enumerate(f"user{n}" for n in range(count))
    )
    sessions = (
        {"_id": f"filled{n}", "user_id": id_of(n)} | ({"seen": 0} if n < EXPIRED else {})
        for n in range(count)
    )
    _store(connection, MESSAGE_COLLECTION, messages)
    _store(connection, USER_COLLECTION, users)
    _store(connection, SESSION_COLLECTION, sessions)


def newest_after(count: int) -> range:
    """Return the numbers of the messages that come after as many, and after their changes."""
    return range(3 * count + 1, 3 * count + 1 + NEWEST)


def id_of(number: int) -> str:
    """Return an id; it begins with a letter, or SQLite would take some for numbers, as 01e2."""
    return f"f{number:023x}"


def key_of(seq: int) -> str:
    """Return the key of an entry: each is of another person, as far as keys tell."""
    return f"{id_of(seq)}:filled"


def text_of(seq: int, count: int) -> str:
    """Return the text of a message."""
    words = {
        "always": True,
        "often": seq % 10 == 0,
        "formerly": seq < count / 2,
        "rarely": seq % 100 == 0 and seq <= RARE_WORDS_UNTIL,
    }
    return " ".join(word for word, is_said in words.items() if is_said)


def _store(
    connection: sqlite3.Connection, collection: str, documents: Iterable[dict[str, Any]]
) -> None:
    query = f"SELECT json(data), typeof(data) FROM {collection} ORDER BY id LIMIT 1"
    first, type_ = connection.execute(query).fetchone()
    encode = "jsonb" if type_ == "blob" else "json"  # newer SQLite stores it in binary
    connection.execute("BEGIN")
    connection.executemany(
        f"INSERT INTO {collection} (_id, data) VALUES (?, {encode}(?))",
        ((d["_id"], json.dumps(_like(json.loads(first), d))) for d in documents),
    )
    connection.execute("COMMIT")


def _like(first: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with what it does not have from the first one."""
    return {name: value for name, value in {**first, **document}.items() if value is not MISSING}
