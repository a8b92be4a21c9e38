"""A database that is prepared for long at the start: pages say so, and what is done stays done."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app import create_app
from settings import Settings
from storage.address import OURS
from storage.database import READY, Document
from tests.support.house import House, OpenHouse
from tests.support.imitation import TIME_IS_UP, Imitation
from tests.support.people import Person
from tests.support.sessions import held_by, present
from tests.support.waiting import START_PATIENCE, until

DAY = 24 * 3600 * 1000  # milliseconds


class Build:
    """The build of one index, which takes until `goes_on` is set.

    As MongoDB does it: a build goes on when its client leaves, and ends when its command's time is
    up; other commands wait for it.
    """

    def __init__(self, index: str) -> None:
        self.begun = 0  # how often
        self.goes_on = threading.Event()
        self._index = index
        self._is_under_way = False

    def answer(self, body: Document) -> Document | None:
        """Answer a command that creates an index, None to let the server do it."""
        if body["indexes"][0]["name"] != self._index:
            return None
        if not self._is_under_way:
            self.begun += 1
        if body.get("maxTimeMS", DAY) < DAY / 2:
            return TIME_IS_UP
        self._is_under_way = True
        self.goes_on.wait()
        return None


@pytest.fixture
def build(imitation: Imitation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """The build of an index of the messages, for which nobody has all the time that it takes."""
    monkeypatch.setattr("app.READY_WITHIN", 0.1)
    monkeypatch.setitem(OURS, "socketTimeoutMS", 2000)
    build = Build("seq_1")
    imitation.answers["createIndexes"] = build.answer
    yield build
    build.goes_on.set()


@pytest.fixture
async def house(
    imitation: Imitation, settings: Settings, aiohttp_server: Any, aiohttp_client: Any
) -> House:
    """A chat that is still being prepared."""
    app = create_app(replace(settings, MONGO_HOST=imitation.address))
    return House(await aiohttp_server(app), aiohttp_client)


async def becomes(visitor: Person, state: str) -> None:
    """Wait until /healthz says of the database that it is in a state."""

    async def is_so() -> bool:
        return bool((await (await visitor.get("/healthz")).json())["database"] == state)

    await until(is_so, START_PATIENCE)


async def test_an_index_is_built_once_however_long_it_takes_and_pages_say_so(
    build: Build, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    visitor = await house.visitor()
    await until(lambda: "an index of messages is being built" in caplog.text)
    response = await visitor.get("/login")
    assert response.status == 503
    assert "The chat is being prepared" in await response.text()
    assert response.headers["Retry-After"] == response.headers["Refresh"] == "10"
    await becomes(visitor, "preparing")
    assert (await visitor.get("/healthz")).status == 503
    build.goes_on.set()
    await becomes(visitor, "ok")
    assert (await visitor.get("/login")).status == 200
    assert build.begun == 1
    assert caplog.text.count("is being built") == 1
    assert "is away" not in caplog.text


async def test_who_is_signed_in_is_told_so_though_no_session_can_be_looked_up_meanwhile(
    build: Build, house: House, open_house: OpenHouse, imitation: Imitation
) -> None:
    """The embedded database answers nobody else while it builds an index."""
    alice = await present(house, held_by(await (await open_house()).sign_in("alice")))
    await until(lambda: build.begun)

    def wait(_: Document) -> None:
        build.goes_on.wait()

    imitation.answers["find"] = wait
    for path in ("/", "/login", "/ws"):
        response = await alice.get(path)
        assert response.status == 503
        assert "The chat is being prepared" in await response.text()


async def test_a_form_that_is_posted_meanwhile_is_not_loaded_again(
    build: Build, house: House
) -> None:
    visitor = await house.visitor()
    await becomes(visitor, "preparing")
    response = await visitor.log_in("alice")
    assert response.status == 503
    assert "The chat is being prepared" in await response.text()
    assert "Refresh" not in response.headers
    assert response.headers["Retry-After"] == "10"


async def test_a_database_that_goes_away_meanwhile_is_away(
    build: Build, house: House, imitation: Imitation
) -> None:
    visitor = await house.visitor()
    await becomes(visitor, "preparing")
    refusal = {"ok": 0, "code": 91, "codeName": "ShutdownInProgress", "errmsg": "ends"}
    imitation.answers |= dict.fromkeys(("createIndexes", "listCollections"), lambda _: refusal)
    build.goes_on.set()
    await becomes(visitor, "away")
    assert "be used for the moment" in await (await visitor.get("/login")).text()
    imitation.answers.clear()
    await until(house.app[READY].is_set, START_PATIENCE)
