"""Who is here, in Chromium: who comes and goes, and the list of names."""

import re

import pytest
from playwright.async_api import expect

from chat import wire
from chat.hub import HUB
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
    here = bob.page.get_by_role("complementary", name="Here now").get_by_role("listitem")
    await expect(here).to_have_text(["bob you"])
    await expect(here).to_be_visible()
    await expect(bob.page.locator("#people-count")).to_be_hidden()
    await visit(chat.url, "Alice")
    await expect(here).to_have_text(["Alice", "bob you"])
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
