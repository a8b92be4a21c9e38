"""What the page shows before its scripts come, what moves then, and what all of it weighs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Route, expect

from chat.journal import JOURNAL
from tests.support.browser import Visit, Visitor
from tests.support.log import say
from tests.support.site import ChatSite

RICH = (
    "plain, and long enough to be wrapped in the window of a phone, at least once or twice",
    "**Bold** is wider than plain text, **so the lines of it are wrapped elsewhere**, where the two"
    " signs _in italics_ take no room",
    "`code` in a line that is wrapped, `with its signs` that take no room, and `some more of it`",
    "so:\n```python\nfor each in some_list_with_a_long_name_that_does_not_fit_into_the_window: pass"
    "\n```\nand then",
    "> what was `asked`\n> in **two lines**, the second one long enough for a phone to wrap\nyes",
    "🎉",
    "👍🏽 👩‍💻",
    "@alice and @all should look at https://example.com/a_long_address/of_a_page?with=a_query",
    "**2*3*4 and snake_case, *args, f(**kwargs) and C:\\_new\\ stay as they are",
)
LOOKS: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 760}, "has_touch": True, "is_mobile": True},
    "small window in New York": {
        "viewport": {"width": 500, "height": 600},
        "locale": "en-US",
        "timezone_id": "America/New_York",
    },
}
NOTE_SHIFTS = """
window.shift = 0
new PerformanceObserver((list) => {
  for (const { value } of list.getEntries()) window.shift += value
}).observe({ type: "layout-shift", buffered: true })
"""
# Where each part is that is in view, by its id or class.
PLACES = """() => {
  const rows = [...document.querySelectorAll(".bar__title, .log__new, .message, #message")]
  const boxes = rows.map((row) => [row.id || row.className, row.getBoundingClientRect()])
  const seen = boxes.filter(([, { top, bottom }]) => bottom > 0 && top < innerHeight)
  return Object.fromEntries(seen.map(([name, { top }]) => [name, Math.round(top)]))
}"""

# The messages with which a day begins.
DAYS = """[...document.querySelectorAll(".day")].map((day) => day.nextElementSibling.id)"""


@asynccontextmanager
async def before_scripts(visitor: Visitor) -> AsyncIterator[asyncio.Event]:
    """Open the room, painted without its scripts; they go on when the event is set."""
    arrive = asyncio.Event()

    async def hold(route: Route) -> None:
        await arrive.wait()
        await route.continue_()

    await visitor.page.route("**/*.js", hold)
    await visitor.page.add_init_script(NOTE_SHIFTS)
    await visitor.page.goto(visitor.url, wait_until="commit")
    await expect(visitor.page.locator("#composer")).to_be_visible()
    try:
        yield arrive
    finally:
        arrive.set()


async def fill(chat: ChatSite, count: int) -> None:
    """Let two people say so many things, of all that can be formatted."""
    for number in range(count):
        await say(chat.app[JOURNAL], ("bob", "carol")[number // 3 % 2], RICH[number % len(RICH)])


async def shift_of(visitor: Visitor) -> float:
    """Return how much has moved by itself in the page, as browsers count it."""
    # Two frames: the observer is told after the one in which something has moved.
    await visitor.page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    shift: float = await visitor.page.evaluate("window.shift")
    return shift


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
async def test_nothing_moves_when_the_scripts_come(
    chat: ChatSite, visit: Visit, look: dict[str, Any]
) -> None:
    alice = await visit(chat.url, **look)
    await fill(chat, 50)
    await alice.sign_up("alice")
    await alice.post("her own, which she may change", "and one more")
    async with before_scripts(alice) as arrive:
        await expect(alice.texts.last).to_be_in_viewport()
        places = await alice.page.evaluate(PLACES)
        arrive.set()
        await alice.connected()
        moved = await alice.page.evaluate(PLACES)
        assert moved == pytest.approx(places, abs=1)  # parts of a pixel are rounded
        assert await shift_of(alice) <= 0.01


@pytest.mark.parametrize("zone", ["UTC", "America/Bogota", "Asia/Kathmandu", "Pacific/Kiritimati"])
async def test_days_begin_where_they_do_for_the_reader(
    chat: ChatSite, visit: Visit, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    alice = await visit(chat.url, "alice", timezone_id=zone, **LOOKS["phone"])
    now = datetime.now(UTC)
    for hours in range(30, 0, -1):
        time = now - timedelta(hours=hours)
        monkeypatch.setattr("chat.journal.now", lambda time=time: time)
        await say(chat.app[JOURNAL], "alice", f"{hours} hours ago")
    async with before_scripts(alice) as arrive:
        await expect(alice.page.get_by_text("Times are in UTC")).to_have_count(0)
        days = await alice.page.evaluate(DAYS)
        arrive.set()
        await alice.connected()
        assert await alice.page.evaluate(DAYS) == days
        assert await shift_of(alice) <= 0.01


@pytest.mark.parametrize("unread", [2, 27])
async def test_the_page_begins_at_what_is_new_before_the_scripts_come(
    chat: ChatSite, visit: Visit, unread: int
) -> None:
    alice = await visit(chat.url, **LOOKS["desk"])
    await fill(chat, 20)
    await alice.sign_up("alice")
    await alice.open()
    await alice.connected()
    await alice.page.goto("about:blank")
    await fill(chat, unread)
    async with before_scripts(alice) as arrive:
        await expect(alice.page.locator(".log__new")).to_be_in_viewport()
        await expect(alice.texts.nth(20)).to_be_in_viewport()
        places = await alice.page.evaluate(PLACES)
        arrive.set()
        await alice.connected()
        assert await alice.page.evaluate(PLACES) == pytest.approx(places, abs=1)
        await expect(alice.field).to_be_focused()


async def test_whoever_reads_on_before_the_scripts_come_stays_there(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, **LOOKS["phone"])
    await fill(chat, 50)
    await alice.sign_up("alice")
    async with before_scripts(alice) as arrive:
        await alice.messages.nth(20).scroll_into_view_if_needed()
        places = await alice.page.evaluate(PLACES)
        arrive.set()
        await alice.connected()
        assert await alice.page.evaluate(PLACES) == pytest.approx(places, abs=1)


async def test_without_the_script_the_page_can_be_read_and_written_to(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url)
    alice.tolerates = ("Failed to load resource",)
    await fill(chat, 50)
    await alice.sign_up("alice")
    await alice.page.route("**/*.js", lambda route: route.abort())
    await alice.open()
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    assert await alice.texts.last.evaluate("text => getComputedStyle(text).visibility") == "visible"
    await alice.field.fill("written all the same")
    await alice.press("Send")
    await expect(alice.texts.last).to_have_text("written all the same")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)


async def test_a_cold_page_is_light(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url)
    await fill(chat, 50)
    await alice.sign_up("alice")
    session = await alice.context.new_cdp_session(alice.page)
    await session.send("Network.enable")
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    await alice.open()
    await alice.connected()
    assert 3 <= len(sizes) <= 12
    assert 10_000 < sum(sizes) <= 60_000  # bytes, compressed, with their headers
