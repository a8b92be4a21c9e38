"""gunicorn reloads its workers behind nginx while people talk: nothing is lost or refused."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from server.background import background
from tests.support.accounts import signed_in
from tests.support.databases import database_at
from tests.support.deployment import Nginx, deployment
from tests.support.history import check, come_to_rest, talking, visited
from tests.support.processes import NO_LIMITS
from tests.support.soak import size

CLIENTS = 40
PACE = 100  # messages per second, of all clients together
RELOADS = size(soak=20, test=2)

pytestmark = [pytest.mark.serial, pytest.mark.timeout(120 + 15 * RELOADS)]


async def keep_asking(session: aiohttp.ClientSession) -> None:
    """Ask for the page for ever; it must always come."""
    while True:
        async with session.get("/", allow_redirects=False) as response:
            assert response.status == 200, await response.text()


@asynccontextmanager
async def visitor(nginx: Nginx) -> AsyncIterator[None]:
    """Let somebody without scripts look at the page again and again while the body runs."""
    async with (
        signed_in(nginx.url, "visitor", tls=nginx.tls) as session,
        background(keep_asking(session)),
    ):
        yield


async def test_reloads_of_four_workers_lose_double_reorder_and_refuse_nothing() -> None:
    dice = random.Random(1)
    async with (
        deployment(**NO_LIMITS) as here,
        database_at(here.database.address, "chat") as database,
        visited([here.nginx.url], CLIENTS, dice, tls=here.nginx.tls) as clients,
    ):
        assert len(here.gunicorn.workers) == 4
        async with visitor(here.nginx):
            for reloads in range(1, RELOADS + 1):
                async with talking(clients, PACE, dice):
                    await here.gunicorn.reload()
                    for client in clients:
                        await client.visited(reloads + 1)
                await come_to_rest(clients, database)
        await check(clients, database)
        assert {code for client in clients for code in client.close_codes} == {1001}
        assert not [status for client in clients for status in client.refused]
        assert not here.nginx.errors
