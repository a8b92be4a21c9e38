"""Four processes that Redis joins, under faults: one log, nothing lost, doubled or reordered."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from chat.journal import APPEND_TIMEOUT, HANDED_OVER_FOR
from settings import MESSAGE_COLLECTION
from storage.database import CALL_TIMEOUT, Document
from storage.redis_relay import LEASE
from tests.support.accounts import signed_in
from tests.support.clocks import clock_ahead
from tests.support.databases import EmbeddedServer, database_at, embedded_server
from tests.support.guests import sign_in_guests
from tests.support.history import RETRY_PAUSE, Company, visited
from tests.support.imitation import Imitation, imitate
from tests.support.processes import NO_LIMITS, Chat, running_chat
from tests.support.redis_server import RedisServer, redis_server
from tests.support.soak import size
from tests.support.sockets import connect
from tests.support.tabs import open_tabs
from tests.support.waiting import CROWD_PATIENCE, until

PROCESSES = 4
CLIENTS = 12
PACE = 100  # messages per second, of all clients together
SECRET_KEY = "a key for all"
ROUNDS = size(soak=20, test=3)
STOPS = size(soak=40, test=3)  # of processes and of Redis by turns
SPEAKS_WITHIN = 3  # seconds after a kill, as promised
DATABASE_ROUNDS = size(soak=20, test=1)
LOST_ANSWERS = 3  # to inserts, in each round
# Seconds after the database is well again. What was said before may wait until it is refused, and
# is sent again; if it goes to a writer that has not noticed, its own process stores it a second
# later. The rest is for a busy machine.
GOES_ON_WITHIN = APPEND_TIMEOUT + RETRY_PAUSE + HANDED_OVER_FOR + 2
RESTARTS = size(soak=2, test=1)
TABS = size(soak=2000, test=300)
PEOPLE = 200  # to whom the tabs belong
ALL_BACK_WITHIN = 30  # seconds after the chats serve again; a page's longest pause is 10

pytestmark = [pytest.mark.serial, pytest.mark.timeout(120 + 60 * ROUNDS)]


@dataclass
class Processes(Company):
    """Processes of one deployment, their Redis, and clients that come to any of them."""

    chats: list[Chat]
    redis: RedisServer
    server: EmbeddedServer
    imitation: Imitation  # of a MongoDB, on the server

    async def goes_on(self) -> None:
        """Wait until each client says something after this moment, and it is stored."""
        # The first of two was perhaps on its way already.
        wanted = [(c.history, len(c.history.acknowledged) + 2) for c in self.clients]
        await until(
            lambda: all(len(history.acknowledged) >= count for history, count in wanted),
            GOES_ON_WITHIN,
        )


@asynccontextmanager
async def processes(
    seed: int, delay: float = 0, ahead: Sequence[int] = (0,) * PROCESSES
) -> AsyncIterator[Processes]:
    """Run chats on one database, `delay` seconds away, with clocks so many seconds ahead."""
    dice = random.Random(seed)
    async with AsyncExitStack() as stack:
        server = stack.enter_context(embedded_server())
        server.start()
        redis = stack.enter_context(redis_server())
        imitation = stack.enter_context(imitate(server.address))
        imitation.delay = delay
        settings: dict[str, Any] = {
            "MONGO_HOST": imitation.standalone,
            "REDIS_URL": redis.url,
            "SECRET_KEY": SECRET_KEY,
        }
        starting = (
            running_chat(**settings, **NO_LIMITS, **clock_ahead(seconds)) for seconds in ahead
        )
        chats = await asyncio.gather(*map(stack.enter_async_context, starting))
        database = await stack.enter_async_context(database_at(server.address, "chat"))
        doors = [chat.url for chat in chats]
        clients = await stack.enter_async_context(visited(doors, CLIENTS, dice))
        yield Processes(clients, database, dice, chats, redis, server, imitation)


def lose_some(imitation: Imitation) -> list[Document]:
    """Lose one in a hundred of the answers to inserts from now on; return those that were lost."""
    lost: list[Document] = []

    def loses(name: str, body: Document) -> bool:
        if name != "insert" or random.random() > 0.01:
            return False
        lost.append(body)
        return True

    imitation.loses = loses
    return lost


@pytest.mark.parametrize("delay", [0, 0.01])
async def test_killed_processes_and_a_killed_redis_lose_double_and_reorder_nothing(
    delay: float,
) -> None:
    async with processes(1, delay) as here, here.judged(PACE):
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
    async with processes(2) as here, here.judged(PACE):
        for number in range(STOPS):
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


async def test_a_database_that_is_killed_stopped_slow_or_loses_answers_costs_only_time() -> None:
    async with processes(4) as here, here.judged(PACE):
        for _ in range(DATABASE_ROUNDS):
            await here.a_while()
            here.server.kill()
            await here.a_while()
            here.server.start()
            await here.goes_on()

            here.server.send(signal.SIGSTOP)
            await asyncio.sleep(CALL_TIMEOUT + 1)
            here.server.send(signal.SIGCONT)
            await here.goes_on()

            here.imitation.delay = 2
            await asyncio.sleep(2 * CALL_TIMEOUT)
            here.imitation.delay = 0
            await here.goes_on()

            lost = lose_some(here.imitation)
            while len(lost) < LOST_ANSWERS:
                await here.a_while()
            here.imitation.loses = lambda name, body: False
            await here.goes_on()


async def test_clocks_that_are_two_minutes_apart_change_no_order_and_expire_nothing() -> None:
    async with processes(5, ahead=(0, 120)) as here:
        async with here.judged(PACE):
            for chat in here.chats:
                await here.a_while()
                await chat.kill()
                await here.goes_on()  # by the other
                await chat.start()
        log = await here.database[MESSAGE_COLLECTION].find({}).sort("seq", 1).to_list(None)
        times = [message["time"] for message in log]
        assert times != sorted(times)
        on_time, ahead = (chat.url for chat in here.chats)
        async with signed_in(ahead, "alice") as browser:
            sockets = [await connect(browser, door=door) for door in (on_time, ahead)]
            for author, editor in (sockets, sockets[::-1]):
                seq = await author.said("first wording")
                await editor.next("message")
                await editor.send(type="edit", of=seq, msg="second wording")
                assert (await author.next("change"))["msg"] == "second wording"


@pytest.mark.usefixtures("many_files")
async def test_when_all_restart_at_once_everybody_is_back_soon_without_notices() -> None:
    async with processes(6, ahead=(0, 0)) as here:
        cookies = await sign_in_guests(here.database, SECRET_KEY, PEOPLE)
        async with open_tabs([chat.url for chat in here.chats], cookies, TABS) as tabs:
            async with here.judged(pace=2):
                for end in (Chat.kill, Chat.terminate)[:RESTARTS]:
                    await here.a_while()
                    for tab in tabs:
                        tab.frames.clear()
                    await asyncio.gather(*map(end, here.chats))
                    await asyncio.gather(*map(Chat.start, here.chats))
                    await until(lambda: all(tab.frames["hello"] for tab in tabs), ALL_BACK_WITHIN)
                    assert not any({"joined", "left"} & tab.frames.keys() for tab in tabs)
            last = here.clients[0].last
            await until(lambda: all(tab.last == last for tab in tabs), CROWD_PATIENCE)
        assert {tab.fault for tab in tabs} == {""}
