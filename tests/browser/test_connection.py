"""The connection in Chromium: deploys, outages, TLS; kills are the outbox's."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from chat.client import Client
from chat.journal import JOURNAL
from chat.recent import RECENT_LENGTH
from settings import Settings
from tests.support.browser import (
    A_WHILE,
    CONNECTION_LOST,
    Visit,
    Visitor,
    all_show,
    go_offline,
    visiting,
)
from tests.support.log import say
from tests.support.people import PASSWORD
from tests.support.processes import running_chat
from tests.support.proxies import tls_front
from tests.support.site import ChatSite, serving
from tests.support.sockets import clients_of


async def test_a_deploy_is_a_clean_end_and_a_return(visit: Visit) -> None:
    async with running_chat() as process:
        alice, bob = await visit(process.url, "alice"), await visit(process.url, "bob")
        for visitor in (alice, bob):
            visitor.tolerates = CONNECTION_LOST
        await process.restart()
        for visitor in (alice, bob):
            await expect(visitor.notices("Clean connection end")).to_have_count(1)
            await visitor.connected(2, timeout=A_WHILE)
        for visitor in (alice, bob):
            await expect(visitor.page.locator("#people-count")).to_have_text(re.compile(r"^2\b"))
        await alice.say("still here")
        await all_show((alice, bob), "still here")
        await expect(alice.notices("bob")).to_have_text([re.compile("bob joined")])
        await expect(bob.notices("alice")).to_have_count(0)


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


async def test_who_missed_more_than_is_replayed_gets_the_history_in_place(
    chat: ChatSite, alice: Visitor, bob: Visitor
) -> None:
    alice.tolerates = CONNECTION_LOST
    await alice.say("before")
    await expect(bob.texts).to_have_text(["before"])
    await alice.page.evaluate("window.isTheSamePage = true")

    await go_offline(chat, alice)
    missed = [f"missed {number}" for number in range(RECENT_LENGTH + 100)]
    journal = chat.app[JOURNAL]
    await asyncio.gather(*(say(journal, "bob", text) for text in missed))
    await alice.say("written offline")
    await alice.field.fill("half a sentence")
    await alice.context.set_offline(False)

    await expect(alice.texts).to_have_text([*missed[-50:], "written offline"])
    await expect(alice.field).to_have_value("half a sentence")
    await alice.connected()
    await expect(alice.texts.last).to_be_in_viewport()
    await bob.say("welcome back")
    await expect(alice.texts.last).to_have_text("welcome back")
    await expect(alice.texts).to_have_count(52)
    await expect(alice.page.get_by_text("Times are in UTC")).to_have_count(0)
    assert await alice.page.evaluate("window.isTheSamePage")


async def test_what_was_missed_is_replayed_in_order(
    chat: ChatSite, alice: Visitor, bob: Visitor
) -> None:
    await go_offline(chat, alice)
    missed = [f"missed {number}" for number in range(60)]
    for text in missed:
        await bob.post(text)
    await alice.context.set_offline(False)
    await expect(alice.texts).to_have_text(missed)


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
        [cookie] = await bob.context.cookies()
        assert cookie["name"] == "__Host-session"
        assert cookie["secure"]
        # Enter sends once the script is there, which over TLS takes its time.
        await bob.connected()
        await bob.say("hello over TLS")
        await alice.say("hello Bob")
        for visitor in (alice, bob):
            await expect(visitor.messages).to_have_count(2)

        other_tab = await bob.tab()
        await other_tab.connected()
        await bob.press("Sign out")
        for tab in (bob, other_tab):
            await expect(tab.page).to_have_url(f"{url}/login")
        assert await bob.context.cookies() == []
        await bob.open()
        await expect(bob.page).to_have_url(f"{url}/login")
