"""Writing in Chromium: drafts, limits, notices, names, and one's own messages put right."""

import asyncio
import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Browser, Dialog, Locator, Route, WebSocketRoute, expect

from chat import wire
from chat.hub import HUB
from chat.models import CHANGEABLE_FOR
from settings import Settings
from tests.support.browser import (
    A_WHILE,
    CONNECTION_LOST,
    STORAGE_FAULTS,
    Visit,
    Visitor,
    all_show,
    arrive_noting,
    assert_thumb_sized,
    go_offline,
    slow_timers,
    visiting,
)
from tests.support.site import ChatSite, serving
from tests.support.waiting import until


async def stop_the_clock(visitor: Visitor) -> None:
    """Let time pass in somebody's page only by the test's own will."""
    await visitor.page.clock.install()
    await visitor.page.clock.pause_at(time.time() + 30)  # what has passed by then is refused


async def centre(element: Locator) -> tuple[float, float]:
    """Return where the middle of an element is, once that can be seen."""
    await expect(element).to_be_visible()
    box = await element.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def colour(visitor: Visitor) -> str:
    """Return the colour of the name of whoever wrote the first message."""
    author = visitor.log.locator(".message__author").first
    shown: str = await author.evaluate("author => getComputedStyle(author).color")
    return shown


def reply_card(visitor: Visitor) -> Locator:
    """Return the card above the field, with the message that is answered."""
    return visitor.page.locator(".reply")


# The field


@pytest.mark.parametrize("by_itself", [True, False])
async def test_the_field_grows_with_its_text_up_to_two_fifths_of_the_window(
    chat: ChatSite, visit: Visit, by_itself: bool
) -> None:
    script = "" if by_itself else "CSS.supports = () => false"
    alice = await visit(chat.url, "alice", script, viewport={"width": 600, "height": 500})
    if not by_itself:
        await alice.field.evaluate("field => field.style.fieldSizing = 'fixed'")
    rows = "field => Math.round((field.clientHeight - 17) / 24)"
    for text, height in [("one", 1), ("one\ntwo\nthree", 3), ("", 1), ("many\n" * 50, 8)]:
        await alice.field.fill(text)
        await alice.page.evaluate("new Promise(requestAnimationFrame)")
        assert await alice.field.evaluate(rows) == height, text
    await expect(alice.page.locator("#submit")).to_be_in_viewport(ratio=1)


async def test_a_draft_survives_a_reload_until_it_is_sent_or_emptied(alice: Visitor) -> None:
    await alice.field.fill("half a\n  sentence 😀")
    await alice.page.reload()
    await expect(alice.field).to_have_value("half a\n  sentence 😀")
    await alice.field.press("Enter")
    await expect(alice.texts).to_have_text(["half a sentence 😀"])
    await alice.page.reload()
    await expect(alice.field).to_have_value("")
    await alice.field.fill("never mind")
    await alice.field.fill("")
    assert await alice.page.evaluate("localStorage.length") == 0
    await alice.page.reload()
    await expect(alice.field).to_have_value("")


@pytest.mark.parametrize("text", ["from the other tab", "half a sentence"])
async def test_what_is_sent_in_one_tab_leaves_the_draft_of_another(
    alice: Visitor, text: str
) -> None:
    await alice.field.fill("half a sentence")
    other_tab = await alice.tab()
    await expect(other_tab.field).to_have_value("half a sentence")  # as if the first were closed
    await other_tab.say(text)
    await expect(alice.texts).to_have_text([text])

    async def is_kept() -> bool:  # again: the other tab removed what it sent
        kept = await alice.page.evaluate("Object.values(localStorage)")
        return any("half a sentence" in value for value in kept)

    await until(is_kept)
    await alice.page.reload()
    await expect(alice.field).to_have_value("half a sentence")
    await other_tab.page.reload()
    await expect(other_tab.texts).to_have_text([text])
    await other_tab.connected()


async def test_each_tab_has_a_draft_of_its_own(alice: Visitor) -> None:
    tabs = [alice, await alice.tab(), await alice.tab()]
    for number, tab in enumerate(tabs):
        await tab.field.fill(f"draft {number}")
    for number, tab in enumerate(tabs):
        await tab.page.reload()
        await expect(tab.field).to_have_value(f"draft {number}")
        await tab.open("/search")
        await tab.open()
        await expect(tab.field).to_have_value(f"draft {number}")
    await tabs[1].field.fill("")
    await tabs[2].page.close()
    await tabs[0].page.close()
    for number in (2, 0):  # closed tabs leave theirs to those who come later, the latest one first
        tab = await tabs[1].tab()
        await expect(tab.field).to_have_value(f"draft {number}")
        await tab.field.fill("")
    await tabs[1].page.reload()
    await expect(tabs[1].field).to_have_value("")
    await tabs[1].connected()
    await tabs[1].page.wait_for_function("() => localStorage.length === 0")


async def test_a_change_in_progress_survives_a_reload(alice: Visitor) -> None:
    title = alice.page.get_by_text("Editing your message", exact=True)
    await alice.say("a mistaek")
    await expect(alice.texts).to_have_text(["a mistaek"])
    await alice.field.fill("half a sentence")
    await alice.act(alice.messages.last, "Edit")
    await alice.field.fill("a mistake, ")
    for _ in range(2):
        await alice.page.reload()
        await expect(title).to_be_visible()
        await expect(alice.field).to_have_value("a mistake, ")
    other_tab = await alice.tab()
    await expect(other_tab.field).to_have_value("half a sentence")
    await alice.connected()
    await alice.say("a mistake, mended")
    await expect(alice.texts).to_have_text(["a mistake, mended"])
    await expect(alice.field).to_have_value("half a sentence")
    await alice.page.reload()
    await alice.connected()
    await expect(title).to_be_hidden()
    await expect(alice.field).to_have_value("half a sentence")


async def test_a_change_of_a_tab_that_was_closed_goes_on_in_the_next_one(alice: Visitor) -> None:
    def title(tab: Visitor) -> Locator:
        return tab.page.get_by_text("Editing your message", exact=True)

    await alice.say("a mistaek")
    await expect(alice.texts).to_have_text(["a mistaek"])
    await alice.act(alice.messages.last, "Edit")
    await alice.field.fill("a mistake")
    kept = await alice.page.evaluate("Object.keys(localStorage)")
    second = await alice.tab("/search")
    # It gives the first one half a second to say that it is open.
    await second.page.add_init_script(slow_timers(500, 500, 5000))
    await second.open()
    await second.connected()

    async def is_left_to_the_first() -> bool:
        return bool(await second.page.evaluate("Object.keys(localStorage)") == kept)

    await until(is_left_to_the_first)
    await alice.page.close()
    third = await second.tab()
    await expect(title(third)).to_be_visible()
    await expect(third.field).to_have_value("a mistake")
    await expect(title(second)).to_be_hidden()
    await third.connected()
    await third.field.press("Enter")
    await expect(second.texts).to_have_text(["a mistake"])
    await expect(title(third)).to_be_hidden()
    assert await third.page.evaluate("localStorage.length") == 0


async def test_what_is_typed_before_the_scripts_are_there_comes_after_the_draft(
    alice: Visitor,
) -> None:
    loaded = asyncio.Event()

    async def wait(route: Route) -> None:
        await loaded.wait()
        await route.continue_()

    await alice.field.fill("half a sentence")
    await alice.page.route("**/js/main*.js", wait)
    await alice.page.reload(wait_until="commit")
    await alice.field.fill("and more")
    loaded.set()
    await expect(alice.field).to_have_value("half a sentence\nand more")
    await alice.page.reload()
    await expect(alice.field).to_have_value("half a sentence\nand more")


async def test_a_change_of_what_has_been_deleted_meanwhile_is_still_there_after_a_reload(
    chat: ChatSite, visit: Visit, alice: Visitor
) -> None:
    await alice.say("a mistaek")
    await expect(alice.texts).to_have_text(["a mistaek"])
    await alice.act(alice.messages.last, "Edit")
    await alice.field.fill("a mistake")
    owner = await visit(chat.url, "the.owner")
    await owner.context.request.post(f"{alice.url}/message/1", form={"action": "delete"})
    await expect(alice.log.locator(".message__state")).to_have_text("deleted")
    await alice.page.reload()
    await alice.connected()
    await expect(alice.field).to_have_value("a mistake")
    await alice.field.press("Enter")
    await expect(alice.error).not_to_have_text("")
    await expect(alice.field).to_have_value("a mistake")


async def test_a_reply_or_another_change_waits_for_the_change_that_is_not_saved(
    alice: Visitor,
) -> None:
    await alice.say("one", "two")
    await expect(alice.texts).to_have_text(["one", "two"])
    await alice.field.fill("my draft")
    await alice.act(alice.messages.last, "Edit")
    await alice.field.fill("two and a half")
    await alice.act(alice.messages.first, "Edit")
    await expect(alice.error).to_contain_text("Please save or cancel this change first")
    await expect(alice.field).to_have_value("two and a half")
    await alice.act(alice.messages.first, "Reply")
    await expect(alice.error).to_contain_text("then your reply is here")
    await expect(alice.field).to_have_value("two and a half")
    await alice.field.press("Enter")
    await expect(alice.field).to_have_value("my draft")
    await expect(reply_card(alice)).to_contain_text("Replying to alice one")
    await alice.act(alice.messages.last, "Edit")
    await expect(reply_card(alice)).to_be_hidden()
    await alice.act(alice.messages.last, "Reply")  # nothing was changed, so nothing is lost
    await expect(alice.field).to_have_value("my draft")
    await expect(reply_card(alice)).to_contain_text("Replying to alice two and a half")
    await expect(alice.page.get_by_text("Editing your message", exact=True)).to_be_hidden()


async def test_a_draft_is_its_writers_alone_and_goes_when_somebody_else_comes(
    alice: Visitor,
) -> None:
    await alice.field.fill("for nobody else")
    await alice.context.clear_cookies()  # the session is over, but alice has not signed out
    await alice.sign_up("bob")
    await alice.open()
    await alice.belongs_to("bob")
    await alice.connected()
    await expect(alice.field).to_have_value("")
    assert await alice.page.evaluate("localStorage.length") == 0


@pytest.mark.parametrize("fault", ["full", "forbidden"])
async def test_a_browser_that_keeps_nothing_still_gives_the_draft_back_after_editing(
    chat: ChatSite, visit: Visit, fault: str
) -> None:
    alice = await visit(chat.url, "alice", STORAGE_FAULTS[fault])
    await alice.say("a mistaek")
    await expect(alice.texts).to_have_text(["a mistaek"])
    await alice.field.fill("half a sentence")
    await alice.act(alice.messages.last, "Edit")
    await alice.say("a mistake")
    await expect(alice.texts).to_have_text(["a mistake"])
    await expect(alice.field).to_have_value("half a sentence")


@pytest.mark.parametrize("fault", ["full", "forbidden"])
async def test_a_browser_that_keeps_nothing_asks_before_what_is_typed_is_lost(
    chat: ChatSite, visit: Visit, fault: str
) -> None:
    async def asked(leave: str = "location.reload()") -> bool:
        """Try to leave the page; return whether the browser has asked, which stays there then."""
        events: set[asyncio.Task[object]] = {
            asyncio.ensure_future(alice.page.wait_for_event(event))
            for event in ("dialog", "domcontentloaded")
        }
        await alice.page.evaluate(leave)
        done, pending = await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        for event in pending:
            event.cancel()
        return isinstance(done.pop().result(), Dialog)

    alice = await visit(chat.url, "alice", STORAGE_FAULTS[fault])
    alice.tolerates = ("dialog: ",)
    await alice.say("a mistaek")
    await expect(alice.texts).to_have_text(["a mistaek"])
    assert not await asked()
    await alice.connected()
    await alice.field.fill("half a sentence")
    assert await asked()
    await expect(alice.field).to_have_value("half a sentence")
    await alice.field.fill("")
    await alice.act(alice.messages.last, "Edit")
    await alice.field.fill("a mistake")
    assert await asked("document.querySelector('.bar a[href]').click()")
    await alice.press("Cancel")
    await go_offline(chat, alice)
    alice.tolerates = ("dialog: ", *CONNECTION_LOST)
    await alice.say("offline")
    assert await asked()
    await alice.context.set_offline(False)
    await expect(alice.texts).to_have_text(["a mistaek", "offline"], timeout=A_WHILE)
    await expect(alice.pending).to_have_count(0)
    assert not await asked()


async def test_the_composer_explains_how_a_text_is_formatted(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice")
    await alice.say("hello")
    await alice.act(alice.messages.first, "Reply")
    await alice.field.press("Tab")
    button = alice.page.get_by_role("button", name="Formatting help")
    await expect(button).to_be_focused()
    await assert_thumb_sized(button)
    await button.press("Enter")
    explanation = alice.page.locator("#formatting")
    await expect(explanation).to_be_visible()
    await expect(explanation).to_have_accessible_name("Formatting")
    above, below = await explanation.bounding_box(), await button.bounding_box()
    assert above is not None
    assert below is not None
    assert 0 <= below["y"] - (above["y"] + above["height"]) <= 16  # it stands at its button
    assert above["x"] <= below["x"] <= above["x"] + above["width"]
    await alice.page.keyboard.press("Escape")
    await expect(explanation).to_be_hidden()
    await expect(button).to_be_focused()
    await expect(reply_card(alice)).to_be_visible()
    await alice.page.keyboard.press("Escape")
    await expect(reply_card(alice)).to_be_hidden()


async def test_what_is_explained_is_what_the_log_shows(alice: Visitor) -> None:
    explained = await alice.page.locator(".formatting__row").evaluate_all(
        """rows => rows.map(({ children: [typed, shown] }) => {
          typed.querySelectorAll("br").forEach((it) => it.replaceWith("\\n"))
          shown.querySelectorAll("br").forEach((it) => it.replaceWith("\\n"))
          return [typed.textContent, shown.firstElementChild?.localName, shown.textContent]
        })"""
    )
    without_signs = """said => {
      for (const sign of said.querySelectorAll(".copy-only")) sign.remove()
      return said.textContent
    }"""
    for typed, name, shown in explained:
        if typed.startswith("@"):
            continue
        await alice.say(typed)
        said = alice.texts.last
        await expect(said).to_have_text(typed)
        elements = said.locator("> :not(.copy-only)")
        assert await elements.evaluate_all("all => all.map((it) => it.localName)") == (
            [name] if name else []
        )
        assert await said.evaluate(without_signs) == shown


# The limit


async def test_near_the_limit_the_page_counts_as_the_server_does(alice: Visitor) -> None:
    counter, status = alice.page.locator("#counter"), alice.page.locator("#status")
    for text, count, read_out in [
        ("x" * 9799, "", ""),
        ("x" * 9800, "200 left", "200 left"),
        ("😀" * 9801, "199 left", "200 left"),  # not each key is read out
        ("x" * 9850 + "\n\n", "150 left", "200 left"),  # newlines at the end are not stored
        ("x" * 9900, "100 left", "100 left"),
        ("😀" * 10_000, "0 left", "0 left"),
        ("x\u202e" * 10_000, "0 left", "0 left"),  # nor is what could turn the text around
        ("😀" * 10_012, "12 too many", "12 too many"),
    ]:
        await alice.field.fill(text)
        await expect(counter).to_have_text(count)
        await expect(status).to_have_text(read_out)
    for text in ("😀" * 10_000, "a\nb" * 666 + "\n\n"):
        await alice.say(text)
        await expect(alice.texts.last).to_have_text(text.strip())
        await expect(counter).to_have_text("")
    assert await alice.texts.all_text_contents() == ["😀" * 10_000, "a\nb" * 666]


async def test_what_is_too_long_stays_in_the_field_beside_the_error(
    chat: ChatSite, visit: Visit
) -> None:
    alice, sent = await arrive_noting(chat, visit, "alice", "message")
    await alice.say("x" * 10_001)
    await expect(alice.error).to_have_text("A message has at most 10000 characters")
    await expect(alice.field).to_have_value("x" * 10_001)
    await expect(alice.field).to_be_focused()
    await expect(alice.field).to_have_attribute("aria-invalid", "true")
    await expect(alice.field).to_have_accessible_description(
        "A message has at most 10000 characters"
    )
    await alice.field.press("Backspace")
    await expect(alice.error).to_have_text("")
    await expect(alice.field).not_to_have_attribute("aria-invalid", "true")
    await alice.field.press("Enter")
    await expect(alice.texts).to_have_text(["x" * 10_000])
    assert [frame["msg"] for frame in sent] == ["x" * 10_000]


# Typing notices


async def test_others_see_who_is_typing_until_the_message_comes(
    chat: ChatSite, alice: Visitor, bob: Visitor
) -> None:
    await stop_the_clock(alice)  # nobody is forgotten meanwhile
    typing, height = alice.status, "element => element.clientHeight"
    room = await alice.log.evaluate(height)
    await bob.field.press_sequentially("hi")
    await expect(typing).to_have_text("bob is typing…")
    hub = chat.app[HUB]
    hub.broadcast(wire.typing("alice"))  # her own
    hub.broadcast(wire.typing("carol"))
    await expect(typing).to_have_text("bob and carol are typing…")
    hub.broadcast(wire.typing("<b>dave</b>"))
    await expect(typing).to_have_text("several people are typing…")
    assert await alice.log.evaluate(height) == room  # nothing jumps
    hub.broadcast(wire.left("<b>dave</b>"))
    await alice.told("bob and carol are typing…", times=2)
    await expect(typing).to_have_text("<b>dave</b> disconnected")  # while the clock stands still
    await bob.field.press("Enter")
    await expect(typing).to_have_text("carol is typing…")
    await expect(bob.status).not_to_contain_text("bob")


async def test_who_stops_typing_is_forgotten_after_five_seconds(
    chat: ChatSite, alice: Visitor
) -> None:
    typing = alice.status
    await stop_the_clock(alice)
    for times in (7, 8):  # each frame begins the five seconds anew
        chat.app[HUB].broadcast(wire.typing("bob"))
        await expect(typing).to_have_text("bob is typing…")
        chat.app[HUB].broadcast(wire.people(times, []))
        await expect(alice.page.locator("#people-count")).to_have_text(f"{times} here")
        await alice.page.clock.run_for(4900)
        await expect(typing).to_have_text("bob is typing…")
    await alice.page.clock.run_for(200)
    await expect(typing).to_have_text("")


async def test_typing_is_told_at_most_once_in_three_seconds(chat: ChatSite, visit: Visit) -> None:
    alice, typed = await arrive_noting(chat, visit, "alice", "typing")
    await stop_the_clock(alice)
    await alice.field.press_sequentially("  ")
    assert typed == []  # nothing is written yet
    await alice.field.press_sequentially("several")
    await alice.page.clock.run_for(2900)
    await alice.field.press_sequentially("keys")
    assert len(typed) == 1
    await alice.page.clock.run_for(500)
    await alice.field.press("Backspace")
    await alice.page.clock.run_for(5000)
    await alice.field.press("ArrowLeft")
    await alice.field.fill("")  # nothing is left
    await alice.post("said")
    await expect(alice.texts).to_have_text(["said"])
    await alice.field.press("ArrowUp")
    await expect(alice.field).to_have_value("said")  # but nobody has typed that
    assert len(typed) == 2


# Putting right what was sent


async def test_arrow_up_in_an_empty_field_edits_the_last_of_ones_own_messages(
    bob: Visitor, alice: Visitor
) -> None:
    await alice.field.press("ArrowUp")  # there is nothing yet
    editing = alice.page.locator(".editing")
    await expect(editing).to_be_hidden()
    await alice.say("first", "a `mistaek`\nin two lines")
    await expect(alice.texts).to_have_count(2)
    await bob.say("by another")
    await expect(alice.texts).to_have_count(3)
    await alice.field.fill("x")
    await alice.field.press("ArrowUp")  # not an empty field
    await expect(editing).to_be_hidden()

    await alice.field.fill("")
    await alice.field.press("ArrowUp")
    await expect(editing).to_be_visible()
    await expect(alice.field).to_have_value("a `mistaek`\nin two lines")
    await expect(alice.page.locator("#submit")).to_have_text("Save")
    await alice.say("a `mistake`\nin two lines")
    await expect(editing).to_be_hidden()
    await expect(alice.field).to_have_value("")
    await expect(alice.field).to_be_focused()
    for reader in (alice, bob):
        await expect(reader.texts).to_contain_text(["first", "mistake", "by another"])
        await expect(reader.messages.nth(1)).to_contain_text("edited")

    await alice.field.press("ArrowUp")
    await expect(alice.field).to_have_value("a `mistake`\nin two lines")
    await alice.field.fill("on second thoughts")
    await alice.field.press("Escape")
    await expect(editing).to_be_hidden()
    await expect(alice.texts).to_contain_text(["first", "mistake", "by another"])
    await alice.page.reload()  # the page's own history knows the text, too
    await alice.connected()
    await alice.field.press("ArrowUp")
    await expect(alice.field).to_have_value("a `mistake`\nin two lines")


async def test_a_message_is_deleted_on_the_second_press(bob: Visitor, alice: Visitor) -> None:
    await alice.say("kept", "said in haste")
    await all_show((alice, bob), "kept", "said in haste")
    await alice.field.press("ArrowUp")
    await stop_the_clock(alice)
    await alice.press("Delete")
    await alice.page.clock.run_for(4100)  # longer than the doubt lasts
    await alice.page.get_by_role("button", name="Delete", exact=True).click()
    await expect(alice.field).to_have_value("said in haste")
    await alice.press("Really delete?")
    for reader in (alice, bob):
        await expect(reader.messages.last).to_contain_text("deleted")
        await expect(reader.messages.last).not_to_contain_text("haste")
    await alice.messages.last.hover()
    await expect(alice.page.locator(".actions")).to_have_count(0)
    await alice.field.press("ArrowUp")  # what is deleted is nobody's last message
    await expect(alice.field).to_have_value("kept")
    await alice.field.fill("")
    await alice.field.press("Enter")  # to leave nothing of it is to delete it
    await alice.press("Really delete?")
    await expect(bob.page.locator(".message--deleted")).to_have_count(2)
    await expect(alice.field).to_have_value("")


async def test_a_change_that_is_refused_stays_in_the_field(
    alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alice.say("what was said")
    await expect(alice.texts).to_have_count(1)
    await alice.field.press("ArrowUp")
    monkeypatch.setattr("chat.models.CHANGEABLE_FOR", CHANGEABLE_FOR * 0)
    for text, complaint in [
        ("x" * 10_001, "A message has at most 10000 characters"),
        ("\u200b", "Please write something"),  # invisible
        ("what was meant", "This message can't be changed any more"),
    ]:
        await alice.say(text)
        await expect(alice.error).to_have_text(complaint)
        await expect(alice.field).to_have_value(text)
        await expect(alice.page.locator(".editing")).to_be_visible()
    await alice.press("Cancel")
    await expect(alice.error).to_have_text("")
    await expect(alice.texts).to_have_text(["what was said"])


async def test_a_change_without_an_answer_can_be_asked_for_again(
    chat: ChatSite, visit: Visit
) -> None:
    asked: list[dict[str, Any]] = []
    is_deaf = True

    def lose_changes(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def pass_on(data: str | bytes) -> None:
            frame = json.loads(data)
            if frame["type"] == "edit":
                asked.append(frame)
                if is_deaf:
                    return
            server.send(data)

        route.on_message(pass_on)

    alice = await visit(chat.url)
    await alice.page.route_web_socket("**/ws?*", lose_changes)
    await alice.sign_up("alice")
    await alice.open()
    await alice.connected()
    await alice.say("a mistaek")
    await expect(alice.texts).to_have_text(["a mistaek"])
    await alice.field.fill("x")
    await alice.act(alice.messages.last, "Edit")
    await stop_the_clock(alice)
    await alice.say("a mistake")
    await expect(alice.page.locator("#submit")).to_have_attribute("aria-busy", "true")
    await alice.page.clock.run_for(5100)
    await expect(alice.page.locator("#submit")).not_to_have_attribute("aria-busy", "true")
    await expect(alice.error).to_have_text("No answer came. Please save it again.")
    await expect(alice.field).to_have_value("a mistake")
    is_deaf = False
    await alice.field.press("Enter")
    await expect(alice.texts).to_have_text(["a mistake"])
    await expect(alice.error).to_have_text("")
    await expect(alice.field).to_have_value("x")
    assert len(asked) == 2
    assert asked[0] == asked[1]


async def test_without_a_connection_a_change_stays_in_the_field(
    chat: ChatSite, alice: Visitor
) -> None:
    await alice.say("a mistaek")
    await expect(alice.texts).to_have_text(["a mistaek"])
    await go_offline(chat, alice)
    await alice.field.press("ArrowUp")
    await alice.say("a mistake")
    await expect(alice.error).to_have_text("There is no connection, please try again")
    await expect(alice.field).to_have_value("a mistake")
    await alice.context.set_offline(False)
    await alice.connected(2, timeout=A_WHILE)
    await alice.field.press("Enter")
    await expect(alice.texts).to_have_text(["a mistake"])
    await expect(alice.error).to_have_text("")


async def test_ones_own_message_is_edited_and_deleted_where_it_stands_for_fifteen_minutes(
    chat: ChatSite, alice: Visitor, bob: Visitor
) -> None:
    await bob.say("by Bob")
    await expect(alice.texts).to_have_text(["by Bob"])
    await alice.say("one", "two")
    await expect(alice.texts).to_have_count(3)
    for _ in range(2):  # from the socket, then from the page
        await alice.act(alice.messages.nth(1), "Edit")
        await expect(alice.field).to_have_value("one")
        await expect(alice.field).to_be_focused()
        await expect(alice.messages.nth(1)).to_have_class(re.compile("message--editing"))
        await alice.act(alice.messages.nth(2), "Edit")  # the other instead
        await expect(alice.field).to_have_value("two")
        await expect(alice.log.locator(".message--editing")).to_have_count(1)
        await alice.field.press("Escape")
        await expect(alice.field).to_have_value("")
        await expect(alice.log.locator(".message--editing")).to_have_count(0)
        await alice.page.reload()
        await alice.connected()
    await alice.act(alice.messages.nth(2), "Delete")
    await expect(alice.page.get_by_role("button", name="Really delete?")).to_be_focused()
    await alice.page.keyboard.press("Enter")
    await expect(bob.messages.last).to_contain_text("deleted")

    edit = alice.page.get_by_role("button", name="Edit")
    await alice.messages.first.hover()
    await expect(alice.page.get_by_role("button", name="Reply")).to_be_visible()
    await expect(edit).to_be_hidden()  # it is Bob's
    await alice.page.clock.install()
    await alice.page.reload()
    await alice.page.clock.fast_forward("15:01")
    await alice.messages.nth(1).hover()
    await expect(alice.page.get_by_role("button", name="Reply")).to_be_visible()
    await expect(edit).to_be_hidden()
    await alice.field.press("ArrowUp")
    await expect(alice.field).to_have_value("")


async def test_a_clock_that_is_wrong_takes_no_buttons_away_and_gives_none_back(
    chat: ChatSite, visit: Visit
) -> None:
    for login, minutes in (("alice", 20), ("carol", -600)):
        author = await visit(chat.url)
        await author.sign_up(login)
        await author.page.clock.install(time=time.time() + 60 * minutes)
        await author.open()
        await author.say(f"by {login}")
        await expect(author.texts.last).to_have_text(f"by {login}")
        edit = author.page.get_by_role("button", name="Edit")
        for _ in range(2):  # from the socket, then from the page
            await author.messages.last.hover()
            await expect(edit).to_be_visible()
            await author.page.reload()
        await author.page.clock.fast_forward("15:01")
        await author.messages.last.hover()
        await expect(author.page.get_by_role("button", name="Reply")).to_be_visible()
        await expect(edit).to_be_hidden()


@pytest.mark.parametrize(
    "script",
    [
        "",
        "Object.defineProperty(navigator, 'clipboard', { value: undefined })",  # plain http
        "navigator.clipboard.writeText = async () => { throw new DOMException('refused') }",
    ],
)
async def test_the_link_of_a_message_is_copied(chat: ChatSite, visit: Visit, script: str) -> None:
    alice = await visit(chat.url, "alice", script)
    await alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await alice.post("one", "two")
    await expect(alice.messages).to_have_count(2)
    await stop_the_clock(alice)
    await alice.act(alice.messages.last, "Copy link")
    told = alice.messages.last.get_by_text("Link copied")
    await expect(told).to_be_visible()
    await expect(alice.page.locator("#status")).to_have_text("Link copied")
    await expect(alice.messages.last.get_by_role("button", name="Copy link")).to_be_focused()
    await alice.page.clock.run_for(2100)
    await expect(told).to_be_hidden()
    await alice.field.focus()
    await alice.field.press("Control+v")
    await expect(alice.field).to_have_value(f"{chat.url}/?around=2#m2")
    await alice.page.goto(await alice.field.input_value())
    await expect(alice.page.locator(".message--target")).to_contain_text("two")


async def test_a_link_that_cannot_be_copied_is_opened(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(
        chat.url,
        "alice",
        "navigator.clipboard.writeText = async () => { throw new DOMException('refused') };"
        "document.execCommand = () => false",
    )
    await alice.post("one", "two")
    await expect(alice.messages).to_have_count(2)
    await stop_the_clock(alice)
    await alice.act(alice.messages.first, "Copy link")
    await expect(alice.page).to_have_url(f"{chat.url}/?around=1#m1")
    told = alice.messages.first.get_by_text("The link is this page's address now")
    await expect(told).to_be_visible()


async def test_the_buttons_cover_no_text_of_the_message_under_the_mouse(
    chat: ChatSite, visit: Visit
) -> None:
    at = """link => {
      const { left, right, top, bottom } = link.getBoundingClientRect()
      return document.elementFromPoint((left + right) / 2, (top + bottom) / 2) === link
    }"""
    alice = await visit(  # where the buttons come at once, so that they do not move any more
        chat.url, "alice", viewport={"width": 700, "height": 700}, reduced_motion="reduce"
    )
    await alice.post(*(["https://example.com/" + "x" * 40] * 4))
    await expect(alice.messages).to_have_count(4)
    for message in await alice.messages.all():
        link = message.locator(".message__text a")
        await link.hover()
        await expect(message.get_by_role("button", name="Delete")).to_be_visible()
        actions = message.locator(".actions")
        await actions.evaluate("it => Promise.all(it.getAnimations().map((each) => each.finished))")
        assert await link.evaluate(at)
        box, buttons = await link.bounding_box(), await actions.bounding_box()
        assert box is not None
        assert buttons is not None
        assert box["x"] + box["width"] > buttons["x"]  # they would cover it elsewhere
        assert buttons["y"] + buttons["height"] <= box["y"] + 6  # the room above its letters


async def test_the_mouse_goes_straight_from_a_message_to_its_buttons(
    alice: Visitor, bob: Visitor
) -> None:
    await bob.post("one", "two\nlines", "three", "four")
    await expect(alice.messages).to_have_count(4)
    await stop_the_clock(alice)  # or the mouse might rest on its way, on a slow machine
    for number, text in ((4, "four"), (2, "two"), (3, "three")):
        message = alice.messages.nth(number - 1)
        begin = await centre(message)
        await alice.page.mouse.move(*begin)
        await alice.page.clock.run_for(150)
        end = await centre(message.get_by_role("button", name="Reply"))
        for part in range(1, 21):
            way = [a + (b - a) * part / 20 for a, b in zip(begin, end, strict=True)]
            await alice.page.mouse.move(*way)
            await alice.page.clock.run_for(20)
        await alice.page.mouse.down()
        await alice.page.mouse.up()
        await expect(reply_card(alice)).to_contain_text(f"Replying to bob {text}")
        await expect(alice.messages.first.get_by_role("button")).to_have_count(0)


async def test_a_finger_beside_a_text_brings_the_buttons(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice", has_touch=True, is_mobile=True)
    await alice.post("one", "two", "three")
    await expect(alice.texts).to_have_count(3)
    await alice.texts.nth(1).tap(position={"x": 2, "y": 12})
    reply = alice.messages.nth(1).get_by_role("button", name="Reply")
    await expect(reply).to_be_visible()
    await assert_thumb_sized(reply)


async def test_by_keyboard_the_arrows_lead_from_message_to_message(alice: Visitor) -> None:
    await alice.say("one", "two", "three")
    await expect(alice.texts).to_have_count(3)
    await alice.log.focus()
    await alice.page.keyboard.press("ArrowUp")
    await expect(alice.messages.last).to_be_focused()
    await alice.page.keyboard.press("ArrowUp")
    await expect(alice.messages.nth(1)).to_be_focused()
    await alice.page.keyboard.press("Tab")
    await expect(alice.page.get_by_role("button", name="Reply")).to_be_focused()
    await alice.page.keyboard.press("Tab")
    await alice.page.keyboard.press("Enter")
    await expect(alice.field).to_have_value("two")
    await expect(alice.field).to_be_focused()


async def test_a_reply_quotes_the_message_and_links_to_it(
    chat: ChatSite, visit: Visit, alice: Visitor, bob: Visitor
) -> None:
    await bob.say("> older\nShall we\n*meet*\nat\nnoon?")
    await expect(alice.texts).to_have_count(1)
    await alice.field.fill("Yes")
    await alice.act(alice.messages.first, "Reply")
    await expect(alice.field).to_be_focused()
    await expect(alice.field).to_have_value("Yes")
    await expect(alice.page.locator("#status")).to_have_text(
        "Replying to bob, Escape takes it back"
    )
    await expect(reply_card(alice)).to_contain_text("Replying to bob Shall we")
    await alice.field.press("Enter")
    await expect(reply_card(alice)).to_be_hidden()
    for reader in (alice, bob):
        quote = reader.texts.last.locator(".quote")
        await expect(quote).to_have_text("> bob #1: Shall we > *meet* > at > …")
        link = quote.get_by_role("link", name="bob #1")
        await expect(link).to_have_attribute("href", "/?around=1#m1")
        await expect(quote.locator("em")).to_have_text("*meet*")
    await alice.page.reload()
    await alice.connected()
    await alice.texts.last.get_by_role("link").click()
    await expect(alice.page.locator(".message--target")).to_contain_text("noon?")

    plain = await visit(chat.url, "carol", java_script_enabled=False)
    quote = plain.texts.last.get_by_role("blockquote")
    await expect(quote).to_have_text("> bob #1: Shall we > *meet* > at > …")
    await expect(quote.get_by_role("link", name="bob #1")).to_have_css("color", await colour(alice))
    await quote.get_by_role("link").click()
    await expect(plain.page.locator(".message--target")).to_contain_text("noon?")
    await plain.open("/search?q=meet")
    await expect(plain.page.locator(".find__text")).to_have_text(
        ["“bob: Shall we *meet* at …” Yes", "“older” Shall we *meet* at noon?"]
    )


@pytest.mark.parametrize("java_script_enabled", [True, False])
async def test_a_quote_of_a_message_shows_three_lines_of_it_and_other_quotes_all(
    chat: ChatSite, visit: Visit, bob: Visitor, java_script_enabled: bool
) -> None:
    lines = [f"> line {number}" for number in range(8)]
    one, two = ["> bob #1: so", *lines], ["> carol #1: so", "> bob #1: so", *lines]
    await bob.post("\n".join(lines), "\n".join(one), "\n".join(two), f"> bob #1: {'long ' * 200}")
    alice = await visit(chat.url, "alice", java_script_enabled=java_script_enabled)
    height = "it => Math.floor(it.clientHeight / parseFloat(getComputedStyle(it).lineHeight))"
    quotes = alice.log.get_by_role("blockquote")
    await expect(quotes).to_have_count(4)
    assert [await quote.evaluate(height) for quote in await quotes.all()] == [8, 4, 12, 4]


async def test_a_reply_is_kept_like_the_draft_until_it_is_dismissed(
    alice: Visitor, bob: Visitor
) -> None:
    await bob.say("hello", "> carol #7: so\nyes")
    await expect(alice.messages).to_have_count(2)
    await alice.act(alice.messages.first, "Reply")
    await alice.page.reload()
    await alice.connected()
    await expect(reply_card(alice)).to_contain_text("Replying to bob hello")
    await expect(alice.field).to_have_value("")
    await alice.field.fill("  \n")
    await alice.field.press("Enter")  # there is nothing to send
    await alice.field.fill("> my own\nwords")
    await alice.act(alice.messages.last, "Reply")  # instead
    other_tab = await alice.tab()
    for tab in (alice, other_tab):
        await expect(reply_card(tab)).to_contain_text("Replying to bob yes")
        await expect(tab.field).to_have_value("> my own\nwords")
    await alice.field.press("Escape")
    await expect(reply_card(alice)).to_be_hidden()
    await alice.page.reload()
    await alice.connected()
    await expect(reply_card(alice)).to_be_hidden()
    await expect(alice.field).to_have_value("> my own\nwords")
    await other_tab.field.press("Enter")
    await expect(reply_card(other_tab)).to_be_hidden()
    await expect(alice.messages).to_have_count(3)
    # What alice quotes does not look as if bob had said it.
    assert await alice.texts.last.text_content() == "> bob #2: yes\n\n> my own\nwords"


async def test_a_reply_is_dismissed_by_its_button_and_after_the_list_of_names(
    alice: Visitor, bob: Visitor
) -> None:
    await bob.say("hello")
    await expect(alice.messages).to_have_count(1)
    await alice.act(alice.messages.first, "Reply")
    await alice.field.press_sequentially("@bo")
    names = alice.page.get_by_role("listbox", name="People")
    await expect(names).to_be_visible()
    await alice.field.press("Escape")
    await expect(names).to_be_hidden()
    await expect(reply_card(alice)).to_be_visible()
    dismiss = alice.page.get_by_role("button", name="Don't reply")
    await assert_thumb_sized(dismiss)
    await dismiss.click()
    await expect(reply_card(alice)).to_be_hidden()
    await expect(alice.field).to_be_focused()
    await expect(alice.page.locator("#status")).to_have_text("Not a reply any more")
    await alice.field.press("Enter")
    await expect(alice.texts).to_have_text(["hello", "@bo"])


async def test_a_reply_counts_its_quote(alice: Visitor, bob: Visitor) -> None:
    await bob.say("hello")
    await expect(alice.messages).to_have_count(1)
    await alice.act(alice.messages.first, "Reply")
    quote = "> bob #1: hello\n"
    await alice.field.fill("x" * (10_001 - len(quote)))
    await expect(alice.page.locator("#counter")).to_have_text("1 too many")
    await alice.field.press("Enter")
    error = "A message with its quote has at most 10000 characters"
    await expect(alice.error).to_have_text(error)
    await alice.field.press("Backspace")
    await expect(alice.error).to_have_text("")
    await expect(alice.page.locator("#counter")).to_have_text("0 left")
    await alice.field.type("y")
    await alice.field.press("Enter")
    await expect(alice.error).to_have_text(error)
    await alice.field.press("Escape")
    await expect(alice.error).to_have_text("")
    await alice.field.press("Enter")
    await expect(alice.texts.last).to_have_text(re.compile(r"^x+y$"))


async def test_a_reply_does_not_repeat_what_was_deleted_meanwhile(
    chat: ChatSite, alice: Visitor, bob: Visitor
) -> None:
    await bob.say("a secret", "no secret")
    await expect(alice.messages).to_have_count(2)
    await alice.say("mine")
    await expect(alice.messages).to_have_count(3)
    await alice.field.fill("why?")
    await alice.act(alice.messages.first, "Reply")
    other_tab = await alice.tab()
    await expect(reply_card(other_tab)).to_contain_text("a secret")
    await alice.act(alice.messages.last, "Edit")
    for seq in (2, 1):
        await bob.context.request.post(f"{bob.url}/message/{seq}", form={"action": "delete"})
    await expect(reply_card(other_tab)).to_contain_text("Replying to bob …")
    await expect(alice.log.locator(".message--deleted")).to_have_count(2)
    await alice.field.press("Escape")
    await expect(reply_card(alice)).to_contain_text("Replying to bob …")
    await alice.field.press("Enter")
    await expect(alice.messages).to_have_count(4)
    assert await alice.texts.last.text_content() == "> bob #1: …\nwhy?"


async def test_a_reply_does_not_repeat_what_was_deleted_while_the_page_was_closed(
    alice: Visitor, bob: Visitor
) -> None:
    await bob.say("a secret", "see carol #1: there")
    await expect(alice.messages).to_have_count(2)
    await alice.act(alice.messages.last, "Reply")
    await alice.page.goto("about:blank")
    await bob.context.request.post(f"{bob.url}/message/1", form={"action": "delete"})
    await alice.open()
    await alice.connected()
    await expect(alice.log.locator(".message--deleted")).to_have_count(1)
    # That names another message, but does not answer it.
    await expect(reply_card(alice)).to_contain_text("Replying to bob see carol #1: there")
    await alice.page.goto("about:blank")
    await bob.context.request.post(f"{bob.url}/message/2", form={"action": "delete"})
    await alice.open()
    await expect(reply_card(alice)).to_contain_text("Replying to bob …")
    await alice.say("yes")
    await expect(alice.messages).to_have_count(3)
    assert await alice.texts.last.text_content() == "> bob #2: …\nyes"


async def test_a_message_that_begins_with_a_quote_is_edited_as_it_was_sent(alice: Visitor) -> None:
    await alice.say("> bob #1: hello\nyse")
    await expect(alice.texts).to_have_count(1)
    await alice.act(alice.messages.first, "Edit")
    await expect(alice.field).to_have_value("> bob #1: hello\nyse")
    await expect(reply_card(alice)).to_be_hidden()
    await alice.say("> bob #1: hello\nyes")
    await expect(alice.texts).to_have_text(["> bob #1: hello yes"])


async def test_a_reply_is_shown_as_a_quote_while_it_is_not_sent(
    chat: ChatSite, alice: Visitor, bob: Visitor
) -> None:
    await bob.say("hello")
    await expect(alice.messages).to_have_count(1)
    await alice.act(alice.messages.first, "Reply")
    await go_offline(chat, alice)
    await alice.say("yes")
    await expect(alice.pending.locator(".quote")).to_contain_text("hello")
    assert await alice.pending.locator(".pending__text").text_content() == "> bob #1: hello\nyes"
    await alice.context.set_offline(False)
    await expect(bob.texts).to_have_text(["hello", "> bob #1: hello yes"], timeout=A_WHILE)


async def test_ctrl_z_takes_back_what_buttons_have_put_into_the_field(
    alice: Visitor, bob: Visitor
) -> None:
    async def goes_back_to(*texts: str) -> None:
        for text in texts:
            await alice.field.press("Control+z")
            await expect(alice.field).to_have_value(text)

    await bob.post("hello\nthere 😀")
    await alice.post("line\n" * 150 + "end")
    await alice.say("my message")
    await expect(alice.messages).to_have_count(3)
    await alice.field.press_sequentially("draft")
    await alice.act(alice.messages.first, "Reply")
    await alice.field.press_sequentially("!")
    await goes_back_to("draft")
    await expect(reply_card(alice)).to_be_visible()  # it is no part of the text
    await alice.field.press("Escape")
    await alice.act(alice.messages.last, "Edit")
    await alice.field.press_sequentially("!")  # of several keys the browser may make several steps
    await goes_back_to("my message")
    await alice.field.press("Escape")
    await expect(alice.field).to_have_value("draft")
    await goes_back_to("my message", "draft")
    await alice.field.press("Enter")
    await expect(alice.texts.last).to_have_text("draft")
    await goes_back_to("draft")
    await alice.act(alice.messages.nth(1), "Edit")  # whose text is too long for that
    await expect(alice.field).to_have_value("line\n" * 150 + "end")
    below = "field => field.scrollHeight - field.clientHeight - field.scrollTop"
    assert await alice.field.evaluate(below) < 2  # the caret is in view
    await alice.field.press("Escape")
    await expect(alice.field).to_have_value("draft")


async def test_a_moderators_links_lead_from_every_message(
    settings: Settings, browser: Browser
) -> None:
    async with (
        serving(replace(settings, MODERATORS=("mod",))) as chat,
        visiting(browser) as visit,  # they leave before the chat ends, or they would miss it
    ):
        bob, moderator = await visit(chat.url, "bob"), await visit(chat.url, "mod")
        await bob.say("by Bob")
        await expect(moderator.texts).to_have_text(["by Bob"])
        await moderator.say("by a moderator")
        await expect(moderator.texts).to_have_count(2)
        await moderator.act(moderator.messages.last, "Edit")
        await expect(moderator.field).to_have_value("by a moderator")
        await moderator.messages.first.hover()
        await moderator.page.get_by_role("link", name="Moderate").click()
        await expect(moderator.page).to_have_url(f"{chat.url}/message/1")


# Names


async def test_names_are_completed_by_keyboard(chat: ChatSite, visit: Visit, bob: Visitor) -> None:
    await bob.say("I write")
    alice = await visit(chat.url, "alice")
    for name in ("Bobby", "carol", "бобр", "not a name"):
        chat.app[HUB].broadcast(wire.joined(name))
    await alice.told("not a name joined")
    listbox = alice.page.get_by_role("listbox")
    options = alice.page.get_by_role("option")
    for text in ("@x", "bob@b", "@ b", "@alic", "@not", "@bob"):  # nobody, or one in full
        await alice.field.fill(text)
        await expect(listbox).to_be_hidden()

    await alice.field.fill("")
    await alice.field.press_sequentially("hi @BO")
    await expect(options).to_have_text(["bob", "Bobby"])
    await expect(options.first).to_have_attribute("aria-selected", "true")
    await expect(alice.page.locator("#status")).to_have_text("2 names")
    for key, selected in [("ArrowDown", 1), ("ArrowDown", 0), ("ArrowUp", 1)]:
        await alice.field.press(key)
        await expect(options.nth(selected)).to_have_attribute("aria-selected", "true")
        await expect(alice.field).to_have_attribute("aria-activedescendant", f"mention-{selected}")
    await alice.field.press("Enter")
    await expect(alice.field).to_have_value("hi @Bobby ")
    await expect(listbox).to_be_hidden()

    await alice.field.press_sequentially("@ca")
    await alice.field.press("Tab")
    await expect(alice.field).to_have_value("hi @Bobby @carol ")
    await alice.field.press_sequentially("(@бо")
    await alice.field.press("Escape")
    await expect(listbox).to_be_hidden()
    await alice.field.press("Enter")  # with no list it sends
    await expect(alice.texts).to_have_text(["I write", "hi @Bobby @carol (@бо"])


@pytest.mark.parametrize("login", ["राहुल", "山田太郎", "محمد", "김민준", "Nguyễn"])
async def test_a_name_in_any_script_can_be_completed_and_mentioned(
    chat: ChatSite, visit: Visit, login: str
) -> None:
    alice, mentioned = await visit(chat.url, "alice"), await visit(chat.url, login)
    await expect(alice.page.get_by_role("listitem").filter(has_text=login)).to_be_visible()
    await alice.field.press_sequentially(f"@{login[:2]}")
    await expect(alice.page.get_by_role("option")).to_have_text([login])
    await alice.field.press("Enter")
    await alice.field.press_sequentially("hi")
    await alice.field.press("Enter")
    await expect(mentioned.page.locator(".mention")).to_have_text([f"@{login}"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_names_are_completed_by_thumb(chat: ChatSite, visit: Visit, scheme: str) -> None:
    await visit(chat.url, "bob")
    alice = await visit(
        chat.url,
        "alice",
        viewport={"width": 320, "height": 480},
        color_scheme=scheme,
        has_touch=True,
    )
    await alice.field.fill("hi @b")
    option = alice.page.get_by_role("option", name="bob")
    await expect(option).to_be_in_viewport(ratio=1)
    box, field = await option.bounding_box(), await alice.field.bounding_box()
    assert box is not None
    assert field is not None
    assert box["height"] >= 44
    assert box["y"] + box["height"] <= field["y"]
    await option.tap()
    await expect(alice.field).to_have_value("hi @bob ")
    await expect(alice.field).to_be_focused()
    assert not await alice.is_too_wide()


# Without scripts


async def test_without_scripts_no_empty_elements_are_shown(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice", java_script_enabled=False)
    for selector in (".editing", ".people", ".mentions", "#people-count"):
        await expect(alice.page.locator(selector)).to_be_hidden()
