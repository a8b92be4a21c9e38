"""Export and import: all of a room, byte for byte, or nothing."""

import asyncio
import json
import os
import re
import signal
import sys
import threading
from argparse import Namespace
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import IO, Any

import aiohttp
import pytest
from pymongo.errors import DuplicateKeyError

from auth.models import DELETION
from chat.entry import DELETED_USER
from chat.journal import JOURNAL
from commands import exporting, importing
from commands.importing import batches, checked
from commands.room import CommandError
from settings import MESSAGE_COLLECTION, ROOT, SESSION_COLLECTION, USER_COLLECTION, Settings
from storage import database, indexes, staging
from storage.database import Database, Document, MotorDatabase, deadline, upkeep
from storage.embedded import embedded_uri
from storage.embedded_files import SEE_DISK
from storage.remedies import SEE_ROOM
from storage.staging import (
    FILE_COLLECTIONS,
    PREFIX,
    STAGED,
    RoomTaken,
    Staging,
    StagingDropped,
    finish_import,
)
from tests.support.accounts import signed_in
from tests.support.commands import (
    Ended,
    database_of,
    done,
    ended,
    refusal,
    run,
    start_command,
)
from tests.support.databases import database_at
from tests.support.exports import (
    ACCOUNT,
    CHANGE,
    END,
    GOOD,
    GOOD_WITH_FILE,
    MESSAGE,
    content,
    lines,
    write,
)
from tests.support.house import OpenHouse
from tests.support.imitation import TIME_IS_UP, Imitation
from tests.support.people import PASSWORD
from tests.support.processes import Chat, running_chat
from tests.support.sockets import Socket, connect
from tests.support.waiting import START_PATIENCE, until

HASH = "$argon2id$v=19$m={},t={},p={}$c2FsdHNhbHRzYWx0$" + "A" * 43
HEAVY_HASHES = [  # whose check would take more than a process has
    *(HASH.format(*parameters) for parameters in ((2**21, 2, 1), (2**12, 2**31, 1), (99, 2, 255))),
    HASH.format("+2097152", 2, 1),
    HASH.format(99, 2, 1) + "A" * 100_000,
]


def write_long(path: Path, count: int) -> Path:
    """Write the file of a room with many messages."""
    messages = (MESSAGE | {"seq": seq, "key": f"1:{seq}"} for seq in range(1, count + 1))
    return write(path, *GOOD[:2], *messages, END | {"entries": count})


def cut(path: Path, length: int) -> None:
    """Leave only the beginning of a file."""
    path.write_bytes(path.read_bytes()[:length])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file for an export."""
    return tmp_path / "chat.jsonl"


@pytest.fixture(params=["embedded", "MongoDB"])
def empty_room(request: pytest.FixtureRequest, settings: Settings, folder: Path) -> Chat:
    """A chat that is not started, with an empty database of either kind."""
    return Chat(folder, **(database_of(settings) if request.param == "MongoDB" else EMBEDDED))


EMBEDDED: dict[str, Any] = {"MONGO_HOST": ""}


@pytest.fixture
async def small_room(settings: Settings, folder: Path, file: Path) -> Chat:
    """A chat that is not started, in whose database is what the file has."""
    chat = Chat(folder, **database_of(settings))
    write(file, *GOOD, END)
    await done(chat, "import", str(file))
    return chat


async def live_in(chat: Chat) -> None:
    """Let people talk, correct themselves, be banned and leave."""
    async with (
        signed_in(chat.url, "alice") as alice,
        signed_in(chat.url, "bob") as bob,
        signed_in(chat.url, "Дима") as dima,
    ):
        for number, browser in enumerate((alice, bob, dima, alice, bob), 1):
            async with browser.post("/", data={"msg": f'№ {number} "quoted"\n@all 😀'}) as response:
                assert response.status == 200
        for path, form in (
            ("/message/1", {"action": "edit", "msg": "edited"}),
            ("/message/4", {"action": "delete"}),
            ("/person", {"login": "Дима", "action": "appoint"}),
            ("/person", {"login": "bob", "action": "ban"}),
        ):
            async with alice.post(path, data=form) as response:
                assert response.status == 200, await response.text()


async def test_a_room_moves_with_everything_byte_for_byte(empty_room: Chat, file: Path) -> None:
    async with running_chat(MODERATORS="", **EMBEDDED) as chat:
        await live_in(chat)
        await done(chat, "export", str(file))
    assert os.stat(file).st_mode & 0o777 == 0o600
    exported = lines(file)
    assert [line["type"] for line in exported] == [
        "chat", *["account"] * 3, *["message"] * 5, *["change"] * 2, "end"
    ]  # fmt: skip
    alice, bob, dima = exported[1:4]
    assert (alice["moderator"], bob["banned"], dima["moderator"]) == (True, True, True)
    messages = exported[4:9]
    assert [messages[0]["msg"], messages[0]["state"]] == ["edited", "edited"]
    assert [messages[3]["msg"], messages[3]["state"]] == ["", "deleted"]
    assert [message.get("all") for message in messages] == [None, True, True, None, False]
    assert "№ 1".encode() not in content(file)
    assert "№ 4".encode() not in content(file)

    await done(empty_room, "import", str(file))
    again = file.with_name("again.jsonl")
    await done(empty_room, "export", str(again))
    assert content(again) == content(file)

    await empty_room.start()
    try:
        async with signed_in(empty_room.url, "alice", "/login") as alice_again:
            socket = await connect(alice_again, since=7)
            assert await socket.said("the talk goes on") == 8
            await socket.close()
            async with alice_again.get("/") as page:
                text = await page.text()
            assert "data-moderator" in text
            assert "edited" in text
            assert "the talk goes on" in text
        form = {"login": "bob", "password": PASSWORD}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{empty_room.url}/login", data=form) as response,
        ):
            assert response.status == 403
    finally:
        await empty_room.terminate()


async def test_an_export_of_a_busy_room_has_each_message_whole_or_not_at_all(file: Path) -> None:
    async with (
        running_chat(MESSAGES_PER_SECOND=0, **EMBEDDED) as chat,
        signed_in(chat.url, "alice") as alice,
    ):
        socket = await connect(alice)
        for number in range(1, 401):
            await socket.said(f"message {number}")
        talking = asyncio.create_task(talk(socket))
        for _ in range(3):
            await done(chat, "export", str(file))
            assert not talking.done()
            deque(checked(file), maxlen=0)
            entries = [it for it in lines(file) if it["type"] in ("message", "change")]
            assert [it["seq"] for it in entries] == list(range(1, len(entries) + 1))
            assert len(entries) >= 400
            edited = [it for it in entries if it.get("state") == "edited"]
            assert edited
            assert all(it["msg"] == f"edited {it['seq']}" for it in edited)
            changed = {it["of"] for it in entries if it["type"] == "change"}
            assert changed <= {it["seq"] for it in edited}
        talking.cancel()


async def talk(socket: Socket) -> None:
    """Go on editing the earliest messages, and say more after each, for ever."""
    for seq in cycle(range(1, 401)):
        await socket.send(type="edit", of=seq, msg=f"edited {seq}")
        await socket.next("change")
        await socket.said(f"more {seq}")


@pytest.mark.usefixtures("small_room")
async def test_what_is_imported_is_in_the_index_of_messages(messages: Any) -> None:
    documents = await messages.find({}).sort("seq", 1).to_list(None)
    assert [document["message_seq"] for document in documents] == [1, 0]


async def test_an_export_has_the_changes_that_a_killed_chat_left_undone(
    messages: Any, small_room: Chat, file: Path
) -> None:
    change = {"seq": 3, "key": "change:1:b", "user": "alice", "user_id": "1", "of": 1}
    await messages.insert_one(
        change
        | {"time": (await messages.find_one({"seq": 1}))["time"], "text": "new", "state": "edited"}
    )
    await done(small_room, "export", str(file))
    assert [(it.get("msg"), it.get("of")) for it in lines(file)[2:5]] == [
        ("new", None), (None, 1), (None, 1)
    ]  # fmt: skip


BAD_FILES: list[tuple[str, list[dict[str, Any]], str]] = [
    ("no lines", [], "is empty"),
    ("no end", GOOD, "is cut off after line 4"),
    ("of another version", [GOOD[0] | {"version": 2}], "line 1: the file is of version 2"),
    ("without a beginning", GOOD[1:], "line 1: the type 'account' can't come here"),
    ("a line missing", [*GOOD[:2], CHANGE, END], "line 4: lines before it are missing"),
    ("a line after the end", [*GOOD, END, MESSAGE], "line 6: the type 'message' can't come here"),
    ("an account late", [*GOOD, ACCOUNT], "line 5: the type 'account' can't come here"),
    ("a number twice", [*GOOD[:3], MESSAGE | {"key": "1:b"}], "line 4: 'seq' is not higher"),
    ("a key twice", [*GOOD[:3], CHANGE | {"key": "1:a"}], "line 4: 'key' is there twice"),
    ("an account twice", [*GOOD[:2], ACCOUNT], "line 3: 'id' is there twice"),
    ("capitals", [GOOD[0], ACCOUNT | {"id": "A" * 24}], "line 2: 'id' has a wrong value"),
    (
        "a login twice",
        [*GOOD[:2], ACCOUNT | {"id": "000000000000000000000002"}],
        "line 3: 'login_key' is there twice",
    ),
    ("a change of the future", [*GOOD[:3], CHANGE | {"of": 2}], "line 4: 'of' is no earlier entry"),
    ("no type", [{"version": 1}], "line 1: it has no known type"),
    ("a strange type", [{"type": "link"}], "line 1: it has no known type"),
    ("a list", [[]], "line 1: it is no object"),  # type: ignore[list-item]
    ("a list for a type", [{"type": []}], "line 1: it has no known type"),
    ("a field missing", [*GOOD[:2], CHANGE | {"type": "message"}], "line 3: 'msg' is missing"),
    (
        "a field too many",
        [*GOOD[:2], MESSAGE | {"$set": 1}],
        "line 3: '$set' is not a field of this type",
    ),
    *(
        (
            f"{name} = {value!r}",
            [GOOD[0], line | {name: value}],
            f"line 2: {name!r} has a wrong value",
        )
        for line, name, values in (
            (ACCOUNT, "id", ["x", 1, "0" * 23]),
            (ACCOUNT, "seen", [-1, 10**11]),
            (ACCOUNT, "moderator", [False, 1, "true"]),
            (ACCOUNT, "password", [1, {}, *HEAVY_HASHES]),
            (MESSAGE, "seq", [0, -1, "1", 1.0, True, 10**15]),
            (MESSAGE, "msg", [None, 1, "\ud800", ["x"]]),
            (MESSAGE, "time", ["now", 1, "2026-11-22", "2026-11-22T06:16:18.882+01:00"]),
            (MESSAGE, "state", ["", "new", None]),
            (MESSAGE, "all", [1, None, "true"]),
            (CHANGE, "of", ["1", None]),
        )
        for value in values
    ),
]


@pytest.mark.parametrize(
    ("content", "error"), [bad[1:] for bad in BAD_FILES], ids=[bad[0] for bad in BAD_FILES]
)
def test_a_file_that_is_not_an_export_is_refused(
    file: Path, content: list[dict[str, Any]], error: str
) -> None:
    write(file, *content)
    with pytest.raises(CommandError) as refused:
        deque(checked(file), maxlen=0)
    assert str(refused.value).startswith(str(file))
    assert error in str(refused.value)


@pytest.mark.parametrize("length", [0, 1, 20, 300, -2, -30])
async def test_a_file_that_is_cut_off_leaves_an_empty_room(
    empty_room: Chat, file: Path, length: int
) -> None:
    write(file, *GOOD, END)
    cut(file, length)
    assert str(file) in await refusal(empty_room, "import", str(file))
    write(file, *GOOD, END)
    await done(empty_room, "import", str(file))


async def test_only_the_last_line_break_may_be_missing(empty_room: Chat, file: Path) -> None:
    write(file, *GOOD, END)
    cut(file, -1)
    await done(empty_room, "import", str(file))


async def test_an_import_needs_an_empty_room_and_no_running_chat(
    empty_room: Chat, file: Path
) -> None:
    write(file, *GOOD, END)
    await done(empty_room, "import", str(file))
    assert "The room is not empty" in await refusal(empty_room, "import", str(file))
    async with running_chat(**EMBEDDED) as chat:
        assert "A chat is running on" in await refusal(chat, "import", str(file))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_an_import_that_is_ended_leaves_an_empty_room(
    folder: Path, file: Path, number: signal.Signals
) -> None:
    chat = Chat(folder, **EMBEDDED)
    write_long(file, 20_000)
    importing = await start_command(chat, "import", str(file))
    await until(lambda: (folder / "data" / "database.sock").exists(), START_PATIENCE)
    async with database_at(embedded_uri(folder / "data"), "chat") as db:
        await until(lambda: has_staged_messages(db))
        importing.send_signal(number)
        status, output, notes = await ended(importing)
    if number == signal.SIGKILL:
        assert status == -number
    else:
        assert (status, output, notes) == (1, "", "Interrupted.\n")
    await chat.start()
    try:
        async with database_at(chat.database, "chat") as db:
            assert bool(await staged(db)) is (number == signal.SIGKILL)
        async with signed_in(chat.url, "alice") as alice, alice.get("/") as page:
            assert "Nobody has said anything yet" in await page.text()
    finally:
        await chat.terminate()


async def staged(db: MotorDatabase) -> list[str]:
    """Return the names of the collections that imports have filled and not renamed."""
    return [name for name in await db.list_collection_names() if name.startswith(PREFIX)]


async def has_staged_messages(db: MotorDatabase) -> bool:
    """Return whether an import has stored messages."""
    names = [name for name in await staged(db) if name.endswith(MESSAGE_COLLECTION)]
    return any([await db[name].find_one({"seq": 1}) for name in names])


def test_an_endless_line_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.importing.LINE_LENGTH", 1000)
    write(file, *GOOD[:2], MESSAGE | {"msg": "x" * 1000})
    with pytest.raises(CommandError, match="line 3: it is too long"):
        deque(checked(file), maxlen=0)


def test_long_messages_are_stored_a_few_at_a_time(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.importing.BYTES_PER_INSERT", 10_000)
    long = [MESSAGE | {"seq": n, "key": str(n), "msg": "x" * 2000} for n in range(1, 11)]
    write(file, *GOOD[:2], *long, END | {"entries": 10})
    assert [len(documents) for _, documents in batches(file)] == [1, 2, 2, 2, 2, 2]


class Killed(BaseException):
    """Stands for SIGKILL: nothing in an import handles it."""


@pytest.fixture
def killed_after(
    settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Awaitable[bool]]:
    """Import the file, up to so many calls of the database; return whether that was the end."""
    for name, value in database_of(settings).items():
        monkeypatch.setenv(name, value)
    left = 0

    def killing(limit: Callable[..., AbstractAsyncContextManager[None]]) -> Any:
        @asynccontextmanager
        async def limited(*seconds: float) -> AsyncIterator[None]:
            nonlocal left
            if not left:
                raise Killed
            left -= 1
            async with limit(*seconds):
                yield

        return limited

    async def import_until(calls: int) -> bool:
        nonlocal left
        left = calls
        with monkeypatch.context() as patch:
            for module in (database, indexes, staging):
                for name, limit in (("deadline", deadline), ("upkeep", upkeep)):
                    patch.setattr(module, name, killing(limit), raising=False)
            try:
                await importing.import_room(Namespace(file=str(file)))
            except Killed:
                return False
        return True

    return import_until


@pytest.mark.parametrize(
    ("accounts", "entries", "files"), [(1, 2, 0), (1, 0, 0), (0, 2, 0), (1, 2, 1)]
)
async def test_an_import_that_is_killed_between_any_two_calls_leaves_all_or_nothing(
    db: MotorDatabase,
    file: Path,
    killed_after: Callable[[int], Awaitable[bool]],
    accounts: int,
    entries: int,
    files: int,
) -> None:
    lines = GOOD_WITH_FILE if files else [GOOD[0], *GOOD[1:2][:accounts], *GOOD[2:][:entries]]
    write(file, *lines, END | {"accounts": accounts, "entries": entries, "files": files})
    room = (USER_COLLECTION, MESSAGE_COLLECTION)
    found: list[list[int]] = []
    is_complete = False
    while not is_complete:
        is_complete = await killed_after(len(found))
        await finish_import(Database(db))
        found.append([len(await db[name].find({}).to_list(None)) for name in room])
        of_files = [len(await db[name].find({}).to_list(None)) for name in FILE_COLLECTIONS]
        if found[-1][1]:  # files without messages are removed later
            assert of_files == [files, 2 * files, files]
        for name in await db.list_collection_names():
            await db.drop_collection(name)
    nothing, everything = [0, 0], [accounts, entries]
    renamed = found.index(everything)
    assert found == [nothing] * renamed + [everything] * (len(found) - renamed)
    assert 0 < renamed < len(found) - 1


async def half_renamed(db: MotorDatabase, file: Path) -> None:
    """Leave what an import leaves that is killed between its renames."""
    write(file, *GOOD, END)
    filled = await importing.fill(Database(db), file, END)
    for name in (*FILE_COLLECTIONS, MESSAGE_COLLECTION):
        await filled.collection(name).motor.rename(name, dropTarget=True)


async def test_the_next_start_finishes_an_import_that_was_killed_between_its_renames(
    db: MotorDatabase, file: Path, open_house: OpenHouse
) -> None:
    await half_renamed(db, file)
    await open_house()
    assert await all_logins(db) == ["alice"]
    assert await staged(db) == []


async def all_logins(db: MotorDatabase) -> list[str]:
    """Return the login of every account."""
    return [user["login"] for user in await db[USER_COLLECTION].find({}).to_list(None)]


@pytest.mark.parametrize("command", ["export", "import"])
async def test_the_next_command_finishes_an_import_that_was_killed_between_its_renames(
    db: MotorDatabase, settings: Settings, folder: Path, file: Path, command: str
) -> None:
    await half_renamed(db, file)
    before = lines(file)
    status, _, notes = await run(Chat(folder, **database_of(settings)), command, str(file))
    assert status == 0 or "The room is not empty" in notes
    assert await all_logins(db) == ["alice"]
    assert await staged(db) == []
    assert lines(file) == before


async def test_several_processes_may_finish_a_killed_import(db: MotorDatabase, file: Path) -> None:
    await half_renamed(db, file)
    await asyncio.gather(*(finish_import(Database(db)) for _ in range(4)))
    assert await all_logins(db) == ["alice"]


async def test_a_killed_import_is_not_finished_once_somebody_has_registered(
    db: MotorDatabase, file: Path
) -> None:
    await half_renamed(db, file)
    await db[USER_COLLECTION].insert_one({"login": "registered meanwhile"})
    await finish_import(Database(db))
    assert await all_logins(db) == ["registered meanwhile"]


async def test_an_import_does_not_replace_who_has_registered_meanwhile(
    db: MotorDatabase, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, *GOOD, END)
    register = partial(db[USER_COLLECTION].insert_one, {"login": "bob"})
    monkeypatch.setattr(importing, "store", then(importing.store, register))
    filled = await importing.fill(Database(db), file, END)
    with pytest.raises(RoomTaken):
        await filled.publish()
    assert await all_logins(db) == ["bob"]
    assert await db[MESSAGE_COLLECTION].find_one({}) is None
    assert await staged(db) == []


def then(call: Callable[..., Awaitable[Any]], what: Callable[[], Awaitable[Any]]) -> Any:
    """Return a function that does what `call` does, and then something else."""

    async def both(*arguments: Any) -> Any:
        result = await call(*arguments)
        await what()
        return result

    return both


async def test_an_import_ends_when_another_one_is_started(
    db: MotorDatabase, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, *GOOD, END)
    other = partial(importing.make_way, Database(db), Staging(Database(db)))
    filled = await importing.fill(Database(db), file, END)
    with monkeypatch.context() as patch:
        patch.setattr(importing, "store", then(importing.store, other))
        with pytest.raises(StagingDropped):
            await importing.fill(Database(db), file, END)
    with pytest.raises(StagingDropped):
        await filled.publish()
    filled = await importing.fill(Database(db), file, END)
    await importing.make_way(Database(db), Staging(Database(db)))
    assert await staged(db) == []
    with pytest.raises(StagingDropped):
        await filled.publish()
    assert not await all_logins(db)
    assert await db[MESSAGE_COLLECTION].find_one({}) is None


async def test_an_import_that_is_being_renamed_is_not_dropped(
    db: MotorDatabase, file: Path
) -> None:
    await half_renamed(db, file)
    with pytest.raises(CommandError, match="The room is not empty"):
        await importing.make_way(Database(db), Staging(Database(db)))
    await finish_import(Database(db))
    assert await all_logins(db) == ["alice"]


async def killed(db: MotorDatabase, file: Path) -> Staging:
    """Leave what an import leaves that is killed before its renames."""
    write(file, *GOOD, END)
    staging = Staging(Database(db))
    await staging.create()
    await importing.store(staging, file, 2)
    return staging


async def test_a_killed_import_never_comes_into_a_room_that_others_have_used_since(
    db: MotorDatabase, file: Path
) -> None:
    await killed(db, file)
    await db[MESSAGE_COLLECTION].insert_one({"seq": 1, "msg": "of somebody who has left since"})
    with pytest.raises(CommandError, match="The room is not empty"):
        await importing.fill(Database(db), file, END)
    await finish_import(Database(db))
    assert await all_logins(db) == []


async def test_accounts_of_an_import_that_was_never_complete_are_not_renamed(
    db: MotorDatabase, file: Path
) -> None:
    staging = await killed(db, file)
    await staging.collection(MESSAGE_COLLECTION).motor.rename(MESSAGE_COLLECTION)
    await finish_import(Database(db))
    assert await all_logins(db) == []


async def test_an_import_ends_the_sessions_that_were_there(db: MotorDatabase, file: Path) -> None:
    write(file, *GOOD, END)
    filled = await importing.fill(Database(db), file, END)
    await db[SESSION_COLLECTION].insert_one({"_id": "s", "user_id": ACCOUNT["id"]})
    await filled.publish()
    assert await all_logins(db) == ["alice"]
    assert await db[SESSION_COLLECTION].find_one({}) is None


async def test_of_several_imports_at_once_one_at_most_is_in_the_room(
    db: MotorDatabase, settings: Settings, folder: Path, file: Path
) -> None:
    chat = Chat(folder, **database_of(settings))
    files = [write_long(file.with_name(f"{count}.jsonl"), count) for count in (1500, 2000, 2500)]
    imports = await asyncio.gather(*(run(chat, "import", str(path)) for path in files))
    assert [it.status for it in imports].count(0) <= 1
    for path, it in zip(files, imports, strict=True):
        if it.status == 0:
            await done(chat, "export", str(file))
            assert lines(file) == lines(path)
        else:
            assert "Another import was" in it.notes or "The room is not empty" in it.notes


async def test_a_chat_that_runs_meanwhile_has_what_is_imported(
    db: MotorDatabase, settings: Settings, folder: Path, file: Path, open_house: OpenHouse
) -> None:
    async with running_chat(MODERATORS="", **EMBEDDED) as other:
        await live_in(other)
        await done(other, "export", str(file))
    house = await open_house()
    await done(Chat(folder, **database_of(settings)), "import", str(file))
    await until(lambda: house.app[JOURNAL].recent.last == 7)
    alice = await house.visitor()
    assert (await alice.log_in("alice")).status == 303
    assert "edited" in await alice.page()
    socket = await alice.connect(since=7)
    assert await socket.said("the talk goes on") == 8
    with pytest.raises(DuplicateKeyError):
        await db[MESSAGE_COLLECTION].insert_one({"seq": 8, "key": "another"})


@pytest.mark.parametrize(
    ("answered", "why"),
    [
        (
            {"writeErrors": [{"index": 0, "code": 121, "errmsg": "s3cret"}]},
            f"it refuses a write (WriteError, code 121): {SEE_ROOM}",
        ),
        (
            {"writeConcernError": {"code": 79, "codeName": "UnknownReplWriteConcern"}},
            "UnknownReplWriteConcern, code 79",
        ),
    ],
)
async def test_a_refused_import_says_by_what_code_and_imports_nothing(
    folder: Path,
    file: Path,
    settings: Settings,
    imitation: Imitation,
    answered: Document,
    why: str,
) -> None:
    def answer(body: Document) -> Document | None:
        return {"ok": 1, "n": 0, **answered} if "seq" in body["documents"][0] else None

    imitation.answers["insert"] = answer
    chat = Chat(folder, MONGO_HOST=imitation.address, MONGO_DB_NAME=settings.MONGO_DB_NAME)
    write(file, *GOOD, END)
    said = await refusal(chat, "import", str(file))
    assert said.startswith(f"The database fails: {why}")
    assert said.endswith(". Nothing is imported.")
    imitation.answers.clear()
    await done(chat, "import", str(file))


async def test_a_full_disk_ends_an_import_with_one_sentence_and_an_empty_room(
    folder: Path, file: Path
) -> None:
    chat = Chat(folder, **EMBEDDED)
    write_long(file, 20_000)
    limit = ("prlimit", "--fsize=3000000")
    limited = await start_command(chat, "import", str(file), under=limit)
    status, output, notes = await ended(limited)
    assert (status, output) == (1, "")
    assert re.search(f"The database fails: .*{SEE_DISK}.*\\. Nothing is imported\\.\n", notes)
    assert "Traceback" not in notes
    await done(chat, "import", str(file))


@pytest.fixture
def elsewhere(
    imitation: Imitation, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Imitation:
    """The database of commands in this process, with no pauses before another attempt."""
    monkeypatch.setenv("MONGO_HOST", imitation.address)
    monkeypatch.setenv("MONGO_DB_NAME", settings.MONGO_DB_NAME)
    monkeypatch.setattr("commands.persistence.PAUSE", 0)
    return imitation


@pytest.fixture
def import_elsewhere(elsewhere: Imitation, file: Path) -> Callable[[], Awaitable[None]]:
    """Import the file into the imitation."""
    return partial(importing.import_room, Namespace(file=str(file)))


async def check_imported(db: MotorDatabase, count: int) -> None:
    """Check that a room has Alice and so many messages, each once, and nothing else."""
    documents = await db[MESSAGE_COLLECTION].find({}).sort("seq", 1).to_list(None)
    assert [document["seq"] for document in documents] == list(range(1, count + 1))
    assert await all_logins(db) == ["alice"]
    assert await staged(db) == []


def inserted(imitation: Imitation) -> list[int]:
    """Return how many messages each insert of an import had."""
    inserts = [it.body for it in imitation.commands if it.name == "insert"]
    return [len(it["documents"]) for it in inserts if it["insert"].endswith(MESSAGE_COLLECTION)][1:]


async def test_an_import_into_a_quick_database_takes_few_inserts(
    db: MotorDatabase,
    imitation: Imitation,
    file: Path,
    import_elsewhere: Callable[[], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("storage.batches.QUICK", 1e9)
    write_long(file, 8000)
    await import_elsewhere()
    assert inserted(imitation) == [1000, 2000, 2000, 3000]
    await check_imported(db, 8000)


async def test_an_import_into_a_slow_database_has_a_minute_for_each_insert_and_smaller_ones(
    db: MotorDatabase,
    imitation: Imitation,
    file: Path,
    import_elsewhere: Callable[[], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times: list[int] = []  # that the inserts have, in ms

    def take_time(body: Document) -> Document | None:
        times.append(body.get("maxTimeMS", 0))
        return TIME_IS_UP if len(body["documents"]) >= 200 else None

    monkeypatch.setattr("storage.batches.QUICK", -1)
    imitation.answers["insert"] = take_time
    write_long(file, 1000)
    await import_elsewhere()
    sizes = [500, 250, *[125] * 8]
    assert inserted(imitation) == sizes
    assert all(time > 30_000 for time in times[-len(sizes) :])
    await check_imported(db, 1000)


@pytest.mark.parametrize("name", ["insert", "createIndexes", "find", "delete", "renameCollection"])
async def test_replies_that_are_lost_do_not_end_an_import(
    db: MotorDatabase,
    imitation: Imitation,
    file: Path,
    import_elsewhere: Callable[[], Awaitable[None]],
    name: str,
) -> None:
    losses = 0

    def loses(lost: str, body: dict[str, Any]) -> bool:
        nonlocal losses
        is_begun = imitation.count("insert") > len(STAGED) + 1
        if lost != name or not is_begun or losses == 3:
            return False
        losses += 1
        return True

    imitation.loses = loses
    write_long(file, 3000)
    await import_elsewhere()
    assert losses == 3
    await check_imported(db, 3000)


@pytest.mark.parametrize("name", ["insert", "createIndexes", "delete", "renameCollection"])
async def test_an_import_goes_on_after_a_failover(
    db: MotorDatabase,
    imitation: Imitation,
    file: Path,
    import_elsewhere: Callable[[], Awaitable[None]],
    name: str,
) -> None:
    def step_down(_: dict[str, Any]) -> None:
        if imitation.count("insert") > len(STAGED) + 1:
            imitation.answers.clear()
            imitation.step_down()

    imitation.answers[name] = step_down
    write_long(file, 3000)
    await import_elsewhere()
    assert {it.member for it in imitation.commands} == {0, 1}
    await check_imported(db, 3000)


def once(what: Callable[[], Awaitable[Any]]) -> Callable[[Document], Document | None]:
    """Return an answer that came too late; meanwhile something else was done on the loop."""
    loop, is_done = asyncio.get_running_loop(), threading.Event()

    async def do() -> None:
        await what()

    def answer(_: Document) -> Document | None:
        if is_done.is_set():
            return None
        is_done.set()
        asyncio.run_coroutine_threadsafe(do(), loop).result()
        return {"ok": 0, "code": 50, "codeName": "MaxTimeMSExpired", "errmsg": "time is up"}

    return answer


async def test_who_registers_while_an_import_waits_for_the_database_is_not_replaced(
    db: MotorDatabase,
    imitation: Imitation,
    file: Path,
    import_elsewhere: Callable[[], Awaitable[None]],
    open_house: OpenHouse,
) -> None:
    write(file, *GOOD, END)
    house = await open_house()

    async def live() -> None:
        await (await house.sign_in("bob")).write("dear diary")

    imitation.answers["renameCollection"] = once(live)
    with pytest.raises(CommandError, match="Somebody has registered meanwhile"):
        await import_elsewhere()
    assert await all_logins(db) == ["bob"]
    assert [it["msg"] async for it in db[MESSAGE_COLLECTION].find({})] == ["dear diary"]
    assert await staged(db) == []


async def test_an_import_that_was_dropped_while_it_waited_does_not_pass_for_a_complete_one(
    db: MotorDatabase,
    imitation: Imitation,
    file: Path,
    import_elsewhere: Callable[[], Awaitable[None]],
) -> None:
    """An index creates a collection again, and in NX-27017 a deletion does."""
    write(file, *GOOD, END)
    drop = partial(importing.make_way, Database(db), Staging(Database(db)))
    imitation.answers["delete"] = once(drop)
    with pytest.raises(CommandError, match="Another import was started"):
        await import_elsewhere()
    assert await all_logins(db) == []
    names = [it.name for it in imitation.commands]
    assert "createIndexes" not in names[names.index("delete") :]


@pytest.mark.usefixtures("messages")
async def test_an_export_from_elsewhere_takes_few_queries_and_goes_on_when_some_fail(
    db: MotorDatabase, elsewhere: Imitation, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"user": "bob", "user_id": "", "msg": "said", "time": datetime.now(UTC)}
    entries = [entry | {"seq": seq, "key": f"b:{seq}"} for seq in range(1, 5001)]
    await db[MESSAGE_COLLECTION].insert_many(entries)
    monkeypatch.setattr("storage.batches.QUICK", 1e9)
    limits: list[int] = []

    def fail(body: dict[str, Any]) -> dict[str, Any] | None:
        if "$gt" not in body["filter"].get("seq", {}):
            return None
        limits.append(body["limit"])
        if len(limits) == 4:
            elsewhere.step_down()
        return TIME_IS_UP if body["limit"] > 1000 else None

    elsewhere.answers["find"] = fail
    await exporting.export(Namespace(file=str(file), without_files=False))
    assert limits[:5] == [200, 400, 800, 1600, 800]
    assert len(limits) < 20
    exported = [line["seq"] for line in lines(file) if line["type"] == "message"]
    assert exported == list(range(1, 5001))


async def test_an_import_that_gives_up_says_how_far_it_came_and_leaves_an_empty_room(
    db: MotorDatabase,
    imitation: Imitation,
    file: Path,
    import_elsewhere: Callable[[], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("commands.persistence.PATIENCE", 2)  # each attempt takes half a second
    monkeypatch.setattr("storage.batches.QUICK", -1)
    imitation.loses = lambda _, body: body.get("documents", [{}])[-1].get("seq", 0) > 1000
    write_long(file, 3000)
    with pytest.raises(CommandError, match=r"1,000 of 3,000 entries.*Nothing is imported"):
        await import_elsewhere()
    assert capsys.readouterr().err.count("The database is away or slow (AutoReconnect)") == 1
    assert await all_logins(db) == await staged(db) == []


@pytest.mark.parametrize(
    ("name", "error"),
    [("/dev/full", "No space left"), ("/nowhere/file", "No such file"), ("/proc/x", "can't be")],
)
async def test_an_export_that_cannot_be_written_says_so_and_leaves_nothing(
    small_room: Chat, file: Path, name: str, error: str
) -> None:
    before = os.listdir(file.parent)
    for path in (name, f"{file}/x"):
        sentence = await refusal(small_room, "export", path)
        assert path in sentence
    assert error in await refusal(small_room, "export", name)
    assert os.listdir(file.parent) == before


async def test_an_export_takes_the_place_of_an_earlier_one_only_when_it_is_complete(
    settings: Settings, folder: Path, file: Path
) -> None:
    chat = Chat(folder, **database_of(settings))
    write_long(file, 20_000)
    await done(chat, "import", str(file))
    before = content(file)
    exporting = await start_command(chat, "export", str(file))
    await until(lambda: len(os.listdir(file.parent)) == 2, START_PATIENCE)
    exporting.send_signal(signal.SIGINT)
    assert await ended(exporting) == (1, "", "Interrupted.\n")
    assert content(file) == before
    assert os.listdir(file.parent) == [file.name]


async def test_a_room_without_files_is_exported_as_by_earlier_versions(
    small_room: Chat, file: Path
) -> None:
    await done(small_room, "export", str(file))
    compact = [json.dumps(line, separators=(",", ":")) for line in (*GOOD, END)]
    assert content(file).decode() == "".join(f"{line}\n" for line in compact)


async def test_an_export_has_neither_a_deleted_account_nor_its_name(
    db: MotorDatabase, small_room: Chat, file: Path
) -> None:
    await db[USER_COLLECTION].update_one({}, {"$set": {"unfinished": DELETION}})
    await done(small_room, "export", str(file))
    assert [line["type"] for line in lines(file)] == ["chat", "message", "change", "end"]
    assert {line["user"] for line in lines(file)[1:3]} == {DELETED_USER}
    assert "\tmoderator, deleted\t" in await done(small_room, "users")


async def test_an_export_through_a_link_leaves_the_link(small_room: Chat, file: Path) -> None:
    link = file.with_name("link")
    os.symlink(file.with_name("other"), link)
    for _ in range(2):
        await done(small_room, "export", str(link))
    assert os.readlink(link) == str(file.with_name("other"))
    assert content(file.with_name("other")) == content(link)


async def test_a_pipe_that_nobody_reads_does_not_hold_up_an_export(
    small_room: Chat, file: Path
) -> None:
    os.mkfifo(file.with_name("pipe"))
    assert "can't be written" in await refusal(small_room, "export", str(file.with_name("pipe")))


async def test_a_log_with_holes_is_exported(
    settings: Settings, messages: Any, folder: Path, file: Path
) -> None:
    chat = Chat(folder, **database_of(settings))
    write(file, *GOOD[:3], MESSAGE | {"seq": 10**14, "key": "1:far"}, END)
    await done(chat, "import", str(file))
    await done(chat, "export", str(file))
    assert [line.get("seq") for line in lines(file)] == [None, None, 1, 10**14, None]


async def test_an_export_can_be_piped(small_room: Chat, file: Path) -> None:
    status, output, notes = await run(small_room, "export", "-")
    assert (status, notes) == (0, "Exported: accounts 1, entries 2.\n")
    assert [json.loads(line)["type"] for line in output.splitlines()] == [
        "chat", "account", "message", "change", "end"
    ]  # fmt: skip


async def test_an_export_to_standard_output_leaves_what_the_file_has(
    small_room: Chat, file: Path
) -> None:
    before = content(file)
    shell = await asyncio.create_subprocess_shell(
        f"exec {sys.executable} {ROOT / 'app.py'} export - >> {file}",
        cwd=small_room.folder,
        env=small_room.environment,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await shell.wait() == 0
    assert content(file).startswith(before)
    assert len(lines(file)) == 10


@pytest.mark.parametrize("name", ["/dev/null", "/nowhere", "."])
async def test_an_import_reads_a_file_only(folder: Path, name: str) -> None:
    sentence = await refusal(Chat(folder, **EMBEDDED), "import", name)
    assert sentence in (f"{name} is not a file.", f"{name} does not exist.")
    assert os.listdir(folder) == []


async def test_a_terminal_shows_how_far_it_has_come(folder: Path, file: Path) -> None:
    chat = Chat(folder, **EMBEDDED)
    write_long(file, 5_000)
    for command, word in (("import", "Imported"), ("export", "Exported")):
        terminal, end = os.openpty()
        process = await start_command(chat, command, str(file), stderr=end)
        assert await process.wait() == 0
        shown = ""
        while not shown.endswith("\n"):  # it comes in pieces
            shown += os.read(terminal, 65536).decode()
        assert re.match(rf"\r{word} [\d,]+ of 5,000\r", shown)
        assert shown.endswith(f"{word}: accounts 1, entries 5,000.\r\n")
        os.close(end)
        os.close(terminal)


# Standard input


@pytest.fixture
async def other_room(folder: Path) -> Chat:
    """A room that is still to be made, with an embedded database."""
    (folder / "other").mkdir()
    return Chat(folder / "other", **EMBEDDED)


async def imported(room: Chat, stdin: int | IO[bytes]) -> Ended:
    """Import what standard input has."""
    return await ended(await start_command(room, "import", "-", stdin=stdin))


async def test_an_export_is_piped_into_another_room(
    small_room: Chat, other_room: Chat, file: Path
) -> None:
    source, sink = os.pipe()
    exporting = await start_command(small_room, "export", "-", stdout=sink)
    os.close(sink)
    importing = await start_command(other_room, "import", "-", stdin=source)
    os.close(source)
    assert (await ended(exporting)).status == 0
    assert await ended(importing) == (0, "", "Imported: accounts 1, entries 2.\n")
    assert await done(other_room, "export", "-") == await done(small_room, "export", "-")
    with file.open("rb") as stdin:  # `< file`
        assert (await imported(other_room, stdin)).notes.startswith("The room is not empty")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "Standard input is empty."),
        (b"\x1f\x8b\x08\x00", "Standard input, line 1: it is not JSON."),
        (b'{"type":"chat","version":1}\n', "Standard input is cut off after line 1."),
        (b'{"type":"chat","version":1}\n{"ty', "Standard input, line 2: it is not JSON."),
    ],
)
async def test_nothing_is_kept_of_standard_input_that_is_no_export(
    other_room: Chat, data: bytes, sentence: str
) -> None:
    process = await start_command(other_room, "import", "-", stdin=asyncio.subprocess.PIPE)
    output, notes = await process.communicate(data)
    assert (process.returncode, output) == (1, b"")
    assert notes.decode().startswith(sentence)
    assert not list((other_room.folder / "data").iterdir())


async def test_what_is_no_export_may_be_endless(other_room: Chat) -> None:
    zeros = os.open("/dev/zero", os.O_RDONLY)
    status, _, notes = await imported(other_room, zeros)
    os.close(zeros)
    assert (status, notes) == (1, "Standard input, line 1: it is not JSON.\n")


@pytest.mark.parametrize("stdin", ["a terminal", "closed"])
async def test_without_an_export_in_standard_input_an_import_does_not_wait_for_one(
    other_room: Chat, stdin: str
) -> None:
    terminal, end = os.openpty()
    under = ["sh", "-c", 'exec "$0" "$@" <&-'] if stdin == "closed" else []
    status, _, notes = await ended(
        await start_command(other_room, "import", "-", stdin=end, under=under)
    )
    os.close(end)
    os.close(terminal)
    assert status == 1
    assert notes.startswith("Standard input has no export: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_an_import_that_waits_for_more_can_be_ended_and_leaves_no_file(
    other_room: Chat, number: signal.Signals
) -> None:
    process = await start_command(other_room, "import", "-", stdin=asyncio.subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b'{"type":"chat","version":1}\n')
    data = other_room.folder / "data"

    def is_copied() -> bool:
        """Whether the process has a file in its folder, which has no name."""
        with suppress(FileNotFoundError):  # what was listed may be closed by now
            files = Path(f"/proc/{process.pid}/fd").iterdir()
            return any(os.readlink(it).startswith(str(data)) for it in files)
        return False

    await until(is_copied, START_PATIENCE)
    assert not list(data.iterdir())
    process.send_signal(number)
    assert (await ended(process)).status == (-number if number == signal.SIGKILL else 1)
    assert not list(data.iterdir())


# Places of an export


async def test_an_export_is_not_written_into_a_checkout_but_where_git_ignores_it(
    small_room: Chat, file: Path
) -> None:
    checkout = file.parent / "checkout"
    (checkout / ".git").mkdir(parents=True)
    (checkout / "docs").mkdir()
    (checkout / "data").mkdir()
    (file.parent / "link").symlink_to(checkout / "docs" / "room")
    small_room.environment["DATA_DIR"] = str(checkout / "data")  # its database is elsewhere
    for path in (checkout / "room", checkout / "docs" / "room", file.parent / "link"):
        sentence = await refusal(small_room, "export", str(path))
        assert f"would be in the git checkout {checkout}, " in sentence
        assert not path.exists()
    await done(small_room, "export", str(checkout / "data" / "room"))
    await done(small_room, "export", str(file.parent / "room"))
    small_room.environment["DATA_DIR"] = str(checkout)
    assert "git checkout" in await refusal(small_room, "export", str(checkout / "room"))


@pytest.mark.parametrize("name", ["other", "data/lock", "data/chat.db", "data/secret_key"])
async def test_an_export_replaces_nothing_but_an_export(
    small_room: Chat, folder: Path, name: str
) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("" if name == "data/lock" else "something else")
    sentence = await refusal(small_room, "export", str(path))
    assert sentence == f"{path} is there and is no export: choose another name."
    assert path.exists()
    (folder / "empty").touch()
    for _ in range(2):
        await done(small_room, "export", str(folder / "empty"))
