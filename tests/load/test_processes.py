"""Four processes that Redis joins, under faults: one log, nothing lost, doubled or reordered."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from chat.relay import LEASE
from database import Database
from tests.support.accounts import signed_in
from tests.support.databases import database_at, embedded_server
from tests.support.history import Client, check, come_to_rest, talking, visited
from tests.support.processes import NO_LIMITS, Chat, running_chat
from tests.support.proxies import LongWay
from tests.support.redis_server import RedisServer, redis_server
from tests.support.soak import size
from tests.support.sockets import connect

PROCESSES = 4
CLIENTS = 12
PACE = 100  # messages per second, of all clients together
ROUNDS = size(soak=20, test=3)
SPEAKS_WITHIN = 3  # seconds after a kill, as promised

pytestmark = [pytest.mark.serial, pytest.mark.timeout(120 + 15 * ROUNDS)]


@dataclass
class Processes:
    """Processes of one deployment, their Redis, and clients that come to any of them."""

    chats: list[Chat]
    redis: RedisServer
    clients: list[Client]
    database: Database
    dice: random.Random

    @asynccontextmanager
    async def judged(self) -> AsyncIterator[None]:
        """Let clients talk while the body runs, let all come to rest, and judge what they lived."""
        async with talking(self.clients, PACE, self.dice):
            yield
        await come_to_rest(self.clients, self.database)
        await check(self.clients, self.database)

    async def a_while(self) -> None:
        """Let the talk go on for a random time: when a fault comes is part of the fault."""
        await asyncio.sleep(self.dice.uniform(0.5, 2))


@asynccontextmanager
async def processes(seed: int, delay: float = 0) -> AsyncIterator[Processes]:
    """Run four chats on one database, `delay` seconds away."""
    dice = random.Random(seed)
    async with AsyncExitStack() as stack:
        server = stack.enter_context(embedded_server())
        server.start()
        redis = stack.enter_context(redis_server())
        address = await stack.enter_async_context(LongWay(server.folder, delay).listening())
        settings: dict[str, Any] = {
            "MONGO_HOST": address,
            "REDIS_URL": redis.url,
            "SECRET_KEY": "a key for all",
        }
        chats = [
            await stack.enter_async_context(running_chat(**settings, **NO_LIMITS))
            for _ in range(PROCESSES)
        ]
        database = await stack.enter_async_context(database_at(server.address, "chat"))
        doors = [chat.url for chat in chats]
        clients = await stack.enter_async_context(visited(doors, CLIENTS, dice))
        yield Processes(chats, redis, clients, database, dice)


@pytest.mark.parametrize("delay", [0, 0.01])
async def test_killed_processes_and_a_killed_redis_lose_double_and_reorder_nothing(
    delay: float,
) -> None:
    async with processes(1, delay) as here, here.judged():
        for number in range(ROUNDS):
            await here.a_while()
            if number % 2:
                here.redis.kill()
            victim = here.dice.choice(here.chats)
            await victim.kill()
            await here.a_while()
            here.redis.start()
            await victim.start()


async def test_processes_and_a_redis_that_stand_still_lose_double_and_reorder_nothing() -> None:
    async with processes(2) as here, here.judged():
        for number in range(ROUNDS):
            await here.a_while()
            stopped = here.redis if number % 2 else here.dice.choice(here.chats)
            stopped.send(signal.SIGSTOP)
            await asyncio.sleep(LEASE + 1)
            stopped.send(signal.SIGCONT)


async def test_saying_goes_on_within_three_seconds_of_a_kill() -> None:
    async with processes(3) as here, AsyncExitStack() as stack:
        *victims, last = here.chats
        browser = await stack.enter_async_context(signed_in(last.url, "alice"))
        alice = await connect(browser)
        for number, victim in enumerate(victims):  # the first of them is the writer
            await victim.kill()
            async with asyncio.timeout(SPEAKS_WITHIN):
                await alice.said(f"message {number}")
