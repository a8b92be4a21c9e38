"""`python app.py check`: what it looks at, and what it says to do."""

import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from commands.check import findings
from settings import LINK_COLLECTION, MESSAGE_COLLECTION, Settings, variables
from storage.database import MotorDatabase
from tests.support.commands import database_of, done, run
from tests.support.imitation import Imitation
from tests.support.processes import Chat, running_chat
from tests.support.redis_server import RedisServer


async def wrong(chat: Chat) -> list[str]:
    """Return the lines that say what is wrong."""
    status, output, notes = await run(chat, "check")
    found = [line for line in output.splitlines() if not line.startswith("ok     ")]
    assert status == (1 if found else 0)
    assert all(line.startswith("wrong  ") for line in found), output
    assert len(notes.splitlines()) == (1 if found else 0), notes
    return [line.removeprefix("wrong  ") for line in found]


@pytest.fixture
async def chat(house: Any, settings: Settings, folder: Path) -> Chat:
    """The settings of a chat that runs, for another process."""
    return Chat(folder, **database_of(settings), SECRET_KEY="a key for the tests")


async def test_where_all_is_well_each_line_says_so(redis: RedisServer) -> None:
    redis.start()
    async with running_chat(MONGO_HOST="", REDIS_URL=redis.url, METRICS_TOKEN="s3cret" * 3) as chat:
        lines = (await done(chat, "check")).splitlines()
        await chat.terminate()
        assert await wrong(chat) == []
    assert all(line.startswith("ok     ") for line in lines)
    names = [line.split()[1] for line in lines]
    settings = [variable.name for variable in variables()]
    assert names == [*settings, "key:", "Redis:", "files:", "database:", "indexes:", "clock:"]
    assert "ok     REGISTRATION = open" in lines
    assert "s3cret" not in "".join(lines)


async def test_every_bad_setting_has_its_line(folder: Path) -> None:
    bad = Chat(folder, PORT="abc", REGISTRATION="no", REDIS_URL="http://:s3cret@x")
    port, redis, registration = await wrong(bad)
    assert port.startswith("PORT='abc' is not valid: use a number")
    assert redis.startswith("REDIS_URL=(not shown) is not valid")
    assert registration.startswith("REGISTRATION='no'")


async def test_a_missing_index_is_named(chat: Chat, db: MotorDatabase) -> None:
    await db[LINK_COLLECTION].drop_index("expires_1")
    assert await wrong(chat) == ["indexes: links.expires missing: start the chat, it makes them"]


async def test_an_index_that_is_being_built_is_named(chat: Chat, imitation: Imitation) -> None:
    error = {"code": 50, "codeName": "MaxTimeMSExpired", "errmsg": "time is up"}

    def wait(body: dict[str, Any]) -> dict[str, Any] | None:
        assert body["maxTimeMS"] < 5000
        return {"ok": 0, **error} if body["indexes"][0]["name"] == "seq_1" else None

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
    assert "can't be read" in key
    path.rmdir()
    assert await wrong(chat) == []


async def test_a_clock_that_is_behind_is_noticed(chat: Chat, db: MotorDatabase) -> None:
    time = datetime.now(UTC) + timedelta(minutes=5)
    await db[MESSAGE_COLLECTION].insert_one({"seq": 1, "key": "a", "time": time})
    [clock] = await wrong(chat)
    assert clock.startswith("clock: ")
    assert "behind another's: let the machines set their clocks by NTP" in clock


async def test_whoever_may_not_read_the_folder_is_told_to_be_the_user_of_the_chat(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setenv("DATA_DIR", str(folder))
    for name in ("databases", "read_key"):  # root may read everything
        monkeypatch.setattr(f"commands.check.{name}", refuse)
    wrong = [found async for found in findings() if found.remedy]
    assert [found.what.partition(":")[0] for found in wrong] == ["key", "files"]
    assert all(found.remedy.startswith("run this as the user of the chat") for found in wrong)
