"""The room by itself: who gets which frames, in which order, and who is sent away."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from auth.sessions import Identity
from chat import hub as hub_module
from chat import wire
from chat.client import CLOSE_WAIT, Client
from chat.entry import MessageEntry, now
from chat.hub import HUB, WEBSOCKETS, Hub, hub_ctx
from chat.recent import Recent
from server import background as background_module
from server.metrics import METRICS, Metrics
from server.relay import RELAY, Relay
from tests.support.clocks import Clock

ONE, TWO = wire.Frames(b"one ", b"classic one "), wire.Frames(b"two ", b"classic two ")
ONLY_JSON = wire.Frames(b"{}", b"")


class Reader(Client):
    """Stands for one client, and keeps what is done to it."""

    def __init__(self, login: str, session: str = "", is_classic: bool = False) -> None:
        self.identity = Identity(f"id of {login}", session or f"session of {login}", login)
        self.is_classic = is_classic
        self.is_silent = False
        self.is_busy = False
        self.pinged_at = 0.0
        self.done: list[Any] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self, code: int, reason: str = "", timeout: float = CLOSE_WAIT) -> None:
        self.done.append((code, reason, timeout))

    def ping(self, now: float) -> None:
        self.done.append(f"ping at {now}")

    def abort(self) -> None:
        self.done.append("abort")


class Room(Hub):
    """A hub whose readers are not sockets."""

    def __init__(self) -> None:
        super().__init__(set(), Relay(), Metrics())
        self.recent = Recent()

    def enter(self, reader: Reader, since: int | None = None, returning: bool = False) -> Reader:
        self.join(reader, self.recent, since, returning)
        return reader

    def say(self, seq: int, msg: str) -> MessageEntry:
        entry = MessageEntry(seq, f"a:{seq}", "alice", "a", msg, now())
        self.recent.add(entry)
        return entry


@pytest.fixture
async def room() -> Room:
    """A room with nobody in it."""
    return Room()


async def test_who_joins_is_greeted_and_the_others_are_told(room: Room) -> None:
    room.say(1, "hi")
    alice = room.enter(Reader("alice"))
    bob = room.enter(Reader("bob"))
    assert alice.done == [
        wire.hello("alice", 1, 1, ["alice"], False).chat_v1, wire.joined("bob").chat_v1
    ]  # fmt: skip
    assert bob.done == [wire.hello("bob", 1, 2, ["alice", "bob"], False).chat_v1]
    assert room.presence.sockets("id of bob") == 1


async def test_who_returns_after_a_restart_is_not_announced(room: Room) -> None:
    alice = room.enter(Reader("alice"))
    room.enter(Reader("bob"), returning=True)
    assert alice.done == [wire.hello("alice", 0, 1, ["alice"], False).chat_v1]


@pytest.mark.parametrize("is_classic", [False, True])
@pytest.mark.parametrize(
    ("since", "to_spare", "shown", "truncated"),
    [(None, 0, [], False), (0, 0, [1, 2], False), (1, 0, [2], False), (2, 0, [], False),
     (0, -1, [], True), (3, 0, [], True)],
)  # fmt: skip
async def test_who_resumes_gets_what_was_missed_unless_it_is_too_much(
    room: Room, monkeypatch: pytest.MonkeyPatch, is_classic: bool, since: int | None,
    to_spare: int, shown: list[int], truncated: bool,
) -> None:  # fmt: skip
    frames = {seq: wire.entry_frames(room.say(seq, f"message {seq}")) for seq in (1, 2)}
    missed = {seq: both.classic if is_classic else both.chat_v1 for seq, both in frames.items()}
    limit = len(b"".join(missed.values())) + to_spare
    monkeypatch.setattr(hub_module, "REPLAY_LIMIT", limit)
    alice = room.enter(Reader("alice", is_classic=is_classic), since)
    hello = wire.hello("alice", 2, 1, ["alice"], truncated)
    replay = b"".join(missed[seq] for seq in shown)
    assert alice.done == [b"" if is_classic else hello.chat_v1, *([replay] if replay else [])]


async def test_what_is_stored_just_before_somebody_joins_comes_once(room: Room) -> None:
    entry = room.say(1, "hi")
    room.deliver([entry])
    alice = room.enter(Reader("alice"), since=0)
    room.send(alice, ONE)  # after everything else
    assert alice.done[1:] == [wire.entry_frames(entry).chat_v1, b"one "]


async def test_what_is_said_in_one_tick_is_one_write_to_each(room: Room) -> None:
    alice = room.enter(Reader("alice"))
    bob = room.enter(Reader("bob", is_classic=True))
    alice.done, bob.done = [], []
    room.broadcast(ONE)
    room.broadcast(TWO)
    room.send(alice, TWO)
    assert alice.done == [b"one two ", b"two "]
    assert bob.done == [b"classic one classic two "]
    room.broadcast(ONLY_JSON)
    room.send(bob, ONE)
    assert alice.done[2:] == [b"{}"]
    assert bob.done[1:] == [b"classic one "]


async def test_what_is_delivered_and_written_is_counted(room: Room) -> None:
    room.enter(Reader("alice"))
    room.enter(Reader("bob", is_classic=True))
    entries = [room.say(1, "hi"), room.say(2, "how are you?")]
    room._flush()
    number = room._metrics.registry.get_sample_value
    assert number("chat_flush_frames_count") == 2  # both have joined
    written = number("chat_broadcast_bytes_total") or 0
    room.deliver(entries)
    room.broadcast(ONLY_JSON)
    room._flush()
    assert number("chat_messages_total") == 2
    assert number("chat_deliveries_total") == 4
    assert number("chat_flush_frames_count") == 3
    assert number("chat_flush_frames_sum") == 2 + 3
    size = sum(len(data) for entry in entries for data in wire.entry_frames(entry)) + len("{}")
    assert number("chat_broadcast_bytes_total") == written + size


async def test_a_flush_that_took_long_puts_off_the_next_by_a_quarter(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, put_off = iter([10.0, 12.0, 12.0]), []
    loop = SimpleNamespace(time=lambda: next(times), call_at=lambda *call: put_off.append(call))
    with monkeypatch.context() as patch:
        patch.setattr(hub_module, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
        room.broadcast(ONE)
        room.broadcast(TWO)
        room._flush()
        room._flush()  # which has nothing to write
        room.broadcast(ONE)
    assert put_off == [(0.0, room._flush), (12.5, room._flush)]


async def test_typing_is_told_every_three_seconds_and_in_a_small_room(
    room: Room, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "TYPING_MAX_PEOPLE", 2)
    alice, bob = room.enter(Reader("alice")), room.enter(Reader("bob"))
    told = []
    for seconds, reader in [(0, alice), (2.9, alice), (0, bob), (0.1, alice)]:
        clock.now += seconds
        told.append(room.announce_typing(reader.identity))
    room._flush()
    assert told == [True, False, True, True]
    typing = wire.typing("alice").chat_v1
    assert bob.done[1:] == [typing + wire.typing("bob").chat_v1 + typing]
    room.enter(Reader("carol"))
    clock.now += 3
    assert room.announce_typing(alice.identity)
    room._flush()
    assert bob.done[2:] == [wire.joined("carol").chat_v1]


async def test_fifty_wasted_frames_of_a_session_are_borne_in_ten_seconds(
    room: Room, clock: Clock
) -> None:
    one, other, bob = Reader("alice"), Reader("alice"), Reader("bob")
    for _ in range(25):
        for reader in (one, other, bob):
            room.count_wasted_frame(reader)
    assert one.done == other.done == []
    room.count_wasted_frame(one)
    assert one.done == [(1008, "Too many frames", CLOSE_WAIT)]
    room.count_wasted_frame(bob)
    assert bob.done == []
    clock.now += 10
    room.count_wasted_frame(other)
    assert other.done == []


async def test_a_session_that_has_ended_loses_all_its_sockets_and_no_others(room: Room) -> None:
    here = [room.enter(Reader("alice", "s1")) for _ in range(2)]
    elsewhere = room.enter(Reader("alice", "s2"))
    assert sorted(room.open_session_ids()) == ["s1", "s1", "s2"]
    room._relay.tell_here("ended", ["s1"])
    assert [reader.done[-1] for reader in here] == [(4401, "Signed out", CLOSE_WAIT)] * 2
    assert (4401, "Signed out", CLOSE_WAIT) not in elsewhere.done


async def test_who_leaves_twice_leaves_once(room: Room) -> None:
    alice = room.enter(Reader("alice"))
    room.enter(Reader("alice"))
    for _ in range(2):
        room.leave(alice)
    assert room.presence.sockets("id of alice") == 1
    assert len(room.websockets) == 1


async def test_the_end_waits_until_everybody_has_left(room: Room) -> None:
    room.leave(room.enter(Reader("early")))
    readers = [room.enter(Reader("alice")), room.enter(Reader("bob"))]
    assert not room.is_closing
    room.broadcast(ONE)
    ending = asyncio.create_task(room.close_all(10))
    await asyncio.sleep(0)
    assert room.is_closing
    for reader in readers:
        assert reader.done[-2:] == [b"one ", (1001, "Server shutdown", 10)]
        await asyncio.sleep(0.01)
        assert not ending.done()
        room.leave(reader)
    async with asyncio.timeout(5):
        await ending
    await room.close_all(10)
    assert [reader.done.count((1001, "Server shutdown", 10)) for reader in readers] == [1, 1]


async def test_who_enters_during_the_end_is_sent_away(room: Room) -> None:
    await room.close_all(10)
    assert room.enter(Reader("late")).done[-1] == (1001, "Server shutdown", CLOSE_WAIT)


async def test_the_end_does_not_wait_for_who_stays(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def timeout(seconds: float) -> asyncio.Timeout:
        waits.append(seconds)
        return asyncio.timeout(0)

    parts = SimpleNamespace(get_running_loop=asyncio.get_running_loop, timeout=timeout)
    monkeypatch.setattr(hub_module, "asyncio", parts)
    room.enter(Reader("alice"))
    await room.close_all(2)
    assert waits == [pytest.approx(2.1)]


async def test_the_end_of_an_empty_room_waits_for_nothing(room: Room) -> None:
    async with asyncio.timeout(5):
        await room.close_all(10)


@pytest.mark.parametrize(
    ("is_silent", "is_busy", "pinged", "done"),  # seconds ago
    [
        (False, False, 7.9, []), (False, False, 8, ["ping at 100.0"]),
        (True, False, 6, []), (True, False, 6.1, ["abort"]),
        (True, True, 6.1, []), (True, True, 8, ["ping at 100.0"]), (False, True, 7.9, []),
    ],
)  # fmt: skip
async def test_everybody_is_pinged_and_who_does_not_answer_is_cut_off(
    room: Room, monkeypatch: pytest.MonkeyPatch, is_silent: bool, is_busy: bool, pinged: float,
    done: list[str],
) -> None:  # fmt: skip
    reader = Reader("alice")
    reader.is_silent, reader.is_busy, reader.pinged_at = is_silent, is_busy, 100 - pinged
    room.websockets.add(reader)
    assert await pauses_between_pings(room, monkeypatch) == [1]
    assert reader.done == done
    cut_off = room._metrics.registry.get_sample_value(
        "chat_readers_cut_off_total", {"reason": "no_pong"}
    )
    assert cut_off == done.count("abort")


async def test_many_are_pinged_in_steps_and_not_who_has_just_left(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = [Reader(f"reader{number}") for number in range(250)]
    room.websockets.update(readers)
    leaver, pinged = list(room.websockets)[-1], []

    def note_how_many() -> None:
        pinged.append(sum(1 for reader in readers if reader.done))
        room.websockets.discard(leaver)

    assert (
        await pauses_between_pings(room, monkeypatch, note_how_many) == [pytest.approx(1 / 3)] * 3
    )
    assert pinged == [100, 200, 249]


async def pauses_between_pings(
    room: Room, monkeypatch: pytest.MonkeyPatch, at_pause: Callable[[], None] = lambda: None
) -> list[float]:
    """Ping everybody at the loop's time 100, in one round; return its pauses, in seconds."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        at_pause()
        if sum(pauses) > 0.99:
            raise asyncio.CancelledError

    loop = SimpleNamespace(time=lambda: 100.0)
    with monkeypatch.context() as patch:
        patch.setattr(hub_module, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
        patch.setattr(background_module, "asyncio", SimpleNamespace(sleep=sleep))
        with pytest.raises(asyncio.CancelledError):
            await room.ping_sockets()
    return pauses


async def test_the_room_of_an_application_is_watched_while_it_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def watch(hub: Hub) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(Hub, "ping_sockets", watch)
    app = web.Application()
    app[WEBSOCKETS], app[RELAY], app[METRICS] = set(), Relay(), Metrics()
    async with asynccontextmanager(hub_ctx)(app), asyncio.timeout(5):
        await begun.wait()
        assert app[HUB].websockets is app[WEBSOCKETS]
    assert ended.is_set()
