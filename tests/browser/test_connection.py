"""The connection in Chromium: deploys, outages, TLS; kills are the outbox's."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Route, WebSocketRoute, expect

from chat.client import Client
from chat.journal import JOURNAL
from chat.recent import RECENT_LENGTH
from settings import Settings
from tests.support.browser import (
    A_WHILE,
    CONNECTION_LOST,
    REFUSED,
    Visit,
    Visitor,
    all_show,
    go_offline,
    slow_timers,
    visiting,
)
from tests.support.log import say
from tests.support.people import PASSWORD
from tests.support.processes import running_chat
from tests.support.proxies import tls_front
from tests.support.site import ChatSite, serving
from tests.support.sockets import clients_of

# A page says that the connection is away when it has been for five seconds. Here they never pass.
PATIENT = slow_timers(5000, 5000)


async def test_a_deploy_goes_unnoticed(visit: Visit) -> None:
    async with running_chat() as process:
        alice, bob = [await visit(process.url, login, PATIENT) for login in ("alice", "bob")]
        for visitor in (alice, bob):
            visitor.tolerates = CONNECTION_LOST
        await process.restart()
        for visitor in (alice, bob):
            await visitor.disconnected()
            await visitor.connected(2, timeout=A_WHILE)
            assert await visitor.statuses("Connection") == []
        for visitor in (alice, bob):
            await expect(visitor.page.locator("#people-count")).to_have_text(re.compile(r"^2\b"))
        await alice.say("still here")
        await all_show((alice, bob), "still here")
        assert await alice.statuses("bob") == ["bob joined"]
        assert await bob.statuses("alice joined") == []


async def test_a_message_whose_answer_was_lost_is_shown_once(
    chat: ChatSite, alice: Visitor, bob: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    [client] = clients_of(chat.app, "alice")
    write = Client.write

    def write_to_others(self: Client, data: bytes) -> None:
        if self is not client:  # nothing gets through to her
            write(self, data)

    monkeypatch.setattr(Client, "write", write_to_others)
    await alice.say("is it stored?")
    await expect(bob.texts).to_have_text(["is it stored?"])
    alice.tolerates = CONNECTION_LOST
    client.abort()
    await alice.connected(2)
    await alice.say("it is")  # after the answer to the first, sent again
    await all_show((alice, bob), "is it stored?", "it is")


async def test_a_connection_that_died_without_a_word_is_noticed_and_replaced(
    chat: ChatSite, visit: Visit, bob: Visitor
) -> None:
    dead: set[WebSocketRoute] = set()
    routes: list[WebSocketRoute] = []

    def pass_on(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        route.on_message(lambda data: None if route in dead else server.send(data))
        server.on_message(lambda data: None if route in dead else route.send(data))
        routes.append(route)

    alice = await visit(chat.url)
    await alice.page.route_web_socket("**/ws?*", pass_on)
    await alice.sign_up("alice")
    await alice.open()
    await alice.connected()
    dead.update(routes)
    await alice.say("is anybody there?")
    await alice.disconnected(timeout=A_WHILE)
    await alice.connected(2)
    await all_show((alice, bob), "is anybody there?")


BROKEN = "Connection broken. Your messages go out when you are back."
OFFLINE = "This device is offline."


async def test_nothing_is_told_while_all_is_well(alice: Visitor, bob: Visitor) -> None:
    await alice.say("hello")
    await all_show((alice, bob), "hello")
    await alice.page.reload()
    await alice.connected()
    assert await alice.statuses("Connection") == []
    assert await bob.statuses("Connection") == []


async def test_who_is_offline_is_told_so_at_once_and_of_the_return(alice: Visitor) -> None:
    alice.tolerates = CONNECTION_LOST
    await alice.context.set_offline(True)
    await expect(alice.status).to_have_text(f"{BROKEN} {OFFLINE}")
    spoken = alice.page.locator("#status")
    await expect(spoken).to_have_text(f"{BROKEN} {OFFLINE}")
    danger = "rgb(180, 35, 24)"
    await expect(alice.status).to_have_css("color", danger)
    await alice.context.set_offline(False)
    await alice.connected(2, timeout=A_WHILE)
    await expect(alice.status).to_have_text("Connection to server started")
    await expect(spoken).to_have_text("Connection to server started")
    await expect(alice.status).not_to_have_css("color", danger)


async def test_who_is_cut_off_is_told_how_many_messages_wait(visit: Visit) -> None:
    async with running_chat() as process:
        alice = await visit(process.url, "alice")
        alice.tolerates = CONNECTION_LOST
        tab = await alice.tab()
        tab.tolerates = CONNECTION_LOST
        await tab.connected()
        await process.kill()
        await expect(alice.status).to_have_text(BROKEN)
        await alice.say("one")
        one = "Connection broken. Your message goes out when you are back."
        for each in (alice, tab):
            await expect(each.status).to_have_text(one)
        await tab.say("two")
        two = "Connection broken. Your 2 messages go out when you are back."
        for each in (alice, tab):
            await expect(each.status).to_have_text(two)
            await expect(each.pending.get_by_role("status")).to_have_text(["waiting", "waiting"])
        await process.start()
        for each in (alice, tab):
            await each.told("Connection to server started", timeout=A_WHILE)
            await expect(each.texts).to_have_count(2)


# As a network that goes away may do it; this listener comes after the page's own.
OFFLINE_AS_IT_CLOSES = """
window.WebSocket = class extends WebSocket {
  set onclose(listener) {
    super.onclose = listener
    if (listener) this.addEventListener("close", () => dispatchEvent(new Event("offline")))
  }
  get onclose() { return super.onclose }
}
"""


async def test_a_connection_that_ends_as_the_network_goes_ends_once(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", OFFLINE_AS_IT_CLOSES)
    alice.tolerates = CONNECTION_LOST
    asked: list[str] = []  # whether the server is there, as after a socket that was never open
    alice.page.on("request", lambda request: asked.append(request.url))
    for times in (2, 3):
        [client] = clients_of(chat.app, "alice")
        # Longer than a TURN, in which the end would be handled before anything else.
        await alice.page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 100))")
        client.abort()
        await alice.connected(times, timeout=A_WHILE)
    assert not [url for url in asked if "/read/0" in url]


async def test_what_was_refused_does_not_count_as_waiting(chat: ChatSite, alice: Visitor) -> None:
    await alice.say("x" + "\a" * 30_000)
    await expect(alice.pending).to_contain_text("not sent")
    await go_offline(chat, alice)
    await expect(alice.status).to_have_text(f"{BROKEN} {OFFLINE}")
    await alice.context.set_offline(False)
    await alice.connected(2, timeout=A_WHILE)


async def test_a_server_that_does_not_come_back_is_told_after_a_clean_end(visit: Visit) -> None:
    async with running_chat() as process:
        alice = await visit(process.url, "alice")
        alice.tolerates = CONNECTION_LOST
        await process.stop()
        await expect(alice.status).to_have_text(BROKEN, timeout=A_WHILE)
        assert await alice.statuses() == [BROKEN]


async def test_who_missed_more_than_is_replayed_gets_the_history_in_place(
    chat: ChatSite, alice: Visitor, bob: Visitor
) -> None:
    alice.tolerates = CONNECTION_LOST
    await alice.say("before")
    await all_show((alice, bob), "before")
    await alice.page.evaluate("window.isTheSamePage = true")

    await go_offline(chat, alice)
    missed = [f"missed {number}" for number in range(RECENT_LENGTH + 100)]
    journal = chat.app[JOURNAL]
    await asyncio.gather(*(say(journal, "bob", text) for text in missed))
    await alice.say("written offline")
    await alice.field.fill("half a sentence")
    await alice.context.set_offline(False)

    # Where she left off.
    await expect(alice.texts).to_have_text(["before", *missed[:50]], timeout=A_WHILE)
    await expect(alice.field).to_have_value("half a sentence")
    await alice.connected(2)
    await expect(bob.texts.last).to_have_text("written offline")
    await alice.page.locator("#unread").click()
    await expect(alice.texts).to_have_text([*missed[-49:], "written offline"])
    await expect(alice.texts.last).to_be_in_viewport()
    await bob.say("welcome back")
    await expect(alice.texts.last).to_have_text("welcome back")
    await expect(alice.texts).to_have_count(51)
    await expect(alice.page.get_by_text("Times are in UTC")).to_have_count(0)
    assert await alice.page.evaluate("window.isTheSamePage")


async def test_over_tls_one_logs_in_talks_and_signs_out(
    settings: Settings, browser: Browser, tmp_path: Path
) -> None:
    async with (
        serving(replace(settings, SECURE_COOKIES=True)) as chat,
        tls_front(chat.port, tmp_path) as url,
        visiting(browser) as visit,
    ):
        alice = await visit(url, "alice", ignore_https_errors=True)
        bob = await visit(url, ignore_https_errors=True)
        await bob.sign_up("bob")
        await bob.context.clear_cookies()
        await bob.open()
        await bob.fill(login="bob", password=PASSWORD)
        await bob.submit()
        await expect(bob.page).to_have_title("Main Chat page")
        [cookie] = await bob.session_cookies()
        assert cookie["name"].startswith("__Host-chat_session")
        assert cookie["secure"]
        # Enter sends once the script is there, which over TLS takes its time.
        await bob.connected()
        await bob.say("hello over TLS")
        await alice.say("hello Bob")
        for visitor in (alice, bob):
            await expect(visitor.messages).to_have_count(2)

        other_tab = await bob.tab()
        await other_tab.connected()
        await bob.sign_out()
        for tab in (bob, other_tab):
            await expect(tab.page).to_have_url(f"{url}/login")
        assert await bob.session_cookies() == []
        await bob.open()
        await expect(bob.page).to_have_url(f"{url}/login")


NO_SOCKETS = "window.WebSocket = class { constructor() { setTimeout(() => this.onclose({}), 9) } }"
NO_SERVER = f"{NO_SOCKETS}; window.fetch = async () => {{ throw new TypeError() }}"


async def test_a_page_that_never_gets_a_connection_says_so(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, script=NO_SERVER)
    await alice.sign_up("alice")
    await alice.open()
    await alice.say("is anybody there?")
    await expect(alice.pending).to_contain_text("waiting")
    await expect(alice.status).to_contain_text("Your message goes out when you are back.")


async def test_where_sockets_never_open_messages_come_and_go_by_the_page(
    chat: ChatSite, visit: Visit, bob: Visitor
) -> None:
    alice = await visit(chat.url, script=NO_SOCKETS)
    await alice.sign_up("alice")
    await alice.open()
    await expect(alice.status).to_contain_text("No live connection")
    hints = alice.page.locator(".composer__hints")
    colour = await hints.evaluate("hints => getComputedStyle(hints).color")
    await expect(alice.status).to_have_css("color", colour)  # as all comes and goes, slowly
    await expect(alice.page.locator("#status")).to_contain_text("No live connection")  # is spoken
    await bob.say("can you read me?")
    await expect(alice.texts).to_have_text(["can you read me?"], timeout=A_WHILE)
    await alice.say("as well as ever", "nearly")
    await all_show((alice, bob), "can you read me?", "as well as ever", "nearly", timeout=A_WHILE)
    await expect(alice.pending).to_have_count(0)
    await bob.field.press("ArrowUp")
    await bob.say("can you hear me?")
    await all_show((alice, bob), "can you hear me?", "as well as ever", "nearly", timeout=A_WHILE)
    assert len(await alice.statuses()) == 1  # however often a socket was tried meanwhile


PAGE = {"status": 200, "body": "<h1>Welcome to our hotel</h1>", "content_type": "text/html"}
REDIRECT = {"status": 302, "headers": {"Location": "http://portal.example/"}}
JSON_ERROR = {"status": 511, "body": "{}", "content_type": "application/json"}


@pytest.mark.parametrize(
    ("is_open", "answer"), [(True, PAGE), (True, REDIRECT), (False, PAGE), (False, JSON_ERROR)]
)
async def test_a_network_that_answers_for_the_server_takes_no_message(
    chat: ChatSite, visit: Visit, bob: Visitor, is_open: bool, answer: dict[str, Any]
) -> None:
    alice = await visit(chat.url, script="" if is_open else NO_SOCKETS)
    await alice.sign_up("alice")
    await alice.open()
    if is_open:
        await alice.connected()
    else:
        await expect(alice.status).to_contain_text("No live connection")
    alice.tolerates = ("",)  # the browser reports whatever it is refused

    async def answer_all(route: Route) -> None:
        await route.fulfill(**answer)

    await alice.page.route("**/*", answer_all)
    await alice.page.evaluate(f"() => {{ {NO_SOCKETS} }}")
    for client in clients_of(chat.app, "alice"):
        client.abort()
    await alice.say("is it stored?")
    one = "Connection broken. Your message goes out when you are back."
    await expect(alice.status).to_have_text(one, timeout=A_WHILE)
    await expect(alice.pending).to_contain_text("is it stored?")
    await alice.page.unroute("**/*")
    await expect(bob.texts).to_have_text(["is it stored?"], timeout=A_WHILE)
    await expect(alice.pending).to_have_count(0)


async def test_a_window_too_many_says_so_and_reads_on_until_another_is_closed(
    settings: Settings, visit: Visit
) -> None:
    async with serving(replace(settings, SOCKETS_PER_USER=1)) as chat:
        first = await visit(chat.url, "alice")
        first.tolerates = CONNECTION_LOST + REFUSED
        second = await first.tab()
        await expect(second.status).to_contain_text("No live connection")
        await first.say("one", "two")
        await all_show((first, second), "one", "two", timeout=A_WHILE)
        await first.page.close()
        await second.connected(timeout=A_WHILE)
        await second.say("three")
        await expect(second.texts).to_have_text(["one", "two", "three"])


async def test_an_outage_is_seen_wherever_one_reads(chat: ChatSite, alice: Visitor) -> None:
    await alice.post(*map(str, range(60)))
    await expect(alice.texts.last).to_have_text("59")
    await alice.log.evaluate("log => log.scrollTop = 0")
    await go_offline(chat, alice)
    await expect(alice.status).to_have_text(f"{BROKEN} {OFFLINE}")
    await expect(alice.status).to_be_in_viewport(ratio=1)
    await expect(alice.page.locator("#people-count")).to_have_css("opacity", "0.5")
    await alice.context.set_offline(False)
    await alice.connected(2, timeout=A_WHILE)
    await expect(alice.page.locator("#people-count")).to_have_css("opacity", "1")
