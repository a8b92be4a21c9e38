"""The pages in Chromium without scripts."""

import pytest
from playwright.async_api import FilePayload, expect

import middlewares
from storage.database import PREPARING, READY
from tests.support.browser import CONNECTION_LOST, REFUSED, Visit, Visitor, all_show
from tests.support.people import PASSWORD
from tests.support.site import ChatSite


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


async def test_everything_works_without_scripts(chat: ChatSite, visit: Visit, bob: Visitor) -> None:
    await bob.post(*(f"line {number}" for number in range(60)))
    alice = await visit(chat.url, java_script_enabled=False)
    await alice.page.get_by_role("link", name="Create account").click()
    await alice.fill(login="alice", email="a@example.com", password=PASSWORD)
    await alice.submit()
    await expect(alice.page).to_have_title("Main Chat page")
    await expect(alice.texts).to_have_count(50)
    await expect(alice.texts.last).to_have_text("line 59")
    await expect(alice.log.locator(".log__older")).to_have_text("Older messages Times are in UTC.")

    await alice.field.fill("two\nlines, <b>without</b> scripts")
    await alice.submit()
    await expect(alice.page).to_have_url(f"{alice.url}/")
    await expect(alice.texts.last).to_have_text("two lines, <b>without</b> scripts")
    await expect(alice.field).to_have_value("")
    await expect(bob.texts.last).to_have_text("two lines, <b>without</b> scripts")
    assert await bob.texts.last.inner_text() == "two\nlines, <b>without</b> scripts"

    await alice.sign_out()
    await expect(alice.page).to_have_url(f"{alice.url}/login")
    await alice.log_in("alice")
    await expect(alice.page).to_have_title("Main Chat page")


async def test_without_scripts_the_page_opens_at_its_end(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice", java_script_enabled=False)
    await alice.post(*map(str, range(50)))
    await alice.open()
    await expect(alice.texts.last).to_be_in_viewport()
    await alice.field.fill("my own")
    await alice.submit()
    await expect(alice.texts.last).to_have_text("my own")
    await expect(alice.texts.last).to_be_in_viewport()
    assert await alice.texts.all_text_contents() == [*map(str, range(1, 50)), "my own"]


async def test_a_page_without_scripts_that_is_shown_has_been_read(
    chat: ChatSite, visit: Visit, bob: Visitor
) -> None:
    alice = await visit(chat.url, "alice", java_script_enabled=False)
    await bob.post("one", "two")
    await alice.open("/?before=1")  # which shows nothing
    await alice.open()  # not yet when this one was made
    await expect(alice.log).to_have_attribute("data-read", "0")
    await alice.open()
    await expect(alice.log).to_have_attribute("data-read", "2")


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
    await alice.press("Save")
    await expect(alice.page).to_have_url(f"{alice.url}/")
    await expect(alice.texts).to_have_text(["hello"])
    await expect(alice.log.locator(".message__state")).to_have_text("edited")
    await alice.page.get_by_role("link", name="Change").click()
    await alice.press("Delete")
    await expect(alice.texts).to_have_text([""])
    await expect(alice.log.locator(".message__state")).to_have_text("deleted")
    await expect(alice.page.get_by_role("link", name="Change")).to_have_count(0)


async def test_files_are_sent_without_scripts(chat: ChatSite, visit: Visit, bob: Visitor) -> None:
    alice = await visit(chat.url, "alice", java_script_enabled=False)
    await expect(alice.page.get_by_role("button", name="Add files")).to_have_count(0)
    await alice.page.get_by_label("Files, up to 25 MB each").set_input_files(
        [FilePayload(name=name, mimeType="", buffer=b"words") for name in ("a.txt", "b.txt")]
    )
    await alice.page.get_by_label("Text").fill("two of them")
    await alice.press("Send files")
    await expect(alice.page).to_have_url(f"{alice.url}/")
    for visitor in (alice, bob):
        await all_show((visitor,), "two of them", "")
        await expect(visitor.log.locator(".file__name")).to_have_text(["a.txt", "b.txt"])
    async with alice.page.expect_download() as downloading:
        await alice.page.get_by_role("link", name="b.txt").click()
    assert (await downloading.value).suggested_filename == "b.txt"


async def test_a_text_of_somebody_who_was_signed_out_goes_out_after_a_log_in_in_another_tab(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", java_script_enabled=False)
    second = await alice.tab()
    await alice.context.request.post(f"{chat.url}/signout")
    await alice.field.fill("  half a\n\nsentence 😀")
    await second.field.fill("another one")
    alice.tolerates = REFUSED
    await alice.submit()
    async with alice.context.expect_page() as opening:
        await alice.page.get_by_role("link", name="Log in in another tab").click()
    log_in = Visitor(alice.context, await opening.value, chat.url)
    await log_in.log_in("alice")
    await expect(log_in.field).to_be_visible()
    await alice.press("Send again")
    await expect(alice.texts).to_have_text("half a sentence 😀")
    await second.submit()
    await all_show((second,), "half a sentence 😀", "another one")


async def test_the_page_of_a_chat_that_is_being_prepared_becomes_the_one_that_was_wanted(
    chat: ChatSite, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middlewares, "RELOAD_AFTER", "1")
    alice = await visit(chat.url, java_script_enabled=False)
    alice.tolerates = CONNECTION_LOST
    chat.app[READY].clear()
    chat.app[PREPARING].set()
    await alice.open("/login")
    await expect(alice.page.get_by_text("The chat is being prepared")).to_be_visible()
    chat.app[READY].set()
    await expect(alice.page.get_by_label("Password")).to_be_visible()
    await expect(alice.page).to_have_url(f"{chat.url}/login")
