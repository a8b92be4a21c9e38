"""What one account may do at once: pages, WebSockets; and that others don't wait for it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from auth.sessions import IDENTITY, SESSIONS
from chat.hub import WEBSOCKETS
from middlewares import LONGEST_PAUSE, PAGES, PAGES_AT_ONCE, PAGES_WAITING, PAUSE
from people.views import People
from tests.support.accounts import log_in, user_id_of
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.sockets import refusal_of
from tests.support.waiting import START_PATIENCE, until

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


class SlowPage:
    """A page that is not ready until it may be."""

    def __init__(self) -> None:
        self.logins: list[str] = []  # of those for whom it is worked on, in order
        self.may_be_ready = asyncio.Event()

    async def work(self, login: str) -> None:
        """Work on the page."""
        self.logins.append(login)
        await self.may_be_ready.wait()


@pytest.fixture
async def slow(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SlowPage]:
    """The page of the people here, which is not ready while the test runs."""
    slow = SlowPage()

    async def context(self: People, form: dict[str, str]) -> dict[str, Any]:
        await slow.work(self.request[IDENTITY].login)
        return await shown(self, form)

    shown = People.context
    monkeypatch.setattr(People, "context", context)
    yield slow
    slow.may_be_ready.set()


def ask(person: Person, count: int, path: str = "/people") -> list[asyncio.Task[int]]:
    """Begin to ask for so many pages at once; the tasks return their statuses."""

    async def status() -> int:
        status: int = (await person.get(path)).status
        return status

    return [asyncio.create_task(status()) for _ in range(count)]


def inside(person: Person, user_id: str) -> int:
    """Return how many of somebody's pages are worked on or wait."""
    line = person.app[PAGES]._lines.get((user_id, "pages"))
    return line.inside if line else 0


async def test_four_pages_of_an_account_are_worked_on_and_the_others_wait(
    house: House, alice: Person, bob: Person, slow: SlowPage
) -> None:
    other = await log_in(house, "alice")
    user_id = await user_id_of(house, "alice")
    pages = ask(alice, 6) + ask(other, 6)
    await until(lambda: inside(alice, user_id) == 12)
    pages += ask(bob, 1)
    await until(lambda: "bob" in slow.logins)
    assert slow.logins == ["alice"] * PAGES_AT_ONCE + ["bob"]
    assert (await alice.get("/static/css/base.css")).status == 200
    socket = await alice.connect()
    await socket.said("what is said does not wait for pages")
    slow.may_be_ready.set()
    assert await asyncio.gather(*pages) == [200] * 13


@pytest.mark.parametrize("reason", ["too many wait", "one has waited for too long"])
async def test_who_wants_too_many_pages_at_once_is_told_to_wait(
    house: House, alice: Person, slow: SlowPage, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    user_id = await user_id_of(house, "alice")
    count, patience = PAGES_AT_ONCE + PAGES_WAITING, START_PATIENCE
    if reason == "one has waited for too long":
        count, patience = PAGES_AT_ONCE, 0
    monkeypatch.setattr(house.app[PAGES], "_patience", patience)
    pages = ask(alice, count)
    await until(lambda: inside(alice, user_id) == count)
    refused = await alice.get("/account")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "2")
    assert "Too many requests at once" in await refused.text()
    slow.may_be_ready.set()
    assert await asyncio.gather(*pages) == [200] * count


async def test_who_is_signed_out_while_a_page_waits_does_not_see_it(
    house: House, alice: Person, slow: SlowPage
) -> None:
    other = await log_in(house, "alice")
    user_id = await user_id_of(house, "alice")
    pages = ask(alice, PAGES_AT_ONCE + 1)
    await until(lambda: len(slow.logins) == PAGES_AT_ONCE)
    assert inside(alice, user_id) == len(pages)
    await house.app[SESSIONS].end_all(user_id)
    slow.may_be_ready.set()
    assert sorted(await asyncio.gather(*pages)) == [200] * PAGES_AT_ONCE + [401]
    assert (await other.get("/")).status == 303


async def test_pages_of_members_begin_one_at_a_time_and_the_loop_goes_on_between(
    house: House, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0
    begun: Counter[int] = Counter()  # pages, by the turn of the event loop
    ended = asyncio.Event()

    def turn() -> None:
        nonlocal turns
        turns += 1
        if not ended.is_set():
            asyncio.get_running_loop().call_soon(turn)

    async def context(self: People, form: dict[str, str]) -> dict[str, Any]:
        begun[turns] += 1
        return await shown(self, form)

    shown = People.context
    monkeypatch.setattr(People, "context", context)
    turn()
    pages = ask(alice, 20) + ask(bob, 20)
    assert await asyncio.gather(*pages) == [200] * 40
    ended.set()
    assert begun.total() == 40
    assert set(begun.values()) == {1}


async def test_somebody_may_open_two_sockets_a_second_and_all_tabs_at_once_twice(
    open_house: OpenHouse, clock: Clock
) -> None:
    house = await open_house(SOCKETS_PER_USER=3)
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")

    async def open_and_close(person: Person) -> None:
        await (await person.connect(since=0)).close()
        await until(lambda: not house.app[WEBSOCKETS])

    for _ in range(6):
        await open_and_close(alice)
    refused = await alice.get("/ws", headers=UPGRADE)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "4")
    await open_and_close(bob)
    clock.now += 3
    for _ in range(6):
        await open_and_close(alice)
    assert await refusal_of(alice.connect()) == 429


async def test_a_socket_that_is_refused_anyway_does_not_count(
    open_house: OpenHouse, clock: Clock
) -> None:
    house = await open_house(SOCKETS_PER_USER=1)
    alice = await house.sign_in("alice")
    socket = await alice.connect()
    for _ in range(5):
        assert await refusal_of(alice.connect()) == 429  # one window too many
        assert (await alice.get("/ws")).status in (400, 429)
    await socket.close()
    await until(lambda: not house.app[WEBSOCKETS])
    await alice.connect()


async def test_ten_tabs_come_back_at_once_and_once_more(alice: Person) -> None:
    for _ in range(2):
        sockets = await asyncio.gather(*(alice.connect(since=0) for _ in range(10)))
        await asyncio.gather(*(socket.close() for socket in sockets))
        await until(lambda: not alice.app[WEBSOCKETS])


async def test_the_next_page_of_many_waits_for_twice_as_long_as_the_last_one_took(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    slept = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await slept(0)

    async def context(self: People, form: dict[str, str]) -> dict[str, Any]:
        await slept(0.02)  # what the page takes
        return await shown(self, form)

    shown = People.context
    monkeypatch.setattr(People, "context", context)
    monkeypatch.setattr("middlewares.asyncio", SimpleNamespace(
        sleep=sleep, get_running_loop=asyncio.get_running_loop
    ))  # fmt: skip
    assert (await alice.get("/people")).status == 200
    assert set(pauses) == {0}  # nobody waits who wants one page
    assert await asyncio.gather(*ask(alice, 8)) == [200] * 8
    assert PAUSE in pauses
    assert max(pauses) >= 0.04
    assert max(pauses) <= LONGEST_PAUSE
