"""Promises 1 to 3 and 6 under faults: what is acknowledged is stored, and shown, once, in order."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from database import Database, connect
from settings import Settings
from tests.support.databases import another_client
from tests.support.history import Client, check, come_to_rest, talking, visited
from tests.support.processes import Chat, children, running_chat
from tests.support.proxies import Scissors

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "10"))  # `make soak` asks for 100
PACE = 300  # messages per second, of all clients together
SENDERS = 10
READERS = 2  # who never say a word
CUTS = 30  # in each direction
NO_LIMITS: dict[str, Any] = {
    "MESSAGES_PER_SECOND": 0,
    "SOCKETS_PER_USER": 0,
    "REGISTRATIONS_PER_HOUR": 0,
}


@asynccontextmanager
async def database_of(chat: Chat) -> AsyncIterator[Database]:
    """Open the database of a chat, beside the chat itself."""
    client = connect(chat.database)
    yield client[chat.environment.get("MONGO_DB_NAME", "chat")]
    client.close()


@asynccontextmanager
async def judged(clients: list[Client], database: Database) -> AsyncIterator[None]:
    """Do something to clients, let all come to rest, and judge what they lived."""
    yield
    await come_to_rest(clients, database)
    await check(clients, database)


def database_process(chat: Chat) -> int:
    """Return the id of the embedded database's process."""
    [child] = children(chat.pid)
    return child


async def a_while(dice: random.Random, shortest: float, longest: float) -> None:
    """Let the talk go on for a random time: when a fault comes is part of the fault."""
    await asyncio.sleep(dice.uniform(shortest, longest))


@pytest.mark.serial
async def test_a_killed_chat_loses_doubles_and_reorders_nothing() -> None:
    dice = random.Random(1)
    async with (
        running_chat(**NO_LIMITS) as chat,
        database_of(chat) as database,
        visited([chat.url], SENDERS + READERS, dice) as clients,
    ):
        async with judged(clients, database), talking(clients[:SENDERS], PACE, dice):
            for _ in range(ROUNDS):
                await a_while(dice, 0.3, 1.2)
                await chat.kill()
                await chat.start()
        assert all(client.visits > ROUNDS for client in clients)
        # Kills hit messages that were under way.
        assert sum(client.resent for client in clients) >= ROUNDS


@pytest.mark.serial
async def test_a_killed_database_process_loses_doubles_and_reorders_nothing() -> None:
    dice = random.Random(2)
    async with (
        running_chat(MONGO_HOST="", **NO_LIMITS) as chat,
        database_of(chat) as database,
        visited([chat.url], SENDERS + READERS, dice) as clients,
    ):
        async with judged(clients, database), talking(clients[:SENDERS], PACE, dice):
            for kills in range(1, 4):
                await a_while(dice, 0.3, 1)
                os.kill(database_process(chat), signal.SIGKILL)
                async with asyncio.timeout(20):
                    while chat.output.count("starting it again") < kills:
                        await asyncio.sleep(0.02)
                    while not children(chat.pid):
                        await asyncio.sleep(0.02)
        assert {client.visits for client in clients} == {1}  # nobody was even cut off


async def test_a_database_that_stands_still_loses_doubles_and_reorders_nothing() -> None:
    dice = random.Random(3)
    async with (
        running_chat(MONGO_HOST="", **NO_LIMITS) as chat,
        database_of(chat) as database,
        visited([chat.url], SENDERS + READERS, dice) as clients,
    ):
        async with judged(clients, database), talking(clients[:SENDERS], PACE, dice):
            for longer_than_the_deadline in (5, 5.5):  # seconds; PATIENCE's 4.5 s end in one
                await a_while(dice, 0.3, 1)
                os.kill(database_process(chat), signal.SIGSTOP)
                await asyncio.sleep(longer_than_the_deadline)
                os.kill(database_process(chat), signal.SIGCONT)
        # Everybody was told, and sent again what the stopped writes stored after all.
        assert all(client.refusals for client in clients[:SENDERS])


@pytest.mark.serial
async def test_sockets_cut_anywhere_lose_double_and_reorder_nothing() -> None:
    dice = random.Random(4)
    async with (
        running_chat(**NO_LIMITS) as chat,
        database_of(chat) as database,
        Scissors(chat.port, dice) as scissors,
        visited([scissors.url], SENDERS + READERS, dice) as clients,
    ):
        async with judged(clients, database):
            async with talking(clients[:SENDERS], PACE, dice):
                scissors.are_out = True
                while min(scissors.cuts.values()) < CUTS:
                    await a_while(dice, 0.1, 0.2)
            scissors.are_out = False
        assert sum(client.visits for client in clients) > CUTS
        assert sum(client.resent for client in clients) > 0


@pytest.mark.serial
async def test_who_missed_more_than_memory_holds_finds_all_of_it_on_the_pages() -> None:
    dice = random.Random(5)
    async with (
        running_chat(**NO_LIMITS) as chat,
        database_of(chat) as database,
        visited([chat.url], SENDERS + READERS, dice) as clients,
    ):
        wanderer = clients[-1]
        async with judged(clients, database), talking(clients[:SENDERS], 2 * PACE, dice):
            for visits in range(1, 4):
                await wanderer.visited(visits)
                missed = wanderer.last + 700
                await wanderer.leave()
                await clients[0].shown(missed)
                wanderer.is_away = False  # and comes back while the others go on
        assert wanderer.reloads == 3


@pytest.mark.serial
async def test_messages_sent_up_to_three_times_are_stored_and_shown_once() -> None:
    dice = random.Random(6)
    async with (
        running_chat(**NO_LIMITS) as chat,
        database_of(chat) as database,
        visited([chat.url], SENDERS + READERS, dice, copies=3) as clients,
    ):
        async with judged(clients, database), talking(clients[:SENDERS], PACE, dice):
            await clients[0].shown(700)
            # What memory does not hold any more is looked up, and answered as the first time.
            for client in clients[:SENDERS]:
                client.repeat(next(iter(client.history.said)))
        histories = [client.history for client in clients[:SENDERS]]
        answers = sum(len(history.acknowledged) for history in histories)
        assert answers > 1.5 * sum(len(history.said) for history in histories)


@pytest.mark.serial
async def test_two_hundred_sockets_live_through_restarts_in_mid_talk() -> None:
    dice = random.Random(7)
    async with (
        running_chat(**NO_LIMITS) as chat,
        database_of(chat) as database,
        visited([chat.url], 200, dice) as clients,
    ):
        async with judged(clients, database), talking(clients[:60], 60, dice):
            for restarts in range(1, 4):
                for client in clients:
                    await client.visited(restarts)
                await a_while(dice, 0.2, 0.5)
                assert await chat.terminate() == 0
                await chat.start()
        assert {tuple(client.close_codes) for client in clients} == {(1001, 1001, 1001)}


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
            async with judged(clients, database), talking(clients[:SENDERS], PACE, dice):
                await a_while(dice, 2, 3)
                await comes.start()
                doors.append(comes.url)
                await a_while(dice, 2, 3)  # old and new overlap
                doors.remove(goes.url)
                assert await goes.terminate() == 0
                await a_while(dice, 2, 3)
            assert {1001} == {code for client in clients for code in client.close_codes}
            used = {door for client in clients for door in client.doors_used}
            assert used == {stays.url, goes.url, comes.url}
