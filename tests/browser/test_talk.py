"""Talking in Chromium."""

import re
import time
from dataclasses import replace

from playwright.async_api import Browser, expect

from chat.journal import JOURNAL
from settings import Settings
from tests.support.browser import A_WHILE, Visit, Visitor, visiting
from tests.support.clocks import stopped_clock
from tests.support.log import change
from tests.support.site import ChatSite, serving


async def test_two_people_talk(alice: Visitor, bob: Visitor) -> None:
    for speaker, text in [(alice, "hello Bob"), (bob, "hello Alice"), (alice, "how are you?")]:
        await speaker.say(text)
        for reader in (alice, bob):
            await expect(reader.texts.last).to_have_text(text)
    for reader in (alice, bob):
        await expect(reader.messages).to_have_text(
            [
                re.compile(rf"^\s*\[\d\d:\d\d:\d\d\]\s+{line}\s*$")
                for line in (
                    r"\(alice\)\s+hello Bob",
                    r"\(bob\)\s+hello Alice",
                    r"\(alice\)\s+how are you\?",
                )
            ]
        )


async def test_the_talk_is_the_same_after_a_reload(
    chat: ChatSite, alice: Visitor, bob: Visitor
) -> None:
    await alice.say(
        "one\n  two <b>three</b> & four", "> bob #1: no\n`five` *six*", "seven", "eight"
    )
    await expect(bob.texts).to_have_count(4)
    await bob.say("nine @alice https://example.com")
    await expect(alice.texts).to_have_count(5)
    await change(chat.app[JOURNAL], "alice", 3, "seven and a half")
    await change(chat.app[JOURNAL], "alice", 4, "")
    await expect(alice.log.locator(".message__state")).to_have_text(
        ["", "", "edited", "deleted", ""]
    )
    live = await alice.messages.all_inner_texts()
    shapes = """messages => messages.map((message) => {
      const copy = message.cloneNode(true)
      copy.className = [...copy.classList].sort().join(" ")
      copy.ariaLive = null // of what changed on the screen
      return copy.outerHTML.replace(/>\\s+/g, ">")
    })"""
    shown = await alice.messages.evaluate_all(shapes)
    await alice.page.reload()
    await expect(alice.messages).to_have_count(5)
    assert await alice.messages.all_inner_texts() == live
    assert await alice.messages.evaluate_all(shapes) == shown


async def test_enter_sends_and_shift_enter_begins_a_line(alice: Visitor) -> None:
    await expect(alice.field).to_be_focused()
    await alice.page.keyboard.type("one")
    await alice.page.keyboard.press("Shift+Enter")
    await alice.page.keyboard.type("two")
    await expect(alice.field).to_have_value("one\ntwo")
    await alice.page.keyboard.press("Enter")
    await expect(alice.texts).to_have_count(1)
    assert await alice.texts.all_inner_texts() == ["one\ntwo"]


async def test_the_field_is_cleared_and_keeps_the_focus(alice: Visitor) -> None:
    for send in (alice.field.press("Enter"), alice.submit()):
        await alice.field.fill("hello")
        await send
        await expect(alice.field).to_have_value("")
        await expect(alice.field).to_be_focused()
    await expect(alice.texts).to_have_text(["hello", "hello"])


async def test_an_empty_message_is_not_sent(alice: Visitor) -> None:
    for nothing in ("", "  ", "\n"):
        await alice.say(nothing)
    await alice.say("something")
    await expect(alice.texts).to_have_text(["something"])
    await expect(alice.error).to_have_text("")


async def test_enter_that_ends_a_composition_does_not_send(alice: Visitor) -> None:
    await alice.field.fill("かな")
    keydown = {"key": "Enter", "bubbles": True, "cancelable": True}
    for sign in ({"isComposing": True}, {"keyCode": 229}):  # Safari knows but the second
        await alice.field.dispatch_event("keydown", {**keydown, **sign})
        await expect(alice.field).to_have_value("かな")
    await alice.field.dispatch_event("keydown", keydown)  # the same without the sign does
    await expect(alice.texts).to_have_text(["かな"])
    await expect(alice.field).to_have_value("")


async def test_who_talks_too_fast_is_told_and_everything_still_arrives(
    settings: Settings, browser: Browser
) -> None:
    async with (
        serving(replace(settings, MESSAGES_PER_SECOND=1)) as slow,
        visiting(browser) as visit,
    ):
        alice = await visit(slow.url, "alice")
        said = [f"line {number}" for number in range(8)]  # four may come at once
        with stopped_clock(time.monotonic()):
            for text in said:
                await alice.say(text)
            await expect(alice.error).to_have_text("Too fast, please wait a moment")
        await expect(alice.texts).to_have_text(said, timeout=A_WHILE)
        await expect(alice.error).to_have_text("")


async def test_who_reads_at_the_end_stays_there_while_the_field_grows(
    chat: ChatSite, visit: Visit, bob: Visitor
) -> None:
    await bob.post(*(f"line {number}" for number in range(40)))
    alice = await visit(chat.url, "alice", viewport={"width": 600, "height": 500})
    await alice.field.fill("a\nmessage\nof\nmany\nlines")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    await bob.say("meanwhile")
    await expect(alice.texts.last).to_have_text("meanwhile")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)


async def test_who_reads_at_the_end_stays_there_if_the_field_shrinks_while_the_log_grows(
    alice: Visitor, bob: Visitor
) -> None:
    await bob.post(*(f"line {number}" for number in range(40)))
    await expect(alice.texts.last).to_have_text("line 39")
    await alice.field.fill("a\nmessage\nof\nmany\nlines")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    grow_and_shrink = """() => {
      message.value = ""
      message.dispatchEvent(new Event("input", { bubbles: true }))
      subscribe.getBoundingClientRect() // as the page does: the browser lays out and scrolls
      const row = document.createElement("p")
      row.style.minHeight = "100px"
      document.querySelector(".log__live").append(row)
      return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
    }"""
    await alice.page.evaluate(grow_and_shrink)
    await bob.say("meanwhile")
    await expect(alice.texts.last).to_have_text("meanwhile")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)


async def test_the_log_says_that_it_is_empty_only_while_it_is(alice: Visitor) -> None:
    empty = alice.page.get_by_text("Nobody has said anything yet")
    await expect(empty).to_be_visible()
    await alice.say("hello")
    await expect(alice.texts).to_have_text(["hello"])
    await expect(empty).to_be_hidden()
