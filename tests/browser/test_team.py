"""A team's own room in Chromium: whose it is, invitations, new passwords and bans."""

from dataclasses import replace

import pytest
from playwright.async_api import Browser, expect

from settings import Settings
from tests.support.browser import REFUSED, Visitor, visiting
from tests.support.people import NEW_PASSWORD, PASSWORD
from tests.support.site import serving


async def make_link(moderator: Visitor, button: str) -> str:
    """Press a button that makes a link, and return what is after the chat's address."""
    await moderator.press(button)
    link = await moderator.page.get_by_label("Link").input_value()
    assert link.startswith(f"{moderator.url}/")
    return link.removeprefix(moderator.url)


async def manage(moderator: Visitor, login: str) -> None:
    """Open the page of an account."""
    await moderator.open()
    await (await moderator.menu()).get_by_role("link", name="People").click()
    await moderator.page.get_by_role("link", name=f"Manage {login}").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_team_lives_in_a_room_of_its_own(
    settings: Settings, browser: Browser, scripts: bool
) -> None:
    team = replace(settings, REGISTRATION="invite", MODERATORS=())
    options = {"java_script_enabled": scripts, "viewport": {"width": 1200, "height": 800}}
    async with serving(team) as chat, visiting(browser) as visit:
        alice, bob = await visit(chat.url, **options), await visit(chat.url, **options)
        await alice.page.get_by_role("link", name="Create account").click()
        await expect(alice.page.get_by_text("you will be the room's moderator")).to_be_visible()
        await alice.fill(login="alice", email="a@b", password=PASSWORD)
        await alice.submit()
        await expect(alice.page).to_have_title("Main Chat page")

        await bob.open()
        await expect(bob.page.get_by_role("link", name="Create account")).to_have_count(0)
        await alice.open("/people")
        await bob.open(await make_link(alice, "Make an invitation"))
        await bob.fill(login="bob", email="b@b", password=PASSWORD)
        await bob.submit()
        await expect(bob.page).to_have_title("Main Chat page")
        await bob.post("hello")

        await manage(alice, "bob")
        phone = await visit(chat.url, **options)
        await phone.open(await make_link(alice, "Make a link"))
        await phone.fill(password=NEW_PASSWORD)
        await phone.submit()
        await expect(phone.page).to_have_title("Main Chat page")
        if scripts:  # the page notices by itself
            await expect(bob.page).to_have_url(f"{chat.url}/login")
        bob.tolerates = REFUSED
        await bob.open()
        await expect(bob.page).to_have_url(f"{chat.url}/login")

        await manage(alice, "bob")
        await alice.page.get_by_label("Also remove all messages").check()
        await alice.press("Ban bob")
        await expect(alice.page.get_by_role("status")).to_contain_text("bob is banned")
        if scripts:
            await expect(phone.page).to_have_url(f"{chat.url}/login")
        phone.tolerates = REFUSED
        await phone.open()
        await phone.log_in("bob", NEW_PASSWORD)
        await expect(phone.error).to_have_text("This account has been banned")
        await alice.press("Undo the ban")
        await phone.log_in("bob", NEW_PASSWORD)
        await expect(phone.page).to_have_title("Main Chat page")
        await expect(phone.texts).to_have_text([""])


async def test_a_press_copies_a_link(settings: Settings, browser: Browser) -> None:
    team = replace(settings, REGISTRATION="invite", MODERATORS=())
    permissions = ["clipboard-read", "clipboard-write"]
    async with serving(team) as chat, visiting(browser) as visit:
        alice = await visit(chat.url, "alice", permissions=permissions)
        await alice.open("/people")
        link = await make_link(alice, "Make an invitation")
        await alice.page.get_by_label("Link").press("Enter")
        await alice.press("Copy")
        await expect(alice.page.get_by_role("button", name="Copied")).to_be_visible()
        assert await alice.page.evaluate("navigator.clipboard.readText()") == chat.url + link
