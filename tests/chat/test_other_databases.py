"""What comes through Redis from a copy of the database, or from the past, is not believed."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pymongo
import pytest

from auth.sessions import SESSIONS
from server.relay import RELAY
from settings import MESSAGE_COLLECTION
from storage.redis_relay import QUEUE_LIMIT, READ_AT_ONCE, REPORT_EVERY, RedisRelay
from tests.support.accounts import log_in
from tests.support.databases import EmbeddedServer, embedded_server, new_database
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.redis_server import RedisServer
from tests.support.sessions import held_by, present
from tests.support.sockets import Socket
from tests.support.waiting import PATIENCE, until

ANOTHER_DATABASE = "writes another database"


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.redis_relay.RENEW_EVERY", 0.1)
    monkeypatch.setattr("chat.presence.RETURN_WINDOW", 0)


@pytest.fixture
def mongo(original: EmbeddedServer) -> str:
    """The address of the original's server."""
    return original.address


@pytest.fixture
def original() -> Any:
    """A database server with a folder that can be copied."""
    with embedded_server() as server:
        server.start()
        yield server


def relay_of(house: House) -> RedisRelay:
    relay = house.app[RELAY]
    assert isinstance(relay, RedisRelay)
    return relay


async def in_touch(*houses: House) -> None:
    """Wait until all have heard through Redis, and one of them has the lease."""
    relays = [relay_of(house) for house in houses]
    await until(lambda: all(relay.is_connected for relay in relays))
    await until(lambda: any(relay.is_writer for relay in relays))


def copy_collections(address: str, source: str, target: str) -> None:
    """Copy all documents of a database, as mongodump and mongorestore do."""
    with pymongo.MongoClient[dict[str, Any]](address) as client:
        client.drop_database(target)
        for name in client[source].list_collection_names():
            if documents := list(client[source][name].find({})):
                client[target][name].insert_many(documents)


class Copies:
    """Ways to copy the database of a chat that runs; each returns settings for the copy."""

    def __init__(self, original: EmbeddedServer, redis: RedisServer, stack: ExitStack) -> None:
        self._original, self._redis, self._stack = original, redis, stack

    def file(self, house: House) -> dict[str, Any]:
        """Copy the files of the embedded database."""
        server = self._stack.enter_context(embedded_server())
        ignore = shutil.ignore_patterns("*.sock")
        shutil.copytree(self._original.folder, server.folder, dirs_exist_ok=True, ignore=ignore)
        server.start()
        return {"MONGO_HOST": server.address}

    def name(self, house: House) -> dict[str, Any]:
        """Restore a dump under another name on the same server."""
        name = self._stack.enter_context(new_database(self._original.address))
        copy_collections(self._original.address, house.database.name, name)
        return {"MONGO_DB_NAME": name}

    def number(self, house: House) -> dict[str, Any]:
        """Restore a dump, and use another number on the same Redis."""
        return self.name(house) | {"REDIS_URL": self._redis.url.removesuffix("0") + "1"}


@pytest.fixture
def copies(original: EmbeddedServer, redis: RedisServer) -> Any:
    """Ways to copy the database."""
    with ExitStack() as stack:
        yield Copies(original, redis, stack)


LAST = b"chat:last"  # a channel for what is published after all that is recorded


@asynccontextmanager
async def recorded(redis: RedisServer) -> AsyncIterator[Callable[[], int]]:
    """Record all that is published, in the form of a function that publishes it again."""
    with redis.client() as client, client.pubsub() as pubsub:
        pubsub.psubscribe("chat:*")
        assert pubsub.get_message(timeout=PATIENCE)
        messages: list[dict[str, Any]] = []

        def replay() -> int:
            """Publish again what was published until now, and return how much that is."""
            client.publish(LAST, b"")
            while (message := pubsub.get_message(timeout=PATIENCE))["channel"] != LAST:
                messages.append(message)
            for message in messages:
                client.publish(message["channel"], message["data"])
            return len(messages)

        yield replay


async def messages_of(house: House) -> list[tuple[int, str]]:
    """Return the number and text of each stored message."""
    stored = await house.database[MESSAGE_COLLECTION].find({}).sort("seq", 1).to_list(None)
    return [(each["seq"], each["msg"]) for each in stored]


async def heard_now(houses: list[House]) -> None:
    """Wait until what was published before has arrived everywhere."""
    for house in houses:
        relay = relay_of(house)
        since = relay._heard_at
        await until(lambda: relay._heard_at > since)  # noqa: B023


@pytest.mark.parametrize("way", ["file", "name", "number"])
@pytest.mark.parametrize("first", ["original", "copy"])
async def test_a_copy_and_its_original_store_and_show_only_their_own_messages(
    open_house: OpenHouse,
    redis: RedisServer,
    copies: Copies,
    way: str,
    first: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = await open_house(REDIS_URL=redis.url)
    if first == "original":  # it holds the lease
        await in_touch(house)
    alice = await house.sign_in("alice")
    await alice.write("before")
    if first == "copy":
        settings = getattr(copies, way)(house)
        await house.close()
        await house.server.close()
        copy = await open_house(**{"REDIS_URL": redis.url} | settings)
        await in_touch(copy)
        house = await open_house(REDIS_URL=redis.url)
        alice = await log_in(house, "alice")
    else:
        settings = getattr(copies, way)(house)
        copy = await open_house(**{"REDIS_URL": redis.url} | settings)
    await in_touch(house, copy)
    hers, his = await alice.connect(), await (await log_in(copy, "alice")).connect()
    for number in range(2, 7):
        for socket, msg in ((hers, f"real {number}"), (his, f"trial {number}")):
            await socket.say(msg)
            frame = await socket.next("message")
            assert (frame["seq"], frame["msg"]) == (number, msg)
    real = [(1, "before"), *((number, f"real {number}") for number in range(2, 7))]
    assert await messages_of(house) == real
    assert await messages_of(copy) == [(n, msg.replace("real", "trial")) for n, msg in real]
    await until(lambda: ANOTHER_DATABASE in caplog.text)
    await heard_now([house, copy])
    lines = [record.message for record in caplog.records if ANOTHER_DATABASE in record.message]
    assert len(lines) <= 2  # one of each process, in a minute


async def test_what_happens_in_a_copy_signs_nobody_out_and_shows_nobody_in_the_original(
    open_house: OpenHouse, redis: RedisServer, copies: Copies
) -> None:
    house = await open_house(REDIS_URL=redis.url)
    alice = await house.sign_in("alice")
    bob = await house.sign_in("bob")
    cookie = held_by(alice)
    copy = await open_house(REDIS_URL=redis.url, **copies.name(house))
    await in_touch(house, copy)
    hers = await alice.connect()
    bob_there = await (await log_in(copy, "bob")).connect()
    await bob_there.send(type="typing")
    alice_there = await present(copy, cookie)
    await alice_there.post("/signout")
    await heard_now([house, copy])
    assert await hers.said("still here") == 1
    hello = await (await bob.connect()).next("hello")
    assert hello["online"] == ["alice", "bob"]
    seen = {(await hers.next("joined", "typing", "left"))["type"]}
    assert seen == {"joined"}  # bob came when he came here


@pytest.fixture
async def houses(open_house: OpenHouse, redis: RedisServer) -> list[House]:
    """Two processes' chats, which hear each other."""
    houses = [await open_house(REDIS_URL=redis.url) for _ in range(2)]
    await hearing(houses)
    return houses


async def hearing(houses: list[House]) -> None:
    """Wait until two processes hear each other, and know who writes."""
    relays = [relay_of(house) for house in houses]
    await until(lambda: sorted((r.is_writer, r.has_other_writer) for r in relays) == ROLES)
    await until(lambda: all(len(relay._others) == 1 for relay in relays))


ROLES = [(False, True), (True, False)]  # who writes, and who has another writer


async def test_what_is_published_again_at_once_passes_once(
    houses: list[House], redis: RedisServer
) -> None:
    heard: list[list[Any]] = [[], []]
    for house, told in zip(houses, heard, strict=True):
        relay_of(house).listen("typing", told.append)
        relay_of(house).listen("attempt", told.append)
    async with recorded(redis) as replay:
        relay_of(houses[0]).tell_others("typing", "alice")
        relay_of(houses[0]).tell_others("attempt", ("taken", []))
        await until(lambda: len(heard[1]) == 2)
        for _ in range(3):
            assert replay() >= 2
        await heard_now(houses)
    assert heard == [[], ["alice", ["taken", []]]]


async def test_messages_published_again_after_a_restore_show_nothing_and_leave_no_hole(
    open_house: OpenHouse,
    houses: list[House],
    original: EmbeddedServer,
    redis: RedisServer,
) -> None:
    alice = await houses[0].sign_in("alice")
    name = houses[0].database.name
    with new_database(original.address) as backup:
        async with recorded(redis) as replay:
            people = [alice, await log_in(houses[1], "alice")]
            for number, person in enumerate(people):
                await (await person.connect()).said(f"lost {number}")
            copy_collections(original.address, name, backup)
            with pymongo.MongoClient[dict[str, Any]](original.address) as client:
                client[backup][MESSAGE_COLLECTION].delete_many({})  # the backup is older than them
            for house in houses:
                await house.close()
                await house.server.close()
            copy_collections(original.address, backup, name)
            again = [await open_house(REDIS_URL=redis.url) for _ in range(2)]
            bob = await again[0].sign_in("bob")
            his = await bob.connect()
            there = await (await log_in(again[1], "bob")).connect()
            replay()  # at once
            await hearing(again)
            replay()  # when the processes hear each other
            await heard_now(again)
            assert await his.said("first") == 1
            assert (await there.next("message"))["seq"] == 1
            assert await messages_of(again[0]) == [(1, "first")]
            for house in again:
                assert (await (await log_in(house, "bob")).connect()).ws
                online = await online_in(house)
                assert online == ["bob"]  # alice is in the old lists


async def online_in(house: House) -> list[str]:
    """Return who is here, as a page is told when it connects."""
    socket: Socket = await (await log_in(house, "bob")).connect()
    logins: list[str] = (await socket.next("hello"))["online"]
    return logins


async def test_a_sign_out_that_is_published_again_after_a_restore_ends_no_session(
    houses: list[House], redis: RedisServer
) -> None:
    alice = await houses[0].sign_in("alice")
    sessions = houses[0].database["sessions"]
    [stored] = await sessions.find({}).to_list(None)
    async with recorded(redis) as replay:
        cookie = held_by(alice)
        await alice.post("/signout")
        await heard_now(houses)
        await until(lambda: houses[1].app[SESSIONS].has_ended(stored["_id"]))
        await sessions.insert_one(stored)
        houses[1].app[SESSIONS]._identities._known.clear()  # it remembers for five seconds
        socket = await (await present(houses[1], cookie)).connect()
        replay()
        await heard_now(houses)
        assert await socket.said("hi") == 1


async def test_a_flood_of_rubbish_is_one_line_a_minute_and_lets_others_have_their_turn(
    houses: list[House],
    redis: RedisServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relay = relay_of(houses[0])
    loop = asyncio.get_running_loop()
    turns = 0  # of the loop, since the last message
    in_one_turn: list[int] = []
    receive = relay._receive

    def count_turn() -> None:
        nonlocal turns
        turns += 1

    def receive_and_count(data: bytes) -> None:
        in_one_turn.append(turns)
        loop.call_soon(count_turn)
        receive(data)

    monkeypatch.setattr(relay, "_receive", receive_and_count)

    def lines() -> list[str]:
        return [r.message for r in caplog.records if r.message.startswith("ignored")]

    def publish(count: int) -> None:
        with redis.client() as client:
            pipeline = client.pipeline(transaction=False)
            for number in range(count):
                pipeline.publish(relay._channel, b"rubbish %d" % number)
            pipeline.execute()

    publish(1)
    await until(lambda: len(lines()) == len(houses))
    publish(1000)
    alice = await houses[0].sign_in("alice")
    assert await (await alice.connect()).said("hi") == 1
    await until(lambda: relay._ignored.total() == 1000)
    assert max(Counter(in_one_turn).values()) <= READ_AT_ONCE
    await heard_now(houses)
    assert len(lines()) == len(houses)
    relay._report_at -= REPORT_EVERY
    await until(lambda: "ignored messages from Redis: 1000 (InvalidToken)" in lines())


async def test_while_redis_is_away_what_waits_for_it_is_bounded(
    houses: list[House], redis: RedisServer
) -> None:
    redis.kill()
    relay = relay_of(houses[0])
    for _ in range(QUEUE_LIMIT + 100):
        relay.tell_others("typing", "alice")
    assert relay._to_publish.qsize() == QUEUE_LIMIT


async def test_the_text_of_an_edit_is_not_among_what_is_stored(houses: list[House]) -> None:
    [writer] = [house for house in houses if relay_of(house).is_writer]
    [other] = [house for house in houses if house is not writer]
    entries: list[dict[str, Any]] = []
    relay_of(other).listen("entries", entries.extend)
    alice: Person = await writer.sign_in("alice")
    socket = await alice.connect()
    await socket.said("first wording")
    await socket.send(type="edit", of=1, msg="second wording", nonce="e")
    await socket.next("change")
    await until(lambda: len(entries) == 2)
    assert "first wording" in entries[0].values()
    assert "second wording" not in entries[1].values()
