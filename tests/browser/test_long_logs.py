"""Years of talk in Chromium: what the page holds of it, and what a message costs then."""

import asyncio
import json
import re

import pytest
from playwright.async_api import Route, expect

from chat.journal import JOURNAL
from chat.recent import RECENT_LENGTH
from tests.support.browser import A_WHILE, CONNECTION_LOST, Visit, Visitor
from tests.support.log import change, say
from tests.support.site import ChatSite
from tests.support.sockets import clients_of
from tests.support.waiting import until

MOST_ROWS = 1000
WAITING = 300  # messages
SMALL = {"width": 600, "height": 400}
TEXTS = ("ok", "a `piece` of code", "A text that is long enough to wrap in a small window. " * 3)
WINDOWS = [(1280, 720), (390, 700), (1280, 2400)]

# Scroll to an end of the log until a message is there. After each page that comes, note the numbers
# of the messages, how many rows there are, and by how much what one reads has moved. At the very
# end the browser may have to move it.
SCROLL = """
window.scrollUntil = async (seq, isUp) => {
  const log = document.getElementById("subscribe")
  const rows = () => document.querySelectorAll(".message, .day, .log__new").length
  const seqs = () => [...log.querySelectorAll(".message")].map((it) => Number(it.dataset.seq))
  const next = () => new Promise((done) => {
    const observer = new MutationObserver(() => { observer.disconnect(); done() })
    observer.observe(log, { childList: true, subtree: true })
  })
  const steps = []
  while (!document.getElementById(`m${seq}`)) {
    log.scrollTop = isUp ? 0 : log.scrollHeight
    const [first, last] = [log.querySelector(".message"), seqs().at(-1)]
    const read = document.getElementById(`m${isUp ? first.dataset.seq : last}`)
    const { top } = read.getBoundingClientRect()
    await next()
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 1
    const moved = isAtEnd ? 0 : read.getBoundingClientRect().top - top
    steps.push({ seqs: seqs(), rows: rows(), moved })
  }
  return steps
}
"""

# Count how often scripts look at all that is in the log, and how often at where something is.
COUNT_LOOKS = """() => {
window.looks = { everywhere: 0, boxes: 0 }
for (const name of ["querySelectorAll", "querySelector", "getElementsByClassName"]) {
  const look = Element.prototype[name]
  Element.prototype[name] = function (...what) {
    if (this.matches("#subscribe, .log__history, .log__live")) looks.everywhere++
    return look.apply(this, what)
  }
}
const box = Element.prototype.getBoundingClientRect
Element.prototype.getBoundingClientRect = function () {
  looks.boxes++
  return box.call(this)
}
}"""


async def write(chat: ChatSite, count: int, user: str = "bob", text: str = "") -> None:
    """Let somebody who need not have an account write so many messages, in their order."""
    journal = chat.app[JOURNAL]
    texts = (text or f"{TEXTS[number % len(TEXTS)]} {number}" for number in range(count))
    await asyncio.gather(*(say(journal, user, each) for each in texts))


async def scroll(visitor: Visitor, seq: int, *, is_up: bool) -> None:
    """Scroll until a message is there; whatever is scrolled, nothing moves and little is kept."""
    steps = await visitor.page.evaluate(f"scrollUntil({seq}, {str(is_up).lower()})")
    for step in steps:
        seqs = step["seqs"]
        assert seqs == list(range(seqs[0], seqs[-1] + 1))
        assert step["rows"] <= MOST_ROWS
        assert abs(step["moved"]) < 1


async def first_in_view(visitor: Visitor) -> tuple[int, float]:
    """Return the number of the first message in view, and where it is."""
    seq, top = await visitor.page.evaluate(
        """() => {
          const { top } = document.getElementById("subscribe").getBoundingClientRect()
          const rows = [...document.querySelectorAll(".message")]
          const first = rows.find((row) => row.getBoundingClientRect().bottom > top + 1)
          return [Number(first.dataset.seq), first.getBoundingClientRect().top]
        }"""
    )
    return seq, top


@pytest.mark.parametrize(("width", "height"), WINDOWS)
async def test_the_page_has_a_thousand_rows_at_most_whatever_is_scrolled(
    chat: ChatSite, visit: Visit, width: int, height: int
) -> None:
    await write(chat, 1700)
    alice = await visit(
        chat.url, "alice", script=SCROLL, viewport={"width": width, "height": height}
    )
    await scroll(alice, 1, is_up=True)
    await expect(alice.log.locator(".log__older")).to_have_text(
        "This is the beginning of the chat."
    )
    last = await alice.messages.last.get_attribute("data-seq")
    await expect(alice.page.locator("#newer")).to_have_attribute("href", f"/?after={last}")
    await expect(alice.page.get_by_role("button", name="To the end")).to_be_visible()
    await write(chat, 1)
    await expect(alice.page.get_by_role("button", name="1 new message")).to_be_visible()
    await scroll(alice, 1701, is_up=False)
    await expect(alice.page.locator("#newer")).to_have_count(0)
    await alice.log.evaluate("log => log.scrollTop = log.scrollHeight")
    await write(chat, 1, text="at the end again")
    await expect(alice.texts.last).to_have_text("at the end again")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    await expect(alice.page).to_have_title("Main Chat page")


async def test_whoever_reads_back_stays_there_while_thousands_of_messages_come(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, 300)
    alice = await visit(chat.url, "alice", viewport=SMALL, script=SCROLL)
    await scroll(alice, 150, is_up=True)
    place = await first_in_view(alice)
    for part in range(1, 6):
        await write(chat, 400)
        await expect(alice.log).to_have_attribute("data-last", str(300 + 400 * part))
        assert await alice.log.locator(".message, .day, .log__new").count() <= MOST_ROWS
    assert await first_in_view(alice) == place
    await expect(alice.page).to_have_title("(2000) Main Chat page")
    await alice.press("2000 new messages")
    await expect(alice.page.locator("#m2300")).to_be_in_viewport(ratio=1)
    await expect(alice.page).to_have_title("Main Chat page")


async def test_rows_that_came_over_the_socket_and_left_come_back_in_their_order(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", viewport=SMALL, script=SCROLL)
    for part in range(1, 4):
        await write(chat, 300)
        await expect(alice.log).to_have_attribute("data-last", str(300 * part))
    # She reads a bit above the beginning of what came, and more comes than the page keeps.
    await alice.page.evaluate("document.getElementById('m100').scrollIntoView()")
    await write(chat, 200)
    await expect(alice.log).to_have_attribute("data-last", "1100")
    await expect(alice.page.locator("#newer")).to_have_count(1)
    await scroll(alice, 1100, is_up=False)
    # What a page brought after them need not be read out.
    assert await alice.messages.last.evaluate("row => row.ariaLive") == "off"
    await write(chat, 1, text="live")
    await expect(alice.texts.last).to_have_text("live")
    assert await alice.messages.last.evaluate("row => row.ariaLive") is None


async def test_marks_come_back_with_the_rows_that_have_left(chat: ChatSite, visit: Visit) -> None:
    await write(chat, 1500)
    alice = await visit(chat.url, "alice", script=SCROLL)
    await alice.say("mine")
    await expect(alice.messages.last).to_contain_text("mine")
    await alice.field.press("ArrowUp")
    await expect(alice.messages.last).to_have_class(re.compile("message--editing"))
    await scroll(alice, 100, is_up=True)
    await expect(alice.page.locator("#m1501")).to_have_count(0)
    await expect(alice.field).to_have_value("mine")
    await scroll(alice, 1501, is_up=False)
    await expect(alice.page.locator("#m1501")).to_have_class(re.compile("message--editing"))
    await alice.field.fill("mine, too")
    await alice.field.press("Enter")
    await expect(alice.messages.last).to_contain_text("mine, too")
    # The message that a link leads to
    await alice.page.evaluate("document.getElementById('m1480').scrollIntoView()")
    await alice.page.locator("#m1480 .message__time").click()
    await expect(alice.page.locator("#m1480")).to_have_class(re.compile("message--target"))
    await scroll(alice, 300, is_up=True)
    await expect(alice.page.locator("#m1480")).to_have_count(0)
    await scroll(alice, 1501, is_up=False)
    await expect(alice.page.locator("#m1480")).to_have_class(re.compile("message--target"))


async def test_what_is_unread_stays_so_when_its_rows_leave(chat: ChatSite, visit: Visit) -> None:
    await write(chat, 1200)
    alice = await visit(chat.url, "alice", script=SCROLL)
    await alice.page.goto("about:blank")
    await write(chat, 3)
    await write(chat, 1, text="@alice, look")
    await write(chat, 40)
    await alice.open()
    await expect(alice.log.locator(".log__new")).to_be_in_viewport()
    mentioned = alice.page.get_by_role("button", name="1 mention")
    await alice.log.evaluate("log => log.scrollTop = 0")
    await scroll(alice, 100, is_up=True)
    await expect(alice.page.locator("#m1204")).to_have_count(0)
    await expect(alice.log.locator(".log__new")).to_have_count(0)
    await expect(alice.page).to_have_title("(44) Main Chat page")
    await change(chat.app[JOURNAL], "bob", 1202, "")
    await expect(alice.page).to_have_title("(43) Main Chat page")
    await expect(mentioned).to_have_count(0)  # it was in view
    await write(chat, 1, text="@alice, look again")
    await mentioned.click()
    await expect(alice.texts.filter(has_text="look again")).to_be_in_viewport()
    await alice.press("Back to the first unread")
    await expect(alice.log.locator(".log__new + .message")).to_have_attribute("data-seq", "1201")


async def test_the_keys_go_on_scrolling_when_the_row_with_the_focus_has_left(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, 1200)
    alice = await visit(chat.url, "alice", script=SCROLL)
    await alice.log.focus()
    await alice.log.press("ArrowUp")
    await expect(alice.messages.last).to_be_focused()
    await scroll(alice, 100, is_up=True)
    await expect(alice.log).to_be_focused()
    assert not await alice.log.evaluate("log => log.matches(':has(.actions)')")


async def test_a_selection_keeps_what_the_page_still_has_of_it(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, 1200)
    alice = await visit(chat.url, "alice", script=SCROLL)
    await alice.page.evaluate(
        """() => {
          const range = document.createRange()
          const rows = document.querySelectorAll(".message")
          range.setStart(rows[0], 0)
          range.setEnd(rows[49].querySelector(".message__text"), 1)
          getSelection().addRange(range)
        }"""
    )
    await scroll(alice, 300, is_up=True)
    selected = await alice.page.evaluate("getSelection().toString()")
    last = await alice.messages.last.get_attribute("data-seq")
    assert selected == "" or f" {int(last or 0) - 1}" in selected
    await alice.press("To the end")
    await expect(alice.page.locator("#m1200")).to_be_in_viewport(ratio=1)


async def test_the_reader_can_type_while_hundreds_of_messages_that_waited_are_shown(
    chat: ChatSite, alice: Visitor
) -> None:
    alice.tolerates = CONNECTION_LOST
    # Each look at the clock takes 10 ms, so that it does not matter how fast the machine is.
    await alice.page.evaluate(
        """() => {
          const now = performance.now.bind(performance)
          let looks = 0
          performance.now = () => now() + 10 * looks++
        }"""
    )
    asked, may_answer, came = asyncio.Event(), asyncio.Event(), 0

    async def answer_late(route: Route) -> None:
        response = await route.fetch()
        asked.set()
        await may_answer.wait()
        await route.fulfill(response=response)

    def count(frame: str | bytes) -> None:
        nonlocal came
        came += json.loads(frame)["type"] == "message"

    await alice.page.route(f"{chat.url}/", answer_late)
    alice.page.on("websocket", lambda socket: socket.on("framereceived", count))
    await alice.context.set_offline(True)
    for client in clients_of(chat.app, "alice"):
        client.abort()
    await alice.disconnected()
    await write(chat, RECENT_LENGTH + 100)  # more than the server replays
    await alice.context.set_offline(False)
    await asked.wait()
    await write(chat, WAITING)
    await until(lambda: came == WAITING)
    await alice.page.evaluate(
        """() => {
          const [log, seen] = [document.getElementById("subscribe"), new Set()]
          const { port1, port2 } = new MessageChannel()
          port1.onmessage = () => {
            seen.add(log.dataset.last)
            port2.postMessage(null)
          }
          port2.postMessage(null)
          window.seen = seen
        }"""
    )
    may_answer.set()
    last = str(RECENT_LENGTH + 100 + WAITING)
    await expect(alice.log).to_have_attribute("data-last", last, timeout=A_WHILE)
    assert await alice.page.evaluate("seen.size") > WAITING / 20


@pytest.mark.parametrize("place", ["at the end", "further up"])
async def test_a_message_that_comes_costs_the_same_however_many_are_there(
    chat: ChatSite, visit: Visit, place: str
) -> None:
    alice = await visit(chat.url, "alice", viewport=SMALL, script=SCROLL)
    await write(chat, 700)
    await expect(alice.log).to_have_attribute("data-last", "700")
    await expect(alice.page.locator("#m700")).to_be_in_viewport(ratio=1)
    if place == "further up":
        await alice.page.evaluate("document.getElementById('m600').scrollIntoView()")
        await expect(alice.page.get_by_role("button", name="To the end")).to_be_visible()
    await alice.page.evaluate(COUNT_LOOKS)
    await write(chat, 20)
    await expect(alice.log).to_have_attribute("data-last", "720")
    assert await alice.page.evaluate("looks.everywhere") == 0
    assert await alice.page.evaluate("looks.boxes") <= 20 * 15
