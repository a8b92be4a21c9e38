"""The main flow in Firefox."""

import asyncio
import json
import os
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio

from chat.journal import JOURNAL
from chat.read_marks import READ_MARKS
from tests.support.firefox import FIREFOX, Firefox, Page, firefox
from tests.support.log import say
from tests.support.people import registration
from tests.support.site import ChatSite
from tests.support.sockets import clients_of
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(
    not FIREFOX and "CI" not in os.environ, reason="there is no Firefox on this machine"
)
TEXTS = (
    "[...document.querySelectorAll('.message__text')].map((text) => text.innerText.trim()).join()"
)

SELECT = """
document.activeElement.blur()
getSelection().removeAllRanges()
for (const [message, start, end] of [%s]) {
  const text = document.querySelectorAll(".message__text")[message].firstChild
  const range = document.createRange()
  range.setStart(text, start)
  range.setEnd(text, end)
  getSelection().addRange(range)
}
"""

# Scroll to an end of the log until a message is there; the values come as text.
SCROLL = """(async (seq, isUp) => {
  const log = document.getElementById("subscribe")
  const messages = () => [...log.querySelectorAll(".message")]
  const next = () => new Promise((done) => {
    const observer = new MutationObserver(() => { observer.disconnect(); done() })
    observer.observe(log, { childList: true, subtree: true })
  })
  let [most, rows] = [0, 0]
  while (!document.getElementById(`m${seq}`)) {
    log.scrollTop = isUp ? 0 : log.scrollHeight
    const read = messages().at(isUp ? 0 : -1)
    const { top } = read.getBoundingClientRect()
    await next()
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 1
    const moved = isAtEnd ? 0 : Math.abs(read.getBoundingClientRect().top - top)
    most = Math.max(most, Math.round(moved))
    rows = Math.max(rows, log.querySelectorAll(".message, .day, .log__new").length)
  }
  return JSON.stringify([most, rows, messages().map((it) => Number(it.dataset.seq))])
})(%d, %s)"""


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chat: ChatSite) -> AsyncIterator[Firefox]:
    """Firefox, which leaves before the chat ends, or its pages would look for the chat."""
    async with firefox() as browser:
        yield browser
        assert browser.problems == []


async def sign_up(browser: Firefox, chat: ChatSite, login: str) -> Page:
    page = await browser.visit(chat.url)
    await page.open("/signin")
    await page.fill(**registration(login))
    await page.press("Enter")
    await page.sees(f"document.querySelector('#here')?.innerText.includes('{login}')")
    return page


async def test_the_main_flow_works_in_firefox(
    browser: Firefox, chat: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await sign_up(browser, chat, "alice")
    bob = await sign_up(browser, chat, "bob")
    await alice.press(*"Hello, Bob", "Enter")
    await bob.sees(f"{TEXTS} === 'Hello, Bob'")
    await bob.press(*"Hello, @al")
    await bob.sees("document.querySelector('[role=option]')?.innerText === 'alice'")
    await bob.press("Enter", "Enter")
    await alice.sees(f"{TEXTS} === 'Hello, Bob,Hello, @alice'")
    await alice.sees("document.querySelector('.mention')?.innerText === '@alice'")
    await alice.press("ArrowUp", *"!", "Enter")
    await bob.sees(f"{TEXTS} === 'Hello, Bob!,Hello, @alice'")
    await bob.open("/")
    await bob.sees(f"{TEXTS} === 'Hello, Bob!,Hello, @alice'")
    monkeypatch.setattr("chat.presence.GRACE", 0)
    await bob.evaluate("document.querySelector('#signout').click()")
    await bob.sees("location.pathname === '/login'")
    await alice.sees("!document.querySelector('.people__list').innerText.includes('bob')")


async def test_a_completed_name_can_be_undone_in_firefox(browser: Firefox, chat: ChatSite) -> None:
    alice = await sign_up(browser, chat, "alice")
    await sign_up(browser, chat, "bob")
    await alice.sees("document.querySelector('.people__list').innerText.includes('bob')")
    field, listbox = "document.querySelector('#message')", "document.querySelector('#mentions')"
    await alice.evaluate(f"{field}.focus()")
    await alice.press(*"hi @bo")
    await alice.sees(f"!{listbox}.hidden")
    await alice.press("Home")
    await alice.sees(f"{listbox}.hidden")
    await alice.press("End", "o", "Backspace")
    await alice.sees(f"!{listbox}.hidden")
    await alice.press("Tab")
    await alice.sees(f"{field}.value === 'hi @bob '")
    await alice.evaluate("document.execCommand('undo')")
    await alice.sees(f"{field}.value === 'hi @bo'")


DROP_A_PICTURE = """(async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 600, height: 400 })
  canvas.getContext("2d").fillRect(0, 0, 300, 200)
  const picture = await new Promise((done) => canvas.toBlob(done))
  const dataTransfer = new DataTransfer()
  dataTransfer.items.add(new File([picture], "harbour.png", { type: "image/png" }))
  const options = { dataTransfer, bubbles: true, cancelable: true }
  return !document.body.dispatchEvent(new DragEvent("drop", options))
})()"""


async def test_a_picture_is_sent_and_looked_at_in_firefox(browser: Firefox, chat: ChatSite) -> None:
    alice = await sign_up(browser, chat, "alice")
    bob = await sign_up(browser, chat, "bob")
    assert await alice.evaluate(DROP_A_PICTURE) is True
    await alice.sees("document.querySelector('.tray__preview')?.height === 128")
    await alice.press(*"this morning", "Enter")
    preview = "document.querySelector('.file__picture img')"
    viewer = "document.querySelector('.viewer[open]')"
    for page in (alice, bob):
        await page.sees(f"{TEXTS} === 'this morning'")
        await page.sees(f"{preview}.complete && {preview}.naturalWidth === 600")
        assert await page.evaluate(f"{preview}.width + 'x' + {preview}.height") == "400x267"
    await bob.evaluate(f"{preview}.parentElement.focus()")
    await bob.press("Enter")
    await bob.sees(f"{viewer}?.querySelector('img').width === 600")
    await bob.press("Escape")
    await bob.sees(f"{viewer} === null")
    assert await bob.evaluate(f"{preview}.parentElement === document.activeElement") is True


async def test_firefox_prints_the_whole_loaded_log(browser: Firefox, chat: ChatSite) -> None:
    alice = await sign_up(browser, chat, "alice")
    said = [say(chat.app[JOURNAL], "bob", f"line {number}") for number in range(200)]
    await asyncio.gather(*said)
    await alice.sees(f"{TEXTS}.includes('line 199')")
    assert pages_in(await alice.print_out()) >= 4


async def test_firefox_goes_to_a_linked_message_and_back(browser: Firefox, chat: ChatSite) -> None:
    said = [say(chat.app[JOURNAL], "bob", f"line {number}") for number in range(199)]
    await asyncio.gather(*said, say(chat.app[JOURNAL], "bob", "> bob #20: line 19\nyes"))
    alice = await sign_up(browser, chat, "alice")
    await alice.evaluate("document.querySelector('#m200 .quote a').click()")
    await alice.sees("location.search === '?around=20'")
    in_view = "document.querySelector('#%s')?.getBoundingClientRect().top > 0"
    await alice.sees(in_view % "m20.message--target")
    await alice.evaluate("document.querySelector('#back').click()")
    await alice.sees("location.search === ''")
    await alice.sees(in_view % "m200")


async def test_firefox_copies_each_part_of_a_selection(browser: Firefox, chat: ChatSite) -> None:
    for text in ("one two three", "four", "five"):
        await say(chat.app[JOURNAL], "bob", text)
    alice = await sign_up(browser, chat, "alice")
    await alice.sees(f"{TEXTS}.includes('five')")
    for parts, copied in [
        ("[0, 0, 13], [2, 0, 4]", "[] bob: one two three\n[] bob: five"),
        ("[0, 0, 3], [0, 8, 13]", "one\nthree"),
        ("[1, 1, 3]", "ou"),
    ]:
        await alice.evaluate(SELECT % parts)  # as with Ctrl and the mouse
        await alice.press_together("Control", "c")
        await alice.evaluate(
            "(() => { const it = document.querySelector('#message'); it.value = ''; it.focus() })()"
        )
        await alice.press_together("Control", "v")
        await alice.sees("document.querySelector('#message').value !== ''")
        pasted = await alice.evaluate("document.querySelector('#message').value")
        assert re.sub(r"\[.*?\]", "[]", pasted) == copied


async def test_firefox_opens_at_the_first_unread_and_reads_what_is_seen(
    browser: Firefox, chat: ChatSite
) -> None:
    alice = await sign_up(browser, chat, "alice")
    [client] = clients_of(chat.app, "alice")
    marks, user_id = chat.app[READ_MARKS], client.identity.user_id
    await say(chat.app[JOURNAL], "bob", "known")
    await alice.sees(f"{TEXTS} === 'known'")
    await alice.open("/account")

    async def has_read_one() -> bool:
        return await marks.get(user_id) == 1

    await until(has_read_one)
    said = [say(chat.app[JOURNAL], "bob", f"line {number}") for number in range(1, 201)]
    await asyncio.gather(*said)
    await alice.open("/")
    await alice.sees("document.title === '(200) Main Chat page'")
    line = "document.querySelector('.log__new')"
    await alice.sees(f"{line}.nextElementSibling.id === 'm2'")
    await alice.sees(
        f"document.elementFromPoint(99, {line}.getBoundingClientRect().bottom - 3) === {line}"
    )
    await alice.sees("document.activeElement.id === 'message'")
    assert await marks.get(user_id) == 1
    await alice.evaluate("document.querySelector('#unread').click()")
    await alice.sees("document.title === 'Main Chat page'")
    await alice.open("/account")

    async def has_read_all() -> bool:
        return await marks.get(user_id) == 201

    await until(has_read_all)


async def test_firefox_takes_a_reply_back_with_escape_and_a_text_with_ctrl_z(
    browser: Firefox, chat: ChatSite
) -> None:
    await say(chat.app[JOURNAL], "bob", "hello")
    alice = await sign_up(browser, chat, "alice")
    await alice.evaluate("document.querySelector('#message').focus()")
    await alice.press(*"draft")
    pointed = "new PointerEvent('pointerover', { pointerType: 'mouse', bubbles: true })"
    await alice.evaluate(f"document.querySelector('#m1').dispatchEvent({pointed})")
    await alice.evaluate("document.querySelector('.actions [name=reply]').click()")
    value = "document.querySelector('#message').value === '%s'"
    card = "document.querySelector('.reply').hidden"
    await alice.sees(f"!{card}")
    await alice.sees(value % "draft")
    await alice.press("Escape")
    await alice.sees(card)
    await alice.press("Enter")
    await alice.sees("document.querySelector('#m2') !== null")
    await alice.press("ArrowUp")
    await alice.sees(value % "draft")
    await alice.press_together("Control", "z")
    await alice.sees(value % "")


def pages_in(pdf: bytes) -> int:
    """Return how many pages a PDF has, whose list of objects is compressed."""
    starts = (found.end() for found in re.finditer(rb"stream\r?\n", pdf))
    objects = b""
    for start in starts:
        with suppress(zlib.error):  # another kind of stream
            objects += zlib.decompressobj().decompress(pdf[start:])
    return len(re.findall(rb"/Type\s*/Page\b", objects))


async def test_in_firefox_the_page_keeps_a_thousand_rows_and_the_place(
    browser: Firefox, chat: ChatSite
) -> None:
    journal = chat.app[JOURNAL]
    for start in range(0, 1500, 250):  # each has four seconds to be stored
        numbers = range(start, start + 250)
        await asyncio.gather(*(say(journal, "bob", f"line {number}") for number in numbers))
    alice = await sign_up(browser, chat, "alice")
    await alice.sees("document.querySelector('#m1500') !== null")
    moved, rows, seqs = await scrolled(alice, 100, is_up=True)
    assert (moved, rows <= 1000) == (0, True)
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    await asyncio.gather(*(say(journal, "bob", f"more {number}") for number in range(600)))
    await alice.sees("document.querySelector('#unread').textContent === '600 new messages'")
    moved, rows, seqs = await scrolled(alice, 2100, is_up=False)
    assert (moved, rows <= 1000) == (0, True)
    assert seqs == list(range(seqs[0], seqs[-1] + 1))


async def scrolled(page: Page, seq: int, *, is_up: bool) -> tuple[int, int, list[int]]:
    """Scroll until a message is there.

    Return by how many pixels what was read has moved most, the most rows, and which messages there
    are at the end.
    """
    found = await page.evaluate(SCROLL % (seq, str(is_up).lower()))
    moved, rows, seqs = json.loads(found)
    return moved, rows, seqs
