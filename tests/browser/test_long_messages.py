"""Long messages in Chromium: they are folded, whatever makes them high, and can be read whole."""

import re
from collections.abc import Sequence

import pytest
from playwright.async_api import Locator, Page, expect

from chat.journal import JOURNAL
from tests.support.browser import Visit, Visitor, go_offline
from tests.support.log import say
from tests.support.site import ChatSite

DESK = {"width": 1280, "height": 720}
PHONE = {"width": 360, "height": 640}
FOLDED = 24 * 20  # px of a folded text
HIGH = {
    "line breaks": "a" + "\n" * 2000 + "b",
    "code": "```\n" + "x = 1\n" * 500 + "```",
    "one word": "x" * 10_000,
    "quotes": "> said before\n" * 200 + "yes",
    "emoji": "😀 " * 5000,
    "Arabic": "مرحبا بكم\n" * 100,
    "Chinese": "字" * 3000,
    "tabs": "\t\n" * 100 + "end",
    "a row of a table": "x\t" * 1000,
}


async def write(chat: ChatSite, *texts: str) -> None:
    """Let bob, who need not have an account, write messages."""
    for text in texts:
        await say(chat.app[JOURNAL], "bob", text)


async def heights(page: Page) -> Sequence[float]:
    """Return how high each message's text is."""
    found: list[float] = await page.locator(".log .message__text").evaluate_all(
        "texts => texts.map((text) => text.getBoundingClientRect().height)"
    )
    return found


def show_all(visitor: Visitor, text: str = "") -> Locator:
    """Return the box of the message that has a text."""
    return visitor.messages.filter(has_text=text).get_by_role("checkbox", name="Show all")


@pytest.mark.parametrize("has_scripts", [True, False])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
async def test_whatever_makes_a_message_high_it_is_folded_until_one_wants_all(
    chat: ChatSite, visit: Visit, viewport: dict[str, int], has_scripts: bool
) -> None:
    await write(chat, *HIGH.values())
    alice = await visit(chat.url, "alice", viewport=viewport, java_script_enabled=has_scripts)
    assert all(FOLDED / 2 < height <= FOLDED + 1 for height in await heights(alice.page))
    await expect(alice.page.get_by_role("checkbox", name="Show all")).to_have_count(len(HIGH))
    for number in range(len(HIGH)):
        await show_all(alice).nth(number).press("Space")
    whole = await heights(alice.page)
    assert all(height > FOLDED + 1 for height in whole)
    assert whole[0] > 40_000
    assert not await alice.is_too_wide()


async def test_a_short_message_is_not_folded_and_one_between_only_on_a_phone(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, "short", "word " * 300)
    alice = await visit(chat.url, "alice", viewport=DESK)
    await expect(alice.page.get_by_role("checkbox", name="Show all")).to_have_count(0)
    assert max(await heights(alice.page)) < FOLDED
    await alice.page.set_viewport_size({"width": 360, "height": 640})
    await expect(alice.page.get_by_role("checkbox", name="Show all")).to_have_count(1)
    assert 400 < max(await heights(alice.page)) <= FOLDED


async def test_an_edit_keeps_what_is_shown_and_folds_what_becomes_long(
    chat: ChatSite, alice: Visitor, bob: Visitor
) -> None:
    await bob.say("line\n" * 100 + "end")
    await show_all(alice).check()
    await expect(bob.texts).to_have_count(1)
    await bob.field.press("ArrowUp")
    await bob.field.fill("line\n" * 90 + "changed")
    await bob.field.press("Enter")
    await expect(alice.texts).to_contain_text("changed")
    await expect(show_all(alice)).to_be_checked()
    assert (await heights(alice.page))[0] > 2000
    for text, count in (("short", 0), ("line\n" * 60 + "again", 1)):
        await expect(bob.field).to_have_value("")
        await bob.field.press("ArrowUp")
        await bob.field.fill(text)
        await bob.field.press("Enter")
        await expect(alice.texts).to_contain_text(text[-5:])
        await expect(alice.page.get_by_role("checkbox", name="Show all")).to_have_count(count)
    assert (await heights(alice.page))[0] <= FOLDED


async def test_whoever_unfolds_the_last_message_reads_on_while_others_talk(
    chat: ChatSite, alice: Visitor, bob: Visitor
) -> None:
    await bob.say("line\n" * 200 + "end")
    box = show_all(alice)
    await box.check()
    top = await alice.log.evaluate("log => log.scrollTop")
    await bob.say("something else")
    await expect(alice.texts).to_have_count(2)
    await alice.page.wait_for_function("() => document.querySelector('#unread').checkVisibility()")
    assert await alice.log.evaluate("log => log.scrollTop") == top
    await box.uncheck()  # Playwright scrolls to it
    await expect(box).to_be_in_viewport()


async def test_a_link_to_a_message_shows_all_of_it(chat: ChatSite, visit: Visit) -> None:
    await write(chat, "line\n" * 100 + "end", *map(str, range(60)))
    alice = await visit(chat.url, "alice")
    await alice.open("/?around=1#m1")
    await expect(show_all(alice, "end")).to_be_checked()
    await alice.open("/")
    await alice.connected()
    await write(chat, "other\n" * 100 + "end")
    await expect(show_all(alice, "other")).not_to_be_checked()
    await alice.page.locator("#m62 .message__time").click()
    await expect(show_all(alice, "other")).to_be_checked()
    without = await visit(chat.url, "carol", java_script_enabled=False)
    await without.open("/?around=1#m1")
    await expect(show_all(without, "end")).to_be_checked()


async def test_what_one_searches_in_the_page_unfolds_its_message_and_stays_in_place(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, "line\n" * 100 + "needle\n" + "line\n" * 100, "last")
    alice = await visit(chat.url, "alice", viewport=DESK)
    await alice.open("/#:~:text=needle")  # the browser finds it as it does for Ctrl+F
    await expect(show_all(alice)).to_be_checked()
    await show_all(alice).uncheck()
    moved = await alice.page.evaluate(
        """async () => {
          const text = document.querySelector(".message__text")
          const end = document.createRange()
          end.selectNodeContents(text)
          text.scrollTop = 1000
          const before = end.getBoundingClientRect().top
          while (text.scrollTop) await new Promise(requestAnimationFrame)
          return end.getBoundingClientRect().top - before
        }"""
    )
    assert abs(moved) < 2
    await expect(show_all(alice)).to_be_checked()


async def test_tab_reaches_a_link_in_what_is_hidden(chat: ChatSite, visit: Visit) -> None:
    await write(chat, "line\n" * 100 + "https://example.org/ end")
    alice = await visit(chat.url, "alice", viewport=DESK)
    await alice.page.locator(".message__text a").focus()
    await expect(show_all(alice)).to_be_checked()
    await expect(alice.page.locator(".message__text a")).to_be_in_viewport()


async def test_paper_and_the_clipboard_have_all_of_a_folded_message(
    chat: ChatSite, visit: Visit
) -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    await write(chat, text)
    alice = await visit(chat.url, "alice", viewport=DESK)
    copied = await alice.page.evaluate(
        """() => {
          getSelection().selectAllChildren(document.querySelector(".log .message"))
          const clipboardData = new DataTransfer()
          const event = new ClipboardEvent("copy", { clipboardData, bubbles: true })
          document.querySelector(".log").dispatchEvent(event)
          return clipboardData.getData("text/plain")
        }"""
    )
    assert copied == text
    await alice.page.emulate_media(media="print")
    assert (await heights(alice.page))[0] > 2000
    await expect(alice.page.get_by_role("checkbox", name="Show all")).to_have_count(0)


async def test_a_waiting_message_is_no_higher(chat: ChatSite, alice: Visitor) -> None:
    await go_offline(chat, alice)
    await alice.say("a" + "\n" * 2000 + "b")
    await expect(alice.pending.first).to_be_visible()
    box = await alice.page.locator(".pending__text").bounding_box()
    assert box is not None
    assert box["height"] <= FOLDED + 1


async def test_a_page_of_fifty_of_the_longest_messages_opens_at_its_end(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, *("word " * 1998 + f"number {number:03}" for number in range(50)))
    alice = await visit(chat.url, "alice", viewport=DESK)
    await expect(alice.texts).to_have_count(50)
    await expect(alice.messages.last).to_be_in_viewport()
    height = await alice.log.evaluate("log => log.scrollHeight")
    assert height < 50 * (FOLDED + 100)
    await expect(alice.texts.last).to_have_text(re.compile("number 049$"))
