"""Limits: how often, how much at once, and whom an address stands for."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from security import limits
from security.address import client_address
from security.limits import Busy, Limit, Turns
from settings import SETTINGS, Settings
from tests.support.clocks import Clock, stopped_clock

COUNTS = st.integers(1, 60)
PERIODS = st.sampled_from([1, 10, 300, 3600])
UPTIMES = st.floats(0, 1e8)  # seconds; three years


def uses(limit: Limit, key: str, attempts: int) -> int:
    """Return how many of so many attempts are allowed."""
    return sum(limit.use_or_wait(key) == 0 for _ in range(attempts))


@pytest.mark.parametrize(
    ("new", "steps"),  # seconds that pass, who tries, how often, and how often that is allowed
    [
        (lambda: Limit(5, 300), [(0, "alice", 100, 5)]),
        (lambda: Limit(5, 300), [(0, "alice", 1000, 5), (300, "alice", 1000, 5)]),
        (lambda: Limit(2, 60), [(0, "alice", 3, 2), (0, "bob", 3, 2)]),
        (lambda: Limit(0, 3600), [(0, "alice", 1000, 1000)]),
    ],
    ids=[
        "its count and no more", "what is refused does not count", "each key by itself",
        "a limit of nothing is off",
    ],
)  # fmt: skip
def test_a_limit_allows_its_count(
    clock: Clock, new: Callable[[], Limit], steps: list[tuple[float, str, int, int]]
) -> None:
    limit = new()
    for seconds, key, attempts, allowed in steps:
        clock.now += seconds
        assert uses(limit, key, attempts) == allowed


def test_limit_tells_how_long_to_wait(clock: Clock) -> None:
    limit = Limit(5, 300)
    uses(limit, "alice", 5)
    assert limit.use_or_wait("alice") == pytest.approx(300)
    clock.now += 299
    assert limit.use_or_wait("alice") == pytest.approx(1)
    clock.now += 1
    assert limit.use_or_wait("alice") == 0


def test_limit_that_is_off_counts_nothing() -> None:
    limit = Limit(0, 60)
    limit.add("alice")
    assert not limit._uses


def test_limit_takes_one_use_back(clock: Clock) -> None:
    limit = Limit(5, 300)
    uses(limit, "alice", 5)
    limit.give_back("alice")
    assert uses(limit, "alice", 5) == 1


def test_limit_gives_nobody_more_than_its_count_for_uses_given_back(clock: Clock) -> None:
    limit = Limit(5, 300)
    for _ in range(100):
        limit.use_or_wait("alice")
        limit.give_back("alice")
    limit.give_back("bob")
    assert uses(limit, "alice", 100) == 5
    assert uses(limit, "bob", 100) == 5


def test_limit_removes_only_expired_keys(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SWEEP_AT", 100)
    limit = Limit(1, 60)
    for number in range(100):
        limit.use_or_wait(f"early {number}")
    clock.now += 59
    limit.use_or_wait("late")
    assert len(limit._uses) == 101
    clock.now += 1
    limit._sweep_at = 101
    limit.use_or_wait("later")
    assert set(limit._uses) == {"late", "later"}
    assert limit.use_or_wait("late") > 0


def test_expired_keys_are_removed_each_time_the_number_of_keys_has_doubled(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SWEEP_AT", 100)
    limit = Limit(1, 60)
    for seconds, newcomers, kept in [(0, 101, 101), (60, 101, 202), (0, 1, 102)]:
        clock.now += seconds
        for _ in range(newcomers):
            limit.use_or_wait(object())
        assert len(limit._uses) == kept


@given(count=COUNTS, seconds=PERIODS, start=UPTIMES)
def test_limit_allows_its_count_at_once_after_any_uptime(
    count: int, seconds: int, start: float
) -> None:
    with stopped_clock(start):
        assert uses(Limit(count, seconds), "alice", 2 * count) == count


@given(count=st.integers(1, 5), seconds=PERIODS, pauses=st.lists(st.floats(0, 100), max_size=60))
def test_limit_never_allows_more_than_its_count_in_any_period(
    count: int, seconds: int, pauses: list[float]
) -> None:
    allowed: list[float] = []
    with stopped_clock() as clock:
        limit = Limit(count, seconds)
        for pause in pauses:
            clock.now += pause
            if limit.use_or_wait("alice") == 0:
                allowed.append(clock.now)
            assert sum(at + seconds > clock.now for at in allowed) <= count


@given(count=COUNTS, seconds=PERIODS, start=st.floats(0, 1e6))
def test_limit_allows_one_more_after_the_wait_it_named(
    count: int, seconds: int, start: float
) -> None:
    with stopped_clock(start) as clock:
        limit = Limit(count, seconds)
        uses(limit, "alice", count)
        wait = limit.use_or_wait("alice")
        assert 0 < wait <= seconds + 1e-3
        clock.now += wait + 1e-6
        assert limit.use_or_wait("alice") == 0


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, [], "127.0.0.1"),
        (0, ["203.0.113.9"], "127.0.0.1"),
        (1, [], "127.0.0.1"),
        (1, ["203.0.113.9"], "203.0.113.9"),
        (1, ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        (1, ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (1, ["203.0.113.9 "], "203.0.113.9"),
        (1, [""], "127.0.0.1"),
        (1, ["203.0.113.9,"], "127.0.0.1"),
        (1, ["unknown"], "127.0.0.1"),
        (1, ["203.0.113.9, <script>"], "127.0.0.1"),
        (1, ["203.0.113.999"], "127.0.0.1"),
        (2, ["203.0.113.9"], "127.0.0.1"),
        (2, ["198.51.100.1, 203.0.113.9, 192.0.2.1"], "203.0.113.9"),
        (2, ["198.51.100.1", "203.0.113.9, 192.0.2.1"], "203.0.113.9"),
        (2, ["198.51.100.1, 203.0.113.9", "192.0.2.1"], "203.0.113.9"),
        (1, ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        (1, ["2001:db8:1:2::ffff"], "2001:db8:1:2::/64"),
        (1, ["::ffff:203.0.113.9"], "203.0.113.9"),
        (1, ["203.0.113.9:5678"], "203.0.113.9"),
        (1, ['"203.0.113.9:5678"'], "203.0.113.9"),
        (1, ["[203.0.113.9]:80"], "203.0.113.9"),
        (1, ["[2001:db8:1:2::ffff]:443"], "2001:db8:1:2::/64"),
        (1, ["[2001:db8:1:2::ffff]"], "2001:db8:1:2::/64"),
        (1, ['"[2001:db8:1:2::ffff]:443" '], "2001:db8:1:2::/64"),
        (1, ["fe80:0:1:2::3%eth0"], "fe80:0:1:2::/64"),
        (1, ["[fe80:0:1:2::3%25eth0]:443"], "fe80:0:1:2::/64"),
        (1, ["[::ffff:203.0.113.9]:443"], "203.0.113.9"),
        (2, ["198.51.100.1, 203.0.113.9:80", "[2001:db8::1]:443"], "203.0.113.9"),
        (2, ["203.0.113.9 , 192.0.2.1"], "203.0.113.9"),
        (2, ["203.0.113.9:80 , 192.0.2.1"], "203.0.113.9"),
        pytest.param(2, ["," + " " * 7000 + '", 192.0.2.1'], "127.0.0.1", id="spaces"),
        (1, ["203.0.113.9:"], "127.0.0.1"),
        (1, ["203.0.113.9:80:80"], "127.0.0.1"),
        (1, ['"203.0.113.9'], "127.0.0.1"),
        (1, ["[2001:db8::1"], "127.0.0.1"),
        (1, ["[]:443"], "127.0.0.1"),
    ],
)
async def test_an_address_is_the_one_that_trusted_proxies_vouch_for(
    aiohttp_client: Any, proxies: int, forwarded: list[str], address: str
) -> None:
    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=client_address(request))

    app = web.Application()
    app[SETTINGS] = Settings(TRUSTED_PROXIES=proxies)
    app.router.add_get("/", tell)
    client = await aiohttp_client(app)
    response = await client.get("/", headers=[("X-Forwarded-For", hop) for hop in forwarded])
    assert await response.text() == address


async def test_each_key_has_so_many_turns_at_once_and_the_others_wait_in_order() -> None:
    turns, began, go_on = Turns(at_once=2, waiting=3), list[str](), asyncio.Event()

    async def work(key: str, name: str) -> None:
        async with turns.turn(key):
            began.append(name)
            await go_on.wait()

    async with asyncio.TaskGroup() as tasks:
        for name in ("a1", "a2", "a3", "a4", "b1"):
            tasks.create_task(work(name[0], name))
        await asyncio.sleep(0)
        assert began == ["a1", "a2", "b1"]
        go_on.set()
    assert began == ["a1", "a2", "b1", "a3", "a4"]
    assert not turns._lines


async def test_who_would_wait_too_long_for_a_turn_is_told_at_once_or_after_a_while() -> None:
    turns = Turns(at_once=1, waiting=1)
    async with turns.turn("alice") as line:
        assert line.inside == 1
        waiting = asyncio.create_task(turns.turn("alice").__aenter__())
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await turns.turn("alice").__aenter__()
        async with turns.turn("bob"):
            pass
        waiting.cancel()
        await asyncio.wait([waiting])
        turns._patience = 0
        with pytest.raises(Busy):
            await turns.turn("alice").__aenter__()
    async with turns.turn("alice"):
        pass
    assert not turns._lines
