"""Damaged files of the embedded database: they are found, named, and not written to any more."""

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage.embedded_files import (
    END_OTHER,
    FAULT,
    REPAIR,
    SEE_DISK,
    databases,
    find_damage,
    find_fault,
)
from storage.embedded_handler import AtomicHandler

PAGE = 4096  # bytes
MESSAGES = 300


def send(handler: AtomicHandler, **body: Any) -> Any:
    """Send a command as a driver does, and return the reply."""
    carry_out = handler.handle_insert if "insert" in body else handler.handle_command
    return carry_out({"request_id": 1, "sections": [("body", {**body, "$db": "chat"})]})[1]


def insert(handler: AtomicHandler, *documents: dict[str, Any]) -> Any:
    return send(handler, insert="messages", documents=list(documents), ordered=True)


def find(handler: AtomicHandler, **where: Any) -> Any:
    return send(handler, find="messages", filter=where, batchSize=2 * MESSAGES)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database that nothing is wrong with, with an index and free pages."""
    folder = tmp_path_factory.mktemp("sound")
    handler = AtomicHandler(str(folder))
    insert(handler, *({"_id": f"m{n}", "seq": n, "msg": f"é {n} " * 9} for n in range(MESSAGES)))
    index = {"key": {"seq": 1}, "name": "seq_1", "unique": True}
    assert send(handler, createIndexes="messages", indexes=[index])["ok"]
    send(handler, insert="gone", documents=[{"text": "x" * 9000} for _ in range(9)])
    send(handler, delete="gone", deletes=[{"q": {}, "limit": 0}])
    handler.close_all()
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(sound, tmp_path / "data"))


@pytest.fixture
def handler(folder: Path) -> Iterator[AtomicHandler]:
    handler = AtomicHandler(str(folder))
    yield handler
    handler.close_all()


def damage(path: Path, offset: int, count: int) -> None:
    """Change bytes of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        old = file.read(count)
        file.seek(offset)
        file.write(bytes(byte ^ 0x5A for byte in old))


def roots(path: Path) -> dict[str, int]:
    """Return the number of the first page of each table and index."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0"
        return dict(connection.execute(query).fetchall())


def test_a_sound_folder_has_no_fault(folder: Path) -> None:
    assert find_damage(databases(folder), within=60) is None
    assert find_fault(databases(folder)) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"not a database\n" * 1000, "file is not a database"),
        (bytes(8 * PAGE), "file is not a database"),
    ],
    ids=["empty", "text", "zeros"],
)
def test_what_is_no_database_is_named_and_left_as_it_is(
    folder: Path, content: bytes, reason: str
) -> None:
    path = folder / "chat.db"
    path.write_bytes(content)
    assert str(find_damage([path], within=60)) == f"{path} is damaged ({reason}): {REPAIR}"
    handler = AtomicHandler(str(folder))
    assert insert(handler, {"_id": "new"})["errmsg"] == str(handler.damage)
    assert path.read_bytes() == content
    assert databases(folder, "another") == [folder / "admin.db"]
    other = AtomicHandler(str(folder), "another")  # for which the file is a copy that nobody uses
    assert other.damage is None
    other.close_all()


@pytest.mark.parametrize("rest", [100, PAGE, 5 * PAGE, -PAGE])
def test_a_file_that_was_cut_off_is_named(folder: Path, rest: int) -> None:
    path = folder / "chat.db"
    os.truncate(path, rest if rest > 0 else path.stat().st_size + rest)
    assert "is damaged" in str(find_damage([path], within=60))


@pytest.mark.parametrize("count", [1, 3, 100])
def test_a_damaged_root_of_any_table_or_index_is_found_at_the_start(
    folder: Path, sound: Path, count: int
) -> None:
    for name, number in roots(sound / "chat.db").items():
        path = Path(shutil.copy(sound / "chat.db", folder / "chat.db"))
        damage(path, (number - 1) * PAGE, count)
        assert "is damaged" in str(find_damage([path], within=60)), name


@pytest.mark.parametrize("count", [1, 3, 100])
def test_whatever_fails_in_use_is_found_by_the_check_and_never_taken_for_nothing(
    folder: Path, sound: Path, count: int
) -> None:
    seed = random.Random(count)
    path = folder / "chat.db"
    for _ in range(40):
        shutil.copy(sound / "chat.db", path)
        offset = seed.randrange(path.stat().st_size - count)
        damage(path, offset, count)
        fault, content = find_fault([path]), path.read_bytes()
        handler = AtomicHandler(str(folder))
        read = find(handler, seq={"$gte": 0})
        written = insert(handler, {"_id": "new", "seq": MESSAGES, "msg": "new"})
        if read["ok"]:
            assert len(read["cursor"]["firstBatch"]) == MESSAGES, offset
        for reply in (read, written):
            if not reply["ok"]:
                assert fault, offset
                assert reply["code"] == FAULT, offset
        if handler.damage:
            assert path.read_bytes() == content, offset
        if not handler.is_damaged:
            handler.close_all()


def test_after_damage_nothing_is_written_any_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "chat.db"
    damage(path, (roots(path)["gone"] - 1) * PAGE, 100)
    content = path.read_bytes()
    # As where the file is too large for the check, or is damaged later.
    monkeypatch.setattr("storage.embedded_handler.find_damage", lambda *_, **__: None)
    handler = AtomicHandler(str(folder))
    assert insert(handler, {"_id": "before", "seq": MESSAGES})["n"] == 1
    refused = send(handler, find="gone", filter={})
    assert refused["errmsg"].startswith(f"{path} is damaged (database disk image is malformed)")
    assert insert(handler, {"_id": "after", "seq": MESSAGES + 1}) == refused
    assert find(handler, seq=0) == refused
    assert handler.is_damaged
    assert path.read_bytes() == content
    assert b"after" not in (folder / "chat.db-wal").read_bytes()


@pytest.mark.parametrize(
    ("pragma", "reason"),
    [
        ("query_only = 1", "attempt to write a readonly database"),
        ("max_page_count = 1", "database or disk is full"),
    ],
)
def test_what_the_disk_refuses_is_no_lost_race_and_passes(
    handler: AtomicHandler, folder: Path, pragma: str, reason: str
) -> None:
    connection = handler.get_database("chat").db
    connection.execute(f"PRAGMA {pragma}")
    reply = insert(handler, *({"_id": f"n{n}", "text": "x" * 9000} for n in range(40)))
    text = f"{folder / 'chat.db'} can't be used ({reason}): {SEE_DISK}"
    assert (reply["ok"], reply["code"], reply["errmsg"]) == (0, FAULT, text)
    assert find(handler, seq=0)["ok"] == 1
    connection.execute("PRAGMA query_only = 0")
    connection.execute("PRAGMA max_page_count = 100000")
    assert insert(handler, {"_id": "n0"})["n"] == 1


@pytest.mark.parametrize(
    ("text", "reason"), [('{"seq": 7', "not JSON"), ("\x00", "not JSON")], ids=["cut", "zeros"]
)
def test_a_document_that_cannot_be_read_is_a_fault_and_not_an_empty_one(
    folder: Path, text: str, reason: str
) -> None:
    path = folder / "chat.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP INDEX idx_messages_seq")  # SQLite would read the document for it
        connection.execute("UPDATE messages SET data = ? WHERE _id = 'm7'", (text,))
    sentence = f"{path} has a document that can't be read ({reason}): {REPAIR}"
    assert str(find_fault([path])) == sentence
    handler = AtomicHandler(str(folder))
    assert find(handler, _id="m7")["errmsg"] == sentence
    assert find(handler, _id="m8")["cursor"]["firstBatch"][0]["seq"] == 8
    handler.close_all()


def test_the_check_may_run_beside_the_database_and_changes_nothing(
    handler: AtomicHandler, folder: Path
) -> None:
    insert(handler, {"_id": "new", "seq": MESSAGES, "msg": "in the write-ahead log"})
    files = [folder / "chat.db", folder / "chat.db-wal"]
    before = [path.read_bytes() for path in files]
    assert find_fault(databases(folder)) is None
    assert [path.read_bytes() for path in files] == before
    assert insert(handler, {"_id": "newer", "seq": MESSAGES + 1})["n"] == 1


def test_an_empty_admin_file_is_filled(tmp_path: Path) -> None:
    (tmp_path / "admin.db").touch()
    handler = AtomicHandler(str(tmp_path))
    assert handler.damage is None
    handler.close_all()


def test_a_damaged_write_ahead_log_leaves_what_precedes_the_damage(
    folder: Path, tmp_path: Path
) -> None:
    handler = AtomicHandler(str(folder))
    for number in range(MESSAGES, MESSAGES + 10):
        insert(handler, {"_id": f"m{number}", "seq": number, "msg": "x" * PAGE})
    killed = Path(shutil.copytree(folder, tmp_path / "killed"))
    handler.close_all()
    log = killed / "chat.db-wal"
    damage(log, log.stat().st_size // 2, 1)
    assert find_fault(databases(killed)) is None
    handler = AtomicHandler(str(killed))
    found = [it["seq"] for it in find(handler, seq={"$gte": 0})["cursor"]["firstBatch"]]
    assert MESSAGES < len(found) < MESSAGES + 10
    assert found == list(range(len(found)))
    handler.close_all()


@pytest.mark.parametrize("is_replaced", [False, True], ids=["removed", "replaced"])
def test_a_file_that_is_no_longer_in_its_place_gets_nothing_that_would_be_lost_with_it(
    handler: AtomicHandler, folder: Path, sound: Path, is_replaced: bool
) -> None:
    assert insert(handler, {"_id": "before", "seq": MESSAGES})["n"] == 1
    path = folder / "chat.db"
    path.unlink()
    if is_replaced:
        shutil.copy(sound / "chat.db", path)
    refused = insert(handler, {"_id": "after", "seq": MESSAGES + 1})
    sentence = f"{path} was removed or replaced while it was in use: {REPAIR}"
    assert (refused["code"], refused["errmsg"]) == (FAULT, sentence)
    assert find(handler, seq=0) == refused
    assert handler.is_damaged  # closing it would remove the write-ahead log of the one in its place


def test_a_file_that_another_program_holds_is_not_called_a_full_disk(
    handler: AtomicHandler, folder: Path
) -> None:
    handler.get_database("chat").db.execute("PRAGMA busy_timeout = 0")
    path = folder / "chat.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = insert(handler, {"_id": "new", "seq": MESSAGES})
    assert refused["errmsg"] == f"{path} can't be used (database is locked): {END_OTHER}"
    assert insert(handler, {"_id": "new", "seq": MESSAGES})["n"] == 1
