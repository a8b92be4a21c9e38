"""The pages in Chromium: what people do with them, and what must never happen there."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from chat import wire
from chat.client import Client
from chat.entry import Change, Entry, Refused
from chat.hub import HUB
from chat.journal import JOURNAL
from chat.models import Message
from chat.recent import LENGTH
from database import DB
from settings import MESSAGE_COLLECTION, Settings
from tests.support.browser import CONNECTION_LOST, REFUSED, Visit, Visitor, visiting
from tests.support.hostile import HOSTILE
from tests.support.people import PASSWORD
from tests.support.processes import running_chat
from tests.support.proxies import tls_front
from tests.support.site import ChatSite, serving
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRACE = 0.2  # seconds, in place of five
A_WHILE = 30_000  # ms; a page may pause for several seconds before it comes back


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let who has no socket be gone sooner."""
    monkeypatch.setattr("chat.presence.GRACE", GRACE)


# Accounts


async def test_registering_through_the_page_leads_into_the_chat(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url)
    await expect(alice.page).to_have_url(f"{alice.url}/login")
    await alice.page.get_by_role("link", name="Create account").click()
    await alice.page.get_by_label("Login").fill("alice")
    await alice.page.get_by_label("E-mail").fill("alice@example.com")
    await alice.page.get_by_label(re.compile(r"Password \(")).fill(PASSWORD)
    await alice.page.get_by_label("Password again").fill(PASSWORD)
    await alice.page.get_by_role("button", name="Create account").click()
    await expect(alice.page).to_have_title("Main Chat page")
    await expect(alice.page).to_have_url(f"{alice.url}/")
    await expect(alice.page.locator(".bar")).to_contain_text("alice")
    [cookie] = await alice.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"


async def test_one_logs_in_with_the_login_or_the_address(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice")
    for name in ("alice", "ALICE", "alice@example.com"):
        await alice.context.clear_cookies()
        await alice.open()
        await alice.fill(login=name, password=PASSWORD)
        await alice.page.keyboard.press("Enter")
        await expect(alice.page).to_have_title("Main Chat page")
        await expect(alice.page.locator(".bar")).to_contain_text("alice")
        # Without the cookie its socket would be refused.
        await expect(alice.notices("Connection to server started")).to_have_count(1)


async def test_who_is_signed_in_is_led_from_the_account_pages_to_the_chat(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice")
    for path in ("/login", "/signin"):
        await alice.open(path)
        await expect(alice.page).to_have_url(f"{alice.url}/")
        await expect(alice.page).to_have_title("Main Chat page")


@pytest.mark.parametrize("scripts", [True, False])
async def test_an_empty_form_is_complained_about(
    chat: ChatSite, visit: Visit, scripts: bool
) -> None:
    alice = await visit(chat.url, java_script_enabled=scripts)
    alice.tolerates = () if scripts else REFUSED  # with scripts the server is not even asked
    for path in ("/login", "/signin"):
        await alice.open(path)
        # A browser's own check, which only scripts turn off, would keep an empty form back.
        await alice.fill(login=" ", password=" ")
        if path == "/signin":
            await alice.fill(email="a@b", password2=" ")
        await alice.submit()
        await expect(alice.error).to_have_text("Please fill all fields")


@pytest.mark.parametrize("scripts", [True, False])
async def test_different_passwords_are_complained_about(
    chat: ChatSite, visit: Visit, scripts: bool
) -> None:
    alice = await visit(chat.url, java_script_enabled=scripts)
    alice.tolerates = () if scripts else REFUSED
    await alice.open("/signin")
    await alice.fill(login="alice", email="a@example.com", password=PASSWORD, password2="another")
    await alice.submit()
    await expect(alice.error).to_have_text("Passwords must be the same")
    await expect(alice.page.locator("#login")).to_have_value("alice")


async def test_a_login_that_is_taken_is_complained_about_beside_the_field(
    chat: ChatSite, visit: Visit
) -> None:
    await visit(chat.url, "alice")
    other = await visit(chat.url)
    other.tolerates = REFUSED
    await other.open("/signin")
    await other.fill(login="Alice", email="b@example.com", password=PASSWORD, password2=PASSWORD)
    await other.submit()
    await expect(other.error).to_have_text("User exists")
    login = other.page.get_by_label("Login")
    await expect(login).to_have_value("Alice")
    await expect(login).to_be_focused()
    await expect(login).to_have_attribute("aria-invalid", "true")
    await expect(login).to_have_accessible_description("User exists")
    await expect(other.page.get_by_label("E-mail")).to_have_value("b@example.com")
    await expect(other.page.locator("#password")).to_have_value("")
    # What the server refused can be put right in the same form.
    await other.fill(login="bob", password=PASSWORD, password2=PASSWORD)
    await other.submit()
    await expect(other.page).to_have_title("Main Chat page")


async def test_what_the_script_complains_about_is_not_put_beside_another_field(
    chat: ChatSite, visit: Visit
) -> None:
    await visit(chat.url, "alice")
    other = await visit(chat.url)
    other.tolerates = REFUSED
    await other.open("/signin")
    await other.fill(login="alice", email="b@example.com", password=PASSWORD, password2=PASSWORD)
    await other.submit()
    await expect(other.error).to_have_text("User exists")
    await other.fill(login="bob", password=PASSWORD, password2="another")
    await other.submit()
    await expect(other.page.get_by_text("Passwords must be the same")).to_have_count(1)
    login = other.page.get_by_label("Login")
    await expect(login).not_to_have_accessible_description("Passwords must be the same")


async def test_a_wrong_password_is_complained_about(chat: ChatSite, visit: Visit) -> None:
    await visit(chat.url, "alice")
    other = await visit(chat.url)
    other.tolerates = REFUSED
    await other.fill(login="alice", password="not her password")
    await other.submit()
    await expect(other.error).to_have_text("Wrong login or password")
    await expect(other.page.locator("#login")).to_have_value("alice")
    await expect(other.page.locator("#password")).to_have_value("")


async def test_signing_out_takes_every_tab_of_the_session_to_the_log_in_page(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice")
    other_tab = await alice.tab()
    elsewhere = await visit(chat.url)
    await elsewhere.fill(login="alice", password=PASSWORD)
    await elsewhere.submit()
    for tab in (other_tab, elsewhere):
        await expect(tab.notices("Connection to server started")).to_have_count(1)
    cookies = await alice.context.cookies()

    await alice.page.get_by_role("button", name="Sign out").click()
    for tab in (alice, other_tab):
        await expect(tab.page).to_have_url(f"{tab.url}/login")
    assert await alice.context.cookies() == []

    await alice.context.add_cookies(
        [
            {"name": c["name"], "value": c["value"], "domain": c["domain"], "path": "/"}
            for c in cookies
        ]
    )
    await alice.open()  # the old cookie is worth nothing
    await expect(alice.page).to_have_url(f"{alice.url}/login")
    await elsewhere.say("another session goes on")
    await expect(elsewhere.texts).to_have_text(["another session goes on"])


async def test_going_back_after_signing_out_shows_no_chat(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice")
    await alice.say("between us")
    await expect(alice.texts).to_have_text(["between us"])
    await alice.page.get_by_role("button", name="Sign out").click()
    await expect(alice.page).to_have_url(f"{alice.url}/login")
    await alice.page.go_back()
    await expect(alice.page).to_have_title("Log in · Chat")
    await expect(alice.page.get_by_text("between us")).to_have_count(0)


# Talking


async def test_two_people_talk(chat: ChatSite, visit: Visit) -> None:
    alice, bob = await visit(chat.url, "alice"), await visit(chat.url, "bob")
    for speaker, text in [(alice, "hello Bob"), (bob, "hello Alice"), (alice, "how are you?")]:
        await speaker.say(text)
        for reader in (alice, bob):
            await expect(reader.texts.last).to_have_text(text)
    for reader in (alice, bob):
        await expect(reader.messages).to_have_text(
            [
                re.compile(rf"^\s*\[\d\d:\d\d:\d\d\]\s+{line}\s*(Change\s*)?$")
                for line in (
                    r"\(alice\)\s+hello Bob",
                    r"\(bob\)\s+hello Alice",
                    r"\(alice\)\s+how are you\?",
                )
            ]
        )


async def test_what_was_said_in_a_hurry_keeps_its_order(chat: ChatSite, visit: Visit) -> None:
    alice, bob = await visit(chat.url, "alice"), await visit(chat.url, "bob")
    said = [f"line {number}" for number in range(30)]
    for text in said:
        await alice.say(text)
    for reader in (alice, bob):
        await expect(reader.texts).to_have_text(said)


async def test_the_talk_is_the_same_after_a_reload(chat: ChatSite, visit: Visit) -> None:
    alice, bob = await visit(chat.url, "alice"), await visit(chat.url, "bob")
    await alice.say("one\n  two <b>three</b> & four")
    await expect(bob.texts).to_have_count(1)
    await bob.say("five")
    await expect(alice.texts).to_have_count(2)
    live = await alice.messages.all_inner_texts()
    shape = await alice.messages.first.evaluate("element => element.outerHTML")
    await alice.page.reload()
    await expect(alice.messages).to_have_count(2)
    assert await alice.messages.all_inner_texts() == live
    assert await alice.messages.first.evaluate("element => element.outerHTML") == shape


async def test_times_are_those_of_the_readers_zone_on_a_24_hour_clock(
    chat: ChatSite, visit: Visit
) -> None:
    times = [datetime(2026, 11, 20, 14, 30, 5, tzinfo=UTC), datetime(2026, 11, 20, 15, tzinfo=UTC)]
    in_tokyo = ["[23:30:05] (ghost) 1", "[00:00:00] (ghost) 2"]
    alice = await visit(chat.url, "alice", timezone_id="Asia/Tokyo", locale="en-US")
    for seq, time in enumerate(times, 1):
        entry = {"seq": seq, "key": f":{seq}", "user": "ghost", "user_id": "", "msg": str(seq)}
        await chat.app[DB][MESSAGE_COLLECTION].insert_one({**entry, "time": time})
    await expect(alice.messages).to_have_text(in_tokyo)  # from the socket
    await alice.page.reload()
    await expect(alice.messages).to_have_text(in_tokyo)  # from the page
    await expect(alice.page.get_by_text("Times are in UTC")).to_have_count(0)


async def test_enter_sends_and_shift_enter_begins_a_line(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice")
    await expect(alice.field).to_be_focused()
    await alice.page.keyboard.type("one")
    await alice.page.keyboard.press("Shift+Enter")
    await alice.page.keyboard.type("two")
    await expect(alice.field).to_have_value("one\ntwo")
    await alice.page.keyboard.press("Enter")
    await expect(alice.texts).to_have_count(1)
    assert await alice.texts.all_inner_texts() == ["one\ntwo"]


async def test_the_field_is_cleared_and_keeps_the_focus(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice")
    for send in (alice.field.press("Enter"), alice.submit()):
        await alice.field.fill("hello")
        await send
        await expect(alice.field).to_have_value("")
        await expect(alice.field).to_be_focused()
    await expect(alice.texts).to_have_text(["hello", "hello"])


async def test_an_empty_message_is_not_sent(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice")
    for nothing in ("", "  ", "\n"):
        await alice.say(nothing)
    await alice.say("something")
    await expect(alice.texts).to_have_text(["something"])
    await expect(alice.error).to_have_text("")


async def test_enter_that_ends_a_composition_does_not_send(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice")
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
        # Four may come at once; so many that a slow machine is too fast as well.
        said = [f"line {number}" for number in range(8)]
        for text in said:
            await alice.say(text)
        await expect(alice.error).to_have_text("Too fast, please wait a moment")
        await expect(alice.texts).to_have_text(said, timeout=A_WHILE)
        await expect(alice.error).to_have_text("")


async def test_the_newest_is_scrolled_to_only_for_who_reads_at_the_end(
    chat: ChatSite, visit: Visit
) -> None:
    bob = await visit(chat.url, "bob")
    for number in range(40):
        await bob.post(f"line {number}")
    alice = await visit(chat.url, "alice", viewport={"width": 600, "height": 400})
    await expect(alice.texts.last).to_be_in_viewport()  # the page begins at the end
    await bob.say("to who reads along")
    await expect(alice.texts.last).to_have_text("to who reads along")
    await expect(alice.texts.last).to_be_in_viewport()

    await alice.log.evaluate("log => log.scrollTop = 100")
    await bob.say("to who reads back")
    await expect(alice.texts.last).to_have_text("to who reads back")
    assert await alice.log.evaluate("log => log.scrollTop") == 100
    await expect(alice.texts.last).not_to_be_in_viewport()

    await alice.say("my own")
    await expect(alice.texts.last).to_have_text("my own")
    await expect(alice.texts.last).to_be_in_viewport()


async def test_who_reads_at_the_end_stays_there_while_the_field_grows(
    chat: ChatSite, visit: Visit
) -> None:
    bob = await visit(chat.url, "bob")
    for number in range(40):
        await bob.post(f"line {number}")
    alice = await visit(chat.url, "alice", viewport={"width": 600, "height": 500})
    await alice.field.fill("a\nmessage\nof\nmany\nlines")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)
    await bob.say("meanwhile")
    await expect(alice.texts.last).to_have_text("meanwhile")
    await expect(alice.texts.last).to_be_in_viewport(ratio=1)


async def test_the_log_says_that_it_is_empty_only_while_it_is(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice")
    empty = alice.page.get_by_text("Nobody has said anything yet")
    await expect(empty).to_be_visible()
    await alice.say("hello")
    await expect(alice.texts).to_have_text(["hello"])
    await expect(empty).to_be_hidden()


async def test_without_scripts_older_messages_are_a_link_away(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice", java_script_enabled=False)
    said = [f"line {number}" for number in range(1, 121)]
    for text in said:
        await alice.post(text)
    await alice.open()
    await expect(alice.texts).to_have_text(said[-50:])
    await alice.page.get_by_role("link", name="Older messages").click()
    await expect(alice.texts).to_have_text(said[20:70])
    await alice.page.get_by_role("link", name="Older messages").click()
    await expect(alice.texts).to_have_text(said[:20])
    await expect(alice.page.get_by_role("link", name="Older messages")).to_have_count(0)
    await alice.page.get_by_role("link", name="Back to the newest messages").click()
    await expect(alice.texts).to_have_text(said[-50:])


# Who is here


@pytest.mark.usefixtures("short_grace")
async def test_others_are_told_who_comes_and_who_goes(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice")
    bob = await visit(chat.url, "bob")
    await expect(alice.notices("bob joined")).to_have_text(
        [re.compile(r"^\[\d\d:\d\d:\d\d\] bob joined$")]
    )
    people = alice.page.locator("#people")
    await expect(people).to_have_text(re.compile(r"^2\b"))
    await bob.page.close()
    await expect(alice.notices("bob disconnected")).to_have_text(
        [re.compile(r"^\[\d\d:\d\d:\d\d\] bob disconnected$")]
    )
    await expect(people).to_have_text(re.compile(r"^1\b"))
    await expect(alice.notices("alice")).to_have_count(0)


@pytest.mark.usefixtures("short_grace")
async def test_nobody_is_told_twice_about_somebody_with_two_tabs(
    chat: ChatSite, visit: Visit
) -> None:
    bob = await visit(chat.url, "bob")
    alice = await visit(chat.url, "alice")
    second = await alice.tab()
    await second.say("from the second tab")
    for reader in (alice, second, bob):
        await expect(reader.texts).to_have_text(["from the second tab"])
        await expect(reader.page.locator("#people")).to_have_text(re.compile(r"^2\b"))
    await expect(bob.notices("alice joined")).to_have_count(1)
    for tab in (alice, second):
        await expect(tab.notices("alice")).to_have_count(0)

    await second.page.close()
    carol = await visit(chat.url, "carol")  # comes and goes later, so is told of later
    await carol.page.close()
    await expect(bob.notices("carol disconnected")).to_have_count(1)
    await expect(bob.notices("alice disconnected")).to_have_count(0)
    await alice.page.close()
    await expect(bob.notices("alice disconnected")).to_have_count(1)
    await expect(bob.notices("alice joined")).to_have_count(1)


async def test_a_reload_is_nothing_to_tell(chat: ChatSite, visit: Visit) -> None:
    bob = await visit(chat.url, "bob")
    alice = await visit(chat.url, "alice")
    await alice.page.reload()
    await alice.say("here again")
    await expect(bob.texts).to_have_text(["here again"])
    await expect(bob.notices("alice")).to_have_text([re.compile("alice joined")])


# The connection


async def test_a_killed_server_costs_nobody_a_message(visit: Visit) -> None:
    async with running_chat() as process:
        alice, bob = await visit(process.url, "alice"), await visit(process.url, "bob")
        for visitor in (alice, bob):
            visitor.tolerates = CONNECTION_LOST
            await visitor.page.evaluate("window.isTheSamePage = true")
        await alice.say("before")
        await expect(bob.texts).to_have_text(["before"])

        await bob.say("in the moment of the kill")
        await process.kill()
        for visitor in (alice, bob):
            await expect(visitor.notices("Connection broken")).to_have_count(1)
        await alice.say("while it was away")
        await process.start()

        for visitor in (alice, bob):
            await expect(visitor.notices("Connection to server started")).to_have_count(
                2, timeout=A_WHILE
            )
        for visitor in (alice, bob):
            await expect(visitor.texts).to_have_count(3)
        await alice.say("after, by Alice")
        await expect(bob.texts.last).to_have_text("after, by Alice")
        await bob.say("after, by Bob")
        for visitor in (alice, bob):
            await expect(visitor.texts.last).to_have_text("after, by Bob")
            said = await visitor.texts.all_inner_texts()
            assert said[0] == "before"
            assert set(said[1:3]) == {"in the moment of the kill", "while it was away"}
            assert said[3:] == ["after, by Alice", "after, by Bob"]
            assert await visitor.page.evaluate("window.isTheSamePage")
        await expect(alice.notices("bob joined")).to_have_count(1)  # long before
        await bob.page.reload()
        assert await bob.texts.all_inner_texts() == await alice.texts.all_inner_texts()


async def test_a_deploy_is_a_clean_end_and_a_return(visit: Visit) -> None:
    async with running_chat() as process:
        alice, bob = await visit(process.url, "alice"), await visit(process.url, "bob")
        for visitor in (alice, bob):
            visitor.tolerates = CONNECTION_LOST
        await process.restart()
        for visitor in (alice, bob):
            await expect(visitor.notices("Clean connection end")).to_have_count(1)
            await expect(visitor.notices("Connection to server started")).to_have_count(
                2, timeout=A_WHILE
            )
        for visitor in (alice, bob):
            await expect(visitor.page.locator("#people")).to_have_text(re.compile(r"^2\b"))
        await alice.say("still here")
        for visitor in (alice, bob):
            await expect(visitor.texts).to_have_text(["still here"])
        await expect(alice.notices("bob")).to_have_text([re.compile("bob joined")])
        await expect(bob.notices("alice")).to_have_count(0)


async def test_a_message_whose_answer_was_lost_is_shown_once(
    chat: ChatSite, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await visit(chat.url, "alice"), await visit(chat.url, "bob")
    [client] = [m for m in chat.app[HUB].websockets if m.identity.login == "alice"]
    write = Client.write

    def write_to_others(self: Client, data: bytes) -> None:
        if self is not client:  # nothing gets through to her
            write(self, data)

    monkeypatch.setattr(Client, "write", write_to_others)
    await alice.say("is it stored?")
    await expect(bob.texts).to_have_text(["is it stored?"])
    alice.tolerates = CONNECTION_LOST
    client.abort()
    await expect(alice.notices("Connection to server started")).to_have_count(2)
    await alice.say("it is")  # after the answer to the first, sent again
    for visitor in (alice, bob):
        await expect(visitor.texts).to_have_text(["is it stored?", "it is"])


async def test_who_missed_more_than_is_replayed_gets_the_history_in_place(
    chat: ChatSite, visit: Visit
) -> None:
    alice, bob = await visit(chat.url, "alice"), await visit(chat.url, "bob")
    alice.tolerates = CONNECTION_LOST
    await alice.say("before")
    await expect(bob.texts).to_have_text(["before"])
    await alice.page.evaluate("window.isTheSamePage = true")

    await alice.context.set_offline(True)
    for client in list(chat.app[HUB].websockets):
        if client.identity.login == "alice":
            client.abort()  # being offline does not close a socket that is open
    await expect(alice.notices("Connection broken")).to_have_count(1)
    missed = [f"missed {number}" for number in range(LENGTH + 100)]
    journal = chat.app[JOURNAL]
    await asyncio.gather(*(journal.append("bob", "", text, None) for text in missed))
    await alice.say("written offline")
    await alice.field.fill("half a sentence")
    await alice.context.set_offline(False)

    await expect(alice.texts).to_have_text([*missed[-50:], "written offline"])
    await expect(alice.field).to_have_value("half a sentence")
    await expect(alice.notices("Connection to server started")).to_have_count(1)
    await expect(alice.texts.last).to_be_in_viewport()
    await bob.say("welcome back")
    await expect(alice.texts.last).to_have_text("welcome back")
    await expect(alice.texts).to_have_count(52)
    await expect(alice.page.get_by_text("Times are in UTC")).to_have_count(0)
    assert await alice.page.evaluate("window.isTheSamePage")


async def test_what_was_missed_is_replayed_in_order(chat: ChatSite, visit: Visit) -> None:
    alice, bob = await visit(chat.url, "alice"), await visit(chat.url, "bob")
    alice.tolerates = CONNECTION_LOST
    await alice.context.set_offline(True)
    for client in list(chat.app[HUB].websockets):
        if client.identity.login == "alice":
            client.abort()
    await expect(alice.notices("Connection broken")).to_have_count(1)
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
        await expect(bob.notices("Connection to server started")).to_have_count(1)
        await bob.say("hello over TLS")
        await alice.say("hello Bob")
        for visitor in (alice, bob):
            await expect(visitor.messages).to_have_count(2)

        other_tab = await bob.tab()
        await expect(other_tab.notices("Connection to server started")).to_have_count(1)
        await bob.page.get_by_role("button", name="Sign out").click()
        for tab in (bob, other_tab):
            await expect(tab.page).to_have_url(f"{url}/login")
        assert await bob.context.cookies() == []
        await bob.open()
        await expect(bob.page).to_have_url(f"{url}/login")


# Without scripts


async def test_everything_works_without_scripts(chat: ChatSite, visit: Visit) -> None:
    bob = await visit(chat.url, "bob")
    for number in range(60):
        await bob.post(f"line {number}")
    alice = await visit(chat.url, java_script_enabled=False)
    await alice.page.get_by_role("link", name="Create account").click()
    await alice.fill(login="alice", email="a@example.com", password=PASSWORD, password2=PASSWORD)
    await alice.submit()
    await expect(alice.page).to_have_title("Main Chat page")
    await expect(alice.texts).to_have_count(50)
    await expect(alice.texts.last).to_have_text("line 59")
    await expect(alice.page.get_by_text("Times are in UTC")).to_have_count(1)

    await alice.field.fill("two\nlines, <b>without</b> scripts")
    await alice.submit()
    await expect(alice.page).to_have_url(f"{alice.url}/")
    await expect(alice.texts.last).to_have_text("two lines, <b>without</b> scripts")
    await expect(alice.field).to_have_value("")
    await expect(bob.texts.last).to_have_text("two lines, <b>without</b> scripts")
    assert await bob.texts.last.inner_text() == "two\nlines, <b>without</b> scripts"

    await alice.page.get_by_role("link", name="Older messages").click()
    await expect(alice.texts.first).to_have_text("line 0")
    await alice.page.get_by_role("link", name="Back to the newest messages").click()
    await alice.page.get_by_role("link", name="Refresh every 10 seconds").click()
    await expect(alice.page).to_have_url(f"{alice.url}/?refresh=10")
    await expect(alice.page.locator("meta[http-equiv=refresh]")).to_have_attribute("content", "10")
    await alice.page.get_by_role("link", name="Stop refreshing").click()
    await expect(alice.page.locator("meta[http-equiv=refresh]")).to_have_count(0)

    await alice.page.get_by_role("button", name="Sign out").click()
    await expect(alice.page).to_have_url(f"{alice.url}/login")
    await alice.fill(login="alice", password=PASSWORD)
    await alice.submit()
    await expect(alice.page).to_have_title("Main Chat page")


async def test_the_refreshing_page_shows_what_is_new(
    chat: ChatSite, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.views.REFRESH_PAUSES", ("1",))
    bob, alice = (
        await visit(chat.url, "bob"),
        await visit(chat.url, "alice", java_script_enabled=False),
    )
    await alice.open("/?refresh=1")
    await bob.say("news")
    await expect(alice.texts).to_have_text(["news"])


async def test_a_double_click_without_scripts_posts_once(
    chat: ChatSite, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts: asyncio.Queue[None] = asyncio.Queue()
    both_are_there = asyncio.Event()
    save = Message.save

    async def save_slowly(*args: Any) -> Entry | Change:
        posts.put_nowait(None)
        await both_are_there.wait()
        return await save(*args)

    monkeypatch.setattr(Message, "save", save_slowly)
    alice = await visit(chat.url, "alice", java_script_enabled=False)
    await alice.field.fill("once")
    button = await alice.page.locator("#submit").bounding_box()
    assert button is not None
    for _ in range(2):
        await alice.page.mouse.click(button["x"] + 5, button["y"] + 5)
        await asyncio.wait_for(posts.get(), PATIENCE)
    both_are_there.set()
    await expect(alice.texts).to_have_text(["once"])
    await alice.post("the end")
    await alice.open()
    await expect(alice.texts).to_have_text(["once", "the end"])


async def test_a_refused_message_without_scripts_is_kept_in_the_field(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", java_script_enabled=False)
    alice.tolerates = REFUSED
    await alice.field.fill("x" * 2001)
    await alice.submit()
    await expect(alice.error).to_have_text("A message has at most 2000 characters")
    await expect(alice.field).to_have_value("x" * 2001)


async def test_what_was_said_long_ago_is_found_without_scripts(
    chat: ChatSite, visit: Visit
) -> None:
    bob = await visit(chat.url, "bob", java_script_enabled=False)
    for number in range(1, 121):
        await bob.post(f"line {number}" if number != 40 else "the <b>needle</b>")
    await bob.open()
    await bob.page.get_by_role("link", name="Search").click()
    await expect(bob.page.get_by_label("Words in messages")).to_be_focused()
    await bob.page.keyboard.type("Needle")
    await bob.page.keyboard.press("Enter")
    await expect(bob.page.locator("mark")).to_have_text(["needle"])
    await bob.page.get_by_role("link", name="bob").click()
    await expect(bob.page).to_have_url(f"{bob.url}/?around=40#m40")
    await expect(bob.page.locator(":target .message__text")).to_have_text("the <b>needle</b>")
    await expect(bob.page.locator(":target")).to_be_in_viewport()
    await bob.page.get_by_role("link", name="Newer messages").click()
    await expect(bob.texts.first).to_have_text("line 65")
    await expect(bob.texts.last).to_have_text("line 114")
    await bob.page.get_by_role("link", name="Newer messages").click()
    await expect(bob.texts.last).to_have_text("line 120")
    await expect(bob.page.get_by_role("link", name="Newer messages")).to_have_count(0)


async def test_a_message_is_edited_and_deleted_without_scripts(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", java_script_enabled=False)
    await alice.post("helo")
    await alice.open()
    await alice.page.get_by_role("link", name="Change").click()
    await expect(alice.page.get_by_label("Text")).to_have_value("helo")
    await alice.page.get_by_label("Text").fill("hello")
    await alice.page.get_by_role("button", name="Save").click()
    await expect(alice.page).to_have_url(f"{alice.url}/")
    await expect(alice.texts).to_have_text(["hello"])
    await expect(alice.log.locator(".message__state")).to_have_text("edited")
    await alice.page.get_by_role("link", name="Change").click()
    await alice.page.get_by_role("button", name="Delete").click()
    await expect(alice.texts).to_have_text([""])
    await expect(alice.log.locator(".message__state")).to_have_text("deleted")
    await expect(alice.page.get_by_role("link", name="Change")).to_have_count(0)


# What must never happen


async def test_a_script_in_the_page_is_refused_and_noticed(
    chat: ChatSite, browser: Browser
) -> None:
    """Without it, the other tests could not fail by a script that runs or is refused."""
    alice = await Visitor.arrive(browser, chat.url)
    await alice.open("/login")
    async with alice.page.expect_console_message(lambda message: "CSP:" in message.text):
        await alice.page.evaluate(
            """document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=alert(1)>")"""
        )
    assert any("CSP: script-src" in problem for problem in alice.problems)
    assert not any("dialog" in problem for problem in alice.problems)
    await alice.page.evaluate("setTimeout(() => alert(2))")
    async with alice.page.expect_event("pageerror"):
        await alice.page.evaluate("setTimeout(() => { throw new Error(3) })")
    assert "dialog: 2" in alice.problems
    assert "uncaught: 3" in alice.problems
    await alice.context.close()


async def test_hostile_messages_are_shown_as_they_were_written(
    chat: ChatSite, visit: Visit
) -> None:
    assert len(set(HOSTILE)) >= 100
    alice = await visit(chat.url, "alice")
    for text in HOSTILE:
        await alice.post(text)
    await expect(alice.texts).to_have_count(len(HOSTILE))
    assert await alice.texts.all_text_contents() == HOSTILE  # from the socket
    shown: list[str] = []
    await alice.open()
    while len(shown) < len(HOSTILE):
        shown = await alice.texts.all_text_contents() + shown
        if len(shown) < len(HOSTILE):
            await alice.open(f"/?before={len(HOSTILE) - len(shown) + 1}")
    assert shown == HOSTILE  # from the pages


async def test_hostile_names_are_shown_as_they_were_written(chat: ChatSite, visit: Visit) -> None:
    # None can be registered, but a database that the tutorial wrote may hold any.
    alice = await visit(chat.url, "alice")
    names = [name.replace("\n", " ") for name in HOSTILE]
    entries = [
        {"seq": seq, "key": f":{seq}", "user": name, "user_id": "", "msg": "x", "time": TIME}
        for seq, name in enumerate(names, 1)
    ]
    await chat.app[DB][MESSAGE_COLLECTION].insert_many(entries, ordered=True)
    authors = alice.log.locator(".message__author")
    await expect(authors).to_have_count(len(names))
    expected = [f"({name})" for name in names]
    assert await authors.all_text_contents() == expected
    for name in names:
        chat.app[HUB].broadcast(wire.joined(name))
        chat.app[HUB].broadcast(wire.left(name))
        chat.app[HUB].broadcast(wire.error(Refused("invalid", name)))
    await expect(alice.notices("")).to_have_count(1 + 2 * len(names))
    notices = await alice.notices("").all_text_contents()
    assert [notice[11:] for notice in notices[1:]] == [
        f"{name} {what}" for name in names for what in ("joined", "disconnected")
    ]
    await expect(alice.error).to_have_js_property("textContent", names[-1])  # exactly
    await alice.open()
    assert (await authors.all_text_contents())[-50:] == expected[-50:]


TIME = datetime(2026, 11, 21, tzinfo=UTC)


async def test_hostile_logins_come_back_into_the_form_as_they_were_typed(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url)
    alice.tolerates = REFUSED
    await alice.open("/signin")
    texts = [text.replace("\n", "") for text in HOSTILE]  # a field has but one line
    for login, email in zip(texts[::2], [*texts[1::2], texts[0]], strict=False):
        async with alice.page.expect_navigation():
            await alice.page.evaluate(
                """([login, email]) => {
                  const form = document.querySelector("form")
                  form.elements.login.value = login
                  form.elements.email.value = email
                  // Not form.submit(): that is its button.
                  HTMLFormElement.prototype.submit.call(form)
                }""",
                [login, email],
            )
        assert await alice.page.locator("#login").input_value() == login
        assert await alice.page.locator("#email").input_value() == email
        assert await alice.error.text_content() == "Please fill all fields"


# On a small screen


@pytest.mark.parametrize("width", [320, 1000])
async def test_no_page_scrolls_sideways(
    chat: ChatSite, visit: Visit, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    alice = await visit(chat.url, viewport={"width": width, "height": 640})
    alice.tolerates = REFUSED
    for path in ("/login", "/signin", "/nothing-here"):
        await alice.open(path)
        assert not await alice.is_too_wide(), path
    await alice.open("/signin")
    await alice.fill(login="x" * 100, email="x", password=PASSWORD, password2=PASSWORD)
    await alice.submit()
    await expect(alice.error).not_to_have_text("")
    await alice.page.wait_for_load_state()  # with its style sheets
    assert not await alice.is_too_wide(), "a form with an error"

    await alice.sign_up("W" * 32)
    for text in (
        "W" * 500,
        "a word " * 60,
        "\n".join("line" * 20 for _ in range(5)),
        "https://" * 9,
    ):
        await alice.post(text)
    await alice.open()
    await expect(alice.notices("Connection to server started")).to_have_count(1)
    assert not await alice.is_too_wide(), "the chat"
    monkeypatch.setattr("chat.models.MESSAGE_LENGTH", 1000)
    await alice.say("W" * 1001)
    await expect(alice.pending).to_contain_text("not sent")
    assert not await alice.is_too_wide(), "the chat with a message that was refused"
    await expect(alice.page.locator("#submit")).to_be_in_viewport(ratio=1)
    await expect(alice.page.locator("#signout")).to_be_in_viewport(ratio=1)
    for path in ("/?before=4", "/?around=2", "/search?q=https", "/search?q=*", "/message/1"):
        await alice.open(path)
        assert not await alice.is_too_wide(), path
