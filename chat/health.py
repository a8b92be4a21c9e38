"""/healthz, for load balancers and operators."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from aiohttp import web

from server.relay import RELAY
from storage.database import DATABASE, PREPARING, READY, DatabaseFails, DatabaseUnavailable
from storage.probe import read_probe, write_probe
from storage.redis_client import REDIS

ANSWER_WITHIN = 2  # seconds; load balancers wait no longer
FRESH_FOR = 3  # seconds an answer of the database is used; anybody may ask, as often as they like


class Health:
    """Whether the database takes what is written. However many ask, it is asked seldom."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._looking: asyncio.Task[str] | None = None
        self._fresh_until = 0.0  # the loop's time

    async def database(self) -> str:
        """Return "ok", "preparing", "refuses writes", "failing" if it can't be read, or "away"."""
        if self._app[PREPARING].is_set():
            return "preparing"
        clock = asyncio.get_running_loop().time
        if self._looking is None or (self._looking.done() and clock() >= self._fresh_until):
            self._fresh_until = clock() + FRESH_FOR
            self._looking = asyncio.create_task(self._look())
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN):
                state = await asyncio.shield(self._looking)
                if state != "ok" or self._app[READY].is_set():
                    return state
        return "away"  # or it was, a moment ago, when the chat prepared it

    async def _look(self) -> str:
        db = self._app[DATABASE]
        state = await _state(write_probe(db))
        if state == "failing" and await _state(read_probe(db)) == "ok":
            return "refuses writes"
        return state


async def _state(probe: Awaitable[None]) -> str:
    try:
        await probe
    except DatabaseFails:
        return "failing"
    except DatabaseUnavailable:
        return "away"
    return "ok"


HEALTH = web.AppKey("health", Health)


async def healthz(request: web.Request) -> web.Response:
    """Answer 200 if the database can be written and has its indexes, else 503.

    Without Redis the chat is slower, but complete: that is "degraded", and still 200.
    """
    app = request.app
    state = {"database": await app[HEALTH].database()}
    if REDIS in app:
        relay = app[RELAY]
        state["redis"] = "ok" if relay.is_connected else "away"
        state["writer"] = "ok" if relay.is_writer or relay.has_other_writer else "away"
    is_served = state["database"] == "ok"
    is_complete = set(state.values()) == {"ok"}
    status = "ok" if is_complete else "degraded" if is_served else "away"
    return web.json_response({"status": status, **state}, status=200 if is_served else 503)
