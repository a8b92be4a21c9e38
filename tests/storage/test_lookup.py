"""Look-ups: what is cached, and which queries are joined."""

import asyncio
from collections.abc import Mapping

import pytest

from storage import lookup
from storage.lookup import FRESH_FOR, KEPT_FOR, Lookup
from tests.support.clocks import Clock
from tests.support.waiting import PATIENCE


class Table:
    """Values by id, and the ids of each query for them."""

    def __init__(self, **values: int) -> None:
        self.values = values
        self.queries: list[list[str]] = []
        self.is_away = False
        self.answered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def fetch(self, ids: list[str]) -> Mapping[str, int]:
        """Return the values of those ids that have one."""
        self.queries.append(ids)
        if self.is_away:
            raise ConnectionError("away")
        found = {id_: self.values[id_] for id_ in ids if id_ in self.values}
        self.answered.set()
        await self.go_on.wait()
        return found


@pytest.mark.parametrize("value", [7, None])
async def test_a_value_is_cached_for_five_seconds(clock: Clock, value: int | None) -> None:
    table = Table(**({} if value is None else {"a": value}))
    values = Lookup(table.fetch)
    for passed, queries in [(0, 1), (FRESH_FOR - 0.1, 1), (0.2, 2)]:
        clock.now += passed
        assert await values.get("a") == value
        assert len(table.queries) == queries
    assert values.is_missing("a") is (value is None)


async def test_ids_asked_for_at_once_share_a_query() -> None:
    table = Table(a=1, b=2)
    values = Lookup(table.fetch)
    async with asyncio.timeout(PATIENCE):
        found = await asyncio.gather(*(values.get(id_) for id_ in ["a", "b", "a", "nobody"]))
    assert found == [1, 2, 1, None]
    assert table.queries == [["a", "b", "nobody"]]


async def test_ids_asked_for_during_a_query_share_the_next() -> None:
    table = Table(a=1, b=2, c=3)
    values = Lookup(table.fetch)
    table.go_on.clear()
    first = asyncio.create_task(values.get("a"))
    await table.answered.wait()
    others = [asyncio.create_task(values.get(id_)) for id_ in "bc"]
    await asyncio.sleep(0)
    table.go_on.set()
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(first, *others) == [1, 2, 3]
    assert table.queries == [["a"], ["b", "c"]]


async def test_a_query_that_stalls_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "QUERY_PATIENCE", 0.01)
    table = Table(a=1, b=2)
    values = Lookup(table.fetch)
    table.go_on.clear()
    stalled = asyncio.create_task(values.get("a"))
    await table.answered.wait()
    table.go_on = asyncio.Event()
    table.go_on.set()
    async with asyncio.timeout(PATIENCE):
        assert await values.get("b") == 2
    assert not stalled.done()
    stalled.cancel()


async def test_very_many_ids_take_several_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "IDS_PER_QUERY", 10)
    table = Table()
    values = Lookup(table.fetch)
    ids = [str(number) for number in range(25)]
    assert await asyncio.gather(*map(values.get, ids)) == [None] * 25
    assert [len(query) for query in table.queries] == [10, 10, 5]


async def test_whoever_waits_is_answered_although_the_value_is_not_kept(clock: Clock) -> None:
    table = Table(a=1, b=2)
    values = Lookup(table.fetch)
    table.go_on.clear()
    first = asyncio.create_task(values.get("a"))
    await table.answered.wait()
    clock.now += KEPT_FOR + 1
    other = asyncio.create_task(values.get("b"))
    table.go_on.set()
    assert (await first, await other) == (1, 2)


async def test_a_failed_query_fails_for_everybody_who_waits_and_is_not_remembered() -> None:
    table = Table(a=1)
    values = Lookup(table.fetch)
    table.is_away = True
    found = await asyncio.gather(*map(values.get, ["a", "b", "a"]), return_exceptions=True)
    assert [type(each) for each in found] == [ConnectionError] * 3
    assert not values.is_missing("a")
    table.is_away = False
    assert await values.get("a") == 1


@pytest.mark.parametrize("value", [8, None])
async def test_a_query_under_way_does_not_undo_what_is_put(value: int | None) -> None:
    table = Table(a=7)
    values = Lookup(table.fetch)
    table.go_on.clear()
    found = asyncio.create_task(values.get("a"))
    await table.answered.wait()
    values.put("a", value)
    table.go_on.set()
    assert await found == value
    assert values.cached("a") == value


async def test_old_values_are_removed(clock: Clock) -> None:
    values = Lookup(Table(a=1, b=2).fetch)
    await values.get("a")
    clock.now += KEPT_FOR + 1
    await values.get("b")
    assert (values.cached("a"), values.cached("b")) == (None, 2)
    assert not values.is_missing("a")
