"""A jump to a day in Chromium: from a day's name in the log, and from the search."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Locator, expect

from chat.journal import JOURNAL
from tests.support.browser import Visit, Visitor, assert_thumb_sized
from tests.support.log import say
from tests.support.site import ChatSite

A_QUARTER = timedelta(minutes=15)
PHONE = {"width": 320, "height": 568}

SetClock = Callable[[datetime], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Let messages be written at a time of the test's choice."""
    return lambda time: monkeypatch.setattr("chat.journal.now", lambda: time)


async def write_around(chat: ChatSite, set_clock: SetClock, day: str) -> list[datetime]:
    """Let bob write four messages an hour around a day; return their times."""
    middle = datetime.fromisoformat(day).replace(tzinfo=UTC)
    times = [middle + number * A_QUARTER for number in range(-120, 160)]
    for time in times:
        set_clock(time)
        await say(chat.app[JOURNAL], "bob", f"{time:%d %H:%M}")
    return times


async def go(visitor: Visitor, day: str) -> None:
    """Go to a day by the name of the one that is at the end of the log."""
    await visitor.page.locator(".day__name").last.click()
    await visitor.page.get_by_label("Go to a day").fill(day)
    await visitor.page.get_by_role("button", name="Go", exact=True).click()


def target(visitor: Visitor) -> Locator:
    """Return the message that one has gone to."""
    return visitor.log.locator(".message--target")


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Asia/Tokyo", "2026-03-01"),
        ("America/New_York", "2026-03-08"),  # which has 23 hours
        ("America/New_York", "2026-03-09"),
        ("America/New_York", "2026-11-01"),  # which has 25
        ("Pacific/Chatham", "2026-04-05"),
        ("America/Santiago", "2026-09-06"),  # which begins at one o'clock
        ("America/Havana", "2026-11-01"),  # which has an hour twice, from midnight on
        ("UTC", "2026-03-01"),
    ],
)
async def test_a_day_of_the_readers_own_time_zone_begins_at_its_first_message(
    chat: ChatSite, visit: Visit, set_clock: SetClock, zone: str, day: str
) -> None:
    times = await write_around(chat, set_clock, day)
    days = [time.astimezone(ZoneInfo(zone)).date() for time in times]
    first = days.index(date.fromisoformat(day)) + 1
    alice = await visit(chat.url, "alice", timezone_id=zone, viewport=PHONE)
    await go(alice, day)
    await expect(target(alice)).to_have_attribute("data-seq", str(first))
    await expect(target(alice)).to_be_in_viewport(ratio=1)
    await expect(target(alice)).to_be_focused()
    await expect(alice.log.locator(".day + .message--target")).to_have_count(1)
    await expect(alice.page).to_have_url(f"{chat.url}/?around={first}#m{first}")
    await alice.press("Back to where you were")
    await expect(alice.page).to_have_url(f"{chat.url}/")
    await expect(alice.log.locator(f"#m{first}")).not_to_be_in_viewport()


async def test_the_form_begins_with_the_day_that_it_is_opened_from_and_stays_in_view(
    chat: ChatSite, visit: Visit, set_clock: SetClock
) -> None:
    await write_around(chat, set_clock, "2026-03-01")
    alice = await visit(chat.url, "alice", timezone_id="Asia/Tokyo", viewport=PHONE, has_touch=True)
    name = alice.page.locator(".day__name").last
    await expect(name).to_have_text("Tuesday, 3 March 2026")
    await name.tap()
    field = alice.page.get_by_label("Go to a day")
    await expect(field).to_have_value("2026-03-03")
    for control in (field, alice.page.get_by_role("button", name="Go", exact=True)):
        await expect(control).to_be_in_viewport(ratio=1)
        await assert_thumb_sized(control)
    assert not await alice.is_too_wide()
    await alice.page.keyboard.press("Escape")
    await expect(field).to_be_hidden()
    await expect(name).to_have_text("Tuesday, 3 March 2026")


async def test_a_day_that_can_not_be_found_costs_neither_the_place_nor_the_draft(
    chat: ChatSite, visit: Visit, set_clock: SetClock
) -> None:
    await write_around(chat, set_clock, "2026-03-01")
    alice = await visit(chat.url, "alice", timezone_id="UTC")
    await alice.field.fill("half a sentence")
    await alice.page.route("**/?date=*", lambda route: route.fulfill(status=204))
    await go(alice, "2026-03-01")
    await expect(alice.error).to_contain_text("could not be loaded")
    await alice.page.unroute_all()
    await go(alice, "2026-03-01")
    await expect(target(alice)).to_contain_text("01 00:00")
    await expect(alice.error).to_be_empty()
    await expect(alice.field).to_have_value("half a sentence")


async def test_tab_stops_at_no_day(chat: ChatSite, visit: Visit, set_clock: SetClock) -> None:
    await write_around(chat, set_clock, "2026-03-01")
    alice = await visit(chat.url, "alice", timezone_id="UTC")
    await expect(alice.page.locator(".day__name").first).to_be_attached()
    assert await alice.page.locator(".day__name:not([tabindex='-1'])").count() == 0


@pytest.mark.parametrize(("has_scripts", "first"), [(True, "28 15:00"), (False, "01 00:00")])
async def test_the_search_page_leads_to_a_day_too(
    chat: ChatSite, visit: Visit, set_clock: SetClock, has_scripts: bool, first: str
) -> None:
    await write_around(chat, set_clock, "2026-03-01")
    alice = await visit(
        chat.url, "alice", timezone_id="Asia/Tokyo", java_script_enabled=has_scripts
    )
    await alice.open("/search")
    await expect(alice.page.locator(".jump .utc")).to_have_count(0 if has_scripts else 1)
    field = alice.page.get_by_label("Go to a day")
    await field.fill("2026-03-01")
    await field.press("Enter")
    await expect(alice.page).to_have_url(re.compile(r"/\?around=\d+#m\d+$"))
    await expect(target(alice)).to_contain_text(first)
    await expect(target(alice)).to_be_in_viewport(ratio=1)
