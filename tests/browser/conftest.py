"""A browser for the whole run, and a chat and its visitors for each test."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from settings import Settings
from tests.support.browser import Visit, chromium, visiting
from tests.support.site import ChatSite, serving

# One browser serves all tests that need one, so they share its event loop.


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
