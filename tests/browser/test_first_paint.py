"""What the page shows before its scripts come, what moves then, and what all of it weighs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
    for number in range(50):
        await say(chat.app[JOURNAL], ("bob", "carol")[number // 3 % 2], RICH[number % len(RICH)])
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
