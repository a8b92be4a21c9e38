"""Who is here, in Chromium: who comes and goes, and the list of names."""

import re

import pytest
from playwright.async_api import Locator, expect

from chat import wire
from chat.hub import HUB
from settings import USER_COLLECTION
from storage.database import DATABASE
from tests.support.browser import Visit, Visitor, assert_thumb_sized
from tests.support.hostile import HOSTILE
from tests.support.site import ChatSite

GRACE = 0.2  # seconds, in place of five


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let who has no socket be gone sooner."""
    monkeypatch.setattr("chat.presence.GRACE", GRACE)


@pytest.mark.usefixtures("short_grace")
async def test_others_are_told_who_comes_and_who_goes(alice: Visitor, bob: Visitor) -> None:
    await alice.told("bob joined")
    people = alice.page.locator("#people-count")
    await expect(people).to_have_text(re.compile(r"^2\b"))
    await bob.page.close()
    await alice.told("bob disconnected")
    await expect(people).to_have_text(re.compile(r"^1\b"))
    assert await alice.statuses("alice") == []
    await expect(alice.log).not_to_contain_text("bob")  # the log has only what is said


async def test_a_wide_page_lists_who_is_here_by_name(chat: ChatSite, visit: Visit) -> None:
    bob = await visit(chat.url, "bob", viewport={"width": 1200, "height": 600})
    column = bob.page.get_by_role("complementary", name="Here now")
    here = column.get_by_role("list", name="Here now").get_by_role("listitem")
    await expect(here).to_have_text(["bob you"])
    await expect(here).to_be_visible()
    await expect(bob.page.locator("#people-count")).to_be_hidden()
    await visit(chat.url, "Alice")
    await expect(here).to_have_text(["Alice", "bob you"])
    await expect(column.get_by_role("heading").first).to_have_text("Here now · 2")
    hub = chat.app[HUB]
    hub.broadcast(wire.joined("carol"))
    await expect(here).to_have_text(["Alice", "bob you", "carol"])
    hub.broadcast(wire.left("Alice"))
    await expect(here).to_have_text(["bob you", "carol"])

    hub.broadcast(wire.people(123, ["bob", *(f"name-{number:02}" for number in range(99))]))
    await expect(here).to_have_count(101)
    await expect(here.last).to_have_text("and 23 more")
    hub.broadcast(wire.left("one of the many"))
    await expect(here.last).to_have_text("and 22 more")
    await expect(here.last).not_to_be_in_viewport()
    await here.last.scroll_into_view_if_needed()  # the column scrolls, not the page
    await expect(bob.page.locator("#submit")).to_be_in_viewport(ratio=1)

    names = sorted({name.strip() for name in HOSTILE if name.strip()})
    hub.broadcast(wire.people(len(names) + 1, names))
    await expect(here).to_have_count(len(names) + 1)
    assert {text.strip() for text in await here.all_text_contents()} == {*names, "bob you"}
    assert not await bob.is_too_wide()


@pytest.mark.usefixtures("bob")
async def test_on_a_narrow_page_the_count_opens_the_list(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice", viewport={"width": 320, "height": 480})
    count = alice.page.get_by_role("button", name=re.compile(r"^2 here$"))
    await assert_thumb_sized(count)
    people = alice.page.get_by_role("complementary", name="Here now")
    await expect(people).to_be_hidden()
    await count.focus()
    await alice.page.keyboard.press("Enter")
    await expect(people).to_be_in_viewport(ratio=1)
    await expect(people.get_by_role("listitem")).to_have_text(["alice you", "bob"])
    await alice.page.keyboard.press("Tab")
    await expect(people).to_be_focused()
    await alice.page.keyboard.press("Escape")
    await expect(people).to_be_hidden()
    await expect(count).to_be_focused()
    await count.click()
    await expect(people).to_be_visible()
    await alice.log.click()  # anywhere else
    await expect(people).to_be_hidden()
    assert not await alice.is_too_wide()

    await count.click()
    await alice.page.set_viewport_size({"width": 1200, "height": 600})
    await expect(people).to_be_visible()  # now as a column
    await expect(alice.page.locator("#here:popover-open")).to_have_count(0)
    await expect(count).to_be_hidden()


def absent_in(visitor: Visitor) -> Locator:
    """Return the names of those who are not here."""
    return visitor.page.get_by_role("list", name="Not here").get_by_role("listitem")


async def register(chat: ChatSite, visit: Visit, *logins: str) -> None:
    """Create accounts whose people do not come."""
    for login in logins:
        visitor = await visit(chat.url)
        await visitor.sign_up(login)


async def come_noting(
    chat: ChatSite, visit: Visit, login: str, width: int
) -> tuple[Visitor, list[str]]:
    """Let somebody come, and note what their page asks for."""
    visitor, asked = await visit(chat.url, viewport={"width": width, "height": 600}), []
    visitor.page.on("request", lambda request: asked.append(request.url.removeprefix(chat.url)))
    await visitor.sign_up(login)
    await visitor.open()
    await visitor.connected()
    return visitor, asked


async def test_others_who_belong_here_are_listed_and_follow_who_comes_and_goes(
    chat: ChatSite, visit: Visit
) -> None:
    await register(chat, visit, "carol", "dave")
    alice, asked = await come_noting(chat, visit, "alice", 1200)
    column = alice.page.get_by_role("complementary", name="Here now")
    here = column.get_by_role("list", name="Here now").get_by_role("listitem")
    absent, hub = absent_in(alice), chat.app[HUB]
    await expect(absent).to_have_text(["carol", "dave"])
    hub.broadcast(wire.joined("dave"))
    await expect(absent).to_have_text(["carol"])
    await expect(here).to_have_text(["alice you", "dave"])
    hub.broadcast(wire.joined("a newcomer"))
    await expect(here).to_have_text(["a newcomer", "alice you", "dave"])
    hub.broadcast(wire.left("dave"))
    await expect(absent).to_have_text(["carol", "dave"])
    hub.broadcast(wire.people(3, ["alice", "carol", "dave"]))
    await expect(absent).to_have_text(["a newcomer"])
    hub.broadcast(wire.people(1, ["alice"]))
    await expect(absent).to_have_text(["a newcomer", "carol", "dave"])
    # Where not all who are here are known by name, nobody is said to be away.
    hub.broadcast(wire.people(120, ["alice"]))
    await expect(column.get_by_text("Not here")).to_be_hidden()
    assert asked.count("/people/absent") == 1


async def test_on_a_phone_others_are_asked_for_when_the_list_is_opened(
    chat: ChatSite, visit: Visit
) -> None:
    await register(chat, visit, "carol")
    alice, asked = await come_noting(chat, visit, "alice", 390)
    alice.tolerates = ("Failed to load resource: net::",)
    assert "/people/absent" not in asked
    count = alice.page.locator("#people-count")
    await alice.page.route("**/people/absent", lambda route: route.abort())
    async with alice.page.expect_event("requestfailed"):
        await count.click()
    await expect(alice.page.locator("#here")).to_be_visible()
    await expect(absent_in(alice)).to_have_count(0)
    await alice.page.unroute("**/people/absent")
    await alice.page.keyboard.press("Escape")
    await count.click()
    await expect(absent_in(alice)).to_have_text(["carol"])
    await alice.page.keyboard.press("Escape")
    await count.click()
    await expect(absent_in(alice)).to_have_text(["carol"])
    assert asked.count("/people/absent") == 2  # one of them in vain


async def test_of_many_the_first_are_listed_and_a_link_leads_to_all(
    chat: ChatSite, visit: Visit
) -> None:
    names = [f"name-{number:03}" for number in range(312)]
    await (
        chat.app[DATABASE]
        .motor[USER_COLLECTION]
        .insert_many(
            [dict.fromkeys(("login", "login_key", "look", "email_key"), name) for name in names]
        )
    )
    alice, _ = await come_noting(chat, visit, "alice", 1200)
    absent = absent_in(alice)
    await expect(absent).to_have_count(51)
    await expect(absent.last).to_have_text("and 262 more")
    chat.app[HUB].broadcast(wire.left("bob"))
    await expect(absent.first).to_have_text("bob")
    await expect(absent).to_have_count(51)
    await expect(absent.last).to_have_text("and 263 more")
    chat.app[HUB].broadcast(wire.joined("name-300"))
    await expect(absent.last).to_have_text("and 262 more")
    await absent.last.get_by_role("link").click()
    await alice.page.wait_for_url(f"{chat.url}/people")


@pytest.mark.parametrize("login", ["alice", "Дима", "王伟", "ßeta"])
async def test_an_avatar_is_the_same_in_the_menu_the_list_and_the_log(
    chat: ChatSite, visit: Visit, login: str
) -> None:
    person = await visit(chat.url, login, viewport={"width": 1200, "height": 600})
    await person.say("hello")
    await expect(person.texts).to_have_text(["hello"])
    avatars = [".bar__me .avatar", ".people__person .avatar", ".message__author"]

    async def drawn() -> list[list[str]]:
        # All at once: the list of people may be made anew in between.
        found: list[list[str]] = await person.page.evaluate(
            """avatars => avatars.map((avatar) => {
              const it = document.querySelector(avatar)
              return [getComputedStyle(it).color, it.dataset.initial]
            })""",
            avatars,
        )
        return found

    by_script = await drawn()
    await person.open()
    await person.connected()
    assert by_script == await drawn()
    assert by_script == [by_script[0]] * 3
