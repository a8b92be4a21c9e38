"""Several processes that Redis joins: one writes, and all hear at once what is stored."""

import asyncio
import logging
import signal
from dataclasses import replace
from typing import Any

import bson
import pytest
from cryptography.fernet import Fernet
from redis import exceptions as redis_exceptions
from redis.asyncio import client as client_module
from redis.asyncio import lock as lock_module

from app import create_app
from auth.attempts import LIMITS, PER_NAME_AND_ADDRESS
from chat.entry import DELETED_USER, now
from chat.journal import JOURNAL
from security.keys import fernet_key
from server.relay import RELAY
from settings import MESSAGE_COLLECTION, Settings
from storage.peers import PROCESS_COLLECTION
from storage.redis_relay import MESSAGE_LIMIT, RedisRelay
from tests.support.accounts import delete_account, log_in
from tests.support.databases import embedded_server
from tests.support.house import House, OpenHouse
from tests.support.imitation import WRITES, Imitation
from tests.support.pages import HistoryPage
from tests.support.people import WRONG
from tests.support.redis_server import RedisServer
from tests.support.sessions import held_by, present
from tests.support.sockets import Socket
from tests.support.waiting import PATIENCE, START_PATIENCE, until

BACK_WITHIN = 5 + 2  # seconds after Redis is back, as promised, and two for a busy machine
POLLED_WITHIN = 2 + 2  # seconds, likewise


@pytest.fixture
async def houses(
    open_house: OpenHouse, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> list[House]:
    """Three processes' chats that know of each other. They never poll."""
    monkeypatch.setattr("chat.journal.POLL_EVERY", float("inf"))
    with monkeypatch.context() as hurry:
        hurry.setattr("storage.redis_relay.RENEW_EVERY", 0.1)
        houses = [await open_house(REDIS_URL=redis.url, MODERATORS=("alice",)) for _ in range(3)]
        await joined(houses)
    return houses


@pytest.fixture
def long_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a writer that does not give its lease away keep it longer than any test takes."""
    monkeypatch.setattr("storage.redis_relay.LEASE", 60)


def relay_of(house: House) -> RedisRelay:
    relay = house.app[RELAY]
    assert isinstance(relay, RedisRelay)
    return relay


async def joined(houses: list[House], within: float = PATIENCE) -> None:
    """Wait until one process is the writer, and the others know it."""

    def one_writes() -> bool:
        relays = [relay_of(house) for house in houses]
        writers = sum(relay.is_writer for relay in relays)
        return writers == 1 and sum(relay.has_other_writer for relay in relays) == len(relays) - 1

    await until(one_writes, within)


def by_role(houses: list[House]) -> tuple[House, list[House]]:
    """Return the writer's house, and the others."""
    [writer] = [house for house in houses if relay_of(house).is_writer]
    return writer, [house for house in houses if house is not writer]


async def sockets_in(houses: list[House], login: str = "alice") -> list[Socket]:
    """Return a socket of somebody in each house."""
    people = [await houses[0].sign_in(login)]
    people += [await log_in(house, login) for house in houses[1:]]
    return [await person.connect() for person in people]


async def seq_of(socket: Socket, msg: str) -> int:
    """Say something, and return its number once it is back, passing over what others say."""
    await socket.say(msg)
    while (frame := await socket.next("message"))["msg"] != msg:
        pass
    seq: int = frame["seq"]
    return seq


async def test_what_one_process_stores_is_heard_in_all_at_once(houses: list[House]) -> None:
    sockets = await sockets_in(houses)
    for number, socket in enumerate(sockets, 1):
        assert await seq_of(socket, f"message {number}") == number
    for seq in (2, 3):
        assert (await sockets[0].next("message"))["seq"] == seq


@pytest.mark.usefixtures("long_lease")
async def test_only_the_writer_writes(houses: list[House], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.journal.HANDED_OVER_FOR", float("inf"))
    _, others = by_role(houses)
    for house in others:

        async def refuse(drafts: Any) -> None:
            raise AssertionError("stored by a process that is not the writer")

        monkeypatch.setattr(house.app[JOURNAL], "_store", refuse)
    for number, socket in enumerate(await sockets_in(houses), 1):
        assert await seq_of(socket, f"hi {number}") == number


async def test_edits_and_deletions_are_heard_in_all(houses: list[House]) -> None:
    here, there, _ = await sockets_in(houses)
    await here.said("first wording")
    await there.next("message")
    await there.send(type="edit", of=1, msg="second wording", nonce="e")
    for socket in (here, there):
        assert (await socket.next("change"))["msg"] == "second wording"
    await here.send(type="delete", of=1, nonce="d")
    for socket in (here, there):
        assert (await socket.next("change"))["msg"] == ""


async def test_a_draft_that_the_writer_does_not_get_is_written_after_a_second(
    houses: list[House], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, [other, _] = by_role(houses)
    monkeypatch.setitem(relay_of(writer)._listeners, "drafts", [])
    alice = await other.sign_in("alice")
    started = asyncio.get_running_loop().time()
    assert await (await alice.connect()).said("hi") == 1
    assert asyncio.get_running_loop().time() - started >= 1


@pytest.mark.usefixtures("long_lease")
async def test_when_the_writer_ends_another_takes_over(houses: list[House]) -> None:
    writer, others = by_role(houses)
    sockets = await sockets_in(others)
    await writer.close()
    await writer.server.close()
    for number, socket in enumerate(sockets, 1):
        assert await seq_of(socket, f"hi {number}") == number
    await joined(others)  # it has not waited for the end of the lease


async def test_without_redis_all_goes_on_by_the_database_and_with_it_as_before(
    houses: list[House], redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.journal.POLL_EVERY", 2)
    sockets = await sockets_in(houses)
    redis.kill()
    for number, socket in enumerate(sockets, 1):
        async with asyncio.timeout(POLLED_WITHIN):
            await socket.say(f"message {number}")
            for each in sockets:
                assert (await each.next("message"))["seq"] == number
    redis.start()
    await joined(houses)
    assert await sockets[0].said("back") == 4


async def test_a_writer_whose_log_in_the_database_refuses_leaves_that_to_another(
    imitation: Imitation,
    open_house: OpenHouse,
    redis: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As while a password is changed and one process after the other is started again."""
    monkeypatch.setattr("storage.redis_relay.RENEW_EVERY", 0.1)
    writer = await open_house(MONGO_HOST=imitation.address, REDIS_URL=redis.url)
    await until(lambda: relay_of(writer).is_writer)
    other = await open_house(REDIS_URL=redis.url)
    await joined([writer, other])
    refusal = {"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "no"}
    imitation.answers |= dict.fromkeys(("find", *WRITES), lambda body: refusal)
    await until(lambda: relay_of(other).is_writer, START_PATIENCE)


@pytest.mark.parametrize("call", ["Pipeline.execute", "PubSub.get_message", "Lock.reacquire"])
async def test_a_chat_ends_although_redis_has_just_died(
    open_house: OpenHouse, redis: RedisServer, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    house = await open_house(REDIS_URL=redis.url)
    await joined([house])
    began = asyncio.Event()

    async def fail_when_cancelled(*_: Any, **__: Any) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:  # as redis-py does: it tidies up the connection, which is gone
            raise redis_exceptions.ConnectionError

    name, method = call.split(".")
    client = {"Pipeline": client_module, "PubSub": client_module, "Lock": lock_module}[name]
    monkeypatch.setattr(getattr(client, name), method, fail_when_cancelled)
    await began.wait()
    async with asyncio.timeout(PATIENCE):
        await house.server.close()


async def test_redis_that_stands_still_holds_nobody_up(
    houses: list[House], redis: RedisServer
) -> None:
    sockets = await sockets_in(houses)
    redis.send(signal.SIGSTOP)
    try:
        for number, socket in enumerate(sockets, 1):
            async with asyncio.timeout(POLLED_WITHIN):
                assert await seq_of(socket, f"hi {number}") == number
    finally:
        redis.send(signal.SIGCONT)
    await joined(houses, BACK_WITHIN)


async def test_a_chat_starts_without_the_redis_that_it_is_to_use(open_house: OpenHouse) -> None:
    house = await open_house(REDIS_URL="redis://127.0.0.1:1/0")
    alice = await house.sign_in("alice")
    assert await (await alice.connect()).said("hi") == 1


async def test_somebody_in_two_processes_joins_once_and_leaves_once(
    houses: list[House], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.presence.GRACE", 0.3)
    monkeypatch.setattr("chat.presence.RETURN_WINDOW", 0)
    watchers = await sockets_in(houses)
    bob = await houses[0].sign_in("bob")
    again = await log_in(houses[1], "bob")
    sockets = [await bob.connect(), await again.connect()]
    for watcher in watchers:
        assert (await watcher.next("joined"))["user"] == "bob"
    hello = await (await log_in(houses[2], "bob")).connect()
    assert (await hello.next("hello"))["online"] == ["alice", "bob"]
    for socket in [*sockets, hello]:
        await socket.close()
    for watcher in watchers:
        notice = await watcher.next("joined", "left")
        assert (notice["type"], notice["user"]) == ("left", "bob")


async def test_typing_is_seen_in_all_processes(houses: list[House]) -> None:
    here, there, _ = await sockets_in(houses)
    await here.send(type="typing")
    assert (await there.next("typing"))["user"] == "alice"


@pytest.mark.usefixtures("nobody_looks")
async def test_a_sign_out_is_known_in_all_processes_at_once(houses: list[House]) -> None:
    alice = await houses[0].sign_in("alice")
    elsewhere = await present(houses[1], held_by(alice))
    socket = await elsewhere.connect()
    await alice.post("/signout")
    assert await socket.close_code() == 4401


@pytest.mark.usefixtures("nobody_looks")
async def test_a_deleted_account_soon_has_no_name_in_any_process(houses: list[House]) -> None:
    carol = await houses[0].sign_in("carol")
    bob = await houses[0].sign_in("bob")
    elsewhere = [await present(house, held_by(bob)) for house in houses]

    async def show(author: str) -> bool:
        pages = [HistoryPage(await person.page()) for person in elsewhere]
        return all([line.user for line in page.lines] == [author] for page in pages)

    await carol.write("hi")
    await until(lambda: show("carol"))
    assert (await delete_account(carol)).status == 303
    await until(lambda: show(DELETED_USER))


async def test_failed_log_ins_are_counted_once_for_all_processes(
    houses: list[House], monkeypatch: pytest.MonkeyPatch
) -> None:
    await houses[0].sign_in("alice")
    visitors = [await house.visitor() for house in houses]
    # Alice is known at this address, in all processes, and counts apart there.
    for name, limit in (("carol", "address"), ("alice", "known address")):
        counted = [house.app[LIMITS]._limits[limit]._uses for house in houses]
        for number in range(PER_NAME_AND_ADDRESS):
            visitor = visitors[number % len(houses)]
            assert (await visitor.log_in(name, WRONG)).status == 401
            await until(
                lambda: [sum(map(len, uses.values())) for uses in counted] == [number + 1] * 3  # noqa: B023
            )
    for visitor in visitors:
        assert (await visitor.log_in("carol", WRONG)).status == 429
        assert (await visitor.log_in("alice")).status == 303


async def test_registrations_are_counted_once_for_all_processes(
    open_house: OpenHouse, redis: RedisServer
) -> None:
    settings = {"REDIS_URL": redis.url, "REGISTRATIONS_PER_HOUR": 2}
    houses = [await open_house(**settings) for _ in range(2)]
    await joined(houses)
    for number, house in enumerate(houses):
        assert (await (await house.visitor()).register(f"user{number}")).status == 303
        counted = [house.app[LIMITS]._limits["registration"]._uses for house in houses]
        await until(lambda: [sum(map(len, uses.values())) for uses in counted] == [number + 1] * 2)  # noqa: B023
    for house in houses:
        assert (await (await house.visitor()).register("carol")).status == 429


async def test_healthz_tells_of_redis_and_answers_200_without_it(
    houses: list[House], redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    visitor = await houses[0].visitor()

    async def health() -> tuple[int, dict[str, str]]:
        response = await visitor.get("/healthz")
        return response.status, await response.json()

    well = {"status": "ok", "database": "ok", "redis": "ok", "writer": "ok"}
    assert await health() == (200, well)
    redis.kill()
    ill = {"status": "degraded", "database": "ok", "redis": "away", "writer": "away"}

    async def is_ill() -> bool:
        return await health() == (200, ill)

    await until(is_ill)
    redis.start()

    async def is_well() -> bool:
        return await health() == (200, well)

    await until(is_well)
    await until(lambda: caplog.text.count("Redis is back") == len(houses))
    assert caplog.text.count("Redis is away") == len(houses)


async def test_healthz_tells_of_redis_also_while_there_is_no_database_to_join_by(
    settings: Settings, redis: RedisServer, aiohttp_server: Any, aiohttp_client: Any
) -> None:
    with embedded_server() as server:  # which is not started
        changed = replace(settings, MONGO_HOST=server.address, REDIS_URL=redis.url)
        house = House(await aiohttp_server(create_app(changed)), aiohttp_client)
        visitor = await house.visitor()

        async def redis_is(state: str) -> None:
            async def is_so() -> bool:
                health = await (await visitor.get("/healthz")).json()
                return bool(health["redis"] == state and health["database"] == "away")

            await until(is_so, START_PATIENCE)

        await redis_is("ok")
        redis.kill()
        await redis_is("away")
        redis.start()
        await redis_is("ok")
        server.start()
        await until(lambda: relay_of(house).is_writer, START_PATIENCE)


async def test_two_deployments_on_one_redis_do_not_hear_each_other(
    open_house: OpenHouse, redis: RedisServer
) -> None:
    houses = [
        await open_house(REDIS_URL=redis.url, SECRET_KEY=(f"the key of deployment {number}",))
        for number in range(2)
    ]
    await until(lambda: all(relay_of(house).is_writer for house in houses))
    heard: list[Any] = []
    relay_of(houses[1]).listen("typing", heard.append)
    relay_of(houses[0]).tell_others("typing", "alice")
    for house in houses:  # what was published is back
        since = relay_of(house)._heard_at
        await until(lambda: relay_of(house)._heard_at > since)  # noqa: B023
    assert not heard


KEY, ANOTHER_KEY = "a key for the tests", "a key of others"


AUTHOR = {"key": "k", "user": "eve", "user_id": "u"}
CHANGE = {"of": 1, "text": "hi", "state": "edited"}


def told(kind: str, content: Any) -> bytes:
    """Return what another process might say, before it is encrypted."""
    said = {"from": "elsewhere", "token": "t", "number": 1, "kind": kind, "content": content}
    return bson.encode(said)


async def let_elsewhere_be_believed(houses: list[House]) -> None:
    """Let the houses see that the process of told() writes their database."""
    document = {"_id": "elsewhere", "tokens": ["t"]}
    await houses[0].database[PROCESS_COLLECTION].insert_one(document)
    peers = [relay_of(house)._peers for house in houses]
    await until(lambda: all(each._peers.get("elsewhere") for each in peers))


@pytest.mark.parametrize(
    ("key", "said", "error"),
    [
        (None, b"", "InvalidToken"),
        (None, b"half a messa", "InvalidToken"),
        (ANOTHER_KEY, told("typing", "eve"), "InvalidToken"),
        (KEY, b"no bson", "InvalidBSON"),
        (KEY, bson.encode({"from": "elsewhere", "kind": "typing"}), "KeyError"),
        (KEY, told("beat", None), "TypeError"),
        (
            KEY,
            bson.encode({"from": 7, "token": "t", "number": 1, "kind": "typing", "content": ""}),
            "TypeError",
        ),
        (KEY, b" " * (MESSAGE_LIMIT + 1), "ValueError"),
        (KEY, told("drafts", [AUTHOR | {"content": {"msg": 7}}]), "TypeError"),
        (KEY, told("drafts", [AUTHOR | {"content": CHANGE | {"of": [1]}}]), "TypeError"),
        (KEY, told("drafts", [AUTHOR | {"content": CHANGE | {"text": None}}]), "TypeError"),
        (KEY, told("drafts", [AUTHOR | {"content": {}}]), "TypeError"),
        (KEY, told("entries", 7), "TypeError"),
        (KEY, told("entries", [{"seq": 1}]), "KeyError"),
        (KEY, told("entries", [{"seq": 1, "key": "k"}]), "KeyError"),
        (
            KEY,
            told("entries", [{"seq": "1", "key": "k", "user": "u", "user_id": "u", "msg": ""}]),
            "TypeError",
        ),
        (KEY, told("presence", ["elsewhere", ["eve"]]), "TypeError"),
        (KEY, told("presence", ["elsewhere", {"u": 7}]), "TypeError"),
        (KEY, told("recheck", 7), "TypeError"),
        (KEY, told("typing", 7), "TypeError"),
        (KEY, told("attempt", ["taken", [["no limit", b""]]]), "KeyError"),
        (KEY, told("entries", [{"seq": 1, "key": "k", "user": "u", "user_id": "u"}]), "KeyError"),
        (KEY, told("entries", [AUTHOR | {"seq": 1, "msg": "", "digest": 7}]), "TypeError"),
        (KEY, told("read", ["u", "1"]), "TypeError"),
    ],
    ids=range(24),
)
async def test_what_makes_no_sense_is_ignored_with_one_line_in_the_log(
    houses: list[House],
    redis: RedisServer,
    caplog: pytest.LogCaptureFixture,
    key: str | None,
    said: bytes,
    error: str,
) -> None:
    socket, *_ = await sockets_in(houses)
    await let_elsewhere_be_believed(houses)
    caplog.clear()
    data = Fernet(fernet_key(key)).encrypt(said) if key else said
    with redis.client() as client:
        assert client.publish(relay_of(houses[0])._channel, data) == len(houses)
    await until(lambda: len(caplog.records) >= len(houses))
    line = f"ignored messages from Redis: 1 ({error})"
    assert [record.message for record in caplog.records] == [line] * len(houses)
    assert await seq_of(socket, "still here") == 1
    assert len(caplog.records) == len(houses)


async def test_a_number_beyond_the_log_is_looked_up(
    houses: list[House], redis: RedisServer
) -> None:
    socket, *_ = await sockets_in(houses)
    said = {"user": "eve", "user_id": "u", "time": now()}
    stored = {"seq": 1, "key": "k1", "msg": "stored", **said}
    await houses[0].database[MESSAGE_COLLECTION].insert_one(stored)
    untrue = {"seq": 2, "key": "k2", "msg": "not stored", **said}
    await let_elsewhere_be_believed(houses)
    with redis.client() as client:
        data = Fernet(fernet_key(KEY)).encrypt(told("entries", [untrue]))
        client.publish(relay_of(houses[0])._channel, data)
    assert (await socket.next("message"))["msg"] == "stored"  # nothing polls
    assert await seq_of(socket, "said") == 2


async def test_people_of_a_process_that_is_silent_are_gone_and_of_one_that_restarts_are_not(
    houses: list[House], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.presence.RETURN_WINDOW", 0)
    alice = await (await houses[0].sign_in("alice")).connect()
    bob = await houses[1].sign_in("bob")
    carol = await houses[2].sign_in("carol")
    for person, login in ((bob, "bob"), (carol, "carol")):
        await person.connect()
        assert (await alice.next("joined"))["user"] == login
    await houses[2].close()
    await houses[2].server.close()  # says goodbye; carol comes back at once
    socket = await (await log_in(houses[0], "carol")).connect()
    await socket.next("hello")
    monkeypatch.setattr("chat.presence.GRACE", 0.3)
    monkeypatch.setattr("storage.redis_relay.GONE_AFTER", 2)
    monkeypatch.setattr(relay_of(houses[1]), "_encode", lambda *_: b"")  # is heard no more
    notice = await alice.next("joined", "left")
    assert (notice["type"], notice["user"]) == ("left", "bob")
    await socket.close()
    assert (await alice.next("joined", "left"))["user"] == "carol"


async def test_a_relay_that_fails_goes_on_and_says_so_once(
    houses: list[House], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    relay = relay_of(houses[0])
    monkeypatch.setattr("storage.redis_relay.RETRY_PAUSE", 0)
    send = relay._redis.pipeline
    failed: list[bool] = []

    def fail_twice(**options: Any) -> Any:
        if len(failed) < 2:
            failed.append(True)
            raise ValueError("no answer of Redis")
        return send(**options)

    monkeypatch.setattr(relay._redis, "pipeline", fail_twice)
    await until(lambda: len(failed) == 2)
    failed_at = asyncio.get_running_loop().time()
    await until(lambda: relay._heard_at > failed_at)
    await joined(houses)
    said = [record.message for record in caplog.records if "failed" in record.message]
    assert said == ["the relay failed, and goes on"]
