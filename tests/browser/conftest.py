"""A browser for the whole run, and a chat and its visitors for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from settings import Settings
from tests.support.browser import Visit, Visitor, chromium, visiting
from tests.support.site import ChatSite, serving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of this folder share an event loop, because they share the browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, launched once."""
    async with chromium() as launched:
        yield launched


@pytest_asyncio.fixture(loop_scope="session")
async def chat(settings: Settings) -> AsyncIterator[ChatSite]:
    """A chat."""
    async with serving(settings) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Let people come; nothing may go wrong in their pages."""
    async with visiting(browser) as come:
        yield come


@pytest_asyncio.fixture(loop_scope="session")
async def alice(chat: ChatSite, visit: Visit) -> Visitor:
    """Alice, signed in and connected."""
    return await visit(chat.url, "alice")


@pytest_asyncio.fixture(loop_scope="session")
async def bob(chat: ChatSite, visit: Visit) -> Visitor:
    """Bob, signed in and connected."""
    return await visit(chat.url, "bob")
