"""A database for the whole run, and a chat for each test."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app import create_app
from settings import MESSAGE_COLLECTION, Settings
from storage import lookup
from storage.database import READY, Database, MotorCollection, MotorDatabase
from storage.indexes import create_indexes
from tests.support.clocks import Clock, LateClock, stopped_clock
from tests.support.databases import (
    TEST_MONGO_HOST,
    another_client,
    embedded_server,
    new_database,
)
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.redis_server import RedisServer, redis_server


@pytest.fixture(scope="session")
def mongo() -> Iterator[str]:
    """The address of a database server that lasts for the whole run."""
    if TEST_MONGO_HOST:
        yield TEST_MONGO_HOST
        return
    with embedded_server() as server:
        server.start()
        yield server.address


@pytest.fixture
def settings(mongo: str) -> Iterator[Settings]:
    """Settings with an empty database of their own, and people who may do things in a hurry."""
    with new_database(mongo) as name:
        yield Settings(
            MONGO_HOST=mongo,
            MONGO_DB_NAME=name,
            SECRET_KEY=("a key for the tests",),
            MESSAGES_PER_SECOND=0,
            REGISTRATIONS_PER_HOUR=0,
            MODERATORS=("the.owner",),  # or the first to register would be one
        )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: the path of the database's socket may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="chat", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[MotorDatabase]:
    """An empty database, without indexes."""
    async with another_client(settings) as database:
        yield database


@pytest.fixture
async def messages(db: MotorDatabase) -> MotorCollection:
    """The log, empty, with its indexes."""
    await create_indexes(Database(db))
    return db[MESSAGE_COLLECTION]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis server for one test."""
    with redis_server() as server:
        yield server


@pytest_asyncio.fixture
async def open_house(
    settings: Settings, aiohttp_server: Any, aiohttp_client: Any
) -> AsyncIterator[OpenHouse]:
    """Start chats with settings of the test's choice."""
    houses: list[House] = []

    async def start(**changes: Any) -> House:
        server = await aiohttp_server(create_app(replace(settings, **changes)))
        await server.app[READY].wait()
        houses.append(House(server, aiohttp_client))
        return houses[-1]

    yield start
    for house in houses:
        await house.close()


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    """A chat with these settings."""
    return await open_house()


@pytest.fixture
async def visitor(house: House) -> Person:
    """Somebody who is not signed in."""
    return await house.visitor()


@pytest.fixture
async def alice(house: House) -> Person:
    """Alice, signed in to a new account."""
    return await house.sign_in("alice")


@pytest.fixture
async def bob(house: House) -> Person:
    """Bob, signed in to a new account."""
    return await house.sign_in("bob")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> LateClock:
    """The clock of look-ups; put it ahead, and sessions are looked up again."""
    clock = LateClock(0)
    monkeypatch.setattr(lookup, "time", clock)
    return clock


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock that limits and look-ups go by, which stands still until it is put forward."""
    with stopped_clock() as clock:
        yield clock
