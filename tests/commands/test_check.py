"""`python app.py check`: what it looks at, and what it says to do."""

import asyncio
import errno
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands import check_database
from commands.check import findings
from commands.check_database import disk, files_taken, look_at_database
from settings import LINK_COLLECTION, MESSAGE_COLLECTION, ROOT, Settings, variables
from storage.database import Database, Document, MotorDatabase
from storage.indexes import create_indexes
from storage.probe import PROBE_COLLECTION
from tests.support.commands import database_of, done, run
from tests.support.databases import database_at
from tests.support.house import House
from tests.support.imitation import READS, TIME_IS_UP, Imitation
from tests.support.people import Person
from tests.support.processes import Chat, running_chat
from tests.support.redis_server import RedisServer
from tests.support.stored_files import add_for
from tests.support.waiting import PATIENCE

LOGO = str(ROOT / "static/img/icon.svg")


async def wrong(chat: Chat) -> list[str]:
    """Return the lines that say what is wrong; notes are not among them."""
    status, output, notes = await run(chat, "check")
    lines = output.splitlines()
    assert all(line.startswith(("ok     ", "note   ", "wrong  ")) for line in lines), output
    found = [line.removeprefix("wrong  ") for line in lines if line.startswith("wrong  ")]
    assert status == (1 if found else 0)
    assert len(notes.splitlines()) == (1 if found else 0), notes
    return found


@pytest.fixture
async def chat(house: Any, settings: Settings, folder: Path) -> Chat:
    """The settings of a chat that runs, for another process."""
    return Chat(folder, **database_of(settings), SECRET_KEY="a key for the tests")


async def test_where_all_is_well_each_line_says_so(redis: RedisServer) -> None:
    redis.start()
    async with running_chat(
        MONGO_HOST="", REDIS_URL=redis.url, METRICS_TOKEN="s3cret" * 3, ROOM_LOGO=LOGO
    ) as chat:
        lines = (await done(chat, "check")).splitlines()
        await chat.terminate()
        assert await wrong(chat) == []
    # A slow machine makes a database that is far away.
    assert all(
        line.startswith("ok     ")
        for line in lines
        if " space: " not in line and not line.startswith("note   database: ")
    )
    names = [line.split()[1] for line in lines]
    looks = ["key:", "Redis:", "files:", "database:", "indexes:", "sent", "space:", "clock:"]
    assert names == [variable.name for variable in variables()] + looks
    assert "ok     REGISTRATION = open" in lines
    assert "ok     ROOM_LOGO = SVG of 313 bytes" in lines
    assert "s3cret" not in "".join(lines)


async def test_whoever_locks_the_files_is_looked_for_where_they_are() -> None:
    async with running_chat(MONGO_HOST="") as chat:
        await chat.terminate()
        files = sqlite3.connect(chat.folder / "data" / "chat.db", isolation_level=None)
        with closing(files):
            files.execute("BEGIN EXCLUSIVE")
            [database] = await wrong(chat)
        assert "see that no other program, such as sqlite3, is using its files" in database
        assert await wrong(chat) == []


async def test_every_bad_setting_has_its_line(folder: Path) -> None:
    bad = Chat(folder, PORT="abc", REGISTRATION="no", REDIS_URL="http://:s3cret@x")
    port, redis, registration = await wrong(bad)
    assert port.startswith("PORT='abc' is not valid: use a number")
    assert redis.startswith("REDIS_URL=(not shown) is not valid")
    assert registration.startswith("REGISTRATION='no'")


async def test_every_line_of_the_envfile_that_is_wrong_or_odd_has_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("settings.ROOT", tmp_path)
    monkeypatch.setattr("os.environ", {"REGISTRATON": "invite"})
    path = tmp_path / ".env"
    lines = ["PORT=1", "TZ=UTC", "REGISTRATION: s3cret", "SITE_HOST=::", "PORT=2"]
    path.write_text("\n".join(lines))
    assert [f"{it.kind}: {it.what}: {it.remedy}" async for it in findings()] == [
        f"note: {path}, line 2 sets TZ, which is no setting of the chat: "
        "see that it is meant for another program",
        f"note: {path}, line 5 sets PORT again, and counts: remove line 1",
        f"wrong: {path}, line 3 is not understood: write REGISTRATION=value, or # before a comment",
        f"wrong: {path}, line 4 sets SITE_HOST: HOST is meant",
        "wrong: the environment sets REGISTRATON: REGISTRATION is meant",
    ]
    path.rename(tmp_path / ".env.txt")
    monkeypatch.setattr("os.environ", {})
    first = await anext(findings())
    assert first == (f"{path}.txt is not read", "call it .env", True)


@pytest.mark.parametrize("name", ["FILES_PER_USER", "FILES_IN_ALL"])
async def test_a_file_that_nobody_can_send_is_noted(chat: Chat, name: str) -> None:
    chat.environment |= {"FILE_SIZE_LIMIT": "25 MB", name: "20 MB"}
    output = await done(chat, "check")
    what = f"FILE_SIZE_LIMIT = 25 MB is more than {name} = 20 MB: lower it, or raise {name}"
    assert f"note   files: {what}\n" in output
    for off in ({"FILE_SIZE_LIMIT": "0"}, {name: "0"}, {name: "25 MB"}):
        chat.environment |= off
        assert "FILE_SIZE_LIMIT = 25 MB is" not in await done(chat, "check")


async def test_what_files_take_is_told(
    chat: Chat, house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("files.store.FILES_PER_QUERY", 2)
    assert "ok     sent files: 0, 0 bytes of 20 GB\n" in await done(chat, "check")
    for size in (1000, 20_000, 300_000):
        await add_for(house, "alice", bytes(size))
    assert await files_taken(Database(house.database)) == (3, 321_000)
    assert "ok     sent files: 3, 321 kB of 20 GB\n" in await done(chat, "check")
    chat.environment |= {"FILES_IN_ALL": "350 kB", "FILE_SIZE_LIMIT": "300 kB"}
    assert "note   sent files: 3, 321 kB of 350 kB: new ones" in await done(chat, "check")
    chat.environment["FILES_IN_ALL"] = "0"
    assert "ok     sent files: 3, 321 kB, without a limit\n" in await done(chat, "check")


async def test_a_disk_that_files_would_fill_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, for_files, kind in ((10**9, 10**9, "ok"), (10**9, 10**9 + 1, "note")):
        monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))  # noqa: B023
        found = await disk(Path("data"), for_files)
        assert found.kind == kind
        assert ("lower FILES_IN_ALL" in found.remedy) == (kind == "note")


async def test_a_missing_index_is_named(chat: Chat, db: MotorDatabase) -> None:
    await db[LINK_COLLECTION].drop_index("expires_1")
    assert await wrong(chat) == ["indexes: links.expires missing: start the chat, it makes them"]


async def test_an_index_that_is_being_built_is_named(chat: Chat, imitation: Imitation) -> None:
    def wait(body: Document) -> Document | None:
        if body["indexes"][0]["name"] != "seq_1":
            return None
        assert body["maxTimeMS"] < 5000
        return TIME_IS_UP

    chat.environment["MONGO_HOST"] = imitation.address
    assert await wrong(chat) == []
    imitation.answers["createIndexes"] = wait
    [index] = await wrong(chat)
    assert index.startswith("indexes: messages.seq being built: wait some minutes")


async def test_what_is_away_is_named(chat: Chat) -> None:
    chat.environment |= {"REDIS_URL": "redis://127.0.0.1:1"}
    [redis] = await wrong(chat)
    assert redis.startswith("Redis: ConnectionError: see that it runs")
    chat.environment |= {"REDIS_URL": "", "MONGO_HOST": "mongodb://127.0.0.1:1"}
    [database] = await wrong(chat)
    assert database.startswith("database: ServerSelectionTimeoutError: see that it runs")


async def test_a_room_that_is_not_there_is_named(folder: Path) -> None:
    [database] = await wrong(Chat(folder, MONGO_HOST=""))
    assert database.startswith("database: There is no chat's data in DATA_DIR=")


async def test_a_key_that_is_of_no_use_is_named(chat: Chat) -> None:
    chat.environment["SECRET_KEY"] = ""
    path = chat.folder / "data" / "secret_key"
    path.parent.mkdir()
    path.touch()
    [key] = await wrong(chat)
    assert key == f"key: {path} is empty; remove it, and everybody has to log in again"
    path.write_text("half a key")
    [key] = await wrong(chat)
    assert key == f"key: {path} is not a whole key; remove it, and everybody has to log in again"
    path.unlink()
    path.mkdir()
    [key] = await wrong(chat)
    assert key == f"key: {path} is a folder; remove it, and everybody has to log in again"
    path.rmdir()
    assert await wrong(chat) == []


async def test_a_missing_text_index_is_named(chat: Chat, db: MotorDatabase) -> None:
    await db[MESSAGE_COLLECTION].drop()
    for field in ("seq", "key"):
        await db[MESSAGE_COLLECTION].create_index(field, unique=True)
    await db[MESSAGE_COLLECTION].create_index("message_seq")
    assert await wrong(chat) == ["indexes: messages.msg missing: start the chat, it makes them"]


async def test_a_clock_that_is_behind_is_noticed(chat: Chat, db: MotorDatabase) -> None:
    time = datetime.now(UTC) + timedelta(minutes=5)
    await db[MESSAGE_COLLECTION].insert_one({"seq": 1, "key": "a", "time": time})
    [clock] = await wrong(chat)
    assert clock.startswith("clock: ")
    assert "behind another's: let the machines set their clocks by NTP" in clock


@pytest.mark.parametrize("time", [None, "yesterday", 5])
async def test_a_message_whose_time_is_none_says_nothing_about_the_clock(
    chat: Chat, db: MotorDatabase, time: object
) -> None:
    """As in the tutorial's data, whose messages may be the newest ones."""
    await db[MESSAGE_COLLECTION].insert_one({"seq": 1, "key": "a", "time": time})
    assert await wrong(chat) == []
    await db[MESSAGE_COLLECTION].update_one({"seq": 1}, {"$unset": {"time": ""}})
    assert await wrong(chat) == []


async def test_whoever_may_not_read_the_folder_is_told_to_be_the_user_of_the_chat(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setenv("DATA_DIR", str(folder))
    monkeypatch.setattr("commands.check.databases", refuse)  # root may read everything
    [wrong] = [found async for found in findings() if found.remedy]
    assert wrong.what.startswith("files: ")
    assert wrong.remedy.startswith("run this as the user of the chat")


# Databases elsewhere


Look = Callable[..., Awaitable[dict[str, str]]]
Answer = Callable[[Document], Document | None]


@pytest.fixture
async def look(imitation: Imitation, settings: Settings, db: MotorDatabase) -> Look:
    """Look at a chat's database through the imitation; returns each line by its first word."""
    await create_indexes(Database(db))

    async def look(kind: str = "address") -> dict[str, str]:
        async with database_at(getattr(imitation, kind), settings.MONGO_DB_NAME) as seen:
            found = [it async for it in look_at_database(Database(seen), settings)]
        assert all(text.isprintable() and REFUSED not in text for it in found for text in it[:2])
        return {it.what.partition(":")[0]: f"{it.kind}: {it.what}: {it.remedy}" for it in found}

    return look


REFUSED = "not authorized, says a text that may quote anything"
REFUSALS = [(13, "Unauthorized"), (59, "CommandNotFound"), (323, "APIStrictError"),
            (8000, "AtlasError")]  # fmt: skip


def refusal(code: int = 13, name: str = "Unauthorized") -> Document:
    """Return the reply to a command that the server refuses."""
    return {"ok": 0, "code": code, "codeName": name, "errmsg": REFUSED}


def the_chats(reply: Document) -> Answer:
    """Return an answer to the chat's command, not to the driver's of the same name."""
    return lambda body: reply if body.get("$db", "admin") != "admin" else None


async def test_a_replica_set_of_three_is_all_right(
    imitation: Imitation, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_database, "FAR_AWAY", 1000 * PATIENCE)
    hello = imitation.hello(0)
    imitation.answers["hello"] = the_chats({**hello, "hosts": [*hello["hosts"], "c:27017"]})
    found = await look()
    assert [*found] == [
        *("database", "server", "replication", "rights", "indexes", "sent files", "space", "clock")
    ]
    assert all(text.startswith("ok: ") for name, text in found.items() if name != "space"), found
    assert found["replication"] == "ok: replication: the replica set rs of 3: "


@pytest.mark.parametrize(
    ("kind", "beginning", "end"),
    [
        ("address", "note: replication: the replica set rs of 2", "nothing is stored"),
        ("standalone", "note: replication: none, a single server", "lost with its disk"),
        ("router", "ok: replication: a router (mongos)", "on one shard"),
    ],
)
async def test_what_a_server_does_not_promise_is_noted(
    look: Look, kind: str, beginning: str, end: str
) -> None:
    found = (await look(kind))["replication"]
    assert found.startswith(beginning)
    assert end in found


async def test_a_replica_set_of_one_promises_no_more_than_one_server(
    imitation: Imitation, look: Look
) -> None:
    hello = imitation.hello(0)
    imitation.answers["hello"] = the_chats({**hello, "hosts": hello["hosts"][:1]})
    found = (await look())["replication"]
    assert found.startswith("note: replication: the replica set rs of 1: what it has stored")


async def test_a_sharded_collection_with_unique_indexes_is_wrong(
    imitation: Imitation, look: Look
) -> None:
    imitation.answers["collStats"] = lambda body: {
        **{"ok": 1, "sharded": body["collStats"] == MESSAGE_COLLECTION}
    }
    found = (await look("router"))["replication"]
    assert found.startswith("wrong: replication: a router (mongos), messages sharded: ")


@pytest.mark.parametrize(("version", "kind"), [("6.0.27", "note"), ("7.0.0", "ok"), ("8.2", "ok")])
async def test_a_server_that_is_too_old_is_noted(
    imitation: Imitation, look: Look, version: str, kind: str
) -> None:
    imitation.answers["buildInfo"] = lambda _: {"ok": 1, "version": version}
    assert (await look())["server"].startswith(f"{kind}: server: version {version}")


@pytest.mark.parametrize(("command", "step", "kind"), [
    ("createIndexes", "make an index", "wrong"),
    ("renameCollection", "rename a collection", "note"),
    ("drop", "drop a collection", "note"),
])  # fmt: skip
async def test_a_right_that_is_missing_is_named_with_the_role_that_has_it(
    imitation: Imitation, look: Look, settings: Settings, command: str, step: str, kind: str
) -> None:
    imitation.answers[command] = lambda _: refusal()
    found = (await look())["rights"]
    assert found.startswith(f"{kind}: rights: the server refuses to {step} (Unauthorized")
    assert f"has the role readWrite on {settings.MONGO_DB_NAME}" in found


async def test_the_trial_of_rights_touches_and_leaves_nothing(
    look: Look, imitation: Imitation, db: MotorDatabase
) -> None:
    before = set(await db.list_collection_names())
    for answers in ({}, {"renameCollection": lambda _: refusal()}):
        imitation.answers |= answers
        await asyncio.gather(look(), look())
        assert set(await db.list_collection_names()) - before <= {PROBE_COLLECTION}
    touched = {it.body["drop"] for it in imitation.commands if it.name == "drop"}
    assert touched == {"chat_check", "chat_check_renamed"}


@pytest.mark.parametrize(("changes", "is_all_right"), [
    ({}, True),
    ({"default_language": "english"}, False),
    ({"weights": {"user": 1}}, False),
    ({"partialFilterExpression": {"of": None}}, False),
])  # fmt: skip
async def test_a_text_index_with_other_options_is_in_the_place_of_the_chats(
    imitation: Imitation, look: Look, db: MotorDatabase, changes: Document, is_all_right: bool
) -> None:
    text = {"v": 2, "key": {"_fts": "text", "_ftsx": 1}, "name": "msg_text",
            "weights": {"msg": 1}, "default_language": "none", "textIndexVersion": 3}  # fmt: skip
    assert (await indexes_with(imitation, look, db, {**text, **changes})) == (
        "ok: indexes: all there: "
        if is_all_right
        else "wrong: indexes: msg_text made with other options: "
        "drop these, and start the chat, it makes its own"
    )


@pytest.mark.parametrize("options", [
    {"unique": False}, {"sparse": True}, {"partialFilterExpression": {"seq": {"$gt": 1}}},
    {"collation": {"locale": "en"}},
])  # fmt: skip
async def test_an_index_that_does_not_hold_is_in_the_place_of_the_chats(
    imitation: Imitation, look: Look, db: MotorDatabase, options: Document
) -> None:
    index = {"v": 2, "key": {"seq": 1}, "name": "idx_messages_seq", "unique": True, **options}
    found = await indexes_with(imitation, look, db, index)
    assert found.startswith("wrong: indexes: idx_messages_seq made with other options: ")


async def indexes_with(imitation: Imitation, look: Look, db: MotorDatabase, other: Document) -> str:
    """Return the line about the indexes where one of the messages' is another."""
    reply = await db.command("listIndexes", MESSAGE_COLLECTION)
    listed = reply["cursor"]["firstBatch"]
    reply["cursor"]["firstBatch"] = [other if it["key"] == other["key"] else it for it in listed]
    imitation.answers["listIndexes"] = lambda body: (
        reply if body["listIndexes"] == MESSAGE_COLLECTION else None
    )
    return (await look())["indexes"]


@pytest.mark.parametrize(("free", "kind"), [(499, "note"), (501, "ok")])
async def test_a_disk_with_little_space_is_noted(
    imitation: Imitation, look: Look, free: int, kind: str
) -> None:
    imitation.answers["dbStats"] = lambda _: {
        **{"ok": 1, "dataSize": 3_000_000.0, "indexSize": 500_000, "fsTotalSize": 8e9},
        "fsUsedSize": 8e9 - free * 1e6,
    }
    found = (await look())["space"]
    assert found.startswith(
        f"{kind}: space: 3.5 MB of data and indexes, {free} MB free on the server's disk: "
    )


async def test_space_that_a_server_does_not_tell_is_left_open(
    imitation: Imitation, look: Look
) -> None:
    imitation.answers["dbStats"] = lambda _: {"ok": 1, "dataSize": 0, "indexSize": 4096}
    told = "4.1 kB of data and indexes, how much is free the server does not tell"
    assert (await look())["space"] == f"ok: space: {told}: "


UNTOLD = {"hello": "replication", "buildInfo": "server", "dbStats": "space"}


@pytest.mark.parametrize(("code", "name"), REFUSALS)
@pytest.mark.parametrize("command", [*UNTOLD, "collStats"])
async def test_a_question_that_the_server_refuses_is_left_open(
    imitation: Imitation, look: Look, command: str, code: int, name: str
) -> None:
    kind = "router" if command == "collStats" else "address"
    imitation.answers[command] = the_chats(refusal(code, name))
    found = await look(kind)
    assert not any(text.startswith("wrong") for text in found.values()), found
    assert "the server does not tell" in found[UNTOLD.get(command, "replication")]


@pytest.mark.parametrize(("command", "name"), UNTOLD.items())
async def test_a_question_that_is_not_answered_is_left_open(
    imitation: Imitation, look: Look, command: str, name: str
) -> None:
    """As that for the space, which may take a server seconds."""
    imitation.loses = lambda sent, body: sent == command and body.get("$db", "admin") != "admin"
    assert "the server does not tell" in (await look())[name]


@pytest.mark.parametrize(("command", "name"), [
    ("createIndexes", "rights"), ("renameCollection", "rights"), ("drop", "rights"),
    ("listIndexes", "indexes"),
])  # fmt: skip
async def test_a_step_that_is_not_answered_is_named_and_the_rest_is_looked_at(
    imitation: Imitation, look: Look, command: str, name: str
) -> None:
    lost = 2 if command in READS else 1  # the driver asks once more

    def loses(sent: str, body: Document) -> bool:
        nonlocal lost
        lost -= sent == command
        return sent == command and lost >= 0

    imitation.loses = loses
    found = await look()
    assert [it for it in found if found[it].startswith("wrong")] == [name]
    assert found[name].startswith(f"wrong: {name}: no answer (AutoReconnect): ")
    assert {"indexes", "space", "clock"} <= {*found}


@pytest.mark.parametrize(("code", "name"), REFUSALS)
@pytest.mark.parametrize("command", ["find", "update", "listIndexes"])
async def test_a_need_that_the_server_refuses_is_wrong_and_the_rest_is_looked_at(
    imitation: Imitation, look: Look, command: str, code: int, name: str
) -> None:
    imitation.answers[command] = lambda _: refusal(code, name)
    found = await look()
    assert name in found["indexes" if command == "listIndexes" else "database"]
    assert found["space"]
    assert found["replication"].startswith("note: ")


async def test_a_far_database_is_noted_and_does_not_look_like_a_wrong_clock(
    imitation: Imitation, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitation.delay = 0.12
    monkeypatch.setattr("commands.check_database.CLOCKS_APART", 0.1)
    found = await look()
    assert found["clock"] == "ok: clock: right: "
    assert found["database"].startswith("note: database: has written in ")
    assert found["database"].endswith("run the chat near its database")


@pytest.mark.parametrize(("ahead", "words"), [(60, "behind"), (-60, "ahead of")])
async def test_a_clock_that_the_servers_contradicts_is_wrong(
    imitation: Imitation, look: Look, ahead: int, words: str
) -> None:
    there = datetime.now(UTC) + timedelta(seconds=ahead)
    imitation.answers["hello"] = the_chats({**imitation.hello(0), "localTime": there})
    assert f" s {words} another's: let the machines" in (await look())["clock"]


async def test_another_process_that_is_wrong_too_hides_no_wrong_clock(
    imitation: Imitation, look: Look, db: MotorDatabase
) -> None:
    now = datetime.now(UTC)
    there, said = now - timedelta(seconds=60), now + timedelta(seconds=20)
    imitation.answers["hello"] = the_chats({**imitation.hello(0), "localTime": there})
    await db[MESSAGE_COLLECTION].insert_one({"seq": 1, "key": "a", "time": said})
    assert " s ahead of another's: let the machines" in (await look())["clock"]
