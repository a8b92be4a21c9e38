"""The embedded database's commands: those of NX-27017, with each insert in one transaction."""

import sqlite3
from typing import Any

from nx_27017.handler import NeoSQLiteHandler


class Handler(NeoSQLiteHandler):  # type: ignore[misc]  # has no types
    """Carries out the commands that clients send."""

    def handle_insert(self, msg: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Insert documents, up to the first that is refused.

        NX-27017 0.8.1 makes each of them a transaction of its own: a hundred took 60 ms, and take
        30 in one. Clients can't insert in transactions of their own; the chat has none.
        Raises sqlite3.Error if SQLite undoes the insert, as on a full disk.
        """
        name = next(body["$db"] for kind, body in msg["sections"] if kind == "body")
        database = self.get_database(name)
        with self._lock_for(name), database.transaction():
            reply: tuple[int, dict[str, Any]] = super().handle_insert(msg)
            if not database.db.in_transaction:
                raise sqlite3.OperationalError("SQLite has rolled the insert back")
            return reply
