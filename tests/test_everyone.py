"""Every page for everyone: axe-core finds nothing, in either colour scheme, on desk or phone."""

import re
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.browser import REFUSED, ChatSite, Visit, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOKS: list[dict[str, Any]] = [
    {"color_scheme": "light", "width": 1200},
    {"color_scheme": "dark", "width": 1200},
    {"color_scheme": "light", "width": 360},
    {"color_scheme": "dark", "width": 320},
]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(visitor: Visitor) -> list[str]:
    """Return what axe-core finds on the page, in every look."""
    found = []
    for look in LOOKS:
        await visitor.page.emulate_media(color_scheme=look["color_scheme"])
        await visitor.page.set_viewport_size({"width": look["width"], "height": 700})
        results = await Axe().run(visitor.page, options={"runOnly": TAGS})
        found += [
            f"{look}: {violation['id']}: {node['html']} {node['failureSummary']}"
            for violation in results.response["violations"]
            for node in violation["nodes"]
        ]
    return found


@pytest.mark.parametrize("path", ["/login", "/signin"])
async def test_the_forms_are_for_everyone_with_an_error_too(
    chat: ChatSite, visit: Visit, path: str
) -> None:
    visitor = await visit(chat.url)
    visitor.tolerates = REFUSED
    await visitor.open(path)
    assert await violations(visitor) == []
    await visitor.submit()
    await expect(visitor.error).to_have_text("Please fill all fields")
    assert await violations(visitor) == []


async def test_every_page_of_the_chat_is_for_everyone(chat: ChatSite, visit: Visit) -> None:
    alice, bob = await visit(chat.url, "alice"), await visit(chat.url, "bob")
    alice.tolerates = REFUSED  # a page that is not there
    for number in range(60):
        await (alice, bob)[number % 2].post(
            f"message {number} for @alice, `code` https://a.example"
        )
    await expect(alice.texts.last).to_contain_text("message 59")
    await alice.say("x" * 2001)
    await expect(alice.error).not_to_have_text("")
    assert await violations(alice) == []
    for path in ("/?before=40", "/search?q=message", "/account", "/message/60", "/nothing-here"):
        await alice.open(path)
        await expect(alice.page.locator("h1")).to_have_text(re.compile("."))
        assert await violations(alice) == [], path
        assert not await alice.is_too_wide(), path
