"""The main flow in Firefox."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.firefox import FIREFOX, Firefox, Page, firefox
from tests.support.people import registration
from tests.support.site import ChatSite

pytestmark = pytest.mark.skipif(
    not FIREFOX and "CI" not in os.environ, reason="there is no Firefox on this machine"
)
TEXTS = (
    "[...document.querySelectorAll('.message__text')].map((text) => text.innerText.trim()).join()"
)


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chat: ChatSite) -> AsyncIterator[Firefox]:
    """Firefox, which leaves before the chat ends, or its pages would look for the chat."""
    async with firefox() as browser:
        yield browser
        assert browser.problems == []


async def sign_up(browser: Firefox, chat: ChatSite, login: str) -> Page:
    page = await browser.visit(chat.url)
    await page.open("/signin")
    await page.fill(**registration(login))
    await page.press("Enter")
    await page.sees(f"document.querySelector('#here')?.innerText.includes('{login}')")
    return page


async def test_the_main_flow_works_in_firefox(browser: Firefox, chat: ChatSite) -> None:
    alice = await sign_up(browser, chat, "alice")
    bob = await sign_up(browser, chat, "bob")
    await alice.press(*"Hello, Bob", "Enter")
    await bob.sees(f"{TEXTS} === 'Hello, Bob'")
    await bob.press(*"Hello, @al")
    await bob.sees("document.querySelector('[role=option]')?.innerText === 'alice'")
    await bob.press("Enter", "Enter")
    await alice.sees(f"{TEXTS} === 'Hello, Bob,Hello, @alice'")
    await alice.sees("document.querySelector('.mention')?.innerText === '@alice'")
    await alice.press("ArrowUp", *"!", "Enter")
    await bob.sees(f"{TEXTS} === 'Hello, Bob!,Hello, @alice'")
    await bob.open("/")
    await bob.sees(f"{TEXTS} === 'Hello, Bob!,Hello, @alice'")
    await bob.evaluate("document.querySelector('#signout').click()")
    await bob.sees("location.pathname === '/login'")
    await alice.sees("!document.querySelector('.people__list').innerText.includes('bob')")


async def test_a_completed_name_can_be_undone_in_firefox(browser: Firefox, chat: ChatSite) -> None:
    alice = await sign_up(browser, chat, "alice")
    await sign_up(browser, chat, "bob")
    await alice.sees("document.querySelector('.people__list').innerText.includes('bob')")
    field, listbox = "document.querySelector('#message')", "document.querySelector('#mentions')"
    await alice.evaluate(f"{field}.focus()")
    await alice.press(*"hi @bo")
    await alice.sees(f"!{listbox}.hidden")
    await alice.press("Home")
    await alice.sees(f"{listbox}.hidden")
    await alice.press("End", "o", "Backspace")
    await alice.sees(f"!{listbox}.hidden")
    await alice.press("Tab")
    await alice.sees(f"{field}.value === 'hi @bob '")
    await alice.evaluate("document.execCommand('undo')")
    await alice.sees(f"{field}.value === 'hi @bo'")
