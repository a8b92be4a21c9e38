"""The theme that a reader chooses in the menu, in Chromium."""

import pytest
from playwright.async_api import expect

from tests.support.browser import LARGE_FONT, Visit, Visitor
from tests.support.site import ChatSite

LIGHT, DARK = "rgb(255, 255, 255)", "rgb(24, 25, 30)"
AROUND = """() => [...document.querySelectorAll("[name=theme-color]")]
  .find(({ media }) => matchMedia(media).matches).content"""


async def is_shown_in(visitor: Visitor, background: str, around: str) -> None:
    """Assert that the room, and what the browser draws around it, have these colours."""
    await expect(visitor.page.locator(".room")).to_have_css("background-color", background)
    assert await visitor.page.evaluate(AROUND) == around


async def choose(visitor: Visitor, name: str) -> None:
    """Choose a theme in the menu."""
    await (await visitor.menu()).get_by_role("radio", name=name).check()
    await visitor.page.keyboard.press("Escape")


async def test_a_theme_is_there_at_once_on_every_page_and_until_another_is_chosen(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", color_scheme="light")
    await is_shown_in(alice, LIGHT, "#ffffff")
    await choose(alice, "Dark")
    await is_shown_in(alice, DARK, "#18191e")
    await alice.page.reload()
    await is_shown_in(alice, DARK, "#18191e")
    await expect((await alice.menu()).get_by_role("radio", name="Dark")).to_be_checked()
    await alice.sign_out()  # it belongs to the browser, not to a person
    await expect(alice.page).to_have_title("Log in · Chat")
    await expect(alice.page.locator(":root")).to_have_css("color-scheme", "dark")
    await alice.log_in("alice")
    await alice.connected()
    await choose(alice, "System")
    await is_shown_in(alice, LIGHT, "#ffffff")
    await alice.page.emulate_media(color_scheme="dark")
    await is_shown_in(alice, DARK, "#18191e")
    await choose(alice, "Light")
    await is_shown_in(alice, LIGHT, "#ffffff")
    await alice.page.reload()
    await is_shown_in(alice, LIGHT, "#ffffff")


async def test_a_theme_is_painted_before_the_scripts_come(chat: ChatSite, visit: Visit) -> None:
    alice = await visit(chat.url, "alice", color_scheme="light")
    await choose(alice, "Dark")
    alice.tolerates = ("Failed to load resource",)
    await alice.page.route("**/*.js", lambda route: route.abort())
    await alice.open()
    await is_shown_in(alice, DARK, "#18191e")


@pytest.mark.parametrize(("width", "script"), [(320, ""), (320, LARGE_FONT), (1280, "")])
async def test_the_name_of_no_theme_is_broken_into_lines(
    chat: ChatSite, visit: Visit, width: int, script: str
) -> None:
    alice = await visit(chat.url, "alice", script=script, viewport={"width": width, "height": 700})
    names = (await alice.menu()).locator(".segments__one")
    await expect(names).to_have_text(["System", "Light", "Dark"])
    for name in await names.all():
        lines = await name.evaluate(
            """name => {
              const range = new Range()
              range.selectNodeContents(name.lastChild)
              return range.getClientRects().length
            }"""
        )
        assert lines == 1
