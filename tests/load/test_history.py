"""Promises 1 to 3 and 6 under faults: what is acknowledged is stored, and shown, once, in order."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from settings import Settings
from tests.support.databases import another_client, database_at
from tests.support.history import Company, visited
from tests.support.kernel import children
from tests.support.processes import NO_LIMITS, Chat, running_chat
from tests.support.proxies import Scissors
from tests.support.soak import size
from tests.support.waiting import START_PATIENCE, until

ROUNDS = size(soak=100, test=10)  # kills

pytestmark = pytest.mark.timeout(60 + 10 * ROUNDS)
PACE = 300  # messages per second, of all clients together
SENDERS = 10
READERS = 2  # who never say a word
CUTS = 30  # in each direction


@dataclass
class Room(Company):
    """A chat process, and its clients."""

    chat: Chat
    scissors: Scissors

    def signal_database(self, number: signal.Signals) -> None:
        """Send the embedded database's process a signal."""
        [child] = children(self.chat.pid)
        os.kill(child, number)

    async def kill_database(self) -> None:
        """Kill the embedded database, and wait until there is another one."""
        before = children(self.chat.pid)
        self.signal_database(signal.SIGKILL)
        await until(lambda: children(self.chat.pid) not in ([], before), START_PATIENCE)


@asynccontextmanager
async def room(
    seed: int, clients: int = SENDERS + READERS, copies: int = 1, is_cut: bool = False, **env: Any
) -> AsyncIterator[Room]:
    """Run a chat, and bring clients to it; with `is_cut` they come through the scissors."""
    dice = random.Random(seed)
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(running_chat(**env, **NO_LIMITS))
        name = chat.environment.get("MONGO_DB_NAME", "chat")
        database = await stack.enter_async_context(database_at(chat.database, name))
        scissors = Scissors(chat.port, dice)
        if is_cut:
            await stack.enter_async_context(scissors)
        doors = [scissors.url if is_cut else chat.url]
        company = visited(doors, clients, dice, copies=copies)
        yield Room(await stack.enter_async_context(company), database, dice, chat, scissors)


@pytest.mark.serial
async def test_a_killed_chat_loses_doubles_and_reorders_nothing() -> None:
    async with room(1) as here:
        async with here.judged(PACE, SENDERS):
            for number in range(1, ROUNDS + 1):
                await here.a_while(0.3, 1.2)
                for client in here.clients:
                    await client.visited(number)
                await here.chat.kill()
                await here.chat.start()
        assert all(client.visits > ROUNDS for client in here.clients)
        # Kills hit messages that were under way.
        assert sum(client.resent for client in here.clients) >= ROUNDS


@pytest.mark.serial
async def test_a_killed_database_process_loses_doubles_and_reorders_nothing() -> None:
    async with room(2, MONGO_HOST="") as here:
        async with here.judged(PACE, SENDERS):
            for _ in range(3):
                await here.a_while(0.3, 1)
                await here.kill_database()
        assert {client.visits for client in here.clients} == {1}  # nobody was even cut off


@pytest.mark.serial
async def test_a_database_that_stands_still_loses_doubles_and_reorders_nothing() -> None:
    async with room(3, MONGO_HOST="") as here:
        async with here.judged(PACE, SENDERS):
            for longer_than_the_deadline in (5, 5.5):  # seconds; PATIENCE's 4.5 s end in one
                await here.a_while(0.3, 1)
                here.signal_database(signal.SIGSTOP)
                await asyncio.sleep(longer_than_the_deadline)
                here.signal_database(signal.SIGCONT)
        # Everybody was told, and sent again what the stopped writes stored after all.
        assert all(client.refusals for client in here.clients[:SENDERS])


@pytest.mark.serial
async def test_sockets_cut_anywhere_lose_double_and_reorder_nothing() -> None:
    async with room(4, is_cut=True) as here:
        async with here.judged(PACE, SENDERS):
            here.scissors.are_out = True
            while min(here.scissors.cuts.values()) < CUTS:
                await here.a_while(0.1, 0.2)
            here.scissors.are_out = False
        assert sum(client.visits for client in here.clients) > CUTS
        assert sum(client.resent for client in here.clients) > 0


@pytest.mark.serial
async def test_who_missed_more_than_is_replayed_finds_all_of_it_on_the_pages() -> None:
    async with room(5) as here:
        wanderer = here.clients[-1]
        async with here.judged(2 * PACE, SENDERS):
            for visits in range(1, 4):
                await wanderer.visited(visits)
                missed = wanderer.last + 700
                await wanderer.leave()
                await here.clients[0].shown(missed)
                wanderer.is_away = False  # and comes back while the others go on
        assert wanderer.reloads == 3


@pytest.mark.serial
async def test_messages_sent_up_to_three_times_are_stored_and_shown_once() -> None:
    async with room(6, copies=3) as here:
        senders = here.clients[:SENDERS]
        async with here.judged(PACE, SENDERS):
            await senders[0].shown(700)
            # What is not among the recent messages any more is looked up, and answered as before.
            for client in senders:
                client.repeat(next(iter(client.history.said)))
        answers = sum(len(client.history.acknowledged) for client in senders)
        assert answers > 1.5 * sum(len(client.history.said) for client in senders)


@pytest.mark.serial
async def test_two_hundred_sockets_live_through_restarts_in_mid_talk() -> None:
    async with room(7, clients=200) as here:
        async with here.judged(60, speakers=60):
            for restarts in range(1, 4):
                for client in here.clients:
                    await client.visited(restarts)
                await here.a_while(0.2, 0.5)
                assert await here.chat.terminate() == 0
                await here.chat.start()
        assert {tuple(client.close_codes) for client in here.clients} == {(1001, 1001, 1001)}


@pytest.mark.serial
async def test_two_chats_on_one_database_keep_one_log_while_one_is_replaced(
    settings: Settings,
) -> None:
    dice = random.Random(8)
    shared: dict[str, Any] = {
        "MONGO_HOST": settings.MONGO_HOST,
        "MONGO_DB_NAME": settings.MONGO_DB_NAME,
        "SECRET_KEY": settings.SECRET_KEY[0],
        **NO_LIMITS,
    }
    async with (
        running_chat(**shared) as stays,
        running_chat(**shared) as goes,
        running_chat(**shared) as comes,
        another_client(settings) as database,
    ):
        await comes.stop()
        doors = [stays.url, goes.url]
        async with visited(doors, SENDERS + 14, dice) as clients:
            here = Room(clients, database, dice, stays, Scissors(stays.port, dice))
            async with here.judged(PACE, SENDERS):
                await here.a_while(2, 3)
                await comes.start()
                doors.append(comes.url)
                await here.a_while(2, 3)  # old and new overlap
                doors.remove(goes.url)
                assert await goes.terminate() == 0
                await here.a_while(2, 3)
            assert {1001} == {code for client in clients for code in client.close_codes}
            used = {door for client in clients for door in client.doors_used}
            assert used == {stays.url, goes.url, comes.url}
