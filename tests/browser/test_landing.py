"""Where one lands in Chromium: links to messages, the way back, and the live talk meanwhile."""

import asyncio
import re
from collections.abc import Awaitable

from playwright.async_api import Locator, Route, expect

from chat.journal import JOURNAL
from chat.read_marks import READ_MARKS
from tests.support.browser import Visit, Visitor
from tests.support.log import say
from tests.support.people import PASSWORD
from tests.support.site import ChatSite
from tests.support.sockets import clients_of

SMALL = {"width": 600, "height": 400}


async def write(chat: ChatSite, *texts: str) -> None:
    """Let bob, who need not have an account, write messages, in this order."""
    await asyncio.gather(*(say(chat.app[JOURNAL], "bob", text) for text in texts))


def said(visitor: Visitor, text: str) -> Locator:
    """Return what a message says, by all of it."""
    return visitor.texts.filter(has_text=re.compile(f"^{re.escape(text)}$"))


async def follow(visitor: Visitor, seq: int) -> None:
    """Click on the time of a message, which is a link to it."""
    await visitor.page.locator(f"#m{seq} .message__time").click()


async def test_a_link_to_a_message_survives_the_log_in(chat: ChatSite, visit: Visit) -> None:
    await write(chat, *(f"line {number}" for number in range(1, 201)))
    alice = await visit(chat.url)
    await alice.sign_up("alice")
    await alice.context.clear_cookies()
    await alice.open("/?around=60#m60")
    await alice.log_in("alice", PASSWORD)
    await expect(alice.log.locator(".message--target")).to_be_in_viewport(ratio=1)
    await expect(alice.log.locator(".message--target")).to_contain_text("line 60")
    await expect(alice.field).to_be_visible()


async def test_a_draft_does_not_cost_the_place(chat: ChatSite, visit: Visit) -> None:
    await write(chat, *(f"line {number}" for number in range(1, 201)))
    alice = await visit(chat.url, "alice")
    await alice.field.fill("half a sentence")
    await alice.open("/search")
    await alice.context.clear_cookies()
    await alice.open("/?around=60")
    await alice.log_in("alice", PASSWORD)
    await expect(alice.page.locator("#m60.message--target")).to_be_in_viewport(ratio=1)
    await expect(alice.field).to_have_value("half a sentence")


async def test_a_place_without_a_fragment_is_landed_at_without_scripts(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, *(f"line {number}" for number in range(1, 201)))
    alice = await visit(chat.url, "alice", java_script_enabled=False)
    for seq in (1, 60, 199):
        await alice.open(f"/?around={seq}")
        await expect(alice.page.locator(f"#m{seq}")).to_be_in_viewport(ratio=1)
    await alice.field.fill("an answer")
    await alice.submit()
    await expect(alice.texts.last).to_have_text("an answer")


async def test_a_link_leads_to_a_message_in_the_page_and_back_to_where_one_was(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, *(f"line {number}" for number in range(1, 41)), "> bob #3: line 3\nyes")
    alice = await visit(chat.url, "alice", viewport=SMALL)
    alices_page = await alice.page.evaluate("window.isSamePage = true")
    assert alices_page
    back = alice.page.get_by_role("button", name="Back to where you were")
    await expect(back).to_be_hidden()
    await alice.log.get_by_role("link", name="bob #3").click()
    await expect(alice.page).to_have_url(f"{alice.url}/?around=3#m3")
    await expect(alice.page.locator("#m3.message--target")).to_be_in_viewport(ratio=1)
    await expect(alice.page.locator("#m3")).to_be_focused()
    await alice.page.go_back()
    await expect(alice.texts.last).to_be_in_viewport()
    await expect(alice.log.locator(".message--target")).to_have_count(0)
    await alice.page.go_forward()
    await expect(alice.page.locator("#m3.message--target")).to_be_in_viewport(ratio=1)
    await back.click()
    await expect(alice.page).to_have_url(f"{alice.url}/")
    await expect(alice.texts.last).to_be_in_viewport()
    await expect(back).to_be_hidden()
    assert await alice.page.evaluate("window.isSamePage")


async def test_what_is_not_in_the_page_is_loaded_around_it_while_the_talk_goes_on(
    chat: ChatSite, visit: Visit
) -> None:
    lines = [f"line {number}" for number in range(1, 201)]
    await write(chat, *lines, "> bob #20: line 20\nyes")
    alice = await visit(chat.url, "alice", viewport=SMALL)
    [client] = clients_of(chat.app, "alice")
    await alice.log.get_by_role("link", name="bob #20").click()
    await expect(alice.page.locator("#m20.message--target")).to_be_in_viewport(ratio=1)
    await expect(alice.texts.first).to_have_text("line 1")
    await write(chat, "live")
    await expect(alice.page.locator("#unread")).to_have_text("1 new message")
    await expect(said(alice, "live")).to_have_count(0)
    # Nobody who is away from the end has read what comes there.
    await alice.log.evaluate("log => log.scrollTop = log.scrollHeight")
    await expect(said(alice, "line 94")).to_be_attached()
    assert await chat.app[READ_MARKS].get(client.identity.user_id) < 202
    # Whoever reads on gets everything once, and is live again.
    while await alice.page.locator("#newer").count():
        await alice.log.evaluate("log => log.scrollTop = log.scrollHeight")
    shown = await alice.messages.evaluate_all("them => them.map(it => Number(it.dataset.seq))")
    assert shown == list(range(1, 203))
    await write(chat, "live again")
    await expect(alice.texts.last).to_have_text("live again")
    # Back is where the link was.
    await alice.page.go_back()
    await expect(alice.log.get_by_role("link", name="bob #20")).to_be_in_viewport()


async def test_what_loads_slowly_takes_nobody_away_from_where_they_went_meanwhile(
    chat: ChatSite, visit: Visit
) -> None:
    lines = [f"line {number}" for number in range(1, 201)]
    await write(chat, *lines, "> bob #20: line 20\nyes", "> bob #190: line 190\nno")
    alice = await visit(chat.url, "alice", viewport=SMALL)
    may_load = asyncio.Event()

    async def load_slowly(route: Route) -> None:
        await may_load.wait()
        await route.continue_()

    async def follow_and_leave(leave: Awaitable[object]) -> None:
        may_load.clear()
        async with alice.page.expect_request("**/?around=20"):
            await alice.log.get_by_role("link", name="bob #20").click()
        await leave
        async with alice.page.expect_response("**/?around=20"):
            may_load.set()

    await alice.page.route("**/?around=20", load_slowly)
    await follow_and_leave(alice.page.go_back())
    await expect(alice.texts.last).to_be_in_viewport()
    await follow_and_leave(alice.log.get_by_role("link", name="bob #190").click())
    await expect(alice.page.locator("#m190.message--target")).to_be_in_viewport(ratio=1)
    # Back leads to the message that did not come in time, and then to where the link to it was.
    await alice.page.go_back()
    await expect(alice.page.locator("#m20.message--target")).to_be_in_viewport(ratio=1)
    await alice.page.go_back()
    await expect(alice.log.get_by_role("link", name="bob #20")).to_be_in_viewport()
    await follow_and_leave(alice.say("never mind"))
    await expect(said(alice, "never mind")).to_be_in_viewport()
    await expect(alice.page).to_have_url(f"{alice.url}/")
    await expect(alice.error).to_be_empty()


async def test_whoever_writes_far_from_the_end_goes_there(chat: ChatSite, visit: Visit) -> None:
    await write(chat, *(f"line {number}" for number in range(1, 201)))
    alice = await visit(chat.url, "alice", viewport=SMALL)
    await alice.open("/?around=60#m60")
    await alice.connected()
    await expect(alice.page.locator("#m60")).to_be_in_viewport(ratio=1)
    await alice.say("here I am")
    await expect(said(alice, "here I am")).to_be_in_viewport()
    await expect(said(alice, "line 200")).to_be_in_viewport()
    await expect(alice.page).to_have_url(f"{alice.url}/")


async def test_the_button_leads_to_the_end_from_anywhere(chat: ChatSite, visit: Visit) -> None:
    await write(chat, *(f"line {number}" for number in range(1, 201)))
    alice = await visit(chat.url, "alice", viewport=SMALL)
    await alice.open("/?around=60")
    await expect(alice.page.locator("#m60")).to_be_in_viewport(ratio=1)
    await alice.press("To the end")
    await expect(said(alice, "line 200")).to_be_in_viewport(ratio=1)
    await expect(alice.page.locator("#unread")).to_be_hidden()


async def test_the_way_back_covers_neither_the_composer_nor_the_end(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, *(f"line {number}" for number in range(1, 41)), "> bob #3: line 3\nyes")
    alice = await visit(chat.url, "alice", viewport={"width": 320, "height": 568})
    await alice.page.evaluate("document.documentElement.style.fontSize = '200%'")
    back = alice.page.get_by_role("button", name="Back to where you were")
    for leave in (alice.press("To the end"), alice.say("I agree")):
        await alice.log.get_by_role("link", name="bob #3").press("Enter")
        await expect(back).to_be_in_viewport(ratio=1)
        await expect(back).to_have_css("background-color", "rgb(255, 255, 255)")  # it covers text
        button, field = await back.bounding_box(), await alice.field.bounding_box()
        assert button is not None
        assert field is not None
        assert button["y"] + button["height"] <= field["y"]
        await leave
        await expect(back).to_be_hidden()


async def test_back_from_another_page_returns_to_where_one_was(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, *(f"line {number}" for number in range(1, 201)))
    alice = await visit(chat.url, "alice", viewport=SMALL)
    await alice.log.evaluate("log => log.scrollTop = 300")
    await expect(alice.texts.first).to_have_text("line 101")
    await alice.page.locator("#m125").scroll_into_view_if_needed()
    await alice.page.get_by_role("link", name="Search").click()
    await alice.page.get_by_label("Words in messages").fill("60")
    await alice.page.keyboard.press("Enter")
    await alice.page.get_by_role("link", name="bob").click()
    await expect(alice.page.locator("#m60.message--target")).to_be_in_viewport(ratio=1)
    await expect(alice.field).to_be_visible()
    for _ in range(3):
        await alice.page.go_back()
    await expect(alice.page).to_have_url(f"{alice.url}/")
    await expect(alice.page.locator("#m125")).to_be_in_viewport()


async def test_a_link_to_a_message_that_does_not_exist_says_so(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, "one", "> bob #999: two\nnever")
    alice = await visit(chat.url, "alice")
    await alice.log.get_by_role("link", name="bob #999").click()
    await expect(alice.error).to_have_text("There is no message 999.")
    await alice.page.reload()
    await expect(alice.error).to_have_text("There is no message 999.")
    await expect(alice.texts.last).to_be_in_viewport()


# Windows of any size, and paper


LONG = "\n".join(f"long {number} " + "word " * 20 for number in range(60))


async def test_the_buttons_of_a_message_longer_than_the_window_are_in_view(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, "before", LONG, *(f"line {number}" for number in range(5)))
    desk = await visit(chat.url, "alice", viewport=SMALL)
    phone = await visit(
        chat.url, "carol", viewport={"width": 390, "height": 500}, has_touch=True, is_mobile=True
    )
    for reader in (desk, phone):
        log, message = reader.log, reader.page.locator("#m2")
        for part in (0.2, 0.5, 0.8):
            await log.evaluate(
                """(log, part) => {
                  const { offsetTop, offsetHeight } = document.getElementById("m2")
                  log.scrollTop = offsetTop + part * offsetHeight - log.clientHeight / 2
                }""",
                part,
            )
            box = await log.bounding_box()
            assert box is not None
            middle = (box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
            reply = message.get_by_role("button", name="Reply")
            if reader is desk:
                await reader.page.mouse.move(*middle)
            elif not await reply.count():
                await reader.page.touchscreen.tap(*middle)
            await expect(reply).to_be_in_viewport(ratio=0.95)  # but for parts of a pixel
            button = await reply.bounding_box()
            assert button is not None
            assert box["y"] <= button["y"] <= box["y"] + box["height"] - button["height"] + 2


async def test_send_is_in_view_in_the_smallest_window_with_large_text(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, "one", "two")
    alice = await visit(chat.url, "alice", viewport={"width": 320, "height": 568})
    await alice.page.evaluate("document.documentElement.style.fontSize = '200%'")
    await expect(alice.page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    await expect(alice.field).to_be_in_viewport(ratio=1)
    await alice.field.fill("a\nb\nc\nd\ne\nf")
    await expect(alice.page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)


async def test_a_window_of_another_width_keeps_the_place(chat: ChatSite, visit: Visit) -> None:
    words = "some words that wrap " * 12
    await write(chat, *(f"line {number} {words}" for number in range(50)), LONG)
    alice = await visit(chat.url, "alice", viewport={"width": 1000, "height": 600})
    line = alice.page.locator("#m20")
    await line.evaluate("it => it.scrollIntoView()")
    await expect(line).to_be_in_viewport()
    for width in (400, 320, 1200):
        await alice.page.set_viewport_size({"width": width, "height": 600})
        await expect(line).to_be_in_viewport()
        await alice.page.wait_for_function(
            """() => {
              const log = document.getElementById("subscribe")
              const first = [...log.querySelectorAll(".message")].find((it) =>
                it.getBoundingClientRect().bottom > log.getBoundingClientRect().top + 1)
              return ["m19", "m20"].includes(first.id)
            }"""
        )


async def test_forced_colours_show_who_is_here(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice", forced_colors="active")
    dot = await alice.page.locator(".people__person").first.evaluate(
        """it => {
          const { borderTopColor, borderTopWidth } = getComputedStyle(it, "::before")
          return [borderTopColor, borderTopWidth, getComputedStyle(document.body).backgroundColor]
        }"""
    )
    assert dot[0] != dot[2]
    assert dot[1] == "4px"


async def test_forced_colours_show_which_name_is_selected(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice", forced_colors="active")
    await alice.post("hello")
    for login in ("bob", "bobby"):
        await visit(chat.url, login)
    await alice.field.press_sequentially("@bo")
    names = alice.page.get_by_role("option")
    await expect(names).to_have_count(2)
    await alice.field.press("ArrowDown")
    await expect(names.first).to_have_css("outline-style", "none")
    await expect(names.last).to_have_css("outline-style", "solid")


async def test_paper_shows_the_whole_loaded_log_and_nothing_else(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, *(f"line {number}" for number in range(100)))
    alice = await visit(chat.url, "alice", color_scheme="dark")
    await alice.page.emulate_media(media="print")
    # The name of a day, which is a button on the screen, is on paper as ever.
    controls = "header, form, button:not(.day__name), a#older, aside, .log__pending"
    assert await alice.page.locator(controls).filter(visible=True).count() == 0
    heights = await alice.page.evaluate(
        """() => ["html", "#subscribe", ".log__history"].map((selector) =>
          document.querySelector(selector).scrollHeight)"""
    )
    assert max(heights) - min(heights) < 100
    assert heights[2] > 50 * 20
    assert await alice.log.evaluate("log => getComputedStyle(log).overflowY") == "visible"
    assert (await alice.page.pdf()).count(b"/Type /Page\n") > 1
