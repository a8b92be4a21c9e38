"""A database for the whole run, a chat for each test, and which tests need other processes."""

import sys
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import jinja2
import pytest
import pytest_asyncio
from hypothesis import HealthCheck

from app import create_app
from pages import assets
from pages.assets import Asset
from settings import MESSAGE_COLLECTION, Settings
from storage.database import READY, Database, MotorCollection, MotorDatabase
from storage.indexes import create_indexes
from tests.support.clocks import Clock, stopped_clock
from tests.support.databases import (
    TEST_MONGO_HOST,
    another_client,
    embedded_server,
    new_database,
)
from tests.support.house import House, OpenHouse
from tests.support.imitation import Imitation, imitate
from tests.support.people import Person
from tests.support.redis_server import RedisServer, redis_server
from tests.support.sockets import Socket
from tests.support.waiting import PATIENCE

# A test starts other processes if it uses one of these fixtures, or its module imports from one of
# these modules.
FIXTURES_WITH_PROCESSES = {"mongo", "redis", "browser"}
MODULES_WITH_PROCESSES = {
    "subprocess",
    "tests.support.commands",
    "tests.support.deployment",
    "tests.support.firefox",
    "tests.support.pictures",
    "tests.support.processes",
    "tests.support.services",
}
may_start_processes = True

# Hypothesis tries the same examples each time, so that a failure comes from a change; and how long
# one takes says more of the machine.
hypothesis.settings.register_profile(
    "chat", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis.settings.load_profile("chat")

QUICK_KIB = 64


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start other processes: `make check` leaves them out."""
    for item in items:
        if isinstance(item, pytest.Function) and needs_processes(item):
            item.add_marker(pytest.mark.processes)


def needs_processes(test: pytest.Function) -> bool:
    """Return whether a test starts other processes."""
    values = vars(test.module).values()
    modules = {getattr(it, "__module__", getattr(it, "__name__", None)) for it in values}
    return bool(
        FIXTURES_WITH_PROCESSES & set(test.fixturenames) or MODULES_WITH_PROCESSES & modules
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let only marked tests start processes, so that no other one gets into `make check`."""
    global may_start_processes
    may_start_processes = item.get_closest_marker("processes") is not None
    try:
        return (yield)
    finally:
        may_start_processes = True


def refuse_processes(event: str, _: object) -> None:
    """Refuse to start a process while a test runs that is not known to do so."""
    if not may_start_processes and event in ("subprocess.Popen", "os.fork", "os.posix_spawn"):
        raise RuntimeError("A test starts a process: see MODULES_WITH_PROCESSES in conftest.py")


sys.addaudithook(refuse_processes)


@pytest.fixture(scope="session", autouse=True)
def passwords_are_hashed_quickly() -> Iterator[None]:
    """Let the hash of a password take 64 KiB, not 19 MiB and 30 ms: most tests have two people."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auth.passwords.MEMORY_KIB", QUICK_KIB)
        for module in ("auth.passwords", "auth.models"):
            patch.setattr(f"{module}.PARAMETERS", f"$argon2id$v=19$m={QUICK_KIB},t=2,p=1$")
        yield


@pytest.fixture(scope="session", autouse=True)
def departures_are_waited_for() -> Iterator[None]:
    """Let a ban or a deletion answer when all is removed, however busy this machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chat.departures.ANSWER_WITHIN", PATIENCE)
        yield


@pytest.fixture(scope="session", autouse=True)
def assets_and_templates_are_made_once() -> Iterator[None]:
    """Let all chats share what each makes of static files and templates: half of a test's time."""
    made: dict[tuple[object, ...], dict[str, Asset]] = {}
    compile_template = cache(jinja2.Environment.compile)
    environment: list[jinja2.Environment] = []  # of the first chat: all have the same options

    def read_once(settings: Settings) -> dict[str, Asset]:
        look = (assets.FOLDER, settings.ROOM_NAME, settings.ROOM_COLOR, settings.ROOM_LOGO)
        if look not in made:
            made[look] = assets.read_assets(settings)
        return made[look]

    def compile_once(own: jinja2.Environment, *source: str) -> Any:
        environment[:] = environment or [own]
        return compile_template(environment[0], *source)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pages.templates.read_assets", read_once)
        patch.setattr(jinja2.Environment, "compile", compile_once)
        yield


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
def imitation(mongo: str) -> Iterator[Imitation]:
    """A replica set in front of that server, to do what a test asks for."""
    with imitate(mongo) as imitation:
        yield imitation


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
async def hers(alice: Person) -> Socket:
    """Alice's socket."""
    return await alice.connect()


@pytest.fixture
async def his(bob: Person) -> Socket:
    """Bob's socket."""
    return await bob.connect()


@pytest.fixture
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no chat look which sessions and accounts have ended: it knows only what it is told."""
    monkeypatch.setattr("auth.sessions.NOTICE_EVERY", 3600)
    monkeypatch.setattr("chat.departures.LOOK_EVERY", 3600)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock that limits and look-ups go by, which stands still until it is put forward."""
    with stopped_clock() as clock:
        yield clock
