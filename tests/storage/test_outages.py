"""A database that is away, stops and comes back."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, WriteError

from app import create_app
from chat.journal import JOURNAL
from server.background import background
from server.logs import SeldomLogger
from settings import Settings
from storage import database
from storage.database import (
    CHECK,
    READY,
    TOO_SLOW,
    DatabaseFails,
    DatabaseUnavailable,
    deadline,
    upkeep,
)
from storage.embedded_files import FAULT
from storage.outage import Outage
from storage.remedies import MAJORITY, SEE_ROOM, SPACE
from tests.support.clocks import Clock
from tests.support.databases import EmbeddedServer, embedded_server
from tests.support.house import House, OpenHouse
from tests.support.imitation import Imitation
from tests.support.people import Person
from tests.support.sockets import Socket
from tests.support.waiting import START_PATIENCE, until

REFUSED_WITHIN = 7  # seconds; promised are 5, and a busy machine may take two more


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    with embedded_server() as server:
        yield server


async def refusal(person: Person, path: str = "/") -> str:
    """Return the page of a 503 that has to come in time."""
    async with asyncio.timeout(REFUSED_WITHIN):
        response = await person.get(path)
    assert response.status == 503
    assert "Retry-After" in response.headers
    assert "Set-Cookie" not in response.headers
    return await response.text()


async def recovery(person: Person) -> None:
    """Wait until the chat works again, for somebody who is still signed in."""

    async def works() -> bool:
        return (await person.get("/?before=1")).status == 200

    await until(works, START_PATIENCE)


async def test_without_a_database_the_chat_answers_503_until_there_is_one(
    server: EmbeddedServer,
    settings: Settings,
    aiohttp_server: Any,
    aiohttp_client: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat.health.FRESH_FOR", 0)
    app = create_app(replace(settings, MONGO_HOST=server.address))
    house = House(await aiohttp_server(app), aiohttp_client)
    visitor = await house.visitor()
    assert "be used for the moment" in await refusal(visitor, "/login")
    async with asyncio.timeout(REFUSED_WITHIN):
        health = await visitor.get("/healthz")
    assert (health.status, await health.json()) == (503, {"status": "away", "database": "away"})
    assert (await visitor.get("/static/css/base.css")).status == 200
    server.start()
    async with asyncio.timeout(START_PATIENCE):
        await app[READY].wait()
    assert (await visitor.register("alice")).status == 303
    assert (await visitor.get("/healthz")).status == 200


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL])
async def test_an_outage_is_answered_in_time_and_signs_nobody_out(
    server: EmbeddedServer, open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    monkeypatch.setattr("storage.lookup.FRESH_FOR", 0.1)
    server.start()
    house = await open_house(MONGO_HOST=server.address)
    alice = await house.sign_in("alice")
    socket = await alice.connect()
    await socket.say("before", nonce="n1")
    await socket.next("message")

    server.send(fault)
    started = time.monotonic()
    await socket.say("during", nonce="n2")
    error = await socket.next("error")
    assert (error["code"], error["nonce"]) == ("unavailable", "n2")
    assert time.monotonic() - started < REFUSED_WITHIN
    await refusal(alice)
    visitor = await house.visitor()
    login = await visitor.log_in("alice")
    assert login.status == 503
    assert 'value="alice"' in await login.text()

    if fault is signal.SIGSTOP:
        server.send(signal.SIGCONT)
    else:
        server.kill()
        server.start()
    await recovery(alice)
    await socket.say("during", nonce="n2")
    frame = await socket.next("message")
    assert (frame["seq"], frame["msg"]) == (2, "during")
    assert house.app[JOURNAL].recent.last == 2
    assert (await visitor.log_in("alice")).status == 303


def failed(code: int, **details: Any) -> OperationFailure:
    """Return the error of a server that answers, with a text that must not be logged."""
    details = {"ok": 0, "errmsg": "s3cret", "code": code, **details}
    return OperationFailure(details["errmsg"], code, details)


def several(*codes: int, concern: int | None = None) -> BulkWriteError:
    """Return the error of several updates, each with a code; or no majority has confirmed them."""
    errors = [{"index": 0, "code": code, "errmsg": "s3cret", "op": "s3cret"} for code in codes]
    concerns = [{"code": concern, "errmsg": "s3cret"}] if concern else []
    return BulkWriteError({"writeErrors": errors, "writeConcernErrors": concerns})


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (AutoReconnect("x"), DatabaseUnavailable, f"the database is away (AutoReconnect): {CHECK}"),
        (failed(FAULT, errmsg="full"), DatabaseFails, "the database fails: full"),
        (failed(8, codeName="Unknown"), DatabaseFails, "the database fails: Unknown, code 8"),
        (
            failed(9001),
            DatabaseUnavailable,
            f"the database is away (OperationFailure, code 9001): {CHECK}",
        ),
        (
            failed(14031, codeName="OutOfDisk"),
            DatabaseFails,
            f"the database fails: OutOfDisk, code 14031: {SPACE}",
        ),
        (failed(121), DatabaseFails, "the database fails: OperationFailure, code 121"),
        (OperationFailure("s3cret"), DatabaseFails, "the database fails: OperationFailure"),
        (
            WriteError("quota s3cret", 8000, {"code": 8000, "codeName": "AtlasError"}),
            DatabaseFails,
            f"the database fails: it refuses a write (AtlasError, code 8000): {SPACE}",
        ),
        (
            several(262, 121, 8000),
            DatabaseFails,
            f"the database fails: it refuses a write (WriteError, code 121): {SEE_ROOM}",
        ),
        (
            several(262),
            DatabaseUnavailable,
            f"the database is away (WriteError, code 262): {CHECK}",
        ),
        (
            several(concern=64),
            DatabaseUnavailable,
            f"the database is away (WriteConcernError, code 64): {MAJORITY}",
        ),
    ],
)
@pytest.mark.parametrize("limited", [deadline, upkeep])
async def test_what_is_wrong_is_logged_once_and_never_with_a_document(
    error: Exception,
    kind: type[Exception],
    said: str,
    limited: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(database, "seldom", SeldomLogger(database.log))
    monkeypatch.setattr(database, "outage", Outage(database.log, "the database"))
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable) as raised:
            async with limited():
                raise error
        assert raised.type is kind
    assert [record.getMessage() for record in caplog.records] == [said]


BACK = (logging.INFO, "the database is back")


class Lines(Outage):
    """What the log says of the database; it also counts the calls that fail."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        super().__init__(database.log, "the database")
        self._caplog = caplog
        self._failures = 0

    def failed(self, text: str) -> None:
        self._failures += 1
        super().failed(text)

    async def until_calls_fail(self) -> None:
        """Wait until some calls have failed, for whatever reasons."""
        enough = self._failures + 3
        await until(lambda: self._failures >= enough, START_PATIENCE)

    def all(self) -> list[tuple[int, str]]:
        """Return level and text of each line."""
        return [it[1:] for it in self._caplog.record_tuples if it[0] == database.log.name]

    async def until_back(self) -> None:
        """Wait until it is said that the database is back."""
        await until(lambda: BACK in self.all(), START_PATIENCE)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Lines:
    caplog.set_level(logging.INFO)
    lines = Lines(caplog)
    monkeypatch.setattr(database, "outage", lines)
    return lines


async def nothing(alice: Person, socket: Socket) -> None:
    """Leave the chat alone."""


async def talk(alice: Person, socket: Socket) -> None:
    """Say something, again and again."""
    while True:
        await socket.say("hello")
        await socket.next()


async def visits(alice: Person, socket: Socket) -> None:
    """Load a page that needs the database, again and again."""
    while True:
        await alice.get("/people")


@pytest.mark.parametrize(
    ("fault", "what_happens"),
    [
        (signal.SIGSTOP, nothing),
        (signal.SIGSTOP, talk),
        (signal.SIGKILL, nothing),
        (signal.SIGKILL, visits),
    ],
)
async def test_an_outage_is_one_line_when_it_begins_and_one_when_it_is_over(
    server: EmbeddedServer,
    open_house: OpenHouse,
    lines: Lines,
    fault: signal.Signals,
    what_happens: Callable[[Person, Socket], Coroutine[Any, Any, None]],
) -> None:
    server.start()
    house = await open_house(MONGO_HOST=server.address)
    alice = await house.sign_in("alice")
    socket = await alice.connect()
    async with background(what_happens(alice, socket)):
        server.send(fault)
        await lines.until_calls_fail()
        [(level, text)] = lines.all()
        assert level == logging.WARNING
        assert text.startswith("the database is away (")
        if fault is signal.SIGSTOP:
            server.send(signal.SIGCONT)
        else:
            server.kill()
            server.start()
        await lines.until_back()
    assert lines.all() == [(level, text), BACK]


async def test_a_chat_without_a_database_says_so_once_until_there_is_one(
    server: EmbeddedServer,
    settings: Settings,
    lines: Lines,
    aiohttp_server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.logs.SAME_TEXT_EVERY", 0)
    await aiohttp_server(create_app(replace(settings, MONGO_HOST=server.address)))
    await lines.until_calls_fail()
    away = (logging.WARNING, f"the database is away (ServerSelectionTimeoutError): {CHECK}")
    assert lines.all() == [away]
    server.start()
    await lines.until_back()
    assert lines.all() == [away, BACK]


async def test_a_message_that_is_not_confirmed_in_time_is_told_though_each_call_is_answered(
    open_house: OpenHouse, imitation: Imitation, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.journal.APPEND_TIMEOUT", 0.1)
    house = await open_house(MONGO_HOST=imitation.address)
    socket = await (await house.sign_in("alice")).connect()
    imitation.delay = 1
    await socket.say("hello", nonce="n1")
    assert (await socket.next("error"))["code"] == "unavailable"
    assert lines.all() == [(logging.WARNING, TOO_SLOW)]


def test_a_database_that_comes_and_goes_is_away_until_it_is_calm(
    clock: Clock, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.outage.time", clock)

    def spend(minutes: int, every: int) -> int:
        """Let one call fail every so many seconds, and the others not; return how many lines."""
        before = len(lines.all())
        for second in range(minutes * 60):
            if second % every == 0:
                lines.failed("away")
            clock.now += 1
            lines.answered()
        return len(lines.all()) - before

    assert spend(60, every=1) == 1
    clock.now += 3
    lines.answered()
    assert lines.all() == [(logging.WARNING, "away"), BACK]
    for every in (4, 5, 7, 10, 30, 50, 61, 70):
        clock.now += 3600
        lines.answered()
        assert spend(60, every) <= 2 * 60 + 10
