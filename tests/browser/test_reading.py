"""Reading the talk in Chromium: days, links, code, what is new, what is older, what has changed."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Locator, Route, expect

from chat.journal import JOURNAL
from chat.read_marks import READ_MARKS
from chat.recent import RECENT_LENGTH
from tests.support.browser import (
    A_WHILE,
    CONNECTION_LOST,
    Visit,
    Visitor,
    assert_thumb_sized,
    go_offline,
    slow_timers,
)
from tests.support.log import change, say
from tests.support.site import ChatSite
from tests.support.sockets import clients_of
from tests.support.waiting import PATIENCE, until

SMALL = {"width": 600, "height": 400}

# For each place where a text has a sign after it: whether the text is left of the sign.
IS_LEFT_OF = """([text, sign]) => {
  const nodes = document.createNodeIterator(document.getElementById("subscribe"), 4)
  const found = []
  for (let node; (node = nodes.nextNode()); ) {
    const at = node.data.indexOf(text + sign)
    if (at < 0) continue
    const left = (from, length) => {
      const range = new Range()
      range.setStart(node, at + from)
      range.setEnd(node, at + from + length)
      return range.getBoundingClientRect().left
    }
    found.push(left(0, text.length) < left(text.length, 1))
  }
  return found
}"""


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Let messages be written at a time of the test's choice."""
    return lambda time: monkeypatch.setattr("chat.journal.now", lambda: time)


async def write(chat: ChatSite, user: str, *texts: str) -> None:
    """Let somebody who need not have an account write messages, in this order."""
    journal = chat.app[JOURNAL]
    await asyncio.gather(*(say(journal, user, text) for text in texts))


async def until_read(chat: ChatSite, login: str, seq: int) -> None:
    """Wait until the server knows that somebody who is here has read up to a message.

    Not long: within ten seconds the page tells of everything, whatever happens to it.
    """
    [user_id] = {client.identity.user_id for client in clients_of(chat.app, login)}

    async def is_read() -> bool:
        return await chat.app[READ_MARKS].get(user_id) >= seq

    await until(is_read, PATIENCE / 2)


async def hide(visitor: Visitor, is_hidden: bool = True) -> None:
    """Put another window over the page, or take it away; no headless browser does that itself."""
    await visitor.page.evaluate(
        """isHidden => {
          Object.defineProperty(document, "hidden", { value: isHidden, configurable: true })
          document.dispatchEvent(new Event("visibilitychange"))
        }""",
        is_hidden,
    )


async def top(line: Locator) -> float:
    """Return how far from the top of the window a line stands."""
    box = await line.bounding_box()
    assert box is not None
    return box["y"]


# Messages


async def test_days_are_told_apart_in_the_readers_zone_and_without_scripts_in_utc(
    chat: ChatSite, visit: Visit, set_clock: Callable[[datetime], None]
) -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    today = datetime.now(tokyo).replace(hour=0, minute=0, second=5, microsecond=0)
    long_ago = datetime(2026, 1, 31, 23, 30, tzinfo=tokyo)
    for time in (long_ago, long_ago + timedelta(hours=1), today - timedelta(hours=1), today):
        set_clock(time.astimezone(UTC))
        await write(chat, "ghost", "boo")
    # Versions of Unicode's data differ about the comma.
    saturday, sunday = re.compile("Saturday,? 31 January 2026"), re.compile("Sunday,? 1 February")
    named: list[str | re.Pattern[str]] = [saturday, sunday, "Yesterday", "Today"]
    alice = await visit(chat.url, "alice", timezone_id="Asia/Tokyo")
    days = alice.log.locator(".day, .message__text")
    expected = [line for day in named for line in (day, "boo")]
    await expect(days).to_have_text(expected)
    await expect(alice.log.locator("time")).to_have_text(
        ["[23:30:00]", "[00:30:00]", "[23:00:05]", "[00:00:05]"]
    )
    await expect(alice.page.get_by_text("Times are in UTC")).to_have_count(0)
    await expect(alice.log.locator("time").first).to_have_attribute(
        "title", re.compile("31 January 2026.*23:30:00")
    )
    await write(chat, "ghost", "and again")  # from the socket
    await expect(days).to_have_text([*expected, "and again"])
    await expect(alice.log.locator("time").last).to_have_text("[00:00:05]")
    await alice.open("/?before=4")
    await expect(days).to_have_text(expected[:-2])

    plain = await visit(chat.url, java_script_enabled=False)
    await plain.context.add_cookies((await alice.context.storage_state())["cookies"])  # type: ignore[arg-type]
    await plain.context.clear_cookies(name="zone")  # which a script has told
    await plain.open()
    await expect(plain.log.locator(".day").first).to_have_text("Saturday, 31 January 2026")
    await expect(plain.log.locator(".day")).to_have_count(2)


async def test_what_one_person_says_in_one_go_has_the_name_once_and_ones_own_is_marked(
    chat: ChatSite, visit: Visit, set_clock: Callable[[datetime], None]
) -> None:
    start = datetime(2026, 11, 21, 10, tzinfo=UTC)
    spoken = [(0, "bob"), (299, "bob"), (599, "bob"), (600, "alice"), (601, "bob"), (602, "bob")]
    names = [True, False, True, True, True, False]
    alice = await visit(chat.url, "alice", timezone_id="UTC")

    async def shows_names(shown: list[bool]) -> None:
        await expect(alice.messages).to_have_count(len(shown))
        authors = alice.log.locator(".message__author")
        assert [await author.is_visible() for author in await authors.all()] == shown
        # Also where it is not seen it is there for whoever copies, or listens.
        assert await authors.all_text_contents() == [f"({name})" for _, name in spoken]
        own = alice.log.locator(".message--own .message__author")
        await expect(own).to_have_text(["(alice)"])

    for seconds, name in spoken:
        set_clock(start + timedelta(seconds=seconds))
        await write(chat, name, "so")
    await shows_names(names)
    await alice.page.reload()
    await shows_names(names)

    time = alice.messages.nth(1).locator(".message__time")
    await expect(time).to_have_css("opacity", "0")
    await alice.messages.nth(1).hover()
    await expect(time).to_have_css("opacity", "1")
    await expect(time).to_have_text("[10:04:59]")


async def test_every_colour_of_a_name_can_be_read_in_light_and_dark(
    chat: ChatSite, alice: Visitor
) -> None:
    await write(chat, "alice", *"12345678")
    await expect(alice.messages).to_have_count(8)
    for scheme in ("light", "dark"):
        await alice.page.emulate_media(color_scheme=scheme)
        contrasts = await alice.page.evaluate(
            """() => {
              const canvas = document.createElement("canvas").getContext("2d")
              const painted = (...colours) => {
                for (canvas.fillStyle of colours) canvas.fillRect(0, 0, 1, 1)
                return canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)
              }
              const light = (colour) => Array.from(colour, (part) => {
                const value = part / 255
                return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
              }).reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0)
              const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
              const room = getComputedStyle(document.querySelector(".room")).backgroundColor
              return Array.from(document.querySelectorAll(".message"), (message, index) => {
                const author = message.querySelector(".message__author")
                author.className = `message__author person--${index}`
                message.className = "message message--for-reader"
                const { color } = getComputedStyle(author)
                const forReader = getComputedStyle(message).backgroundColor
                const grounds = [painted(room), painted(room, forReader)]
                const name = light(painted(room, color))
                return Math.min(...grounds.map((it) => contrast(name, light(it))))
              })
            }"""
        )
        assert len(contrasts) == 8
        assert min(contrasts) >= 4.5, (scheme, contrasts)


# Changes


async def test_a_message_changes_in_place_and_is_not_read_out_again(
    chat: ChatSite, visit: Visit
) -> None:
    alice, bob = await visit(chat.url, "alice", viewport=SMALL), await visit(chat.url, "bob")
    await bob.say("first", "second")
    await expect(bob.texts).to_have_text(["first", "second"])
    await write(chat, "carol", *(f"line {number}" for number in range(60)))
    await expect(alice.texts).to_have_count(62)
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)  # the log has followed
    await alice.log.evaluate("log => log.scrollTop = 300")
    reading = alice.texts.filter(has_text=re.compile("^line 15$"))
    before = await top(reading)
    await change(chat.app[JOURNAL], "bob", 1, "now with https://example.org\nand\nmany\nlines")
    await expect(alice.texts.first).to_contain_text("many")
    await expect(alice.texts.first.get_by_role("link")).to_have_count(1)
    await expect(alice.messages.first.locator(".message__state")).to_have_text("edited")
    await change(chat.app[JOURNAL], "bob", 2, "")
    second = alice.messages.nth(1)
    await expect(second).to_have_class(re.compile("message--deleted"))
    for reader in (alice, bob):
        await expect(reader.log).to_have_attribute("data-last", "64")
    assert await second.inner_text() == await bob.messages.nth(1).inner_text()
    assert await top(reading) == pytest.approx(before, abs=1)
    await expect(alice.messages.first).to_have_attribute("aria-live", "off")
    await expect(alice.page.locator("#unread")).to_have_text("To the end")  # nothing has come

    plain = await visit(chat.url, "carol2", java_script_enabled=False)
    await plain.open("/?before=20")
    for reader in (alice, plain):
        said = reader.messages.nth(1)
        await expect(said.locator(".message__text")).to_have_text("")
        shown = await said.locator(".message__state").evaluate(
            "it => getComputedStyle(it, '::before').content + it.textContent"
        )
        assert shown == '"This message was "deleted'


async def test_a_change_of_what_is_not_in_the_page_counts_as_shown(
    chat: ChatSite, visit: Visit, bob: Visitor
) -> None:
    await bob.say("first")
    await expect(bob.texts).to_have_count(1)
    await write(chat, "carol", *map(str, range(60)))
    alice = await visit(chat.url, "alice")
    await expect(alice.texts).to_have_count(50)
    await change(chat.app[JOURNAL], "bob", 1, "changed")
    await expect(bob.texts.first).to_have_text("changed")
    await expect(alice.log).to_have_attribute("data-last", "62")
    await write(chat, "carol", "the end")
    await expect(alice.texts.last).to_have_text("the end")
    await alice.page.get_by_role("link", name="Older messages").press("Enter")
    await expect(alice.texts.first).to_have_text("changed")


async def test_what_was_deleted_while_older_messages_were_under_way_is_not_shown(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, "bob", "a secret", *map(str, range(60)))
    alice = await visit(chat.url, "alice")

    async def answer_late(route: Route) -> None:
        response = await route.fetch()
        await change(chat.app[JOURNAL], "bob", 1, "")
        await expect(alice.log).to_have_attribute("data-last", "62")
        await route.fulfill(response=response)

    await alice.page.route("**/?before=*", answer_late)
    await alice.page.get_by_role("link", name="Older messages").press("Enter")
    await expect(alice.texts).to_have_count(61)
    await expect(alice.messages.first).to_have_class(re.compile("message--deleted"))
    await expect(alice.log).not_to_contain_text("a secret")


async def test_what_was_deleted_while_its_author_was_away_is_not_there_to_be_edited(
    chat: ChatSite, alice: Visitor
) -> None:
    alice.tolerates = CONNECTION_LOST
    await alice.say("a secret")
    await expect(alice.texts).to_have_text(["a secret"])
    await go_offline(chat, alice)
    await change(chat.app[JOURNAL], "bob", 1, "")
    await write(chat, "bob", *map(str, range(RECENT_LENGTH)))
    await alice.context.set_offline(False)
    await expect(alice.log).to_have_attribute("data-last", str(RECENT_LENGTH + 2), timeout=A_WHILE)
    await alice.field.press("ArrowUp")
    await expect(alice.field).to_have_value("")


async def test_on_a_phone_a_tap_shows_what_one_may_do_with_a_message(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(
        chat.url, "alice", viewport={"width": 320, "height": 600}, has_touch=True, is_mobile=True
    )
    await alice.field.fill("m" * 100)
    await alice.submit()
    await expect(alice.texts).to_have_count(1)
    await write(chat, "bob", "one", "two")
    await expect(alice.texts).to_have_count(3)
    actions = alice.page.locator(".actions")
    await expect(actions).to_have_count(0)
    await alice.messages.first.tap()
    for name in ("Reply", "Edit", "Delete"):
        await assert_thumb_sized(actions.get_by_role("button", name=name))
    # It has a place below the text, which it leaves only where that is out of view.
    await expect(actions).to_have_css("position", "sticky")
    assert not await alice.is_too_wide()
    follows = alice.messages.last.locator(".message__time")
    await expect(follows).to_have_css("opacity", "0")
    await alice.messages.last.tap()
    await expect(follows).to_have_css("opacity", "1")
    await expect(alice.messages.last.locator(".actions")).to_have_count(1)
    await alice.texts.last.tap()
    await expect(actions).to_have_count(0)


async def test_on_a_phone_enter_begins_a_new_line(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice", has_touch=True, is_mobile=True)
    await alice.field.fill("one")
    await alice.field.press("Enter")
    await alice.field.press_sequentially("two")
    await expect(alice.field).to_have_value("one\ntwo")
    await alice.submit()
    await expect(alice.texts).to_have_text(["one two"])


async def test_code_is_scrolled_sideways_instead_of_wrapped(alice: Visitor) -> None:
    await alice.say(f"```\n{'x' * 900}\n```")
    code = alice.texts.locator(".code--block")
    assert await code.evaluate("it => it.scrollWidth > it.clientWidth")
    await code.focus()
    await alice.page.keyboard.press("ArrowRight")
    await expect(code).not_to_have_js_property("scrollLeft", 0)
    assert not await alice.is_too_wide()


async def test_the_day_of_what_is_in_view_stays_at_the_top(alice: Visitor) -> None:
    await alice.post(*map(str, range(45)))
    await expect(alice.texts).to_have_count(45)
    await expect(alice.log.locator(".day")).to_be_in_viewport()
    await expect(alice.texts.first).not_to_be_in_viewport()


async def test_dates_and_hours_are_those_of_the_readers_language(
    chat: ChatSite, visit: Visit, set_clock: Callable[[datetime], None]
) -> None:
    set_clock(datetime(2026, 1, 31, 22, 30, 5, tzinfo=UTC))
    await write(chat, "bob", "boo")
    for locale, clock, day in (
        ("de-DE", "[22:30:05]", re.compile("Samstag,? 31. Januar 2026")),
        ("en-US", "[10:30:05 PM]", re.compile("Saturday,? January 31, 2026")),
    ):
        reader = await visit(chat.url, f"reader-{locale}", locale=locale, timezone_id="UTC")
        await expect(reader.log.locator("time")).to_have_text(re.compile(re.escape(clock[:6])))
        assert (await reader.log.locator("time").inner_text()).replace("\u202f", " ") == clock
        await expect(reader.log.locator(".day")).to_have_text(day)


async def test_the_name_of_who_is_quoted_gives_no_line_another_direction(
    alice: Visitor, bob: Visitor
) -> None:
    await bob.post("> שלום #1: Really?\nYes.", "> bob #1: שלום.\nשלום.")
    await expect(alice.texts).to_have_count(2)
    for text, sign, is_left in (("Really", "?", True), ("Yes", ".", True), ("שלום", ".", False)):
        found = await alice.page.evaluate(IS_LEFT_OF, [text, sign])
        assert set(found) == {is_left}, text


@pytest.mark.parametrize("width", [390, 1200])
async def test_each_line_has_the_direction_of_its_script_and_code_never_another(
    chat: ChatSite, visit: Visit, width: int
) -> None:
    await write(chat, "bob", "שלום!\nhello!\n`$ make`")
    alice = await visit(chat.url, "alice", viewport={"width": width, "height": 700})
    box, shalom, first_mark, hello, second_mark, dollar, make = await alice.texts.evaluate(
        """text => {
          const place = (node, at) => {
            const range = document.createRange()
            range.setStart(node, at)
            range.setEnd(node, at + 1)
            const { left, right } = range.getBoundingClientRect()
            return [left, right].map(Math.round)
          }
          const { left, right } = text.getBoundingClientRect()
          const code = text.querySelector("code").childNodes[1]
          return [
            [left, right].map(Math.round),
            ...[0, 4, 6, 11].map((at) => place(text.firstChild, at)),
            ...[0, 2].map((at) => place(code, at)),
          ]
        }"""
    )
    assert shalom[1] == box[1]
    assert first_mark < shalom
    assert hello[0] == box[0]
    assert second_mark > hello
    assert dollar < make


# Place


async def test_who_reads_back_is_told_of_new_messages_and_led_to_them(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, "bob", *(f"line {number}" for number in range(45)))
    alice = await visit(chat.url, "alice", viewport=SMALL)
    button = alice.page.locator("#unread")
    await write(chat, "bob", "to who reads along")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    await expect(button).to_be_hidden()
    await expect(alice.page).to_have_title("Main Chat page")

    await alice.log.evaluate("log => log.scrollTop = 500")
    place = await top(alice.texts.nth(20))
    for count, text in enumerate(("1 new message", "2 new messages"), 1):
        await write(chat, "bob", f"new {count}")
        await expect(button).to_have_text(text)
        await expect(alice.page).to_have_title(f"({count}) Main Chat page")
    assert await top(alice.texts.nth(20)) == place
    await alice.log.focus()
    await alice.page.keyboard.press("Tab")
    await expect(button).to_be_focused()
    await alice.page.keyboard.press("Enter")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    await expect(button).to_be_hidden()
    await expect(alice.log).to_be_focused()
    await expect(alice.page).to_have_title("Main Chat page")
    await alice.log.evaluate("log => log.scrollTop = 500")
    await alice.say("my own")
    await expect(alice.texts.last).to_have_text("my own")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    await write(chat, "bob", *(f"flood {number}" for number in range(100)))
    await expect(alice.texts.last).to_have_text("flood 99")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    await expect(button).to_be_hidden()


async def test_what_comes_as_the_reader_scrolls_away_does_not_count_as_read(
    chat: ChatSite, visit: Visit
) -> None:
    await write(chat, "bob", *(f"line {number}" for number in range(45)))
    script = """window.WebSocket = class extends WebSocket {
      constructor(...args) {
        super(...args)
        this.addEventListener("message", () => window.onFrame?.())
      }
    }"""
    alice = await visit(chat.url, "alice", script, viewport=SMALL)
    # The browser tells of it with the next picture, which is after the message.
    await alice.log.evaluate("log => window.onFrame = () => (log.scrollTop = 500)")
    await write(chat, "bob", "missed")
    await expect(alice.page.locator("#unread")).to_have_text("1 new message")
    await expect(alice.page).to_have_title("(1) Main Chat page")


async def test_older_messages_come_as_one_scrolls_up_without_a_jump(
    chat: ChatSite, visit: Visit, set_clock: Callable[[datetime], None]
) -> None:
    said = [f"line {number}" for number in range(1, 121)]
    set_clock(datetime(2026, 11, 20, 12, tzinfo=UTC))
    await write(chat, "bob", *said)
    alice = await visit(chat.url, "alice", viewport=SMALL)
    away = True

    async def answer(route: Route) -> None:
        await (route.fulfill(status=204) if away else route.continue_())

    await alice.page.route("**/?before=*", answer)
    link = alice.page.locator("#older")
    await expect(alice.texts).to_have_text(said[-50:])
    await alice.log.evaluate("log => log.scrollTop = 100")
    await expect(link).to_have_text("Older messages could not be loaded. Try again")
    await link.focus()
    place = await top(alice.texts.nth(5))
    away = False
    await alice.page.keyboard.press("Enter")
    # The seam is none: it is one day, and one person who speaks on.
    await expect(alice.texts).to_have_text(said[-100:])
    await expect(alice.log.locator(".day")).to_have_count(1)
    await expect(alice.log.locator(".message:not(.message--follows)")).to_have_count(1)
    line = alice.texts.filter(has_text=re.compile("^line 76$"))
    assert await line.evaluate("it => it.closest('[aria-live]').ariaLive") == "off"
    await expect(link).to_be_focused()
    # What stood above it, a day and a name, has gone up with the seam.
    assert place - 90 < await top(line) <= place
    place = await top(line)
    await alice.log.evaluate("log => log.scrollTop = 200")
    await expect(alice.texts).to_have_text(said)
    await expect(alice.page.get_by_text("This is the beginning of the chat")).to_be_attached()
    await expect(alice.log).to_be_focused()
    await expect(alice.texts.first).not_to_be_in_viewport()
    await write(chat, "carol", "live")
    await expect(alice.texts).to_have_text([*said, "live"])
    assert await alice.messages.last.evaluate("it => it.closest('[aria-live]')") is None


# What is new


async def test_what_is_new_since_the_last_visit_begins_with_a_line(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", viewport=SMALL)
    new, unread = alice.log.locator(".log__new"), alice.page.locator("#unread")
    await write(chat, "bob", "seen")
    await expect(alice.texts).to_have_count(1)
    await until_read(chat, "alice", 1)
    await alice.page.reload()
    await alice.connected()
    await expect(new).to_have_count(0)

    await alice.page.goto("about:blank")
    await write(chat, "alice", "my own")
    await write(chat, "bob", "news")
    await alice.open()
    await expect(alice.log.locator(".log__new + .message")).to_contain_text("news")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    await expect(alice.page).to_have_title("Main Chat page")

    await alice.page.goto("about:blank")
    await write(chat, "bob", *(f"line {number}" for number in range(40)))
    await alice.open()
    await expect(alice.page).to_have_title("(40) Main Chat page")
    await expect(unread).to_have_text("40 new messages")
    day = await alice.log.locator(".day").first.bounding_box()
    assert day is not None
    # Right below the day, which stays at the top of the log.
    assert await top(new) == pytest.approx(day["y"] + day["height"], abs=2)
    await unread.click()
    await expect(alice.page).to_have_title("Main Chat page")
    await expect(new).to_have_count(1)


async def test_what_comes_while_the_page_is_hidden_is_counted_and_read_when_it_is_seen(
    chat: ChatSite, alice: Visitor
) -> None:
    await write(chat, "bob", "one")
    await until_read(chat, "alice", 1)
    await write(chat, "bob", "two")  # known to the server in ten seconds, or when she leaves
    await expect(alice.texts).to_have_count(2)
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    await hide(alice)
    await until_read(chat, "alice", 2)
    await write(chat, "bob", "three", "four")
    await expect(alice.page).to_have_title("(2) Main Chat page")
    await expect(alice.page.locator("#unread")).to_be_hidden()  # she has left it at the end
    [identity] = {client.identity for client in clients_of(chat.app, "alice")}
    assert await chat.app[READ_MARKS].get(identity.user_id) <= 2
    await hide(alice, False)
    await expect(alice.page).to_have_title("Main Chat page")
    await hide(alice)
    await until_read(chat, "alice", 4)


HIDDEN = 'Object.defineProperty(document, "hidden", { value: true, configurable: true })'
UNFOCUSED = "document.hasFocus = () => false"
UNSEEN = f"{HIDDEN}; {UNFOCUSED}"


@pytest.mark.parametrize(
    ("script", "is_connected"),
    [(HIDDEN, True), (UNFOCUSED, True), (UNSEEN, False)],
    ids=["hidden", "without the focus", "before it is connected"],
)
async def test_a_tab_that_was_opened_in_the_background_and_closed_has_read_nothing(
    chat: ChatSite, visit: Visit, script: str, is_connected: bool
) -> None:
    alice = await visit(chat.url, "alice")
    await alice.page.goto("about:blank")
    await write(chat, "bob", "one", "two")
    other = await alice.context.new_page()
    await other.add_init_script(script)
    await other.goto(chat.url, wait_until="load" if is_connected else "commit")
    if is_connected:
        await expect(other).to_have_title(re.compile(r"^\(2\)|^Main"))
        await expect(other.locator(".message")).to_have_count(2)
    await other.close(run_before_unload=True)
    await alice.open()
    await alice.connected()
    await expect(alice.log).to_have_attribute("data-read", "0")
    await until_read(chat, "alice", 2)  # now she has seen them


async def test_what_one_tab_has_read_the_other_does_not_count(
    chat: ChatSite, alice: Visitor
) -> None:
    await write(chat, "bob", "zero")
    await until_read(chat, "alice", 1)
    await alice.page.goto("about:blank")
    await write(chat, "bob", "one", "two")
    await alice.context.add_init_script(UNSEEN)
    await alice.open()
    await alice.connected()
    await write(chat, "bob", "three")
    await expect(alice.page).to_have_title("(3) Main Chat page")
    await expect(alice.log.locator(".log__new + .message")).to_contain_text("one")
    marks, [client] = chat.app[READ_MARKS], clients_of(chat.app, "alice")
    marks.move(client.identity.user_id, 2)  # on another device
    await expect(alice.page).to_have_title("(2) Main Chat page")
    await expect(alice.log.locator(".log__new + .message")).to_contain_text("two")
    marks.move(client.identity.user_id, 4)
    await expect(alice.page).to_have_title("Main Chat page")
    await expect(alice.log.locator(".log__new")).to_have_count(0)


async def test_the_icon_of_an_installed_page_counts_as_the_title_does(
    chat: ChatSite, alice: Visitor
) -> None:
    async def counts(count: int) -> None:
        await alice.page.wait_for_function("count => badges.at(-1) === count", arg=count)

    await write(chat, "bob", "zero")
    await until_read(chat, "alice", 1)
    await alice.context.add_init_script(
        f"{UNSEEN}; window.badges = []; navigator.setAppBadge = async (count) => badges.push(count)"
    )
    await alice.open()
    await alice.connected()
    await counts(0)  # an earlier page has left another number there
    await write(chat, "bob", "one", "two")
    await counts(2)
    [client] = clients_of(chat.app, "alice")
    chat.app[READ_MARKS].move(client.identity.user_id, 2)  # on another device
    await counts(1)
    await change(chat.app[JOURNAL], "bob", 3, "")
    await counts(0)


async def test_what_was_read_on_a_phone_is_not_new_to_a_laptop_that_wakes_up(
    chat: ChatSite, alice: Visitor
) -> None:
    await write(chat, "bob", "zero")
    await until_read(chat, "alice", 1)
    await alice.page.goto("about:blank")
    await alice.context.add_init_script(f"{UNSEEN}; {NOTED}; Notification.permission = 'granted'")
    await alice.open()
    await alice.connected()
    await choose(alice, "Show a notification")
    marks, [client] = chat.app[READ_MARKS], clients_of(chat.app, "alice")
    await go_offline(chat, alice)
    await write(chat, "bob", "@alice, one", "two", "three")
    marks.move(client.identity.user_id, 3)
    await alice.context.set_offline(False)
    await expect(alice.texts.last).to_have_text("three", timeout=A_WHILE)
    await expect(alice.page).to_have_title("(1) Main Chat page")
    await expect(alice.page.locator("#mentioned")).to_be_hidden()
    await write(chat, "bob", "@alice, four")
    await alice.page.wait_for_function("() => noted.length > 1")
    bodies = await alice.page.evaluate("noted.flatMap(([, body]) => body ?? [])")
    assert bodies == ["@alice, four"]


async def test_a_page_without_a_socket_learns_what_was_read_elsewhere(
    chat: ChatSite, alice: Visitor
) -> None:
    await write(chat, "bob", "zero")
    await until_read(chat, "alice", 1)
    [client] = clients_of(chat.app, "alice")
    await alice.page.goto("about:blank")
    alice.tolerates = CONNECTION_LOST
    await alice.context.route_web_socket("**/ws*", lambda socket: socket.close())
    await write(chat, "bob", "one", "@alice, two")
    await alice.context.add_init_script(UNSEEN)
    await alice.open()
    await expect(alice.page).to_have_title("(2) Main Chat page")
    chat.app[READ_MARKS].move(client.identity.user_id, 2)
    await expect(alice.page).to_have_title("(1) Main Chat page", timeout=A_WHILE)
    await expect(alice.page.locator("#mentioned")).to_have_text("1 mention")
    chat.app[READ_MARKS].move(client.identity.user_id, 3)
    await expect(alice.page).to_have_title("Main Chat page", timeout=A_WHILE)
    await expect(alice.page.locator("#mentioned")).to_be_hidden()


async def test_deleted_messages_and_ones_own_are_not_unread(chat: ChatSite, alice: Visitor) -> None:
    await write(chat, "bob", "zero")
    await until_read(chat, "alice", 1)
    await alice.page.goto("about:blank")
    await write(chat, "bob", "one", "two", "three")
    await change(chat.app[JOURNAL], "bob", 2, "")
    await alice.context.add_init_script(UNSEEN)
    await alice.open()
    await alice.connected()
    await expect(alice.page).to_have_title("(2) Main Chat page")
    await expect(alice.log.locator(".log__new + .message")).to_contain_text("two")
    await change(chat.app[JOURNAL], "bob", 3, "")  # it came with the page
    await expect(alice.page).to_have_title("(1) Main Chat page")
    await expect(alice.log.locator(".log__new + .message")).to_contain_text("three")
    await change(chat.app[JOURNAL], "bob", 4, "")  # the last one that is new
    await expect(alice.page).to_have_title("Main Chat page")
    await expect(alice.log.locator(".log__new")).to_have_count(0)
    await write(chat, "bob", "four", "five")
    await write(chat, "alice", "from my phone")
    await expect(alice.texts.last).to_have_text("from my phone")
    await expect(alice.page).to_have_title("(2) Main Chat page")
    await change(chat.app[JOURNAL], "bob", 8, "")  # it came since
    await expect(alice.page).to_have_title("(1) Main Chat page")


async def test_who_leaves_before_the_page_is_connected_has_read_what_it_showed(
    chat: ChatSite, alice: Visitor
) -> None:
    [user_id] = {client.identity.user_id for client in clients_of(chat.app, "alice")}
    await write(chat, "bob", "one")
    await until_read(chat, "alice", 1)
    await write(chat, "bob", "two")
    await alice.page.goto("about:blank")
    await alice.context.route_web_socket("**/ws*", lambda _: None)  # it is never opened
    await write(chat, "bob", "three")
    await alice.open()
    await expect(alice.texts).to_have_count(3)
    await alice.page.goto("about:blank")

    async def is_read() -> bool:
        return await chat.app[READ_MARKS].get(user_id) == 3

    await until(is_read)
    await alice.context.unroute_all()
    later = await alice.tab()
    await expect(later.log).to_have_attribute("data-read", "3")


NOTED = """
window.noted = []
window.takenBack = []
window.Notification = class {
  static permission = "default"
  static async requestPermission() { return this.permission = window.answer ?? "granted" }
  constructor(title, { body, tag }) {
    window.noted.push([title, body, tag])
    if (window.isAndroid) throw new TypeError("Illegal constructor")
    this.tag = tag
  }
  close() { window.takenBack.push(this.tag) }
}
"""


async def choose(alice: Visitor, choice: str) -> Locator:
    """Open the menu, and change one of its check boxes."""
    menu = await alice.menu()
    await menu.get_by_role("checkbox", name=choice).click()
    await alice.page.keyboard.press("Escape")
    return alice.page.get_by_label(choice)


async def tabs_had_time_to_notify(alice: Visitor) -> None:
    """Wait longer than tabs take to agree which of them notifies (PATIENCE in one_tab.js)."""
    await alice.page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 1000))")


async def noted_are(alice: Visitor, *noted: list[str | None]) -> None:
    """Wait until as much was noted, and look what it is."""
    await alice.page.wait_for_function("count => noted.length >= count", arg=len(noted))
    assert await alice.page.evaluate("noted") == list(noted)


async def test_one_tab_notifies_for_all_and_none_while_one_is_looked_at(
    chat: ChatSite, alice: Visitor
) -> None:
    slowly = slow_timers(300, 300, 3000)  # in which tabs agree
    await alice.context.add_init_script(f"{slowly}; {NOTED}; Notification.permission = 'granted'")
    await alice.open()
    tabs = [alice, await alice.tab(), await alice.tab()]
    await choose(alice, "Show a notification")  # the others learn it
    for tab in tabs[1:]:
        await expect(tab.page.locator("#notify")).to_be_checked()
        await hide(tab)
    await hide(alice)

    async def noted() -> list[list[str]]:
        each = [await tab.page.evaluate("noted.filter(([, body]) => body)") for tab in tabs]
        return [note for notes in each for note in notes]

    async def told(*texts: str) -> None:
        async def is_told() -> bool:
            return len(await noted()) >= len(texts)

        await until(is_told)
        assert sorted(body for _, body, _ in await noted()) == sorted(texts)

    await write(chat, "bob", "@alice one")
    await told("@alice one")
    await alice.page.evaluate(
        """() => {
          window.heard = []
          window.channel = new BroadcastChannel("speaks:alice")
          channel.onmessage = ({ data: { seq, rank } }) => seq === 2 && heard.push(rank)
        }"""
    )
    await hide(tabs[1], False)
    await write(chat, "bob", "@alice, you are reading this")
    for tab in tabs:
        await expect(tab.texts.last).to_have_text("@alice, you are reading this")
    # Both other tabs have claimed to speak, and this one has objected.
    await alice.page.wait_for_function("() => new Set(heard).size === 3 && heard.at(-1) === 0")
    await hide(tabs[1])
    await write(chat, "bob", "@alice two")
    await told("@alice one", "@alice two")


async def test_replies_and_edits_that_add_a_mention_notify(chat: ChatSite, alice: Visitor) -> None:
    await alice.context.add_init_script(f"{NOTED}; Notification.permission = 'granted'")
    await alice.open()
    await choose(alice, "Show a notification")
    on: list[str | None] = ["Notifications are on", None, "on"]
    await hide(alice)
    await write(chat, "alice", "Shall we meet?")
    await write(chat, "bob", "> alice #1: Shall we meet?\nyes", "hello")
    reply: list[str | None] = ["bob", "> alice #1: Shall we meet?\nyes", "message-2"]
    await noted_are(alice, on, reply)
    await change(chat.app[JOURNAL], "bob", 2, "> alice #1: Shall we meet?\nyes, at noon")
    await change(chat.app[JOURNAL], "bob", 3, "hello @alice")
    edited: list[str | None] = ["bob", "hello @alice", "message-5"]
    await noted_are(alice, on, reply, edited)
    await change(chat.app[JOURNAL], "bob", 3, "")
    await alice.page.wait_for_function("() => takenBack.length")
    await tabs_had_time_to_notify(alice)
    await noted_are(alice, on, reply, edited)


async def test_all_are_notified_once_a_minute_and_the_author_is_told(
    chat: ChatSite, alice: Visitor, bob: Visitor
) -> None:
    await alice.context.add_init_script(f"{NOTED}; Notification.permission = 'granted'")
    await alice.open()
    await choose(alice, "Show a notification")
    on: list[str | None] = ["Notifications are on", None, "on"]
    await hide(alice)
    for text in ("`@all`", "@all, lunch", "@ALL now", "and"):
        await bob.say(text)
    await expect(alice.texts).to_have_count(4)
    await noted_are(alice, on, ["bob", "@all, lunch", "message-2"])
    note = "nobody was notified: @all works once a minute"
    for tab in (bob, alice):
        notes = tab.messages.locator(".message__note")
        await expect(notes).to_have_text(["", "", note if tab is bob else "", ""])
        await expect(tab.log.locator("mark")).to_have_text(["@all"])
        await tab.page.reload()  # the page of the server says the same
        await tab.connected()
        await expect(notes).to_have_text(["", "", note if tab is bob else "", ""])
        await expect(tab.log.locator("mark")).to_have_text(["@all"])
    await expect(alice.page.locator(".message--for-reader")).to_have_count(1)


async def test_an_edit_that_leaves_a_mention_notifies_nobody_again_whatever_the_page_shows(
    chat: ChatSite, alice: Visitor
) -> None:
    await write(chat, "bob", *(f"line {number}" for number in range(80)))
    await alice.context.add_init_script(f"{NOTED}; Notification.permission = 'granted'")
    await alice.open("/?around=1#m1")
    await alice.connected()
    await choose(alice, "Show a notification")
    on: list[str | None] = ["Notifications are on", None, "on"]
    await hide(alice)
    await write(chat, "bob", "@alice, helo", "> alice #1: x\nhelo")
    one: list[str | None] = ["bob", "@alice, helo", "message-81"]
    two: list[str | None] = ["bob", "> alice #1: x\nhelo", "message-82"]
    await noted_are(alice, on, one, two)
    await change(chat.app[JOURNAL], "bob", 81, "@alice, hello")
    await change(chat.app[JOURNAL], "bob", 82, "> alice #1: x\nhello")
    await write(chat, "bob", "@alice, come")
    await noted_are(alice, on, one, two, ["bob", "@alice, come", "message-85"])


async def test_what_is_deleted_is_taken_back_from_the_notifications(
    chat: ChatSite, alice: Visitor
) -> None:
    await alice.context.add_init_script(f"{NOTED}; Notification.permission = 'granted'")
    await alice.open()
    await choose(alice, "Show a notification")
    await hide(alice)
    await write(chat, "bob", "@alice, a secret", "@alice, stays")
    await alice.page.wait_for_function("() => noted.length === 3")
    await change(chat.app[JOURNAL], "bob", 1, "")
    await alice.page.wait_for_function("() => takenBack.length")
    assert await alice.page.evaluate("takenBack") == ["message-1"]


async def test_without_a_socket_edits_and_deletions_count_as_with_one(
    chat: ChatSite, visit: Visit
) -> None:
    no_sockets = "window.WebSocket = class { constructor() { setTimeout(() => this.onclose({})) } }"
    alice = await visit(
        chat.url, script=f"{no_sockets}; {NOTED}; Notification.permission = 'granted'"
    )
    await alice.sign_up("alice")
    await alice.open()
    await choose(alice, "Show a notification")
    await hide(alice)
    await write(chat, "bob", "hello", "well", "@alice, a secret")
    await expect(alice.page).to_have_title(re.compile(r"^\(3\)"), timeout=A_WHILE)
    await alice.page.wait_for_function("() => noted.length === 2")
    await change(chat.app[JOURNAL], "bob", 1, "hello @alice")
    await change(chat.app[JOURNAL], "bob", 3, "")
    await expect(alice.page).to_have_title(re.compile(r"^\(2\)"), timeout=A_WHILE)
    await alice.page.wait_for_function("() => noted.length === 3")
    assert await alice.page.evaluate("noted.at(-1)[1]") == "hello @alice"
    assert await alice.page.evaluate("takenBack") == ["message-3"]


async def test_a_mention_in_a_hidden_page_notifies(chat: ChatSite, alice: Visitor) -> None:
    await alice.context.add_init_script(NOTED)
    await alice.open()
    box = await choose(alice, "Show a notification")
    await expect(box).to_be_checked()
    await alice.page.reload()  # this device remembers it, but the browser was asked anew
    await expect(box).not_to_be_checked()
    await choose(alice, "Show a notification")
    await write(chat, "bob", "@alice in sight")
    await expect(alice.texts).to_have_count(1)
    await hide(alice)
    await write(chat, "bob", "alice unnamed", "`@alice`", "hey @Alice!")
    await write(chat, "alice", "@alice I am")
    await expect(alice.texts).to_have_count(5)
    noted: list[list[str | None]] = [
        ["Notifications are on", None, "on"],
        ["bob", "hey @Alice!", "message-4"],
    ]
    await noted_are(alice, *noted)
    await tabs_had_time_to_notify(alice)
    await noted_are(alice, *noted)

    await choose(alice, "Show a notification")
    await write(chat, "bob", "@alice unheard")
    await expect(alice.texts.last).to_have_text("@alice unheard")
    await tabs_had_time_to_notify(alice)
    assert await alice.page.evaluate("noted") == noted
    await alice.page.evaluate("window.answer = Notification.permission = 'denied'")
    await choose(alice, "Show a notification")
    await expect(box).not_to_be_checked()
    await expect(box).to_be_disabled()


async def test_where_pages_have_no_notifications_the_box_does_not_pretend(alice: Visitor) -> None:
    await alice.context.add_init_script(f"{NOTED}; window.isAndroid = true")
    await alice.open()
    box = await choose(alice, "Show a notification")
    await expect(box).not_to_be_checked()
    await expect(box).to_be_disabled()


async def test_a_mention_makes_a_quiet_sound_where_that_is_chosen(
    chat: ChatSite, alice: Visitor
) -> None:
    await alice.context.add_init_script(
        """window.played = 0
        const { start } = OscillatorNode.prototype
        OscillatorNode.prototype.start = function () { window.played++; start.call(this) }"""
    )
    await alice.open()
    await hide(alice)
    await write(chat, "bob", "@alice, nothing is chosen")
    await expect(alice.texts).to_have_count(1)
    await tabs_had_time_to_notify(alice)
    assert await alice.page.evaluate("played") == 0
    await choose(alice, "Play a quiet sound")
    assert await alice.page.evaluate("played") == 1  # as a sample
    await alice.page.reload()
    await hide(alice)
    await write(chat, "bob", "@alice, it is")
    await expect(alice.texts).to_have_count(2)
    await alice.page.wait_for_function("() => played === 1")


async def test_who_comes_back_to_many_messages_begins_at_the_first_that_is_new(
    chat: ChatSite, alice: Visitor
) -> None:
    await write(chat, "bob", "known")
    await until_read(chat, "alice", 1)
    await alice.open("/account")
    await write(chat, "bob", *(f"new {number}" for number in range(170)))
    await alice.open()
    await expect(alice.page).to_have_title(re.compile(r"^\(170\)"))
    await expect(alice.texts.filter(has_text=re.compile("^new 0$"))).to_be_in_viewport()
    await expect(alice.log.locator(".log__new")).to_be_in_viewport()
    await expect(alice.log.locator(".log__new + .message")).to_contain_text("new 0")
    await expect(alice.page.locator("#unread")).to_have_text("170 new messages")
    await alice.press("170 new messages")
    await expect(alice.texts.last).to_be_in_viewport()
    await expect(alice.page).not_to_have_title(re.compile(r"^\("))
    await alice.field.press("PageUp")
    await expect(alice.texts.last).not_to_be_in_viewport()
    await alice.press("To the end")
    await expect(alice.texts.last).to_be_in_viewport()


async def test_each_mention_among_many_is_one_press_away_and_so_is_the_first_unread(
    chat: ChatSite, alice: Visitor
) -> None:
    await write(chat, "alice", "mine")
    await until_read(chat, "alice", 1)
    await alice.page.goto("about:blank")
    said = [f"line {number}" for number in range(150)]
    said[60], said[110] = "@alice, one", "> alice #1: mine\ntwo"
    await write(chat, "bob", "alice unnamed", "`@alice`", *said)
    await alice.open()
    await expect(alice.page).to_have_title(re.compile(r"^\(152\)"))
    await expect(alice.texts.filter(has_text="alice unnamed")).to_be_in_viewport()
    mentioned = alice.page.locator("#mentioned")
    await expect(mentioned).to_have_text("2 mentions")
    await alice.press("152 new messages")
    await expect(alice.texts.last).to_be_in_viewport()
    await expect(mentioned).to_have_text("2 mentions")
    await mentioned.click()
    await expect(alice.texts.filter(has_text="@alice, one")).to_be_in_viewport(ratio=1)
    await expect(mentioned).to_have_text("1 mention")
    await mentioned.click()
    await expect(alice.texts.filter(has_text="two")).to_be_in_viewport()
    await expect(mentioned).to_be_hidden()
    await alice.press("Back to the first unread")
    await expect(alice.texts.filter(has_text="alice unnamed")).to_be_in_viewport()
    await expect(alice.page.locator("#first-unread")).to_be_hidden()
    await write(chat, "bob", "@alice, three")  # while she reads elsewhere
    await expect(mentioned).to_have_text("1 mention")
    await change(chat.app[JOURNAL], "bob", 154, "never mind")
    await expect(mentioned).to_be_hidden()


async def test_what_names_the_reader_is_still_offered_at_the_end_if_it_was_only_in_the_page(
    chat: ChatSite, alice: Visitor
) -> None:
    await write(chat, "alice", "mine")
    await until_read(chat, "alice", 1)
    await alice.page.goto("about:blank")
    said = [f"line {number}" for number in range(150)]
    said[40] = "@alice, look"
    await write(chat, "bob", *said)
    await alice.open()
    mentioned = alice.page.locator("#mentioned")
    await expect(mentioned).to_have_text("1 mention")
    await alice.press("150 new messages")
    await expect(alice.texts.last).to_be_in_viewport()
    await expect(alice.texts.filter(has_text="@alice, look")).to_have_count(0)
    await expect(mentioned).to_have_text("1 mention")
    await mentioned.click()
    await expect(alice.texts.filter(has_text="@alice, look")).to_be_in_viewport(ratio=1)
    await expect(mentioned).to_be_hidden()


async def test_typing_anywhere_writes_into_the_field(alice: Visitor) -> None:
    await alice.log.focus()
    await alice.page.keyboard.type("hello")
    await expect(alice.field).to_have_value("hello")


async def test_signing_out_asks_first_while_something_is_not_sent(
    chat: ChatSite, alice: Visitor
) -> None:
    alice.tolerates = CONNECTION_LOST
    await go_offline(chat, alice)
    await alice.say("not sent yet")
    await expect(alice.pending).to_have_count(1)
    await alice.sign_out()
    question = (await alice.menu()).get_by_role("alert")
    await expect(question).to_contain_text("A message is not sent yet.")
    await alice.context.set_offline(False)
    await expect(alice.pending).to_have_count(0, timeout=A_WHILE)
    await alice.sign_out()
    await expect(alice.page).to_have_url(f"{alice.url}/login")


async def test_a_window_in_sight_without_the_focus_counts_as_unread_and_notifies(
    chat: ChatSite, alice: Visitor
) -> None:
    await alice.context.add_init_script(NOTED)
    await alice.open()
    await choose(alice, "Show a notification")
    await alice.page.evaluate("document.hasFocus = () => false; dispatchEvent(new Event('blur'))")
    await write(chat, "bob", "@alice, look")
    await expect(alice.page).to_have_title(re.compile(r"^\(1\)"))
    await alice.page.wait_for_function("() => noted.length > 1")
    assert await alice.page.evaluate("noted.at(-1)") == ["bob", "@alice, look", "message-1"]
    await alice.page.evaluate("document.hasFocus = () => true; dispatchEvent(new Event('focus'))")
    await expect(alice.page).not_to_have_title(re.compile(r"^\("))


# A long day


async def test_the_oldest_leave_the_page_at_a_thousand(chat: ChatSite, alice: Visitor) -> None:
    for part in range(0, 1200, 300):
        said = [f"line {number} `of` many" for number in range(part, part + 300)]
        await write(chat, "bob", *said)
        await expect(alice.texts.last).to_have_text(said[-1])
    lines = await alice.log.locator(".message, .notice, .day").count()
    assert 750 <= lines <= 1000
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    await expect(alice.log.locator(".day")).to_have_count(1)
    first = int(await alice.messages.first.get_attribute("data-seq") or 0)
    link = alice.page.locator("#older")
    await expect(link).to_have_attribute("href", f"/?before={first}")
    # Not by a key: what it needs, the focus, scrolls up to the link, which loads older ones, too.
    await alice.log.evaluate("log => log.scrollTop = 0")
    await expect(alice.messages.first).to_have_attribute("data-seq", str(first - 50))


async def test_at_the_end_the_reader_stays_at_the_end_as_the_oldest_leave(alice: Visitor) -> None:
    distance = await alice.log.evaluate(
        """async element => {
          const { Log } = await import("/static/js/log/log.js")
          const log = new Log(element)
          const time = new Date().toISOString()
          const frames = async () => {
            for (let number = 0; number < 3; number++) await new Promise(requestAnimationFrame)
          }
          for (let seq = 1; seq <= 1100; seq++) {
            log.show({ seq, user: "bob", msg: `line ${seq}`, time })
            if (seq === 990) await frames() // all that follow come before the next one
            // A mouse that moves makes the browser lay out the page between two of them.
            if (seq >= 990) element.getBoundingClientRect()
          }
          await frames()
          return element.scrollHeight - element.scrollTop - element.clientHeight
        }"""
    )
    assert distance < 2  # px
    assert await alice.messages.count() < 1000
