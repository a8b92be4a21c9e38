"""Talking over `/ws`, in both formats, and what happens to those who abuse it."""

import time

import aiohttp
import pytest
from aiohttp import WSMsgType

from chat import presence
from chat.hub import HUB
from tests.support.accounts import log_in
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.sockets import Socket, refusal_of
from tests.support.waiting import PATIENCE


async def read_line(ws: aiohttp.ClientWebSocketResponse) -> str:
    """Return the next line of the tutorial's format."""
    return await ws.receive_str(timeout=PATIENCE)


async def test_a_message_reaches_everybody_its_sender_included(hers: Socket, his: Socket) -> None:
    assert (await hers.next())["type"] == "hello"
    assert await hers.next() == {"type": "joined", "user": "bob"}
    assert await his.next() == {
        "type": "hello", "user": "bob", "seq": 0, "people": 2, "online": ["alice", "bob"],
        "truncated": False,
    }  # fmt: skip
    await hers.say("hi", nonce="n1")
    frame = await hers.next()
    assert frame == await his.next()
    assert frame.pop("time").endswith("Z")
    assert frame == {"type": "message", "seq": 1, "user": "alice", "msg": "hi", "nonce": "n1"}


async def test_the_classic_format_is_the_tutorials(alice: Person, bob: Person) -> None:
    hers, his = await alice.connect_classic(), await bob.connect_classic()
    assert await read_line(hers) == "bob joined"
    await his.send_str("hello")
    assert await read_line(hers) == await read_line(his) == "(bob) hello"
    await his.send_str("two\nlines")
    assert await read_line(hers) == "(bob) two ⏎ lines"
    await his.send_str("")
    await read_line(his)
    assert await read_line(his) == "error: invalid"
    await his.send_str("close")
    assert (await his.receive(timeout=PATIENCE)).type is WSMsgType.CLOSE
    assert his.close_code == 1000
    assert await read_line(hers) == "bob disconnected"


@pytest.mark.parametrize(
    ("since", "truncated"), [(0, False), (3, False), (4, True), (10**14, True)]
)
async def test_since_beyond_the_log_is_truncated(
    alice: Person, since: int, truncated: bool
) -> None:
    await alice.talk(3)
    socket = await alice.connect(since)
    assert (await socket.next("hello"))["truncated"] is truncated
    await socket.say("next")
    seqs = list(range(since + 1, 5)) if not truncated else [4]
    assert [(await socket.next())["seq"] for _ in seqs] == seqs


async def test_a_replay_that_is_too_large_is_truncated(alice: Person, hers: Socket) -> None:
    for _ in range(30):
        await hers.say("👍" * 2000)  # 8 kB each
        await hers.next("message")
    assert (await (await alice.connect(since=0)).next("hello"))["truncated"] is True
    assert (await (await alice.connect(since=20)).next("hello"))["truncated"] is False


@pytest.mark.parametrize("query", ["since=", "since=-1", "since=1.5", "since=x", "since=1&since=2",
                                   "since=٣", "since=" + "9" * 400])  # fmt: skip
async def test_a_since_that_is_no_number_is_refused(alice: Person, query: str) -> None:
    assert await refusal_of(alice.client.ws_connect(f"/ws?{query}")) == 400


async def test_a_repeat_is_known_after_a_restart_and_long_after(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 3)
    house = await open_house()
    alice = await house.sign_in("alice")
    socket = await alice.connect()
    await socket.say("once", nonce="n1")
    first = await socket.next("message")
    await alice.talk(5)
    await socket.say("once", nonce="n1")
    assert [await socket.next("message") for _ in range(6)][-1] == first
    await house.server.close()

    again = await log_in(await open_house(), "alice")
    socket = await again.connect(since=6)
    await socket.say("once", nonce="n1")
    assert await socket.next("message") == first


async def test_who_talks_too_fast_is_told_and_then_cut_off(open_house: OpenHouse) -> None:
    house = await open_house(MESSAGES_PER_SECOND=5)
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    hers, his = await alice.connect(), await bob.connect()
    started = time.monotonic()
    for number in range(100):
        await hers.say(f"{number}", nonce=f"{number}")
    error = await hers.next("error")
    assert error["code"] == "too_fast"
    # Four seconds' worth at once, then five a second.
    assert 20 <= int(error["nonce"]) <= 20 + 5 * (time.monotonic() - started)
    assert await hers.close_code() == 1008
    await his.say("peace")
    frame = await his.next("message")
    while frame["user"] == "alice":
        frame = await his.next("message")
    assert frame["msg"] == "peace"


async def test_a_flood_of_pings_is_cut_off(alice: Person) -> None:
    ws = await alice.client.ws_connect("/ws", protocols=["chat.v1"], autoping=False)
    for _ in range(60):
        await ws.ping(b"x")
    assert await Socket(ws).close_code() == 1008


async def test_a_second_tab_and_a_reload_are_silent(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    his = await bob.connect()
    await his.next("hello")
    tab = await alice.connect()
    assert (await his.next())["type"] == "joined"
    second = await alice.connect()
    await tab.close()
    await second.close()
    reloaded = await alice.connect()
    await reloaded.say("reloaded")
    assert (await his.next())["type"] == "message"
    monkeypatch.setattr(presence, "GRACE", 0)
    await reloaded.close()
    assert await his.next() == {"type": "left", "user": "alice"}


async def test_reconnecting_after_a_restart_is_not_announced_but_counted(
    alice: Person, his: Socket
) -> None:
    await his.next("hello")
    await alice.client.ws_connect("/ws?since=0&returning", protocols=["chat.v1"])
    assert await his.next() == {"type": "people", "people": 2, "online": ["alice", "bob"]}


async def test_many_joins_at_once_are_sent_as_one_list(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "NOTICES_PER_SECOND", 3)
    monkeypatch.setattr(presence, "PEOPLE_DELAY", 60)
    people = [await house.sign_in(f"person{n}") for n in range(6)]
    first = await people[0].connect()
    await first.next("hello")
    for person in people[1:]:
        await (await person.connect()).next("hello")
    for _ in range(2):
        assert (await first.next())["type"] == "joined"
    house.app[HUB].presence._send_list()  # as after PEOPLE_DELAY
    frame = await first.next()
    assert (frame["type"], frame["people"]) == ("people", 6)
