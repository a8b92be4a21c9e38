"""The embedded database's commands: NX-27017's, but each that writes is one transaction."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nx_27017.handler import NeoSQLiteHandler


class AtomicHandler(NeoSQLiteHandler):  # type: ignore[misc]  # has no types
    """Carries out the commands that clients send."""

    def handle_insert(self, msg: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Insert documents, up to the first that is refused.

        NX-27017 0.8.1 makes each of them a transaction of its own: a hundred took 60 ms, and take
        30 in one. Clients can't insert in transactions of their own; the chat has none.
        Raises sqlite3.Error if SQLite undoes the insert, as on a full disk.
        """
        with self._transaction(_body(msg)["$db"]):
            reply: tuple[int, dict[str, Any]] = super().handle_insert(msg)
            return reply

    def handle_command(self, msg: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Carry out a command that inserts nothing. Raises sqlite3.Error."""
        if "renameCollection" in _body(msg):
            return msg["request_id"], self._rename_collection(_body(msg))
        if next(iter(_body(msg))) == "update":
            # As with inserts: a hundred updates took 32 ms of the processor, and take 13.
            with self._transaction(_body(msg)["$db"]):
                return self._handle_command(msg)
        return self._handle_command(msg)

    def _handle_command(self, msg: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        reply: tuple[int, dict[str, Any]] = super().handle_command(msg)
        return reply

    def _rename_collection(self, body: dict[str, Any]) -> dict[str, Any]:
        """Rename a collection, in one transaction.

        Drivers send the command to the database `admin`. NX-27017 0.8.1 looks for the collection
        there, renames nothing, and answers that it has. It doesn't know `dropTarget` either.
        """
        database_name, _, old_name = body["renameCollection"].partition(".")
        _, _, new_name = body["to"].partition(".")
        with self._transaction(database_name) as database:
            names = database.list_collection_names()
            if old_name not in names:
                return _error(26, "NamespaceNotFound", f"there is no collection {old_name}")
            if new_name in names and not body.get("dropTarget"):
                return _error(48, "NamespaceExists", f"there is a collection {new_name}")
            database.drop_collection(new_name)
            database.rename_collection(old_name, new_name)
        return {"ok": 1}

    @contextmanager
    def _transaction(self, database_name: str) -> Iterator[Any]:
        database = self.get_database(database_name)
        with self._lock_for(database_name), database.transaction():
            yield database
            if not database.db.in_transaction:
                raise sqlite3.OperationalError("SQLite has rolled the transaction back")


def _body(msg: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = next(body for kind, body in msg["sections"] if kind == "body")
    return body


def _error(code: int, name: str, text: str) -> dict[str, Any]:
    return {"ok": 0, "errmsg": text, "code": code, "codeName": name}
