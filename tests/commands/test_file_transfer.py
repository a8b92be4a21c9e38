"""Export and import of files: each whole, byte for byte, or not at all."""

import random
from argparse import Namespace
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from commands import exporting, importing
from commands.archive import content_fields
from commands.importing import BYTES_PER_INSERT, batches, checked
from commands.room import CommandError
from files.store import CHUNK_SIZE, FILES
from settings import (
    CHUNK_COLLECTION,
    MESSAGE_COLLECTION,
    PREVIEW_COLLECTION,
    USER_COLLECTION,
    Settings,
)
from storage.database import Collection, Database, Document, MotorDatabase
from storage.staging import FILE_COLLECTIONS, PREFIX, drop_old_imports, finish_import
from tests.support.accounts import signed_in
from tests.support.commands import database_of, done, run
from tests.support.exports import (
    CHUNKS,
    END,
    END_WITH_FILE,
    FILE,
    FILE_ID,
    FILE_LINE,
    FILE_LINES,
    GOOD,
    GOOD_WITH_FILE,
    MESSAGE,
    PREVIEW,
    WITH_FILE,
    content,
    lines,
    write,
)
from tests.support.house import House
from tests.support.people import Person
from tests.support.processes import Chat
from tests.support.stored_files import PREVIEW as PREVIEW_SENT
from tests.support.stored_files import add_for, nothing_left, send_stored

LONG_LINE = 1024 * 1024  # bytes
OTHER_ID = "another-file-22_chars0"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file for an export."""
    return tmp_path / "chat.jsonl"


@pytest.fixture
def chat(house: House, settings: Settings, folder: Path) -> Chat:
    """The settings of a chat that runs, for another process."""
    return Chat(folder, **database_of(settings))


@pytest.fixture
def here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands that are run in this process use the database of the test."""
    for name, value in database_of(settings).items():
        monkeypatch.setenv(name, value)


async def test_a_room_moves_with_its_files_byte_for_byte(
    house: House, alice: Person, chat: Chat, file: Path, folder: Path
) -> None:
    big = random.Random(1).randbytes(2 * CHUNK_SIZE + 1)
    about = {"name": "Дом 🏠.png", "type": "image/png", "width": 300, "height": 200}
    files = [
        await send_stored(house, alice, big, **about),
        await send_stored(house, alice, b"hi\n", type="text/plain", text="hi", preview=b""),
        await send_stored(house, alice, bytes(CHUNK_SIZE), preview=b""),
    ]
    await done(chat, "export", str(file))
    exported = lines(file)
    assert [line["type"] for line in exported] == [
        "chat", "account", *["message"] * 3,
        *("file", "chunk", "chunk", "chunk", "preview", "file", "chunk", "file", "chunk", "end"),
    ]  # fmt: skip
    assert [line["file"]["id"] for line in exported if line["type"] == "file"] == [
        file.id for file in files
    ]
    assert exported[-1] == {"type": "end", "accounts": 1, "entries": 3, "files": 3}
    assert max(map(len, content(file).splitlines())) < LONG_LINE

    empty = Chat(folder, MONGO_HOST="")
    await done(empty, "import", str(file))
    again = file.with_name("again.jsonl")
    await done(empty, "export", str(again))
    assert content(again) == content(file)

    await empty.start()
    try:
        async with signed_in(empty.url, "alice", "/login") as alice_again:
            for path, sent in ((f"/file/{files[0].id}", big), (files[0].preview, PREVIEW_SENT)):
                async with alice_again.get(path) as response:
                    assert await response.read() == sent
            async with alice_again.get("/") as page:
                assert "Дом 🏠.png" in await page.text()
    finally:
        await empty.terminate()


async def test_an_imported_file_is_read_as_it_was_sent(
    db: MotorDatabase, file: Path, here: None, open_house: Any
) -> None:
    write(file, *GOOD_WITH_FILE, END_WITH_FILE)
    await importing.import_room(Namespace(file=str(file)))
    house = await open_house()
    files = house.app[FILES]
    document = await files.find(FILE_ID)
    assert (document["key"], document["user_id"]) == ("1:a", MESSAGE["user_id"])
    assert b"".join([part async for part in files.read(FILE_ID, 0, FILE["size"])]) == (
        b"x" * CHUNK_SIZE + b"yz\0"
    )
    assert await files.preview(FILE_ID) == b"small"
    await files.sweep()
    assert await files.find(FILE_ID)


async def test_an_export_without_files_keeps_what_messages_say_of_them(
    house: House, alice: Person, chat: Chat, file: Path
) -> None:
    await send_stored(house, alice, name="a.bin")
    await done(chat, "export", "--without-files", str(file))
    exported = lines(file)
    assert [line["type"] for line in exported] == ["chat", "account", "message", "end"]
    assert exported[2]["file"]["name"] == "a.bin"
    assert "files" not in exported[-1]
    deque(checked(file), maxlen=0)


async def test_a_message_that_tells_of_a_huge_file_does_not_stop_an_export(
    here: None, file: Path
) -> None:
    message = WITH_FILE | {"file": FILE | {"size": 10**15 - 1}}
    write(file, *GOOD[:2], message, END | {"entries": 1})
    await importing.import_room(Namespace(file=str(file)))
    await exporting.export(Namespace(file=str(file), without_files=False))
    assert [line["type"] for line in lines(file)] == ["chat", "account", "message", "end"]


async def test_an_export_has_neither_files_that_nobody_has_sent_nor_deleted_ones(
    house: House, alice: Person, chat: Chat, file: Path
) -> None:
    await add_for(house, "alice")
    await send_stored(house, alice)
    await alice.post("/message/1", {"action": "delete"})
    await done(chat, "export", str(file))
    assert [line["type"] for line in lines(file)] == [
        "chat", "account", "message", "change", "end"
    ]  # fmt: skip


@pytest.mark.parametrize("part", ["message", "chunk", "last chunk", "preview"])
async def test_a_file_that_is_deleted_during_an_export_is_left_out_whole(
    house: House, alice: Person, here: None, file: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes before it is read is missing; what has been read of the file is left out, too."""
    db = house.database
    going = (await send_stored(house, alice, bytes(CHUNK_SIZE + 1))).id
    await send_stored(house, alice, b"stays", preview=b"")
    find_one = Collection.find_one
    whose: dict[str, tuple[str, Document]] = {
        "message": (MESSAGE_COLLECTION, {"key": {"$exists": True}}),
        "chunk": (CHUNK_COLLECTION, {"_id": f"{going}:0"}),
        "last chunk": (CHUNK_COLLECTION, {"_id": f"{going}:1"}),
        "preview": (PREVIEW_COLLECTION, {"_id": going}),
    }
    name, where = whose[part]

    async def delete_first(collection: Collection, wanted: Document, *fields: Any) -> Any:
        if collection.name == name and wanted.keys() == where.keys():
            if part == "message":
                await db[name].update_one({"seq": 1}, {"$set": {"state": "deleted", "msg": ""}})
            await db[CHUNK_COLLECTION].delete_many({"_id": f"{going}:0"})
            await db[CHUNK_COLLECTION].delete_many({"_id": f"{going}:1"})
            await db[PREVIEW_COLLECTION].delete_many({"_id": going})
        return await find_one(collection, wanted, *fields)

    monkeypatch.setattr(Collection, "find_one", delete_first)
    await exporting.export(Namespace(file=str(file), without_files=False))
    kinds = [line["type"] for line in lines(file)]
    assert kinds == ["chat", "account", "message", "message", "file", "chunk", "end"]
    deque(checked(file), maxlen=0)


def other_file(**changes: Any) -> Document:
    """Return the first line of the file with another value."""
    return FILE_LINE | {"file": FILE | changes}


def data(length: int) -> str:
    """Return so many bytes in base64."""
    return str(content_fields("chunk", "", bytes(length))["data"])


BEFORE = GOOD_WITH_FILE[:4]  # four lines
WRONG_VALUES: dict[str, list[Any]] = {
    "id": ["", "x", "x" * 23, "../../../../etc/passwd", 1, None, "x" * 21 + "\n"],
    "name": ["", "x" * 201, "a/b", "a\nb", "a\0", None, 1, "\ud800"],
    "type": ["", "png", "image/png\n", "image/png; x=y", "a/b/c", None],
    "size": [0, -1, "1", 1.0, True, None, 10**15],
    "width": [0, -1, "1", None],
    "preview": ["", "/elsewhere", f"/file/{OTHER_ID}/preview", None],
    "text": [None, 1, ["x"]],
    "key": ["1:a"],
    "$set": [1],
}
NO_FILES: list[Any] = [
    *(None, [], {}, "x", 1),
    {name: value for name, value in FILE.items() if name != "type"},
]
BAD_FILES: list[tuple[str, list[Document], str]] = [
    ("a file without a message", [*GOOD, FILE_LINE], "line 5: no message has this file"),
    ("a file twice", [*GOOD_WITH_FILE, *FILE_LINES], "line 9: no message has this file"),
    (
        "a file of a deleted message",
        [*GOOD[:2], WITH_FILE | {"state": "deleted"}],
        "line 3: a deleted message has no file",
    ),
    (
        "a file of two messages",
        [*GOOD[:2], WITH_FILE, WITH_FILE | {"seq": 2, "key": "1:b"}],
        "line 4: another message has the same file",
    ),
    *(
        (name, [*BEFORE, line], "line 5: it is not the file as its message has it")
        for name, line in {
            "another owner": FILE_LINE | {"user_id": "000000000000000000000002"},
            "another message": FILE_LINE | {"key": "1:b"},
            "another size": other_file(size=5),
            "another type": other_file(type="text/html"),
            "another name": other_file(name="photo.exe"),
        }.items()
    ),
    ("another id", [*BEFORE, FILE_LINE | {"file": {**FILE, "id": OTHER_ID}}], "line 5: 'file' has"),
    ("a file before the log", [*GOOD[:2], FILE_LINE], "line 3: the type 'file' can't come here"),
    ("a message after a file", [*GOOD_WITH_FILE, MESSAGE], "line 9: the type 'message' can't"),
    ("a chunk without a file", [*GOOD, CHUNKS[0]], "line 5: the type 'chunk' can't come here"),
    ("no chunks", [*BEFORE, FILE_LINE, PREVIEW], "line 6: the type 'preview' can't come here"),
    ("no last chunk", [*BEFORE, FILE_LINE, CHUNKS[0], PREVIEW], "line 7: chunks before it are mis"),
    ("the end too early", [*BEFORE, *FILE_LINES[:2], END], "line 7: chunks before it are missing"),
    ("the next file too early", [*BEFORE, *FILE_LINES[:2], FILE_LINE], "line 7: chunks before it"),
    ("no first chunk", [*BEFORE, FILE_LINE, CHUNKS[1]], "line 6: 'n' is not 0"),
    ("a chunk twice", [*BEFORE, FILE_LINE, CHUNKS[0], CHUNKS[0]], "line 7: 'n' is not 1"),
    ("chunks out of order", [*BEFORE, FILE_LINE, *CHUNKS[::-1]], "line 6: 'n' is not 0"),
    (
        "a chunk too many",
        [*BEFORE, *FILE_LINES[:3], CHUNKS[1] | {"n": 2}],
        "line 8: 'data' is too long or too short",
    ),
    (
        "a chunk of another file",
        [*BEFORE, FILE_LINE, CHUNKS[0] | {"id": OTHER_ID}],
        "line 6: 'id' is not that of the file before it",
    ),
    *(
        (
            f"a chunk of {length} bytes",
            [*BEFORE, FILE_LINE, CHUNKS[0] | {"data": data(length)}],
            "line 6: 'data' is too long or too short",
        )
        for length in (1, CHUNK_SIZE - 1, CHUNK_SIZE + 1, 5 * CHUNK_SIZE)
    ),
    *(
        (
            f"a last chunk of {length} bytes",
            [*BEFORE, *FILE_LINES[:2], CHUNKS[1] | {"data": data(length)}],
            "line 7: 'data' is too long or too short",
        )
        for length in (2, 4, CHUNK_SIZE)
    ),
    *(
        (
            f"data = {value!r}",
            [*BEFORE, FILE_LINE, CHUNKS[0] | {"data": value}],
            "line 6: 'data' has a wrong value",
        )
        for value in ("", "a", "ab=", "not base64!", "YQ==\n", "\u00e4" * 4, None, 5, ["YQ=="])
    ),
    *(
        (
            f"n = {value!r}",
            [*BEFORE, FILE_LINE, CHUNKS[0] | {"n": value}],
            "line 6: 'n' has a wrong value",
        )
        for value in (-1, "0", 0.0, True, None)
    ),
    ("no preview", [*BEFORE, *FILE_LINES[:3], END], "line 8: the preview before it is missing"),
    ("a preview twice", [*GOOD_WITH_FILE, PREVIEW], "line 9: the type 'preview' can't come here"),
    (
        "a preview of another file",
        [*BEFORE, *FILE_LINES[:3], PREVIEW | {"id": OTHER_ID}],
        "line 8: 'id' is not that of the file before it",
    ),
    ("a file too few", [*GOOD, END_WITH_FILE], "line 5: lines before it are missing"),
    ("a file not counted", [*GOOD_WITH_FILE, END], "line 9: lines before it are missing"),
    ("a change with a file", [*GOOD[:3], GOOD[3] | {"file": FILE}], "line 4: 'file' is not a"),
    *(
        (
            f"a message's {name} = {value!r}",
            [*GOOD[:2], MESSAGE | {"file": FILE | {name: value}}],
            "line 3: 'file' has a wrong value",
        )
        for name, values in WRONG_VALUES.items()
        for value in values
    ),
    *(
        (
            f"a message's file = {value!r}",
            [*GOOD[:2], MESSAGE | {"file": value}],
            "line 3: 'file' has a wrong value",
        )
        for value in NO_FILES
    ),
]


@pytest.mark.parametrize(
    ("written", "error"), [bad[1:] for bad in BAD_FILES], ids=[bad[0] for bad in BAD_FILES]
)
def test_an_export_with_bad_files_is_refused(
    file: Path, written: list[Document], error: str
) -> None:
    write(file, *written)
    with pytest.raises(CommandError) as refused:
        deque(checked(file), maxlen=0)
    assert error in str(refused.value)


def test_a_file_without_a_preview_may_not_have_one(file: Path) -> None:
    plain = {name: FILE[name] for name in ("id", "name", "type", "size")}
    write(file, *GOOD[:2], MESSAGE | {"file": plain}, FILE_LINE | {"file": plain}, *FILE_LINES[1:])
    with pytest.raises(CommandError, match="line 7: the file has no preview"):
        deque(checked(file), maxlen=0)


async def test_nothing_is_stored_of_an_export_whose_last_file_is_bad(
    db: MotorDatabase, chat_elsewhere: Chat, file: Path
) -> None:
    write(file, *GOOD_WITH_FILE[:-1], PREVIEW | {"data": "!"}, END_WITH_FILE)
    status, _, notes = await run(chat_elsewhere, "import", str(file))
    assert (status, "line 8: 'data' has a wrong value" in notes) == (1, True)
    assert await db.list_collection_names() == []


@pytest.fixture
def chat_elsewhere(settings: Settings, folder: Path) -> Chat:
    """A chat that is not started, with the empty database of the test."""
    return Chat(folder, **database_of(settings))


def test_the_chunks_of_a_large_file_are_read_a_few_at_a_time(file: Path) -> None:
    size = 200 * CHUNK_SIZE
    large = {**FILE, "size": size}
    chunks = [CHUNKS[0] | {"n": n} for n in range(200)]
    head = [*GOOD[:2], MESSAGE | {"file": large}, FILE_LINE | {"file": large}]
    write(file, *head, *chunks, PREVIEW, END | {"entries": 1, "files": 1})
    parts = [documents for name, documents in batches(file) if name == CHUNK_COLLECTION]
    assert sum(map(len, parts)) == 200
    assert max(sum(len(it["data"]) for it in part) for part in parts) < BYTES_PER_INSERT


async def left_by(db: MotorDatabase, file: Path) -> None:
    """Leave what an import leaves that is killed before its renames."""
    write(file, *GOOD_WITH_FILE, END_WITH_FILE)
    await importing.fill(Database(db), file, END_WITH_FILE)


async def names_staged(db: MotorDatabase) -> list[str]:
    """Return the names of the collections that imports have filled and not renamed."""
    return [name for name in await db.list_collection_names() if name.startswith(PREFIX)]


async def test_what_a_killed_import_leaves_is_dropped_after_a_day(
    db: MotorDatabase, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await left_by(db, file)
    await drop_old_imports(Database(db))
    assert len(await names_staged(db)) == 5
    monkeypatch.setattr("storage.staging.KEPT_FOR", timedelta(seconds=-2))
    await drop_old_imports(Database(db))
    assert await names_staged(db) == []


async def test_accounts_that_an_import_has_still_to_rename_are_not_dropped(
    db: MotorDatabase, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await left_by(db, file)
    for name in await names_staged(db):
        if not name.endswith(USER_COLLECTION):
            await db[name].rename(name.rpartition("_")[2])
    monkeypatch.setattr("storage.staging.KEPT_FOR", timedelta(seconds=-2))
    await drop_old_imports(Database(db))
    await finish_import(Database(db))
    assert await names_staged(db) == []
    assert await db[USER_COLLECTION].count_documents({"login": "alice"}) == 1


async def test_another_import_drops_the_files_of_a_killed_one(
    db: MotorDatabase, file: Path, here: None
) -> None:
    await left_by(db, file)
    write(file, *GOOD, END)
    await importing.import_room(Namespace(file=str(file)))
    assert await names_staged(db) == []
    assert [await db[name].count_documents({}) for name in FILE_COLLECTIONS] == [0, 0, 0]


async def test_files_whose_messages_an_import_has_not_renamed_are_swept(
    db: MotorDatabase, file: Path, open_house: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when it was killed just then, and the operator has begun anew without it."""
    await left_by(db, file)
    for name in await names_staged(db):
        if name.endswith(FILE_COLLECTIONS):
            await db[name].rename(name.rpartition("_")[2])
    monkeypatch.setattr("files.store.KEPT_FOR", -1)
    house = await open_house()
    await house.app[FILES].sweep()
    await nothing_left(db)


async def test_lines_of_a_file_are_written_to_a_pipe_in_the_same_order(
    house: House, alice: Person, chat: Chat, file: Path
) -> None:
    await send_stored(house, alice)
    await done(chat, "export", str(file))
    status, output, notes = await run(chat, "export", "-")
    assert (status, notes) == (0, "Exported: accounts 1, entries 1, files 1.\n")
    assert output.encode() == content(file)
