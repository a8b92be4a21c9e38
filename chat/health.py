"""/healthz, for load balancers and operators."""

import asyncio
from contextlib import suppress

from aiohttp import web

from server.relay import RELAY
from storage.database import DATABASE, READY, DatabaseUnavailable
from storage.redis_client import REDIS

ANSWER_WITHIN = 2  # seconds; load balancers wait no longer


async def healthz(request: web.Request) -> web.Response:
    """Answer 200 if the database answers and has its indexes, else 503.

    Without Redis the chat is slower, but complete: that is "degraded", and still 200.
    """
    app = request.app
    state = {"database": await database_state(app)}
    if REDIS in app:
        relay = app[RELAY]
        state["redis"] = "ok" if relay.is_connected else "away"
        state["writer"] = "ok" if relay.is_writer or relay.has_other_writer else "away"
    is_served = state["database"] == "ok"
    is_complete = set(state.values()) == {"ok"}
    status = "ok" if is_complete else "degraded" if is_served else "away"
    return web.json_response({"status": status, **state}, status=200 if is_served else 503)


async def database_state(app: web.Application) -> str:
    """Return "ok" or "away"."""
    with suppress(DatabaseUnavailable, TimeoutError):
        async with asyncio.timeout(ANSWER_WITHIN):
            await app[DATABASE].command("ping")
        if app[READY].is_set():
            return "ok"
    return "away"
