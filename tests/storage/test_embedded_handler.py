"""What writes in the embedded database: a transaction each, whatever goes wrong in it."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from storage.embedded_files import FAULT
from storage.embedded_handler import AtomicHandler

PATIENCE = 30  # seconds


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[AtomicHandler]:
    handler = AtomicHandler(data_dir=str(tmp_path))
    yield handler
    handler.close_all()


def insert(handler: AtomicHandler, *documents: dict[str, Any]) -> Any:
    """Send an insert as a driver does, and return the reply."""
    body = {"insert": "words", "$db": "chat", "documents": list(documents), "ordered": True}
    return handler.handle_insert({"request_id": 1, "sections": [("body", body)]})[1]


def update(handler: AtomicHandler, *updates: dict[str, Any]) -> Any:
    """Send updates as a driver does, and return the reply."""
    body = {"update": "words", "$db": "chat", "updates": list(updates), "ordered": False}
    return handler.handle_command({"request_id": 1, "sections": [("body", body)]})[1]


def rename(handler: AtomicHandler, name: str, to: str, **options: bool) -> Any:
    """Send a rename as a driver does, and return the reply."""
    body = {"renameCollection": f"chat.{name}", "to": f"chat.{to}", "$db": "admin", **options}
    return handler.handle_command({"request_id": 1, "sections": [("body", body)]})[1]


def stored(folder: Path, name: str = "words") -> list[int]:
    """Return the ids that somebody else who opens the file sees."""
    with closing(sqlite3.connect(folder / "chat.db")) as connection:
        return [int(id_) for (id_,) in connection.execute(f"SELECT _id FROM {name} ORDER BY id")]


def test_an_insert_an_update_and_a_rename_are_one_transaction_each(
    handler: AtomicHandler, tmp_path: Path
) -> None:
    insert(handler, {"_id": 1})
    statements: list[str] = []
    handler.get_database("chat").db.set_trace_callback(statements.append)
    insert(handler, *({"_id": number} for number in range(2, 102)))
    assert statements.count("BEGIN") == statements.count("COMMIT") == 1
    statements.clear()
    updates = [{"q": {"_id": number}, "u": {"$set": {"a": 1}}} for number in range(1, 101)]
    assert update(handler, *updates)["nModified"] == 100
    assert statements.count("BEGIN") == statements.count("COMMIT") == 1
    statements.clear()
    assert rename(handler, "words", "texts") == {"ok": 1}
    assert statements.count("BEGIN") == statements.count("COMMIT") == 1
    assert stored(tmp_path, "texts") == list(range(1, 102))


def test_a_file_is_closed_after_the_command_that_is_under_way_and_none_begins_then(
    handler: AtomicHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_under_way, may_end = Event(), Event()
    carry_out = AtomicHandler._insert

    def insert_slowly(handler: AtomicHandler, msg: dict[str, Any]) -> Any:
        is_under_way.set()
        assert may_end.wait(PATIENCE)
        return carry_out(handler, msg)

    monkeypatch.setattr(AtomicHandler, "_insert", insert_slowly)
    with ThreadPoolExecutor() as threads:
        inserted = threads.submit(insert, handler, {"_id": 1})
        assert is_under_way.wait(PATIENCE)
        closed = threads.submit(handler.close_all)
        with pytest.raises(TimeoutError):
            closed.result(timeout=0.2)
        may_end.set()
        assert inserted.result(PATIENCE)["n"] == 1
        closed.result(PATIENCE)
        assert insert(handler, {"_id": 2})["codeName"] == "ShutdownInProgress"


def test_what_precedes_a_refused_document_is_stored(handler: AtomicHandler, tmp_path: Path) -> None:
    insert(handler, {"_id": 3})
    reply = insert(handler, *({"_id": number} for number in range(1, 6)))
    assert (reply["n"], reply["writeErrors"][0]["index"]) == (2, 2)
    assert stored(tmp_path) == [3, 1, 2]


def test_an_insert_for_which_the_disk_is_full_is_undone_and_says_so(
    handler: AtomicHandler, tmp_path: Path
) -> None:
    insert(handler, {"_id": 0})
    connection = handler.get_database("chat").db
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    reply = insert(handler, *({"_id": number, "text": "x" * 9000} for number in range(1, 50)))
    assert (reply["ok"], reply["code"]) == (0, FAULT)
    assert "database or disk is full" in reply["errmsg"]
    assert stored(tmp_path) == [0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2000}")
    assert insert(handler, {"_id": 1})["n"] == 1
    assert stored(tmp_path) == [0, 1]


def test_a_rename_replaces_another_collection_only_if_it_may(
    handler: AtomicHandler, tmp_path: Path
) -> None:
    insert(handler, {"_id": 1})
    assert rename(handler, "words", "texts")["ok"] == 1
    insert(handler, {"_id": 2})
    assert rename(handler, "words", "texts")["codeName"] == "NamespaceExists"
    assert rename(handler, "lines", "texts", dropTarget=True)["codeName"] == "NamespaceNotFound"
    assert (stored(tmp_path, "words"), stored(tmp_path, "texts")) == ([2], [1])
    assert rename(handler, "words", "texts", dropTarget=True)["ok"] == 1
    assert stored(tmp_path, "texts") == [2]


def test_a_rename_that_fails_is_undone(
    handler: AtomicHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(handler, {"_id": 1})
    assert rename(handler, "words", "texts")["ok"] == 1
    insert(handler, {"_id": 2})
    database = handler.get_database("chat")
    with monkeypatch.context() as patch:
        patch.setattr(database, "rename_collection", fail)
        with pytest.raises(sqlite3.OperationalError):
            rename(handler, "words", "texts", dropTarget=True)
    assert (stored(tmp_path, "words"), stored(tmp_path, "texts")) == ([2], [1])
    assert rename(handler, "words", "texts", dropTarget=True)["ok"] == 1
    assert stored(tmp_path, "texts") == [2]


def fail(*_: Any) -> None:
    """Stand for a disk that is full."""
    raise sqlite3.OperationalError("database or disk is full")
