"""The embedded database's commands: NX-27017's, but each that writes is one transaction.

A command that fails because of the file is answered with SQLite's reason (embedded_files.py).
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neosqlite import Connection
from nx_27017.handler import NeoSQLiteHandler

from storage.embedded_files import (
    ADMIN,
    DEFAULT_NAME,
    FAULT,
    Fault,
    WatchedConnection,
    databases,
    fault_of,
    find_damage,
    unreadable,
)

CHECK_WITHIN = 2  # seconds at the start; a file of a million messages takes less than one

SHUTDOWN = 91  # MongoDB's code, at which a driver looks for another server
UNREADABLE = "__neosqlite_corrupted__"  # the only field of such a document

Reply = tuple[int, dict[str, Any]]


class AtomicHandler(NeoSQLiteHandler):  # type: ignore[misc]  # has no types
    """Carries out the commands that clients send."""

    def __init__(self, data_dir: str, name: str = DEFAULT_NAME) -> None:
        """Check the database of a name in a folder, and open it. Raises sqlite3.Error, OSError.

        If it is damaged, none is opened, and all commands are answered with that.
        """
        self._is_closing = False
        self.damage = find_damage(databases(Path(data_dir), name), within=CHECK_WITHIN)
        super().__init__(data_dir="memory" if self.damage else data_dir)

    def handle_insert(self, msg: dict[str, Any]) -> Reply:
        """Insert documents, up to the first that is refused.

        NX-27017 0.8.1 makes each of them a transaction of its own: a hundred took 60 ms, and take
        30 in one. Clients can't insert in transactions of their own; the chat has none.
        """
        return self._watched(_body(msg)["$db"], msg, self._insert)

    def handle_command(self, msg: dict[str, Any]) -> Reply:
        """Carry out a command that inserts nothing."""
        body = _body(msg)
        if "renameCollection" in body:
            name, _, _ = body["renameCollection"].partition(".")
            return self._watched(name, msg, self._rename_collection)
        commands = {"update": self._update, "listIndexes": self._list_indexes}
        carry_out = commands.get(next(iter(body)), self._handle_command)
        return self._watched(body["$db"], msg, carry_out)

    @property
    def is_damaged(self) -> bool:
        """Whether a file is damaged: then none may be closed, because that writes to it."""
        faults = [self.damage, *(connection.db.fault for connection in self._conns.values())]
        return any(fault and fault.is_damage for fault in faults)

    def close_all(self) -> None:
        """Close the files, once the commands that are under way have ended; refuse others.

        SQLite may crash if a file is closed in the middle of one. NX-27017 0.8.1 does not wait.
        """
        self._is_closing = True
        for lock in list(self._locks.values()):
            with lock:
                pass
        super().close_all()

    def _watched(
        self, name: str, msg: dict[str, Any], carry_out: Callable[[dict[str, Any]], Reply]
    ) -> Reply:
        """Carry out a command on a database, and answer it with what its file is at fault."""
        if self.damage and name != ADMIN:
            return msg["request_id"], _fault_reply(self.damage)
        with self._lock_for(name):
            if self._is_closing:
                return msg["request_id"], _error(SHUTDOWN, "ShutdownInProgress", "it is closed")
            connection: WatchedConnection | None = None
            try:
                connection = self.get_database(name).db
                connection.begin_command()
                reply = carry_out(msg)
                fault = connection.fault or _unreadable(connection.path, reply)
            except Exception as error:
                path = Path(self._db_file(name))
                fault = connection.fault if connection else fault_of(path, error)
                if not fault:
                    raise
                return msg["request_id"], _fault_reply(fault)
        return (msg["request_id"], _fault_reply(fault)) if fault else reply

    def _open_db_conn(self, db_name: str) -> Connection:
        # As NX-27017 does, but watched.
        return Connection(
            ":memory:" if self.damage else self._db_file(db_name),
            check_same_thread=False,
            tokenizers=self.tokenizers,
            journal_mode=self.journal_mode,
            factory=WatchedConnection,
        )

    def _insert(self, msg: dict[str, Any]) -> Reply:
        with self._transaction(_body(msg)["$db"]):
            reply: Reply = super().handle_insert(msg)
            return reply

    def _handle_command(self, msg: dict[str, Any]) -> Reply:
        reply: Reply = super().handle_command(msg)
        return reply

    def _update(self, msg: dict[str, Any]) -> Reply:
        # As with inserts: a hundred updates took 32 ms of the processor, and take 13.
        with self._transaction(_body(msg)["$db"]):
            return self._handle_command(msg)

    def _list_indexes(self, msg: dict[str, Any]) -> Reply:
        """List the indexes of a collection as MongoDB does.

        NX-27017 0.8.1 leaves out text indexes, which are tables that triggers fill.
        """
        request_id, reply = self._handle_command(msg)
        body = _body(msg)
        # Not the tables, which outlive their collection.
        triggers = self.get_database(body["$db"]).db.execute(
            "SELECT substr(name, length(tbl_name) + 2) FROM sqlite_schema "
            "WHERE type = 'trigger' AND tbl_name = ? AND name LIKE '%_fts_insert'",
            (body["listIndexes"],),
        )
        for (name,) in triggers.fetchall():
            field = name.removesuffix("_fts_insert")
            reply["cursor"]["firstBatch"].append(_text_index(field))
        return request_id, reply

    def _rename_collection(self, msg: dict[str, Any]) -> Reply:
        """Rename a collection, in one transaction.

        Drivers send the command to the database `admin`. NX-27017 0.8.1 looks for the collection
        there, renames nothing, and answers that it has. It doesn't know `dropTarget` either.
        """
        request_id, body = msg["request_id"], _body(msg)
        database_name, _, old_name = body["renameCollection"].partition(".")
        _, _, new_name = body["to"].partition(".")
        with self._transaction(database_name) as database:
            names = database.list_collection_names()
            if old_name not in names:
                return request_id, _error(
                    26, "NamespaceNotFound", f"there is no collection {old_name}"
                )
            if new_name in names and not body.get("dropTarget"):
                return request_id, _error(
                    48, "NamespaceExists", f"there is a collection {new_name}"
                )
            database.drop_collection(new_name)
            database.rename_collection(old_name, new_name)
        return request_id, {"ok": 1}

    @contextmanager
    def _transaction(self, database_name: str) -> Iterator[Any]:
        database = self.get_database(database_name)
        with self._lock_for(database_name), database.transaction():
            yield database
            if not database.db.in_transaction:
                raise sqlite3.OperationalError("SQLite has rolled the transaction back")


def _unreadable(path: Path, reply: Reply) -> Fault | None:
    """Return the fault of a file with a document that NX-27017 returns without its fields."""
    found = reply[1].get("cursor", {})
    documents = [*found.get("firstBatch", ()), *found.get("nextBatch", ())]
    if not any(UNREADABLE in document for document in documents):
        return None
    return unreadable(path, "not JSON")


def _body(msg: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = next(body for kind, body in msg["sections"] if kind == "body")
    return body


def _text_index(field: str) -> dict[str, Any]:
    return {
        "v": 2,
        "key": {"_fts": "text", "_ftsx": 1},
        "name": f"{field}_text",
        "weights": {field: 1},
        "default_language": "none",
        "textIndexVersion": 3,
    }


def _fault_reply(fault: Fault) -> dict[str, Any]:
    return _error(FAULT, "EmbeddedDatabaseFault", str(fault))


def _error(code: int, name: str, text: str) -> dict[str, Any]:
    return {"ok": 0, "errmsg": text, "code": code, "codeName": name}
