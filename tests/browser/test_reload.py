"""gunicorn reloads its workers behind nginx, watched in two browsers."""

import asyncio
from functools import partial

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import A_WHILE, Visitor, visiting
from tests.support.deployment import deployment
from tests.support.waiting import START_PATIENCE, until

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
                await until(partial(has_come_back, visitor, number), START_PATIENCE)
        texts = [
            f"{login}, reload {number}"
            for number in range(1, RELOADS + 1)
            for login in ("alice", "bob")
        ]
        for visitor in (alice, bob):
            await expect(visitor.texts).to_have_text(texts)
            await expect(visitor.pending).to_have_count(0)
            await expect(visitor.error).to_have_text([""])
            assert await visitor.marks("cut off") == 0
        assert not here.nginx.errors


async def has_come_back(visitor: Visitor, times: int) -> bool:
    """Return whether a page has been sent away so many times, and is connected again.

    It may be sent away more often: by one old worker, and by the next one that it comes to.
    """
    ends, starts = await visitor.marks("disconnected"), await visitor.marks("connected")
    return ends >= times and starts == ends + 1
