"""A chat that is killed at any moment of a file's life: nothing is half in the room, or left."""

import asyncio
import random
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from files.store import CHUNK_SIZE, KEPT_FOR
from settings import CHUNK_COLLECTION, FILE_COLLECTION, MESSAGE_COLLECTION
from storage.database import MotorDatabase
from tests.support.accounts import JSON, signed_in
from tests.support.clocks import clock_ahead
from tests.support.databases import database_at
from tests.support.processes import running_chat
from tests.support.soak import SEED, size
from tests.support.waiting import until

ROUNDS = size(soak=50, test=4)
AT_ONCE = 4  # people who send, with a session each
SWEPT_WITHIN = size(soak=300, test=150)  # seconds; the sweep takes its time
LIVES_FOR = 0.6  # seconds at most, in which each of them sends a few files

pytestmark = pytest.mark.timeout(180 + 15 * ROUNDS)


def content_of(name: str) -> bytes:
    """Return what the file of a name has: up to six chunks."""
    dice = random.Random(name)
    return dice.randbytes(dice.randrange(1, 6 * CHUNK_SIZE))


class Sender:
    """Somebody who sends files, and deletes some of the messages, until the chat is killed."""

    def __init__(self, browser: aiohttp.ClientSession, name: str) -> None:
        self.browser = browser
        self.dice = random.Random(name)
        self.name = name
        self.sent = 0
        # Names of files whose messages are there, and of those where nobody can tell.
        self.kept, self.unclear = set[str](), set[str]()

    async def send_files(self) -> None:
        """Send files, one after the other."""
        while True:
            self.sent += 1
            name = f"{self.name}-{self.sent}.bin"
            file = await self._post("/file", content_of(name), {"name": name})
            if self.dice.random() < 0.2:
                continue  # without a message
            self.unclear.add(name)
            said = await self._post("/", {"msg": "", "file": file["id"], "nonce": name})
            if self.dice.random() < 0.4:
                await self._post(f"/message/{said['seq']}", {"action": "delete"})
            else:
                self.kept.add(name)
            self.unclear.remove(name)

    async def _post(self, path: str, data: Any, query: Any = None) -> dict[str, Any]:
        options = {"params": query, "headers": JSON, "allow_redirects": False}
        async with self.browser.post(path, data=data, **options) as response:
            assert response.status < 400, await response.text()
            found: dict[str, Any] = {} if response.status == 303 else await response.json()
            return found


async def until_killed(sending: Awaitable[None]) -> None:
    """Send until the chat is gone."""
    with suppress(aiohttp.ClientError):
        await sending


async def check_room(database: MotorDatabase, browser: aiohttp.ClientSession) -> set[str]:
    """Check that all that is served is whole; return the names of the files in the room."""
    named = {}
    async for message in database[MESSAGE_COLLECTION].find({"state": None}):
        if "file" in message:
            named[message["file"]["id"]] = message["file"]["name"]
    async for document in database[FILE_COLLECTION].find({}):
        async with browser.get(f"/file/{document['id']}") as response:
            if response.status == 404:
                assert document["id"] not in named
            else:
                assert document["state"] == "complete"
                assert await response.read() == content_of(document["name"])
    stored = {document["id"] async for document in database[FILE_COLLECTION].find({})}
    assert named.keys() <= stored
    return set(named.values())


async def left_over(database: MotorDatabase, names: set[str]) -> list[str]:
    """Return what the database has besides the files of these names."""
    documents = {each["id"]: each async for each in database[FILE_COLLECTION].find({})}
    needed = {
        f"{each['id']}:{number}"
        for each in documents.values()
        if each["name"] in names
        for number in range(-(-each["size"] // CHUNK_SIZE))
    }
    others = [each["name"] for each in documents.values() if each["name"] not in names]
    chunks = [each["_id"] async for each in database[CHUNK_COLLECTION].find({}, ["_id"])]
    assert needed <= set(chunks)
    return others + [chunk for chunk in chunks if chunk not in needed]


@pytest.mark.parametrize("seed", [SEED])
async def test_a_chat_that_is_killed_at_any_moment_leaves_nothing_half_and_nothing_for_long(
    seed: int,
) -> None:
    dice = random.Random(seed)
    async with running_chat(MESSAGES_PER_SECOND=0) as chat, signed_in(chat.url, "alice") as alice:
        senders = [Sender(alice, f"{seed}-{number}") for number in range(AT_ONCE)]
        async with database_at(chat.database, "chat") as db:
            for _ in range(ROUNDS):
                async with asyncio.TaskGroup() as tasks:
                    for sender in senders:
                        tasks.create_task(until_killed(sender.send_files()))
                    await asyncio.sleep(dice.uniform(0, LIVES_FOR))
                    await chat.kill()
                await chat.start()
                names = await check_room(db, alice)
                kept = set[str]().union(*(sender.kept for sender in senders))
                assert kept <= names <= kept.union(*(sender.unclear for sender in senders))
            await chat.stop()
            later = clock_ahead(KEPT_FOR + 3600)
            chat.environment |= {name: str(value) for name, value in later.items()}
            await chat.start()

            async def is_swept() -> bool:
                return await db[FILE_COLLECTION].count_documents({}) == len(names)

            await until(is_swept, within=SWEPT_WITHIN)
            assert not await left_over(db, names)
