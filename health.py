"""/healthz, for load balancers."""

from contextlib import suppress

from aiohttp import web

from database import DATABASE, READY, DatabaseUnavailable, deadline


async def healthz(request: web.Request) -> web.Response:
    """Answer 200 if the database answers and has its indexes, else 503."""
    with suppress(DatabaseUnavailable):
        async with deadline():
            await request.app[DATABASE].command("ping")
        if request.app[READY].is_set():
            return web.json_response({"status": "ok"})
    return web.json_response({"status": "the database is away"}, status=503)
