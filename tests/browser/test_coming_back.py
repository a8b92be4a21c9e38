"""Coming back to more than a page has, in Chromium: where one begins, and what the page loads."""

import asyncio
import re

import pytest
from aiohttp import web
from playwright.async_api import Locator, Route, expect

from chat.journal import JOURNAL
from chat.read_marks import READ_MARKS
from chat.recent import RECENT_LENGTH
from chat.views import ChatList
from tests.support.browser import Visit, Visitor, go_offline
from tests.support.log import change, say
from tests.support.site import ChatSite
from tests.support.sockets import clients_of
from tests.support.waiting import PATIENCE, until

DESK = {"width": 1280, "height": 720}
WINDOWS = [(1280, 720, ""), (1280, 1200, ""), (390, 700, ""), (320, 568, ""), (320, 568, "200%")]


async def write(chat: ChatSite, *texts: str) -> None:
    """Let bob, who need not have an account, write messages, in this order."""
    await asyncio.gather(*(say(chat.app[JOURNAL], "bob", text) for text in texts))


def lines(count: int) -> list[str]:
    """Return texts that differ."""
    return [f"line {number}" for number in range(1, count + 1)]


async def leave(chat: ChatSite, alice: Visitor, *known: str) -> str:
    """Let alice read something and leave; return her id."""
    await write(chat, *known)
    [client] = clients_of(chat.app, "alice")
    user_id = client.identity.user_id
    await expect(alice.texts.last).to_have_text(known[-1])
    await expect(alice.texts.last).to_be_in_viewport()

    async def has_read() -> bool:
        return await chat.app[READ_MARKS].get(user_id) >= len(known)

    await alice.page.goto("about:blank")
    await until(has_read)
    return user_id


async def asked(alice: Visitor, path: str = "/") -> list[str]:
    """Open a page, and return what it asks the chat for beside its files and who is away."""
    requests: list[str] = []

    def note(url: str) -> None:
        if "/static/" not in url and not url.endswith("/people/absent"):
            requests.append(url.removeprefix(alice.url))

    alice.page.on("request", lambda request: note(request.url))
    await alice.open(path)
    await alice.connected()
    return requests


def said(visitor: Visitor, text: str) -> Locator:
    """Return what a message says, by all of it."""
    return visitor.texts.filter(has_text=re.compile(f"^{re.escape(text)}$"))


async def is_below_the_day(visitor: Visitor) -> bool:
    """Tell whether the line "New" is in view, and not under the day that sticks."""
    is_below: bool = await visitor.page.evaluate(
        """() => {
          const line = document.querySelector(".log__new")
          const { left, top, height } = line.getBoundingClientRect()
          return document.elementFromPoint(left + 30, top + height - 3) === line
        }"""
    )
    return is_below


@pytest.mark.parametrize(("width", "height", "size"), WINDOWS)
async def test_the_page_opens_at_the_first_unread_without_another_request(
    chat: ChatSite, visit: Visit, width: int, height: int, size: str
) -> None:
    alice = await visit(chat.url, "alice", viewport={"width": width, "height": height})
    user_id = await leave(chat, alice, *lines(30))
    await write(chat, *(f"new {number}" for number in range(1, RECENT_LENGTH + 101)))
    if size:
        await alice.context.add_init_script(
            f"""const sheet = new CSSStyleSheet()
            sheet.replaceSync("html {{ font-size: {size} !important }}")
            document.adoptedStyleSheets = [sheet]"""
        )
    assert await asked(alice) == ["/"]
    await expect(alice.page).to_have_title(f"({RECENT_LENGTH}+) Main Chat page")
    await expect(alice.log.locator(".log__new + .message")).to_contain_text("new 1")
    await expect(alice.log.locator(".log__new + .message")).to_be_in_viewport()
    assert await is_below_the_day(alice)
    await expect(alice.field).to_be_focused()
    assert await chat.app[READ_MARKS].get(user_id) == 30  # nothing below has been seen


async def test_whoever_reads_on_gets_everything_once_and_the_oldest_leave_the_page(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", viewport={"width": 600, "height": 400})
    user_id = await leave(chat, alice, "known")
    for part in range(5):
        await write(chat, *(f"new {500 * part + number}" for number in range(1, 501)))
    await alice.open()
    await expect(said(alice, "new 1")).to_be_in_viewport()
    await write(chat, "live meanwhile")
    await expect(alice.page).to_have_title(f"({RECENT_LENGTH + 1}+) Main Chat page")
    shown: set[int] = set()
    while await alice.page.locator("#newer").count():
        rows = await alice.log.evaluate(
            """log => {
              log.scrollTop = log.scrollHeight
              return [...log.querySelectorAll(".message")].map((it) => Number(it.dataset.seq))
            }"""
        )
        assert rows == list(range(rows[0], rows[-1] + 1))
        assert len(rows) <= 1000
        shown |= set(rows)
        if len(shown) < 2400:
            assert await chat.app[READ_MARKS].get(user_id) == 1
    await alice.log.evaluate("log => log.scrollTop = log.scrollHeight")
    await expect(alice.texts.last).to_have_text("live meanwhile")
    await expect(alice.page).to_have_title("Main Chat page")
    assert max(shown) >= 2400
    await alice.page.goto("about:blank")

    async def has_read() -> bool:
        return await chat.app[READ_MARKS].get(user_id) == 2502

    await until(has_read)


async def test_to_the_end_and_back_to_the_first_unread_take_one_request_each(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", viewport={"width": 1280, "height": 480})
    await leave(chat, alice, *lines(30))
    await write(chat, *(f"new {number}" for number in range(1, 301)))
    requests = await asked(alice)
    await alice.press("300 new messages")
    await expect(said(alice, "new 300")).to_be_in_viewport(ratio=1)
    await expect(alice.page).to_have_title("Main Chat page")
    await expect(alice.log.locator(".log__new")).to_have_count(0)  # what is here is not the first
    back = alice.page.get_by_role("button", name="Back to the first unread")
    # It stays until it is used, also if that fails.
    await alice.page.route("**/?around=*", lambda route: route.fulfill(status=204))
    await back.click()
    await expect(alice.error).to_contain_text("could not be loaded")
    await alice.page.unroute_all()
    await back.click()
    await expect(said(alice, "new 1")).to_be_in_viewport()
    assert await is_below_the_day(alice)
    await expect(back).to_be_hidden()
    await expect(alice.error).to_be_empty()
    assert requests == ["/", "/?newest=", "/?around=31", "/?around=31"]


async def test_mentions_that_are_not_loaded_are_counted_and_led_to(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", viewport=DESK)
    await leave(chat, alice, *lines(30))
    texts = [f"new {number}" for number in range(1, 301)]
    texts[99], texts[199], texts[249] = "@alice one", "`@alice`", "> alice #1: so\ntwo"
    texts[149] = "@alice, gone"
    await write(chat, *texts)
    requests = await asked(alice)
    mentioned = alice.page.locator("#mentioned")
    await expect(mentioned).to_have_text("3 mentions")
    await change(chat.app[JOURNAL], "bob", 180, "")  # a message that is not in the page
    await expect(mentioned).to_have_text("2 mentions")
    await expect(alice.page).to_have_title("(299) Main Chat page")
    await change(chat.app[JOURNAL], "bob", 240, "now for @alice")
    await expect(mentioned).to_have_text("3 mentions")
    await mentioned.click()
    await expect(said(alice, "@alice one")).to_be_in_viewport(ratio=1)
    await expect(mentioned).to_have_text("2 mentions")
    await write(chat, "@alice, live")
    await expect(mentioned).to_have_text("3 mentions")
    for text in ("now for @alice", "two", "@alice, live"):
        await mentioned.click()
        await expect(alice.texts.filter(has_text=text).last).to_be_in_viewport()
    await expect(mentioned).to_be_hidden()
    await alice.press("Back to the first unread")
    await expect(said(alice, "new 1")).to_be_in_viewport()
    assert len(requests) <= 8


async def test_what_was_missed_beyond_a_replay_begins_at_its_first_message(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", viewport=DESK)
    await write(chat, *lines(40))
    await expect(alice.texts.last).to_have_text("line 40")
    await go_offline(chat, alice)
    await write(chat, *(f"new {number}" for number in range(1, RECENT_LENGTH + 51)))
    await alice.context.set_offline(False)
    await expect(said(alice, "new 1")).to_be_in_viewport(timeout=30_000)
    await expect(alice.page).to_have_title(re.compile(r"^\(500\+\)"))
    await expect(alice.log.locator(".log__new + .message")).to_contain_text("new 1")
    await alice.press("500+ new messages")
    await expect(said(alice, f"new {RECENT_LENGTH + 50}")).to_be_in_viewport(ratio=1)


async def test_whoever_reads_back_stays_there_when_more_was_missed_than_a_replay(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", viewport={"width": 600, "height": 400})
    await write(chat, *lines(49))
    await expect(alice.texts.last).to_have_text("line 49")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)  # the log has followed
    await alice.page.locator("#m25").evaluate("it => it.scrollIntoView()")
    await expect(alice.page.locator("#unread")).to_be_visible()
    await go_offline(chat, alice)
    await write(chat, *(f"new {number}" for number in range(1, RECENT_LENGTH + 51)))
    await alice.context.set_offline(False)
    await expect(alice.log).to_have_attribute("data-last", str(RECENT_LENGTH + 99), timeout=30_000)
    await expect(alice.page.locator("#m25")).to_be_in_viewport()
    await expect(alice.page).to_have_title(re.compile(r"^\(500\+\)"))


async def test_a_page_without_a_socket_links_to_what_is_between(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", viewport=DESK)
    await leave(chat, alice, "known")
    await alice.context.route_web_socket("**/ws*", lambda socket: socket.close())
    is_away = False

    async def answer(route: Route) -> None:
        await (route.fulfill(status=204) if is_away else route.continue_())

    await alice.page.route("**/?newest=", answer)
    async with alice.page.expect_response("**/?newest=", timeout=30_000):
        await alice.open()
    is_away = True
    await write(chat, *(f"new {number}" for number in range(1, 121)))
    is_away = False
    await expect(said(alice, "new 50")).to_be_attached(timeout=30_000)
    shown = await alice.messages.evaluate_all("them => them.map(it => Number(it.dataset.seq))")
    assert shown == list(range(1, shown[-1] + 1))
    while await alice.page.locator("#newer").count():
        await alice.log.evaluate("log => log.scrollTop = log.scrollHeight")
    shown = await alice.messages.evaluate_all("them => them.map(it => Number(it.dataset.seq))")
    assert shown == list(range(1, 122))


async def test_back_from_another_page_does_not_skip_what_has_come_meanwhile(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", viewport=DESK)
    await write(chat, *lines(30))
    await expect(alice.texts.last).to_have_text("line 30")
    [client] = clients_of(chat.app, "alice")
    await alice.page.get_by_role("link", name="Search").click()
    await write(chat, *(f"new {number}" for number in range(1, 201)))
    await alice.page.go_back()
    await expect(alice.page).to_have_title("(200) Main Chat page")
    await expect(said(alice, "line 30")).to_be_in_viewport()
    assert await chat.app[READ_MARKS].get(client.identity.user_id) == 30


async def test_a_reload_is_where_one_left_off(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice", viewport=DESK)
    await leave(chat, alice, *lines(30))
    await write(chat, *(f"new {number}" for number in range(1, 201)))
    await alice.open()
    for _ in range(2):
        await expect(said(alice, "new 1")).to_be_in_viewport()
        await expect(alice.page).to_have_title("(200) Main Chat page")
        await alice.page.reload()


async def test_a_first_unread_message_that_was_edited_or_deleted(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", viewport=DESK)
    await leave(chat, alice, *lines(30))
    await write(chat, *(f"new {number}" for number in range(1, 201)))
    await change(chat.app[JOURNAL], "bob", 31, "new again")
    await alice.open()
    await expect(alice.log.locator(".log__new + .message")).to_contain_text("new again")
    await change(chat.app[JOURNAL], "bob", 31, "")
    await expect(alice.page).to_have_title("(199) Main Chat page")
    await alice.page.reload()
    await expect(alice.log.locator(".log__new + .message")).to_contain_text("new 2")
    await expect(alice.log.locator(".log__new")).to_be_in_viewport()
    await expect(alice.page).to_have_title("(199) Main Chat page")


async def test_without_scripts_the_page_opens_at_the_first_unread(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", viewport=DESK)
    await leave(chat, alice, *lines(30))
    await write(chat, *(f"new {number}" for number in range(1, 201)))
    plain = await visit(chat.url, java_script_enabled=False, viewport=DESK)
    await plain.context.add_cookies((await alice.context.storage_state())["cookies"])  # type: ignore[arg-type]
    await plain.open()
    await expect(plain.log.locator(".log__new")).to_be_in_viewport(ratio=1)
    await expect(plain.log.locator(".log__new + .message")).to_contain_text("new 1")
    await plain.page.get_by_role("link", name="To the newest messages").click()
    await expect(plain.texts.filter(has_text="new 200")).to_be_in_viewport()


async def test_what_speculation_rules_let_the_browser_fetch_ahead_has_not_been_read(
    chat: ChatSite, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await visit(chat.url, "alice", viewport=DESK, bypass_csp=True)
    user_id = await leave(chat, alice, "known")
    await write(chat, *lines(3))
    purposes: list[str] = []
    get = ChatList.get

    async def note(view: ChatList) -> web.Response:
        purposes.append(view.request.headers.get("Sec-Purpose", ""))
        return await get(view)

    monkeypatch.setattr(ChatList, "get", note)
    await alice.open("/account")
    # Playwright lets Chromium fetch the page for this, but not run it before it is seen.
    await alice.page.evaluate(
        """() => {
          const rules = document.createElement("script")
          const prerender = [{ urls: ["/"], eagerness: "immediate" }]
          rules.type = "speculationrules"
          rules.textContent = JSON.stringify({ prerender })
          document.head.append(rules)
        }"""
    )
    await until(lambda: "prefetch;prerender" in purposes)
    assert await chat.app[READ_MARKS].get(user_id) == 1
    await alice.page.locator(".bar__title a").click()
    await expect(alice.texts.last).to_be_in_viewport()
    await expect(alice.log.locator(".log__new + .message")).to_contain_text("line 1")

    async def has_read() -> bool:
        return await chat.app[READ_MARKS].get(user_id) == 4

    await until(has_read, 2 * PATIENCE)
