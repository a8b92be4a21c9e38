"""Many sockets, and such that never read or just vanish: nobody waits, nothing is left over."""

import asyncio
import itertools
import json
import os
import random
import signal
import socket
import struct
import time
from contextlib import suppress

import aiohttp
import pytest

from chat.hub import HUB, SIGNED_OUT, WEBSOCKETS
from chat.presence import GRACE, PEOPLE_DELAY
from tests.support.house import OpenHouse
from tests.support.kernel import open_files, send_queues
from tests.support.processes import NO_LIMITS, running_chat
from tests.support.raw_sockets import (
    AT_ONCE,
    CLOSE,
    PER_SESSION,
    PING,
    TEXT,
    Crowd,
    RawSocket,
    crowd_at,
    frame,
    upgrade,
)
from tests.support.soak import MEGABYTE, SEED, Measure, size
from tests.support.waiting import CROWD_PATIENCE, until

ENDS_WITHIN = 5  # seconds, as promised
CUT_OFF_WITHIN = 20  # seconds, as promised
OVERFLOWS_WITHIN = 10  # seconds; before silence could tell (PING_EVERY + PONG_WAIT)
CYCLES = 10_000
HOUR = size(soak=3600, test=300)  # seconds, of a clock that goes
SPEED = 60  # times as fast
MEAN_STAY = 20  # seconds, of that clock

pytestmark = pytest.mark.usefixtures("many_files")


@pytest.mark.serial
async def test_a_thousand_sockets_of_which_a_hundred_never_read_end_in_time_and_hear_goodbye() -> (
    None
):
    async with running_chat(**NO_LIMITS) as chat, crowd_at(chat.url, 1000) as crowd:
        readers, deaf = await crowd.readers(900), await crowd.deaf(100)

        def least_unsent() -> int:
            """What of the room's bytes even the kernel does not take for those who never read."""
            queues = send_queues(chat.port)
            told = min(reader.received for reader in readers)
            return min(told - d.received - d.unread - queues.get(d.port, 0) for d in deaf)

        talker = readers[0]
        for seq in itertools.count(10, 10):
            for _ in range(10):  # quickly, before silence tells that some never read
                talker.say("x" * 2000)
            await until(lambda: min(len(reader.seqs) for reader in readers) == seq, CROWD_PATIENCE)  # noqa: B023
            if least_unsent() > 64 * 1024:
                break
        assert not any(d.is_cut_off for d in deaf)
        started = time.monotonic()
        os.kill(chat.pid, signal.SIGTERM)
        for reader in readers:
            await reader.end()
        assert await chat.ended() == 0
        assert time.monotonic() - started < ENDS_WITHIN
        assert {reader.close_code for reader in readers} == {1001}
        assert all(reader.seqs == list(range(1, seq + 1)) for reader in readers)
        for d in deaf:
            d.transport.abort()


@pytest.mark.parametrize(
    ("pace", "size", "within"),
    [
        pytest.param(4, 60, CUT_OFF_WITHIN, id="for their silence"),
        pytest.param(100, 9000, OVERFLOWS_WITHIN, id="for what they leave unread"),
    ],
)
@pytest.mark.serial
async def test_a_hundred_who_never_read_are_cut_off_and_cost_the_others_nothing(
    pace: int, size: int, within: float
) -> None:
    async with running_chat(**NO_LIMITS) as chat, crowd_at(chat.url, 200) as crowd:
        readers = await crowd.readers(100)
        files = open_files(chat.pid)
        deaf, started = await crowd.deaf(100), time.monotonic()
        said = 0
        while not all(d.is_cut_off for d in deaf):
            assert time.monotonic() - started < within
            readers[0].say("x" * size)
            said += 1
            await asyncio.sleep(1 / pace)  # the talk's pace
        await until(lambda: min(len(reader.seqs) for reader in readers) == said, CROWD_PATIENCE)
        assert all(reader.seqs == list(range(1, said + 1)) for reader in readers)
        assert not any(reader.fault or reader.ended.is_set() for reader in readers)
        assert not send_queues(chat.port).keys() & {d.port for d in deaf}
        await until(
            lambda: open_files(chat.pid) < files + 10, CROWD_PATIENCE
        )  # some may lead to the database
        for raw in readers + deaf:
            raw.transport.abort()


async def vanish(crowd: Crowd, way: int) -> None:
    """Connect, and be gone: before, within or after the upgrade, rudely or half politely."""
    loop = asyncio.get_running_loop()
    sock = await crowd.dial()
    request = crowd.request
    said = frame(TEXT, b'{"type":"message","msg":"hi"}')
    try:
        if way == 0:
            return
        if way == 1:
            await loop.sock_sendall(sock, request[: len(request) // 2])
            return
        await loop.sock_sendall(sock, request)
        if way == 2:
            return
        assert (await loop.sock_recv(sock, 4096)).startswith(b"HTTP/1.1 101 ")
        if way == 4:
            await loop.sock_sendall(sock, said + said[:-5])
    finally:
        if way != 5:  # a reset, not an end
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


@pytest.mark.serial
async def test_ten_thousand_who_connect_and_vanish_leave_nothing_behind(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, measure: Measure
) -> None:
    monkeypatch.setattr("chat.presence.GRACE", 0.5)
    house = await open_house(**NO_LIMITS)
    hub, database = house.app[HUB], house.database
    async with crowd_at(house.url, 60) as crowd:
        tasks = len(asyncio.all_tasks())

        async def pass_by(cycles: int) -> None:
            for _ in range(cycles // AT_ONCE):
                await asyncio.gather(*(vanish(crowd, way % 6) for way in range(AT_ONCE)))
            with suppress(TimeoutError):  # what it waits for is asserted below
                await until(
                    lambda: len(asyncio.all_tasks()) <= tasks and nobody_is_here(), CROWD_PATIENCE
                )

        def nobody_is_here() -> bool:
            return not hub.websockets and not hub.presence.people

        await pass_by(1000)  # until every cache is warm
        before = await measure("passers-by: before", database)
        await pass_by(CYCLES)
        after = await measure(f"passers-by: after {CYCLES:,}", database)
        assert nobody_is_here()
        assert after.tasks <= tasks
        assert after.files <= before.files + 10  # connections to the database
        assert after.memory - before.memory < 8 * MEGABYTE
        assert after.lines.keys() <= {"INFO"}


class Guest(RawSocket):
    """A socket that also notes who is here, as the page does."""

    def __init__(self, since: int) -> None:
        super().__init__()
        self.since = since
        self.here: set[str] = set()

    @property
    def last(self) -> int:
        """The number of the last message; all since the last visit have to be there."""
        assert self.seqs == list(range(self.since + 1, self.since + 1 + len(self.seqs)))
        return self.since + len(self.seqs)

    async def talk(self, msg: str) -> None:
        """Say something and wait until there is a message more."""
        count = len(self.seqs)
        self.say(msg)
        await until(lambda: len(self.seqs) > count or self.ended.is_set(), CROWD_PATIENCE)

    async def go(self, way: int) -> None:
        """Leave: politely, without a word, or in the middle of one."""
        if way == 0:
            self.send(CLOSE, (1000).to_bytes(2, "big"))
            await self.end()
        elif way == 1:
            self.transport.write(frame(TEXT, b'{"type":"typing"}')[:-5])
        self.transport.abort()

    def _take(self, opcode: int, payload: bytes) -> None:
        super()._take(opcode, payload)
        event = json.loads(payload) if opcode == TEXT else {"type": ""}
        match event["type"]:
            case "hello" | "people":
                self.here = set(event["online"])
            case "joined":
                self.here.add(event["user"])
            case "left":
                self.here.discard(event["user"])


@pytest.mark.serial
@pytest.mark.timeout(180 + HOUR / SPEED)
@pytest.mark.parametrize("seed", [SEED])
async def test_after_an_hour_of_joins_and_leaves_everybody_sees_who_is_here(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, measure: Measure, seed: int
) -> None:
    monkeypatch.setattr("chat.presence.GRACE", GRACE / SPEED)
    monkeypatch.setattr("chat.presence.PEOPLE_DELAY", PEOPLE_DELAY / SPEED)
    house, dice = await open_house(**NO_LIMITS), random.Random(seed)
    presence, database = house.app[HUB].presence, house.database
    async with crowd_at(house.url, 20 * PER_SESSION) as crowd:
        last = dict.fromkeys(crowd.browsers, 0)  # the number that each browser has seen

        async def come(browser: aiohttp.ClientSession) -> Guest:
            request = upgrade(house.url, browser, last[browser])
            guest = await crowd.enter(Guest(last[browser]), request)
            await until(lambda: guest.here, CROWD_PATIENCE)
            return guest

        async def visit(browser: aiohttp.ClientSession, stay: float, way: int) -> None:
            if way > 2:
                await vanish(crowd, way - 3)
                return
            guest = await come(browser)
            if stay < MEAN_STAY:
                await guest.talk("hi")
            await asyncio.sleep(stay / SPEED)
            await guest.go(way)
            last[browser] = max(last[browser], guest.last)

        async def live(seconds: int) -> None:
            """Let somebody come in each second, and in the end all of them be gone."""
            async with asyncio.TaskGroup() as visits:
                for _ in range(seconds):
                    stay, way = dice.expovariate(1 / MEAN_STAY), dice.randrange(9)
                    visits.create_task(visit(dice.choice(crowd.browsers[1:]), stay, way))
                    await asyncio.sleep(1 / SPEED)
            with suppress(TimeoutError):  # what it waits for is asserted below
                await until(lambda: presence.people == 1, CROWD_PATIENCE)

        witness = await come(crowd.browsers[0])
        await live(HOUR // 10)  # until every cache is warm
        before = await measure("joins and leaves: before", database)
        await live(HOUR)
        after = await measure(f"joins and leaves: after {HOUR:,} seconds", database)
        assert presence.online() == ["user0"]
        stay = [await come(browser) for browser in crowd.browsers[1:6]]
        for guest in (witness, *stay):
            await until(lambda: guest.here == {f"user{number}" for number in range(6)})  # noqa: B023
        assert {guest.last for guest in (witness, *stay)} == {witness.last}
        for guest in (witness, *stay):
            guest.transport.abort()
    after.check_after(before, 8 * MEGABYTE)
    assert after.lines.keys() <= {"INFO"}


@pytest.mark.parametrize("code", [1000, SIGNED_OUT])
async def test_control_frames_between_joined_writes_stay_whole_and_nothing_follows_a_close(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr("chat.hub.PING_EVERY", 1)
    monkeypatch.setattr("chat.hub.WASTED_FRAMES", (0, 10))  # no limit: it may ping twice
    house, dice = await open_house(**NO_LIMITS), random.Random(9)
    async with crowd_at(house.url, 3 * PER_SESSION) as crowd:
        everybody = await crowd.readers(30)
        talkers, readers = everybody[::3], everybody[1::3] + everybody[2::3]  # by session
        sent: dict[RawSocket, list[bytes]] = {reader: [] for reader in readers}

        async def talk(talker: RawSocket) -> None:
            while True:  # of all sizes: a frame's length is written in two ways
                talker.say("y" * dice.choice((1, 20, 130, 2000)))
                await asyncio.sleep(dice.expovariate(30))

        tasks = [asyncio.create_task(talk(talker)) for talker in talkers]
        for reader, _ in itertools.product(readers, range(3)):
            sent[reader].append(dice.randbytes(dice.randint(0, 125)))
            reader.send(PING, sent[reader][-1])
            await asyncio.sleep(dice.expovariate(30))
        await until(lambda: all(reader.pings > 1 for reader in readers), CROWD_PATIENCE)
        for reader in readers:
            reader.close_pause = 0.3  # in which the talk goes on
        if code == SIGNED_OUT:
            for browser in crowd.browsers[1:]:
                await browser.post("/signout", allow_redirects=False)
        else:
            for reader in readers:
                reader.send(CLOSE, code.to_bytes(2, "big"))
        for reader in readers:
            await reader.end()  # complains of what follows a close, or is cut short
            assert reader.close_code == code
            assert reader.pongs == sent[reader]
            assert reader.seqs == list(range(1, len(reader.seqs) + 1))
        for task in tasks:
            task.cancel()
        assert not any(talker.fault or talker.ended.is_set() for talker in talkers)
        for raw in everybody:
            raw.transport.abort()


async def test_answers_to_the_chats_own_pings_are_no_flood_however_many_sockets_a_session_has(
    open_house: OpenHouse,
) -> None:
    house = await open_house(**NO_LIMITS)
    async with crowd_at(house.url, 1) as crowd:
        readers, clients = await crowd.readers(60), house.app[WEBSOCKETS]
        for _ in range(2):
            for client in clients:
                client.ping(asyncio.get_running_loop().time())
            await until(lambda: not any(client.is_silent for client in clients), CROWD_PATIENCE)
        assert [reader.close_code for reader in readers] == [None] * len(readers)
        for reader in readers:
            reader.transport.abort()
