"""What is typed is sent: through outages, closed tabs, refusals, and browsers that keep nothing."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import WebSocketRoute, expect

from chat.cleaning import clean
from chat.entry import Entry
from chat.journal import Journal
from storage.database import DatabaseUnavailable, Document
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
)
from tests.support.processes import running_chat
from tests.support.site import ChatSite
from tests.support.waiting import PATIENCE

A_DAY = 24 * 60 * 60 * 1000  # ms


@pytest.fixture
def stricter_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server refuse what the page takes for short enough."""
    monkeypatch.setattr("chat.models.clean", lambda text, _, **how: clean(text, 1000, **how))


SaveFirst = Callable[[str, str, str | None], Any]  # login, message, nonce


@pytest.fixture
def before_saving(monkeypatch: pytest.MonkeyPatch) -> Callable[[SaveFirst], None]:
    """Let something happen before each message is saved."""
    append = Journal.append

    def do(first: SaveFirst) -> None:
        async def append_later(
            self: Journal, key: str, user: str, user_id: str, content: Document
        ) -> Entry:
            await first(user, content.get("msg", ""), key.partition(":")[2])
            return await append(self, key, user, user_id, content)

        monkeypatch.setattr(Journal, "append", append_later)

    return do


@pytest.fixture
def saved(before_saving: Callable[[SaveFirst], None]) -> list[str]:
    """The messages that are saved, in their order."""
    messages: list[str] = []

    async def note(user: str, msg: str, nonce: str | None) -> None:
        messages.append(msg)

    before_saving(note)
    return messages


async def keep(visitor: Visitor, key: str, value: object) -> None:
    """Put something into the browser's storage, as text or as JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    await visitor.page.evaluate("([key, text]) => localStorage.setItem(key, text)", [key, text])


def now() -> int:
    """Return the time in ms."""
    return time.time_ns() // 1_000_000


# Outages


async def test_what_is_typed_during_an_outage_outlives_the_tab_and_arrives_once(
    visit: Visit,
) -> None:
    async with running_chat() as process:
        alice, bob = await visit(process.url, "alice"), await visit(process.url, "bob")
        alice.tolerates = bob.tolerates = CONNECTION_LOST
        await alice.say("before")
        await all_show((alice, bob), "before")
        await process.kill()
        await alice.told("Connection broken")
        await alice.say("during, one", "during, two")
        await expect(alice.pending).to_have_text(
            [f"during, {number} waiting Retry Discard" for number in ("one", "two")]
        )
        await expect(alice.page.get_by_role("button", name="Retry")).to_have_count(0)
        await alice.page.close()

        await process.start()
        alice = await alice.tab()
        alice.tolerates = CONNECTION_LOST
        await expect(alice.texts).to_have_text(["before", "during, one", "during, two"])
        await expect(alice.pending).to_have_count(0)
        await expect(bob.texts).to_have_text(
            ["before", "during, one", "during, two"], timeout=A_WHILE
        )
        assert await alice.page.evaluate("localStorage.length") == 0
        await alice.page.reload()
        await alice.say("the end")
        await all_show((alice, bob), "before", "during, one", "during, two", "the end")


async def test_a_message_that_was_stored_right_before_a_kill_arrives_once(visit: Visit) -> None:
    is_deaf = True

    def hear_no_message(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def pass_on(data: str | bytes) -> None:
            if not is_deaf or json.loads(data)["type"] != "message":
                route.send(data)

        server.on_message(pass_on)

    async with running_chat() as process:
        alice, bob = await visit(process.url), await visit(process.url, "bob")
        await alice.context.route_web_socket("**/ws?*", hear_no_message)
        await alice.sign_up("alice")
        await alice.open()
        alice.tolerates = bob.tolerates = CONNECTION_LOST
        await alice.connected()
        await alice.say("is it stored?")
        await expect(bob.texts).to_have_text(["is it stored?"])
        await expect(alice.pending).to_contain_text("sending…")
        await process.kill()
        await alice.page.close()

        await process.start()
        is_deaf = False
        alice = await alice.tab()
        alice.tolerates = CONNECTION_LOST
        await expect(alice.texts).to_have_text(["is it stored?"])  # the page's own history
        await expect(alice.pending).to_have_count(0)
        await alice.say("it is")
        await expect(alice.texts).to_have_text(["is it stored?", "it is"])
        await expect(bob.texts).to_have_text(["is it stored?", "it is"], timeout=A_WHILE)


async def test_two_people_talk_through_five_kills_on_the_same_pages(visit: Visit) -> None:
    async with running_chat() as process:
        people = {name: await visit(process.url, name) for name in ("alice", "bob")}
        said: dict[str, list[str]] = {name: [] for name in people}
        for person in people.values():
            person.tolerates = CONNECTION_LOST
            await person.page.evaluate("window.isTheSamePage = true")

        async def say(what: str) -> None:
            for name, person in people.items():
                said[name].append(f"{name} {what}")
                await person.say(f"{name} {what}")

        for number in range(1, 6):
            await say(f"before kill {number}")
            await say(f"in the moment of kill {number}")
            await process.kill()
            for person in people.values():
                await person.disconnected(number)
            await say(f"after kill {number}")
            for person in people.values():
                await expect(person.pending.last).to_contain_text("waiting")
            await process.start()
            for person in people.values():
                await person.connected(number + 1, timeout=A_WHILE)

        assert len(await people["alice"].statuses("bob joined")) == 1  # long before
        shown = {}
        for name, person in people.items():
            await expect(person.texts).to_have_count(30)
            await expect(person.pending).to_have_count(0)
            assert await person.page.evaluate("window.isTheSamePage")
            shown[name] = await person.texts.all_inner_texts()
        assert shown["alice"] == shown["bob"]
        for name, texts in said.items():
            assert [text for text in shown["alice"] if text.startswith(name)] == texts
        # What was never acknowledged twice is also not stored twice.
        await people["bob"].page.reload()
        assert await people["bob"].texts.all_inner_texts() == shown["alice"]


async def test_what_could_not_be_saved_is_tried_again_in_its_order(
    chat: ChatSite, visit: Visit, before_saving: Callable[[SaveFirst], None]
) -> None:
    tried: list[str] = []
    both_are_written = asyncio.Event()

    async def fail_twice(user: str, msg: str, nonce: str | None) -> None:
        tried.append(msg)
        await both_are_written.wait()
        if len(tried) <= 2:
            raise DatabaseUnavailable

    before_saving(fail_twice)
    alice, sent = await arrive_noting(chat, visit, "alice", "message")
    await alice.say("one", "two")
    await expect(alice.pending).to_have_count(2)
    assert len(sent) == 1  # the second waits for the first
    both_are_written.set()
    await expect(alice.texts).to_have_text(["one", "two"])
    await expect(alice.error).to_have_text("")
    assert tried == ["one", "one", "one", "two"]


# What is refused


@pytest.mark.usefixtures("stricter_server")
async def test_a_refused_message_can_be_retried_and_does_not_block_the_next(
    alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alice.say("x" * 1001, "y" * 1000)
    await expect(alice.texts).to_have_text(["y" * 1000])
    mark = alice.pending.get_by_role("status")
    await expect(mark).to_have_text("not sent: A message has at most 1000 characters")
    await expect(alice.pending.locator(".pending__text")).to_have_text("x" * 1001)

    await alice.page.reload()
    await alice.connected()
    await expect(mark).to_have_text("not sent: A message has at most 1000 characters")
    await alice.field.focus()
    await alice.page.keyboard.press("Shift+Tab")
    await alice.page.keyboard.press("Shift+Tab")
    await expect(alice.page.get_by_role("button", name="Retry")).to_be_focused()
    await alice.page.keyboard.press("Enter")  # in vain
    await expect(alice.field).to_be_focused()
    await expect(mark).to_have_text("not sent: A message has at most 1000 characters")

    monkeypatch.setattr("chat.models.clean", lambda text, _, **how: clean(text, 3000, **how))
    await alice.page.get_by_role("button", name="Retry").press("Enter")
    await expect(alice.texts).to_have_text(["y" * 1000, "x" * 1001])
    await expect(alice.pending).to_have_count(0)


@pytest.mark.usefixtures("stricter_server")
async def test_a_refused_message_can_be_discarded(alice: Visitor) -> None:
    await alice.say("x" * 1001)
    await expect(alice.pending).to_contain_text("not sent")
    await alice.page.keyboard.press("Shift+Tab")
    await expect(alice.page.get_by_role("button", name="Discard")).to_be_focused()
    await alice.page.keyboard.press("Enter")
    await expect(alice.pending).to_have_count(0)
    await expect(alice.field).to_be_focused()
    await alice.page.reload()
    await alice.say("nothing before this")
    await expect(alice.texts).to_have_text(["nothing before this"])
    await expect(alice.pending).to_have_count(0)


async def test_a_message_larger_than_a_frame_may_be_does_not_cost_the_connection(
    alice: Visitor,
) -> None:
    # The bells do not count, but each takes six bytes.
    await alice.say("x" + "\a" * 30_000)
    await expect(alice.pending.get_by_role("status")).to_have_text(
        "not sent: The message is too long"
    )
    await alice.say("the next")
    await expect(alice.texts).to_have_text(["the next"])
    assert await alice.statuses("Connection") == []


async def test_what_has_waited_for_more_than_a_day_is_its_authors_to_decide(alice: Visitor) -> None:
    await keep(alice, "outbox:alice:old", {"msg": "old news", "at": now() - A_DAY - 1})
    await keep(alice, "outbox:alice:young", {"msg": "news", "at": now() - A_DAY + 60_000})
    await alice.page.reload()
    await expect(alice.texts).to_have_text(["news"])
    await expect(alice.pending.get_by_role("status")).to_have_text(["not sent"])
    await alice.press("Retry")
    await expect(alice.texts).to_have_text(["news", "old news"])


async def test_a_text_of_an_earlier_visit_whose_nonce_was_used_for_another_goes_out_after_retry(
    chat: ChatSite, alice: Visitor
) -> None:
    form = {"msg": "the first", "nonce": "used"}
    assert (await alice.context.request.post(f"{chat.url}/", form={**form})).ok
    await expect(alice.texts).to_have_text(["the first"])
    await keep(alice, "outbox:alice:used", {"msg": "the second", "at": now() - 10_000})
    await alice.page.reload()
    await expect(alice.pending).to_contain_text("the second not sent: This was mixed up")
    await alice.press("Retry")
    await expect(alice.texts).to_have_text(["the first", "the second"])
    await expect(alice.pending).to_have_count(0)


@pytest.mark.usefixtures("stricter_server")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_buttons_are_thumb_sized_on_a_small_screen(
    chat: ChatSite, visit: Visit, scheme: str
) -> None:
    alice = await visit(
        chat.url, "alice", viewport={"width": 320, "height": 480}, color_scheme=scheme
    )
    await alice.say("W" * 1001, "x" * 1001)
    for name in ("Retry", "Discard"):
        button = alice.page.get_by_role("button", name=name).last
        await expect(button).to_be_in_viewport(ratio=1)
        await assert_thumb_sized(button)
    assert not await alice.is_too_wide()


# Whose message it is


async def test_anothers_message_with_the_same_nonce_acknowledges_nothing(
    chat: ChatSite, alice: Visitor, bob: Visitor, before_saving: Callable[[SaveFirst], None]
) -> None:
    nonces: asyncio.Queue[str | None] = asyncio.Queue()
    may_go_on = asyncio.Event()

    async def hold_alice(user: str, msg: str, nonce: str | None) -> None:
        if user == "alice":
            nonces.put_nowait(nonce)
            await may_go_on.wait()

    before_saving(hold_alice)
    await alice.say("mine")
    nonce = await asyncio.wait_for(nonces.get(), PATIENCE)
    assert nonce is not None
    response = await bob.context.request.post(
        f"{chat.url}/", form={"msg": "not hers", "nonce": nonce}
    )
    assert response.ok
    await expect(alice.texts).to_have_text(["not hers"])
    await expect(alice.pending).to_contain_text("mine sending…")
    may_go_on.set()
    await expect(alice.texts).to_have_text(["not hers", "mine"])
    await expect(alice.pending).to_have_count(0)


async def test_what_alice_left_unsent_waits_for_her_until_somebody_else_comes(
    chat: ChatSite, alice: Visitor
) -> None:
    await go_offline(chat, alice)
    await alice.say("from Alice")
    await expect(alice.pending).to_contain_text("waiting")
    await alice.page.close()
    await alice.context.set_offline(False)
    await alice.context.clear_cookies()

    tab = await alice.tab()
    await tab.log_in("alice")
    await expect(tab.texts).to_have_text(["from Alice"])
    await go_offline(chat, tab)
    await tab.say("for nobody else")
    await expect(tab.pending).to_contain_text("waiting")
    await tab.page.close()
    await alice.context.set_offline(False)

    await alice.sign_up("bob")
    bob = await alice.tab()
    await bob.say("from Bob")
    await expect(bob.texts).to_have_text(["from Alice", "from Bob"])
    await expect(bob.pending).to_have_count(0)
    await bob.sign_out()
    await bob.log_in("alice")
    await bob.connected()
    await bob.say("the end")
    await expect(bob.texts).to_have_text(["from Alice", "from Bob", "the end"])


async def test_a_page_reloaded_as_another_user_sends_nothing(
    chat: ChatSite, alice: Visitor
) -> None:
    await go_offline(chat, alice)
    await alice.say("from Alice")
    await expect(alice.pending).to_contain_text("waiting")
    await alice.sign_up("bob")  # as in another tab
    await alice.context.set_offline(False)
    await alice.belongs_to("bob")
    await alice.connected(timeout=A_WHILE)
    await alice.say("from Bob")
    await expect(alice.texts).to_have_text(["from Bob"])
    await expect(alice.pending).to_have_count(0)
    assert await alice.page.evaluate("localStorage.length") == 0


# What the browser keeps


@pytest.mark.usefixtures("stricter_server")
@pytest.mark.parametrize("fault", STORAGE_FAULTS.values(), ids=STORAGE_FAULTS)
async def test_a_browser_that_keeps_nothing_still_sends_everything_once(
    chat: ChatSite, visit: Visit, saved: list[str], fault: str
) -> None:
    alice = await visit(chat.url, "alice", fault)
    await alice.say("online")
    await expect(alice.texts).to_have_text(["online"])
    await go_offline(chat, alice)
    await alice.say("x" * 1001, "offline")
    await expect(alice.pending).to_have_count(2)
    await alice.context.set_offline(False)
    await expect(alice.texts).to_have_text(["online", "offline"], timeout=A_WHILE)
    await expect(alice.pending).to_contain_text("not sent")
    await alice.press("Discard")
    await expect(alice.pending).to_have_count(0)
    await alice.say("the end")
    await expect(alice.texts).to_have_text(["online", "offline", "the end"])
    assert saved == ["online", "offline", "the end"]


async def test_what_others_have_put_into_the_storage_is_ignored(alice: Visitor) -> None:
    sound = {"msg": "sound", "at": now() - 60_000}
    wrong_types = ({**sound, "msg": 1}, {**sound, "at": "1"}, {**sound, "problem": {}})
    wrong_files = ({**sound, "file": it} for it in (None, "an-id", {"id": 1, "name": "a"}))
    for number, value in enumerate(
        ("", "{", "null", "[]", "1", {}, {"msg": "no time"}, {"at": 1}, *wrong_types, *wrong_files)
    ):
        await keep(alice, f"outbox:alice:bad{number}", value)
    for key in ("outbox:alice", "outbox:alice:", "outbox:alice:a:b", "outbox:alice:Ä", "alice"):
        await keep(alice, key, sound)
    await keep(alice, f"outbox:alice:{'n' * 65}", sound)
    await keep(alice, "outbox:alice:huge", {"msg": "a huge time", "at": 1e308})
    await keep(alice, "outbox:alice:sound", sound)
    await alice.page.reload()
    # Then "mine" can't be sent before the one with the huge time, which would sort behind it.
    await expect(alice.texts).to_have_text(["sound", "a huge time"])
    await alice.say("mine")
    await expect(alice.texts).to_have_text(["sound", "a huge time", "mine"])
    await expect(alice.pending).to_have_count(0)


# Several tabs


async def test_two_tabs_neither_lose_nor_double(
    chat: ChatSite, bob: Visitor, alice: Visitor
) -> None:
    second = await alice.tab()
    await second.connected()
    await go_offline(chat, alice, second)
    said = [f"line {number}" for number in range(10)]
    for number, text in enumerate(said):
        await (alice, second)[number % 2].say(text)
    for tab in (alice, second):
        await expect(tab.pending.locator(".pending__text")).to_have_text(said)
    await alice.context.set_offline(False)
    await all_show((alice, second, bob), *said, timeout=A_WHILE)
    for tab in (alice, second):
        await expect(tab.pending).to_have_count(0)
    await second.say("the end")
    await all_show((alice, second, bob), *said, "the end")


# A tab sends what another one has not sent within two seconds. Here these never pass.
NEVER_TAKES_OVER = slow_timers(1000, 2000)


async def test_a_message_is_sent_by_the_tab_in_which_it_was_written(
    alice: Visitor, saved: list[str]
) -> None:
    second = await alice.tab("/search")
    await second.page.add_init_script(NEVER_TAKES_OVER)
    await second.open()
    await second.connected()
    said = [f"line {number}" for number in range(5)]
    for text in said:
        await alice.say(text)
        await expect(second.texts.last).to_have_text(text)
    assert saved == said


async def test_another_tab_sends_a_message_that_its_tab_could_not(alice: Visitor) -> None:
    second = await alice.tab()
    # Its connection seems to be open, and nothing comes of it.
    await alice.page.route_web_socket("**/ws?*", lambda route: None)
    await alice.page.reload()
    await second.page.evaluate(
        """() => {
          const pending = document.getElementById("pending")
          new MutationObserver(() => { window.shown ??= pending.innerText })
            .observe(pending, { childList: true })
        }"""
    )
    await alice.say("help")
    await expect(second.texts).to_have_text(["help"])
    assert (await second.page.evaluate("shown")).split() == ["help", "sending…"]
    for tab in (alice, second):
        await expect(tab.pending).to_have_count(0)


@pytest.mark.usefixtures("stricter_server")
async def test_discarding_in_one_tab_discards_in_the_other(alice: Visitor) -> None:
    second = await alice.tab()
    await alice.say("x" * 1001)
    await expect(second.pending).to_contain_text("not sent")
    retry = second.page.get_by_role("button", name="Retry")
    await retry.focus()
    await alice.press("Discard")
    for tab in (alice, second):
        await expect(tab.pending).to_have_count(0)
        await expect(tab.field).to_be_focused()
