"""Frames that no page sends: each is answered as the wire says, and nobody else is harmed."""

import asyncio
import json
import random
import re
from array import array
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, get_args

import aiohttp
import pytest

from chat.entry import MessageEntry, is_change
from chat.hub import WEBSOCKETS
from chat.refused import Code
from settings import MESSAGE_COLLECTION, Settings
from storage.database import MotorDatabase
from tests.support.accounts import signed_in
from tests.support.odd_frames import Burst, OddClient
from tests.support.raw_sockets import CLOSE, PING, PONG, TEXT, RawSocket, upgrade
from tests.support.site import ChatSite, serving
from tests.support.soak import MEGABYTE, SEED, Measure, size
from tests.support.waiting import CROWD_PATIENCE, until

FRAMES = size(soak=1_000_000, test=5_000)
FOUND: list[int] = []  # seeds that once found a fault; they always run, in the short form
RUNS = [*((seed, 5_000) for seed in FOUND), (SEED, FRAMES)]
WARM_UP = size(soak=20_000, test=2_000)  # frames until caches are full
LIMITED_FRAMES = size(soak=20_000, test=2_000)  # most of them after the socket is closed
LOGINS = ["user0", "user1", "user2", "user3"]  # the first is a moderator
MODERATORS = ("user0",)

EVENTS = {
    "hello": {"type", "user", "seq", "people", "online", "truncated"},
    "message": {"type", "seq", "user", "msg", "time", "nonce"},
    "change": {"type", "seq", "of", "user", "state", "msg", "nonce"},
    "joined": {"type", "user"},
    "left": {"type", "user"},
    "typing": {"type", "user"},
    "people": {"type", "people", "online"},
    "read": {"type", "seq"},
    "error": {"type", "code", "text"},
}
OPTIONAL = {"message": {"state"}, "error": {"nonce"}}
LINE = re.compile(
    r"\(\w+\) .+|\w+ (edited: .+|deleted a message of \w+|joined|disconnected)"
    f"|error: ({'|'.join(code.replace('_', ' ') for code in get_args(Code))})"
)


class Ear(RawSocket):
    """Somebody's open socket, which accepts nothing but what the wire allows."""

    def __init__(self, login: str, since: int, is_classic: bool) -> None:
        super().__init__()
        self.login = login
        self.last = since  # the number of the last entry
        self.is_classic = is_classic
        self._is_answered = asyncio.Event()
        self._question = b""
        self._has_left = False

    async def answered(self) -> None:
        """Wait until everything that was sent is answered, or the socket has ended."""
        self._is_answered.clear()
        self._question = random.randbytes(8)  # nothing depends on which
        if not self.ended.is_set():
            self.send(PING, self._question)
            async with asyncio.timeout(CROWD_PATIENCE):
                await self._is_answered.wait()
        if self.fault:
            raise self.fault

    async def leave(self) -> None:
        """Send nothing more, not even an answer, and wait for the end."""
        self._has_left = True
        self.transport.write_eof()
        await self.end()

    def send(self, opcode: int, payload: bytes = b"") -> None:
        if not self._has_left:
            super().send(opcode, payload)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._is_answered.set()

    def _take(self, opcode: int, payload: bytes) -> None:
        if self.close_code is not None:
            # aiohttp closes by itself, too, if what follows is broken.
            assert opcode == CLOSE, f"comes after the close frame: {opcode} {payload!r}"
        elif opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            self.has_closed = True
            self.send(CLOSE, payload[:2])
        elif opcode == PING:
            self.send(PONG, payload)
        elif opcode == PONG:
            if payload == self._question:
                self._is_answered.set()
        elif self.is_classic:
            assert LINE.fullmatch(payload.decode()), payload
        else:
            event = json.loads(payload)
            fields, more = EVENTS.get(event["type"]), OPTIONAL.get(event["type"], set())
            assert fields, event
            assert fields <= event.keys() <= fields | more, event
            self.take_event(event)

    def take_event(self, event: dict[str, Any]) -> None:
        """Check an event."""
        if event["type"] == "hello":
            assert event["user"] == self.login
            self.last = event["seq"] if event["truncated"] else self.last
        elif event["type"] == "error":
            assert event["code"] in get_args(Code)
        elif event["type"] in ("message", "change"):
            if event["seq"] <= self.last:
                assert event["user"] == self.login, f"repeats what somebody else sent: {event}"
            else:
                self.take_entry(event)

    def take_entry(self, event: dict[str, Any]) -> None:
        """Check a new entry of the log."""
        assert event["seq"] == self.last + 1, f"comes after {self.last}: {event}"
        self.last = event["seq"]


class Witness(Ear):
    """Somebody who behaves, and who notes what they see, in little memory."""

    def __init__(self, login: str) -> None:
        super().__init__(login, since=0, is_classic=False)
        self.authors = array("q")  # hashes, of each entry
        self.texts = array("q")  # hashes, of each entry's text as it is now
        self.own: set[str] = set()  # nonces that are not answered yet
        self.is_served = asyncio.Event()

    async def talk(self, nonce: str) -> None:
        """Say something and wait until it is there."""
        self.own.add(nonce)
        self.is_served.clear()
        self.send(TEXT, json.dumps({"type": "message", "msg": nonce, "nonce": nonce}).encode())
        async with asyncio.timeout(CROWD_PATIENCE):
            await self.is_served.wait()
        if self.fault:
            raise self.fault

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.fault = self.fault or AssertionError("the witness was cut off")
        self.is_served.set()

    def take_event(self, event: dict[str, Any]) -> None:
        assert event["type"] != "error", event
        if event["type"] in ("message", "change"):
            assert event["seq"] > self.last, f"a repeat, which only its sender should get: {event}"
        super().take_event(event)

    def take_entry(self, event: dict[str, Any]) -> None:
        super().take_entry(event)
        now = hash((event["msg"], event.get("state", "")))
        self.authors.append(hash(event["user"]))
        if event["type"] == "change":
            self.texts[event["of"] - 1] = now
            now = hash(("change", event["of"]))
        self.texts.append(now)
        if event["user"] == self.login and event["nonce"] in self.own:
            self.own.remove(event["nonce"])
            self.is_served.set()

    async def check(self, database: MotorDatabase) -> None:
        """Assert that the witness saw what is stored, that it is dense, and each key there once."""
        seen, keys = 0, set[int]()
        while documents := (
            await database[MESSAGE_COLLECTION].find({"seq": {"$gt": seen}}).sort("seq", 1)
            .limit(1000).to_list(None)
        ):  # fmt: skip
            for document in documents:
                entry = MessageEntry.from_document(document)
                now = hash((entry.msg, entry.state))
                if is_change(document):
                    now = hash(("change", document["of"]))
                assert entry.seq == seen + 1, f"{entry.seq} is stored after {seen}"
                assert self.authors[seen] == hash(entry.user), document
                assert self.texts[seen] == now, f"the witness saw something else: {document}"
                keys.add(hash(entry.key))
                seen += 1
        assert seen == len(self.texts) == len(keys)


@dataclass
class Nuisance:
    """Somebody who sends odd frames, and comes back whenever that has ended the socket."""

    chat: ChatSite
    browser: aiohttp.ClientSession
    login: str
    client: OddClient
    is_limited: bool  # the chat may close the socket for too many frames
    ear: Ear | None = None
    last: int = 0
    times_closed: int = 0

    async def come(self) -> Ear:
        """Return the open socket, or open another."""
        if self.ear is None:
            self.ear = Ear(self.login, self.last, self.client.is_classic)
            protocol = None if self.client.is_classic else "chat.v1"
            await enter(
                self.chat, self.ear, upgrade(self.chat.url, self.browser, self.last, protocol)
            )
        return self.ear

    async def send(self, burst: Burst) -> None:
        """Send frames, wait for the answers, and end the socket if the burst does."""
        ear, sent = await self.come(), burst.data
        too_many = {1008} if self.is_limited else set[int]()
        try:
            ear.transport.write(sent)
            await ear.answered()
            if ear.ended.is_set():
                assert ear.close_code in too_many
                self.times_closed += 1
            elif burst.codes or burst.has_left:
                sent = burst.end
                ear.transport.write(sent)
                await (ear.leave() if burst.has_left else ear.end())
                assert burst.has_left or ear.close_code in burst.codes | too_many
        except (AssertionError, TimeoutError) as error:
            error.add_note(f"{self.login} got {ear.close_code}, had sent {sent[-2000:]!r}")
            raise
        self.last = ear.last
        if ear.ended.is_set():
            self.ear = None


@dataclass
class Room:
    """A witness, everybody else, and the numbers that they name."""

    witness: Witness
    others: list[Nuisance]
    seqs: deque[int]

    async def live(self, frames: int, pause: float = 0) -> None:
        """Let the others send so many frames, and the witness talk meanwhile."""
        while frames > 0:
            # Drawn before anybody waits for anything, so that a seed tells what is sent.
            bursts = [other.client.burst() for other in self.others]
            async with asyncio.TaskGroup() as tasks:
                for other, burst in zip(self.others, bursts, strict=True):
                    tasks.create_task(other.send(burst))
                tasks.create_task(self.witness.talk(f"after {len(self.witness.texts)}"))
                tasks.create_task(asyncio.sleep(pause))
            frames -= sum(burst.frames for burst in bursts)
            self.seqs.append(self.witness.last)
        for other in self.others:
            await other.come()


async def enter(chat: ChatSite, ear: Ear, request: bytes) -> None:
    """Open a socket."""
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: ear, "127.0.0.1", chat.port)
    ear.transport.write(request)
    await ear.answered()


@asynccontextmanager
async def room_in(chat: ChatSite, seed: int, is_limited: bool = False) -> AsyncIterator[Room]:
    """Bring a witness and eight nuisances, two sockets for each of their accounts."""
    seqs, nonces = deque[int](maxlen=50), deque[str](maxlen=50)
    others: list[Nuisance] = []
    async with AsyncExitStack() as stack:
        for number, login in enumerate(LOGINS):
            browser = await stack.enter_async_context(signed_in(chat.url, login))
            for is_classic in (False, number % 2 == 1):
                dice = random.Random(f"{seed} {len(others)}")
                client = OddClient(dice, is_classic, seqs, nonces)
                others.append(Nuisance(chat, browser, login, client, is_limited))
        witness = Witness("witness")
        browser = await stack.enter_async_context(signed_in(chat.url, witness.login))
        await enter(chat, witness, upgrade(chat.url, browser))
        yield Room(witness, others, seqs)
        for ear in (witness, *(other.ear for other in others)):
            if ear:
                ear.transport.abort()


@pytest.mark.timeout(120 + FRAMES / 500)
@pytest.mark.parametrize(("seed", "frames"), RUNS)
async def test_odd_frames_are_answered_as_the_wire_says_and_leave_nothing_behind(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    measure: Measure,
    seed: int,
    frames: int,
) -> None:
    monkeypatch.setattr("chat.hub.WASTED_FRAMES", (0, 10))  # no limit
    unlimited = replace(settings, SOCKETS_PER_USER=0, MODERATORS=MODERATORS)
    async with serving(unlimited) as chat, room_in(chat, seed) as room:
        database, sockets = chat.database, chat.app[WEBSOCKETS]
        await room.live(WARM_UP)
        before = await measure("frames: before", database)
        await room.live(frames)
        await until(lambda: len(sockets) == len(room.others) + 1, CROWD_PATIENCE)
        after = await measure(f"frames: after {frames:,}", database)
        await room.witness.answered()
        await room.witness.check(database)
    # The witness notes 16 bytes of each entry; the rest is for pages that are partly in use.
    after.check_after(before, 16 * MEGABYTE)
    assert not [record for record in caplog.records if record.levelname != "INFO"]


@pytest.mark.parametrize("seed", [SEED])
async def test_too_many_odd_frames_end_the_sockets_of_who_sent_them_and_no_others(
    settings: Settings, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    limited = replace(settings, MESSAGES_PER_SECOND=5, MODERATORS=MODERATORS)
    async with serving(limited) as chat, room_in(chat, seed, is_limited=True) as room:
        await room.live(LIMITED_FRAMES, pause=1 / limited.MESSAGES_PER_SECOND)
        assert all(other.times_closed for other in room.others)
        await room.witness.answered()
        await room.witness.check(chat.database)
    assert not [record for record in caplog.records if record.levelname != "INFO"]
