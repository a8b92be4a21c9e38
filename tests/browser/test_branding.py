"""The room's colour and logo in Chromium."""

from dataclasses import replace
from typing import Literal

import pytest
from playwright.async_api import Browser, expect

from pages.accent import read_colour, tones
from settings import Logo, Settings
from tests.support.browser import visiting
from tests.support.site import serving

SCRIPTED = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8" '
    b"onload=\"this.dataset.ran = 'onload'\">"
    b"<script>document.documentElement.dataset.ran = 'script'</script>"
    b'<style>rect { fill: #0a7d55 }</style><rect width="8" height="8"/></svg>'
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_room_has_its_colour_and_its_logo(
    settings: Settings, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    changes = replace(settings, ROOM_COLOR="#ffee00", ROOM_LOGO=Logo("svg", SCRIPTED))
    async with serving(changes) as chat, visiting(browser) as visit:
        visitor = await visit(chat.url, color_scheme=scheme)
        tone = read_colour(getattr(tones("#ffee00"), scheme))
        button = visitor.page.locator("#submit")
        await expect(button).to_have_css("background-color", f"rgb{tone}")
        for path, logo in (("/login", ".card__logo"), ("/", ".bar__logo")):
            if path == "/":
                await visitor.sign_up("alice")
            await visitor.open(path)
            image = visitor.page.locator(logo)
            await expect(image).to_be_visible()
            await expect(image).to_have_js_property("complete", True)
            assert await image.evaluate("image => image.naturalWidth") > 0


async def test_a_logo_that_is_opened_by_itself_is_drawn_and_runs_no_script(
    settings: Settings, browser: Browser
) -> None:
    changes = replace(settings, ROOM_LOGO=Logo("svg", SCRIPTED))
    async with serving(changes) as chat, visiting(browser) as visit:
        visitor = await visit(chat.url)
        visitor.tolerates = ("Blocked script execution", "Refused to execute", "CSP:", "Executing")
        await visitor.open("/static/img/logo.svg")
        root = visitor.page.locator("svg")
        await expect(root.locator("rect")).to_have_css("fill", "rgb(10, 125, 85)")
        assert await root.get_attribute("data-ran") is None
