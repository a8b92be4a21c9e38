"""What is left in a browser that somebody is signed out of, in Chromium: nothing of theirs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from aiohttp import web
from playwright.async_api import Route, expect

from auth.cookies import set_session
from chat.cleaning import clean
from settings import SESSION_COLLECTION, USER_COLLECTION
from tests.support.accounts import finish_departures
from tests.support.browser import REFUSED, STORAGE_FAULTS, Visit, Visitor
from tests.support.people import NEW_PASSWORD, PASSWORD, WRONG, registration
from tests.support.site import ChatSite
from tests.support.waiting import until

TOO_LONG = "a message of 26 characters"  # for the server, so it waits for its author to decide
DRAFT = "half a sentence"
NOT_SENT = "A message is not sent yet."
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LOST = "What was not sent from this browser has been removed."
KEPT = "What you had not sent is kept while this page is open. Log in here to get it back."

# A setting of the browser is nobody's.
LEFT = """async () => [
  ...Object.keys(localStorage).filter((key) => !["notify", "sound"].includes(key)),
  ...Object.keys(sessionStorage),
  ...(await indexedDB.databases()),
  ...(await caches.keys()),
  ...(history.state ? [history.state] : []),
]"""


@pytest.fixture(autouse=True)
def stricter_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server refuse long messages, and soon notice that a session has expired."""
    monkeypatch.setattr(
        "chat.models.clean", lambda text, _, **how: clean(text, len(TOO_LONG) - 1, **how)
    )
    monkeypatch.setattr("auth.sessions.NOTICE_EVERY", 0.2)


async def leave_something(visitor: Visitor) -> None:
    """Write a message that is not sent, and a draft."""
    await visitor.say(TOO_LONG)
    await expect(visitor.pending).to_contain_text("not sent")
    await visitor.field.fill(DRAFT)
    assert len(await unsent_in(visitor)) == 2


async def left_in(visitor: Visitor) -> list[str]:
    """Return what the browser keeps of a person."""
    left: list[str] = await visitor.page.evaluate(LEFT)
    return left


async def unsent_in(visitor: Visitor) -> list[str]:
    """Return what the browser keeps that is not sent: all but the name of the tab."""
    return [key for key in await left_in(visitor) if key != "tab"]


async def assert_out(visitor: Visitor) -> None:
    """Assert that a page comes to show the log-in form, and that the browser keeps nothing."""
    await expect(visitor.page).to_have_url(f"{visitor.url}/login")
    await until(lambda: nothing_is_left(visitor))


async def nothing_is_left(visitor: Visitor) -> bool:
    return await left_in(visitor) == []


async def assert_nothing_comes_back(visitor: Visitor) -> None:
    """Assert that somebody who has just logged in finds nothing unsent."""
    await visitor.connected()
    await expect(visitor.field).to_have_value("")
    await expect(visitor.pending).to_have_count(0)


# The ways out that somebody takes in this browser: where they are, and what they press.


async def at(visitor: Visitor, path: str) -> None:
    """Open a page, unless it is open: then it may have asked something."""
    if not visitor.page.url.endswith(path):
        await visitor.open(path)


async def by_the_room(visitor: Visitor) -> None:
    await visitor.sign_out()


async def by_older_messages(visitor: Visitor) -> None:
    await at(visitor, "/?around=1")
    await visitor.sign_out()


async def by_its_page(visitor: Visitor) -> None:
    await at(visitor, "/signout")
    await visitor.press("Sign out")


async def everywhere(visitor: Visitor) -> None:
    await at(visitor, "/account")
    await visitor.press("Sign out everywhere")


async def by_the_list_of_sessions(visitor: Visitor) -> None:
    await at(visitor, "/account")
    row = visitor.page.get_by_role("listitem").filter(has_text="this browser")
    await row.get_by_role("button", name="Sign out").click()


async def by_deletion(visitor: Visitor) -> None:
    await at(visitor, "/account")
    await visitor.fill(confirm=PASSWORD)
    await visitor.press("Delete account")


Way = Callable[[Visitor], Awaitable[None]]
WAYS = (by_the_room, by_older_messages, by_its_page, everywhere, by_the_list_of_sessions)
every_way = pytest.mark.parametrize("leave", [*WAYS, by_deletion], ids=lambda way: way.__name__)


@every_way
async def test_every_way_out_asks_about_what_is_not_sent_and_leaves_nothing(
    chat: ChatSite, alice: Visitor, leave: Way
) -> None:
    other_tab = await alice.tab()
    await other_tab.connected()
    await leave_something(alice)
    await leave(alice)
    question = alice.page.get_by_role("alert").filter(has_text=NOT_SENT)
    await expect(question).to_be_visible()
    assert len(await unsent_in(alice)) == 2
    await leave(alice)
    for tab in (alice, other_tab):
        await assert_out(tab)
        await expect(tab.page.get_by_text("not sent")).to_have_count(0)  # she was asked
    # Not even for somebody who has the same login, perhaps because it was free again.
    if leave is by_deletion:
        await finish_departures(chat)
        await alice.sign_up("alice")
        await alice.open()
    else:
        await alice.log_in("alice")
    await assert_nothing_comes_back(alice)


@every_way
async def test_a_draft_goes_without_a_question(alice: Visitor, leave: Way) -> None:
    await alice.field.fill(DRAFT)
    await leave(alice)
    await assert_out(alice)
    await expect(alice.page.get_by_text("not sent")).to_have_count(0)


@pytest.mark.parametrize(("path", "name"), [("/", "Sign out"), ("/account", "Sign out everywhere")])
async def test_a_double_click_does_not_answer_the_question(
    alice: Visitor, path: str, name: str
) -> None:
    await leave_something(alice)
    await alice.open(path)
    if path == "/":
        await alice.menu()
    await alice.page.get_by_role("button", name=name).dblclick()
    await expect(alice.page.get_by_role("alert").filter(has_text=NOT_SENT)).to_be_visible()
    assert len(await unsent_in(alice)) == 2
    await alice.press(name)
    await assert_out(alice)


async def test_a_question_left_unanswered_is_asked_again(alice: Visitor) -> None:
    await leave_something(alice)
    await alice.page.clock.install()
    await alice.open("/signout")
    for _ in range(2):
        await alice.press("Sign out")
        await expect(alice.error).to_contain_text(NOT_SENT)
        await alice.page.clock.fast_forward(11_000)
    await alice.open()
    await expect(alice.field).to_have_value(DRAFT)


async def test_a_deletion_that_is_refused_loses_nothing(alice: Visitor) -> None:
    await leave_something(alice)
    await alice.open("/account")
    alice.tolerates = REFUSED
    for _ in range(2):
        await alice.fill(confirm=WRONG)
        await alice.press("Delete account")
    await expect(alice.page.get_by_text("Wrong password")).to_be_visible()
    await alice.open()
    await alice.connected()
    await expect(alice.field).to_have_value(DRAFT)
    await expect(alice.pending).to_contain_text("not sent")
    # And she is not taken for somebody who has left, if her session expires later.
    await alice.context.clear_cookies()
    await alice.open()
    await expect(alice.page.get_by_role("status")).to_have_text(KEPT)


@pytest.mark.parametrize(
    "leave", [by_the_room, by_its_page, by_deletion], ids=lambda way: way.__name__
)
@pytest.mark.parametrize("fault", STORAGE_FAULTS.values(), ids=STORAGE_FAULTS)
async def test_signing_out_works_in_a_browser_that_keeps_nothing(
    chat: ChatSite, visit: Visit, leave: Way, fault: str
) -> None:
    alice = await visit(chat.url, "alice", fault)
    await alice.field.fill(DRAFT)
    alice.leaves_anyway = leave is not by_the_room  # where the draft is; a sign-out does not ask
    await leave(alice)
    await expect(alice.page).to_have_url(f"{chat.url}/login")


async def test_a_colon_in_a_login_of_the_tutorial_loses_nothing(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url)
    await alice.sign_up("alice")
    new = {"$set": {"login": "al:ice", "login_key": "al:ice"}}
    await chat.database[USER_COLLECTION].update_one({"login": "alice"}, new)
    await alice.context.clear_cookies()
    await alice.open("/login")
    await alice.log_in("al:ice")
    await alice.connected()
    await leave_something(alice)
    await alice.open()
    await alice.connected()
    await expect(alice.field).to_have_value(DRAFT)
    await expect(alice.pending).to_contain_text("not sent")


# The session is ended elsewhere.


async def from_another_browser(phone: Visitor, owner: Visitor) -> None:
    await phone.open("/account")
    await phone.page.get_by_role("button", description="Chrome on Linux").first.click()


async def from_another_browser_everywhere(phone: Visitor, owner: Visitor) -> None:
    await everywhere(phone)


async def by_a_new_password(phone: Visitor, owner: Visitor) -> None:
    await phone.open("/account")
    await phone.fill(old=PASSWORD, password=NEW_PASSWORD)
    await phone.press("Change password")


async def by_deletion_elsewhere(phone: Visitor, owner: Visitor) -> None:
    await by_deletion(phone)


async def by_a_ban(phone: Visitor, owner: Visitor) -> None:
    await owner.open("/person?login=alice")
    await owner.press("Ban alice")


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize(
    "end",
    [
        from_another_browser,
        from_another_browser_everywhere,
        by_a_new_password,
        by_deletion_elsewhere,
        by_a_ban,
    ],
    ids=lambda end: end.__name__,
)
async def test_a_session_that_is_ended_elsewhere_leaves_nothing(
    chat: ChatSite, visit: Visit, alice: Visitor, end: Callable[..., Awaitable[None]], is_open: bool
) -> None:
    owner = await visit(chat.url, "the.owner")
    phone = await visit(chat.url, user_agent="a phone")
    await phone.log_in("alice")
    await leave_something(alice)
    if not is_open:
        await alice.open("/static/manifest.webmanifest")  # no page of the chat
    await end(phone, owner)
    if not is_open:
        await alice.open()
    await assert_out(alice)
    await expect(alice.page.get_by_text(LOST)).to_be_visible()
    await alice.log_in("the.owner")
    await assert_nothing_comes_back(alice)


async def test_a_clock_that_was_put_back_after_a_log_in_keeps_nothing(
    chat: ChatSite, visit: Visit, alice: Visitor
) -> None:
    phone = await visit(chat.url, user_agent="a phone")
    await phone.log_in("alice")
    await leave_something(alice)
    await alice.page.evaluate("localStorage.setItem('signing-in:', Date.now() + 3_600_000)")
    await everywhere(phone)
    await assert_out(alice)


async def test_somebody_who_registers_a_deleted_login_sends_nothing_of_its_former_owner(
    chat: ChatSite, visit: Visit, alice: Visitor
) -> None:
    phone = await visit(chat.url)
    await phone.log_in("alice")
    await leave_something(alice)
    await alice.open("/static/manifest.webmanifest")
    await by_deletion(phone)
    await expect(phone.page).to_have_url(f"{chat.url}/login")
    await finish_departures(chat)
    await alice.open("/signin")  # by an invitation, without a look at the log-in page
    await expect(alice.page.get_by_role("status")).to_have_text(LOST)
    await alice.fill(**registration("alice"))
    await alice.submit()
    await assert_nothing_comes_back(alice)


# Nobody has ended it: it has expired.


async def expire(chat: ChatSite, visitor: Visitor) -> None:
    """Let the sessions expire, and the cookie with them."""
    sessions = chat.database[SESSION_COLLECTION]
    await visitor.context.clear_cookies()
    async for session in sessions.find({}):
        # Not $set: of a date that is updated, nx-27017 0.8.1 makes text.
        await sessions.replace_one({"_id": session["_id"]}, {**session, "expires": LONG_AGO})


async def test_what_is_unsent_when_a_session_expires_is_its_authors_alone(
    chat: ChatSite, alice: Visitor
) -> None:
    await leave_something(alice)
    await expire(chat, alice)
    await assert_out(alice)
    await expect(alice.page.get_by_role("status")).to_have_text(KEPT)
    alice.tolerates = REFUSED
    await alice.log_in("alice", WRONG)
    await expect(alice.error).not_to_have_text("")
    await assert_out(alice)
    await expect(alice.page.get_by_role("status")).to_have_text(KEPT)
    await alice.log_in("alice@example.com")
    await alice.connected()
    await expect(alice.field).to_have_value(DRAFT)
    await expect(alice.pending).to_contain_text("not sent")


@pytest.mark.parametrize("path", ["/", "/search?q=lunch"])
async def test_what_is_unsent_when_a_session_expires_is_gone_when_somebody_else_logs_in(
    chat: ChatSite, bob: Visitor, alice: Visitor, path: str
) -> None:
    await leave_something(alice)
    await alice.open("/static/manifest.webmanifest")
    await expire(chat, alice)
    await alice.open(path)
    await until(lambda: nothing_is_left(alice))
    await alice.log_in("bob")
    await assert_nothing_comes_back(alice)
    assert await left_in(alice) == []


async def test_what_is_unsent_when_a_session_expires_is_gone_with_the_page(
    chat: ChatSite, alice: Visitor
) -> None:
    await leave_something(alice)
    await expire(chat, alice)
    await assert_out(alice)
    await alice.page.reload()
    await expect(alice.page.get_by_role("status")).to_have_count(0)
    await alice.log_in("alice")
    await assert_nothing_comes_back(alice)


async def test_what_one_tab_has_kept_comes_back_by_a_log_in_in_another(
    chat: ChatSite, alice: Visitor
) -> None:
    await leave_something(alice)
    await expire(chat, alice)
    await assert_out(alice)
    await expect(alice.page.get_by_role("status")).to_have_text(KEPT)
    other_tab = await alice.tab("/login")
    other_tab.tolerates = REFUSED

    async def hold(route: Route) -> None:
        await expect(alice.page.get_by_role("status")).to_have_count(0)
        await route.continue_()

    await other_tab.page.route("**/login", hold)
    await other_tab.log_in("alice", WRONG)
    await expect(other_tab.page.get_by_role("status")).to_have_text(KEPT)
    await other_tab.page.unroute_all()
    await other_tab.log_in("alice")
    await expect(other_tab.field).to_have_value(DRAFT)
    await expect(other_tab.pending).to_contain_text("not sent")


async def test_what_one_tab_has_kept_never_replaces_what_another_has_written_since(
    chat: ChatSite, alice: Visitor
) -> None:
    await alice.field.fill(DRAFT)
    await expire(chat, alice)
    await assert_out(alice)
    other_tab = await alice.tab("/login")
    await other_tab.log_in("alice")
    await other_tab.connected()
    await other_tab.field.fill("another sentence")
    await alice.log_in("alice")
    await alice.connected()
    await expect(alice.field).to_have_value("another sentence")


async def test_logging_in_again_in_another_tab_loses_nothing(
    chat: ChatSite, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_answer = asyncio.Event()

    async def answer_late(request: web.Request, user_id: str, login: str) -> None:
        await set_session(request, user_id, login)
        await may_answer.wait()

    await expire(chat, alice)
    await assert_out(alice)
    other_tab = await alice.tab("/login")
    await alice.log_in("alice")
    await alice.connected()
    await leave_something(alice)
    monkeypatch.setattr("auth.views.set_session", answer_late)
    log_in = asyncio.create_task(other_tab.log_in("alice"))  # which ends the session of the first
    await expect(alice.page).to_have_url(f"{chat.url}/login")
    await alice.page.wait_for_load_state()
    may_answer.set()
    await log_in
    await expect(other_tab.field).to_have_value(DRAFT)
    await expect(other_tab.pending).to_contain_text("not sent")


async def test_a_page_that_comes_late_from_a_log_in_in_another_tab_loses_nothing(
    chat: ChatSite, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a tab in the background, which gets less of the processor."""
    is_out, has_come_back = asyncio.Event(), asyncio.Event()

    async def answer_late(request: web.Request, user_id: str, login: str) -> None:
        await set_session(request, user_id, login)
        await is_out.wait()

    async def hold(route: Route) -> None:
        response = await route.fetch()
        is_out.set()
        await has_come_back.wait()
        await route.fulfill(response=response)

    other_tab = await visit_log_in_page(alice)
    await leave_something(alice)
    monkeypatch.setattr("auth.views.set_session", answer_late)
    await alice.page.route("**/login", hold)
    await other_tab.log_in("alice")
    await expect(other_tab.field).to_have_value(DRAFT)
    async with alice.page.expect_response("**/read/0"):
        has_come_back.set()
    await alice.page.evaluate("fetch('/read/0', { method: 'HEAD' })")  # it has done what it does
    await expect(alice.page.get_by_text(LOST)).to_have_count(0)
    kinds = {key.partition(":")[0] for key in await unsent_in(alice)}
    assert kinds == {"draft", "outbox"}


async def visit_log_in_page(visitor: Visitor) -> Visitor:
    """Open the log-in page in another tab, as if it had been there before somebody signed in."""
    cookies = await visitor.context.cookies()
    await visitor.context.clear_cookies()
    tab = await visitor.tab("/login")
    await visitor.context.add_cookies(cookies)  # type: ignore[arg-type]
    return tab


async def test_a_log_in_that_fails_while_another_tab_is_signed_in_loses_nothing(
    chat: ChatSite, alice: Visitor
) -> None:
    stale = await visit_log_in_page(alice)
    await leave_something(alice)
    stale.tolerates = REFUSED
    await stale.log_in("alice", WRONG)
    await expect(stale.error).not_to_have_text("")
    await stale.page.wait_for_load_state()

    async def is_all_there() -> bool:
        return len(await unsent_in(alice)) == 2

    await until(is_all_there)  # and no note of the log-in any more


# Pages that the browser may have kept


@pytest.mark.parametrize("path", ["/", "/?around=1", "/account", "/search", "/people"])
async def test_going_back_after_signing_out_shows_nothing(alice: Visitor, path: str) -> None:
    await alice.say("between us")
    await expect(alice.texts).to_have_text(["between us"])
    await alice.open(path)
    await alice.open("/signout")
    await alice.press("Sign out")
    await assert_out(alice)
    await alice.page.evaluate("history.go(-2)")
    await expect(alice.page).to_have_title("Log in · Chat")


async def test_a_page_that_the_browser_has_kept_is_loaded_again(alice: Visitor) -> None:
    await alice.open("/account")
    await alice.context.request.post(f"{alice.url}/signout")
    await alice.page.evaluate(
        "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    )
    await expect(alice.page).to_have_title("Log in · Chat")
