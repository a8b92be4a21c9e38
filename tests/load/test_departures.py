"""A deleted account in two processes without Redis, of which the one that deletes it is killed."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest

from chat.departures import LOOK_EVERY, SETTLED_AFTER
from chat.entry import DELETED_USER
from settings import MESSAGE_COLLECTION
from tests.support.accounts import signed_in
from tests.support.databases import database_at, embedded_server
from tests.support.pages import HistoryPage
from tests.support.people import PASSWORD, registration
from tests.support.processes import NO_LIMITS, running_chat
from tests.support.sockets import connect
from tests.support.waiting import START_PATIENCE, until

pytestmark = pytest.mark.timeout(180)


async def talk(browser: aiohttp.ClientSession) -> int:
    """Say something again and again, until the session has ended; return how often it was said."""
    said = 0
    while True:
        form = {"msg": f"message {said}"}
        async with browser.post("/", data=form, allow_redirects=False) as response:
            if response.status == 401 or response.headers.get("Location") == "/login":
                return said
            assert response.status == 303
        said += 1
        await asyncio.sleep(0.05)


async def test_nobody_can_take_the_login_of_an_account_in_whose_name_anything_is_left() -> None:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(embedded_server())
        server.start()
        settings = {"MONGO_HOST": server.address, "SECRET_KEY": "a key for both", **NO_LIMITS}
        here, elsewhere = [
            await stack.enter_async_context(running_chat(**settings)) for _ in range(2)
        ]
        bob = await stack.enter_async_context(signed_in(elsewhere.url, "bob"))
        alice = await stack.enter_async_context(signed_in(here.url, "alice"))
        deleting = await stack.enter_async_context(signed_in(here.url, "alice", "/login"))
        stranger = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        )
        at_both = aiohttp.ClientSession(elsewhere.url, cookie_jar=alice.cookie_jar)
        socket = await connect(await stack.enter_async_context(at_both))
        talking = asyncio.create_task(talk(at_both))
        assert await socket.said("before")

        form = {"action": "delete", "confirm": PASSWORD}
        async with deleting.post("/account", data=form, allow_redirects=False) as response:
            assert response.status == 303
        await here.kill()
        assert await socket.close_code() == 4401
        assert await talking > 0

        async def registers() -> bool:
            form = registration("alice", email="stranger@example.com")
            async with stranger.post(
                f"{elsewhere.url}/signin", data=form, allow_redirects=False
            ) as response:
                assert response.status in (303, 409)
            await asyncio.sleep(0.5)
            return response.status == 303

        await until(registers, SETTLED_AFTER + LOOK_EVERY + START_PATIENCE)
        database = await stack.enter_async_context(database_at(server.address, "chat"))
        said = await database[MESSAGE_COLLECTION].find({}).to_list(None)
        assert {document["user"] for document in said} == {DELETED_USER}
        async with bob.get("/") as response:
            page = HistoryPage(await response.text())
        assert {line.user for line in page.lines} == {DELETED_USER}
