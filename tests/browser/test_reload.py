"""gunicorn reloads its workers behind nginx, watched in two browsers."""

import asyncio

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import A_WHILE, visiting
from tests.support.deployment import deployment

RELOADS = 2

pytestmark = pytest.mark.serial  # starts many processes


async def test_people_talk_through_reloads_and_see_no_error(browser: Browser) -> None:
    async with deployment() as here, visiting(browser) as visit:
        url = here.nginx.url
        alice = await visit(url, "alice", ignore_https_errors=True)
        bob = await visit(url, "bob", ignore_https_errors=True)
        for number in range(1, RELOADS + 1):
            reload = asyncio.create_task(here.gunicorn.reload())
            for visitor, login in ((alice, "alice"), (bob, "bob")):
                await visitor.say(f"{login}, reload {number}")
                said = alice.texts.filter(has_text=f"{login}, reload {number}")
                await expect(said).to_have_count(1, timeout=A_WHILE)
            await reload
            for visitor in (alice, bob):
                await visitor.told("Clean connection end", number, timeout=A_WHILE)
                await visitor.connected(number + 1, timeout=A_WHILE)
        texts = [
            f"{login}, reload {number}"
            for number in range(1, RELOADS + 1)
            for login in ("alice", "bob")
        ]
        for visitor in (alice, bob):
            await expect(visitor.texts).to_have_text(texts)
            await expect(visitor.pending).to_have_count(0)
            await expect(visitor.error).to_have_text([""])
            assert await visitor.statuses("Connection broken") == []
        assert not here.nginx.errors
