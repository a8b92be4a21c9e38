"""Garbage is collected when there is little to do, and closed sockets leave none."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest
from aiohttp import WSCloseCode, web

from chat.hub import WEBSOCKETS
from server import garbage
from server.background import background
from server.garbage import collect_when_idle
from tests.support.house import House
from tests.support.people import Person
from tests.support.waiting import until


class Knot:
    """An object that refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.itself = self


class Looks:
    """Counts how often the collector has looked, instead of waiting a second each time."""

    def __init__(self) -> None:
        self.count = 0

    async def sleep(self, seconds: float) -> None:
        self.count += 1
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _own_collector() -> Iterator[None]:
    """Leave Python's own collector as it was before."""
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize(("name", "value"), [("IDLE", 100), ("OVERDUE", 0)])
async def test_a_full_collection_waits_until_there_is_little_to_do_or_it_is_overdue(
    monkeypatch: pytest.MonkeyPatch, name: str, value: float
) -> None:
    looks = Looks()
    monkeypatch.setattr(garbage, "asyncio", looks)
    monkeypatch.setattr(garbage, "IDLE", 0)  # there is always something to do
    monkeypatch.setattr(garbage, "DUE", 0)
    async with background(collect_when_idle()):
        await until(lambda: looks.count)
        assert gc.get_threshold()[2] == garbage.NEVER
        assert gc.get_freeze_count() > 10_000
        knot = weakref.ref(Knot())
        gc.collect(1)  # which would find it
        assert knot() is None
        knot = old_knot()
        seen = looks.count
        await until(lambda: looks.count > seen + 100)
        assert knot() is not None
        monkeypatch.setattr(garbage, name, value)
        await until(lambda: knot() is None)


def old_knot() -> "weakref.ref[Knot]":
    """Make garbage that has outlived Python's short collections."""
    knot = Knot()
    gc.collect(0)
    gc.collect(1)
    return weakref.ref(knot)


async def test_a_socket_that_is_cut_off_is_freed_without_a_collection(
    house: House, alice: Person
) -> None:
    gc.collect()
    gc.disable()
    socket = await alice.connect()
    [client] = house.app[WEBSOCKETS]
    response: weakref.ref[web.WebSocketResponse] = weakref.ref(client.ws)
    client.abort()
    del client
    assert await socket.close_code() == WSCloseCode.ABNORMAL_CLOSURE
    await until(lambda: response() is None)
