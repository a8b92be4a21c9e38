"""Many sockets, and such that never read or just vanish: nobody waits, nothing is left over."""

import asyncio
import gc
import itertools
import os
import random
import resource
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from chat.hub import HUB, SIGNED_OUT
from tests.support.house import OpenHouse
from tests.support.kernel import open_files, resident, send_queues
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
)
from tests.support.waiting import CROWD_PATIENCE, until

ENDS_WITHIN = 5  # seconds, as promised
CUT_OFF_WITHIN = 20  # seconds, as promised
OVERFLOWS_WITHIN = 10  # seconds; before silence could tell (PING_EVERY + PONG_WAIT)
CYCLES = 10_000


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Let this process, and those that it starts, have as many files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


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
        pytest.param(
            100, 2000, OVERFLOWS_WITHIN, id="for what they leave unread", marks=pytest.mark.serial
        ),
    ],
)
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
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.presence.GRACE", 0.5)
    house = await open_house(**NO_LIMITS)
    hub = house.app[HUB]

    def left_over() -> dict[str, int]:
        """Count what a socket takes."""
        return {"files": open_files(os.getpid()), "tasks": len(asyncio.all_tasks())}

    async with crowd_at(house.url, 60) as crowd:
        before = left_over()

        async def pass_by(cycles: int) -> None:
            for _ in range(cycles // AT_ONCE):
                await asyncio.gather(*(vanish(crowd, way % 6) for way in range(AT_ONCE)))
            with suppress(TimeoutError):  # what it waits for is asserted below
                await until(
                    lambda: left_over()["tasks"] <= before["tasks"] and nobody_is_here(),
                    CROWD_PATIENCE,
                )

        def nobody_is_here() -> bool:
            return not hub.websockets and not hub.presence.people

        await pass_by(1000)  # until every cache is warm
        gc.collect()
        memory = resident(os.getpid())
        await pass_by(CYCLES)
        after = left_over()
        assert nobody_is_here()
        assert after["tasks"] <= before["tasks"]
        assert after["files"] <= before["files"] + 10  # connections to the database
        gc.collect()
        assert resident(os.getpid()) - memory < 8 * 1024 * 1024


@pytest.mark.parametrize("code", [1000, SIGNED_OUT])
async def test_control_frames_between_joined_writes_stay_whole_and_nothing_follows_a_close(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr("chat.hub.PING_EVERY", 1)
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
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.hub.PING_EVERY", 1)
    house = await open_house(**NO_LIMITS)
    async with crowd_at(house.url, 1) as crowd:
        readers = await crowd.readers(60)
        await until(lambda: all(r.pings > 1 or r.ended.is_set() for r in readers), CROWD_PATIENCE)
        assert [reader.close_code for reader in readers] == [None] * len(readers)
        for reader in readers:
            reader.transport.abort()
