"""A jump to a day: its first message, found by times that nearly rise with the numbers."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chat.journal import JOURNAL
from settings import MESSAGE_COLLECTION
from storage.database import Collection, Document
from tests.support.house import House
from tests.support.log import change, say
from tests.support.people import Person

SetClock = Callable[[datetime], None]

# Each message, and a change, with its day of March 2026 and its hour.
WRITTEN = [(1, 9), (1, 23), (3, 0), (3, 12), (4, 8), (4, 9)]
CHANGED = 7  # the seq of the change, of the 5th


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Let messages be written at a time of the test's choice."""
    return lambda time: monkeypatch.setattr("chat.journal.now", lambda: time)


@pytest.fixture
async def week(house: House, set_clock: SetClock) -> House:
    """A room with messages of some days."""
    journal = house.app[JOURNAL]
    for day, hour in WRITTEN:
        set_clock(datetime(2026, 3, day, hour, tzinfo=UTC))
        await say(journal, "bob", f"{hour} o'clock")
    set_clock(datetime(2026, 3, 5, tzinfo=UTC))
    await change(journal, "bob", 6, "9 o'clock sharp")
    set_clock(datetime(2026, 3, 5, 10, tzinfo=UTC))
    await say(journal, "bob", "10 o'clock")
    return house


async def first_of(person: Person, date: str) -> int:
    """Return the number of the message that a script goes to."""
    response = await person.get(f"/?date={date}", headers={"Accept": "application/json"})
    assert response.status == 200
    seq: int = (await response.json())["seq"]
    return seq


@pytest.mark.usefixtures("week")
@pytest.mark.parametrize(
    ("date", "seq"),
    [
        ("2026-03-01", 1),
        ("2026-03-02", 3),  # nobody said anything
        ("2026-03-03", 3),
        ("2026-03-04", 5),
        ("2026-03-05", CHANGED + 1),
        ("2026-03-06", CHANGED + 1),  # beyond the end: the newest
        ("2999-12-31", CHANGED + 1),
        ("2026-02-28", 1),  # before the beginning
        ("1000-01-01", 1),
        ("2026-03-03T00:00:00.000Z", 3),
        ("2026-03-03T00:00:00.001Z", 4),
        ("2026-03-02T15:00:00Z", 3),  # the 3rd in Tokyo
        ("2026-03-01T23:00:00Z", 2),
    ],
)
async def test_a_day_leads_to_its_first_message(alice: Person, date: str, seq: int) -> None:
    assert await first_of(alice, date) == seq
    response = await alice.get(f"/?date={date}")
    assert (response.status, response.headers["Location"]) == (303, f"/?around={seq}#m{seq}")


async def test_in_an_empty_room_a_day_leads_to_the_room(alice: Person) -> None:
    assert await first_of(alice, "2026-03-01") == 0
    response = await alice.get("/?date=2026-03-01")
    assert (response.status, response.headers["Location"]) == (303, "/")


@pytest.mark.usefixtures("week")
@pytest.mark.parametrize(
    "date",
    [
        "", "x", "2026", "2026-02-31", "2026-13-01", "2026-00-10", "0001-01-01", "9999-12-31",
        "20260301", "2026-W09-7", "2026-3-1", "2026-03-01T24:00:00Z", "2026-03-01T23:59:60Z",
        "2026-03-01T00:00", "2026-03-01T00:00:00%2B01:00", "-2026-03-01", "2026-03-01 ",
        "２０２６-03-01", "2026-03-01%00", "2026-03-01&date=2026-03-02",
    ],
)  # fmt: skip
async def test_a_date_that_is_none_is_refused(alice: Person, date: str) -> None:
    page = await alice.page(f"/?date={date}", status=400)
    assert "takes a day, such as 2026-03-01" in page


async def test_a_day_costs_one_entry_more_where_the_log_is_twice_as_long(
    house: House, alice: Person, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, begin = 600, datetime(2026, 3, 1, tzinfo=UTC)
    for number in range(count):
        set_clock(begin + timedelta(hours=number))
        await say(house.app[JOURNAL], "bob", f"hour {number}")
    found: list[Document] = []
    find_one = Collection.find_one

    async def note(collection: Collection, where: Document, *fields: Any) -> Document | None:
        if collection.name == MESSAGE_COLLECTION:
            found.append(where)
        return await find_one(collection, where, *fields)

    monkeypatch.setattr(Collection, "find_one", note)
    for day in range(count // 24):
        assert await first_of(alice, f"2026-03-{day + 1:02}") == 24 * day + 1
        assert len(found) <= math.ceil(math.log2(count + 1))
        assert all(where.keys() == {"seq"} for where in found)
        found.clear()


async def test_where_clocks_differ_a_day_leads_to_its_beginning_nearly(
    house: House, alice: Person, set_clock: SetClock
) -> None:
    # Two processes, one of which is two minutes behind, write in turn around midnight.
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    times = [midnight + timedelta(minutes=number - 50 - 2 * (number % 2)) for number in range(100)]
    for time in times:
        set_clock(time)
        await say(house.app[JOURNAL], "bob", "around midnight")
    seq = await first_of(alice, "2026-03-02")
    assert times[seq - 2] < midnight <= times[seq - 1]
    assert max(times[: seq - 1]) < midnight + timedelta(minutes=2)
