"""A database that is away, stops and comes back."""

import asyncio
import logging
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, WriteError

from app import create_app
from chat.journal import JOURNAL
from server.logs import SeldomLogger
from settings import Settings
from storage import database
from storage.database import (
    READY,
    DatabaseFails,
    DatabaseUnavailable,
    deadline,
    upkeep,
)
from storage.embedded_files import FAULT
from storage.remedies import MAJORITY, SEE_ROOM, SPACE
from tests.support.databases import EmbeddedServer, embedded_server
from tests.support.house import House, OpenHouse
from tests.support.people import Person
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
    server: EmbeddedServer, settings: Settings, aiohttp_server: Any, aiohttp_client: Any
) -> None:
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
        (AutoReconnect("x"), DatabaseUnavailable, "the database is away (AutoReconnect)"),
        (failed(FAULT, errmsg="full"), DatabaseFails, "the database fails: full"),
        (failed(8, codeName="Unknown"), DatabaseFails, "the database fails: Unknown, code 8"),
        (failed(9001), DatabaseUnavailable, "the database is away (OperationFailure, code 9001)"),
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
        (several(262), DatabaseUnavailable, "the database is away (WriteError, code 262)"),
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
    monkeypatch.setattr(database, "seldom", SeldomLogger(logging.getLogger("chat")))
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable) as raised:
            async with limited():
                raise error
        assert raised.type is kind
    assert [record.getMessage() for record in caplog.records] == [said]
