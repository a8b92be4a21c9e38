"""The tutorial's two middlewares, authorize and db_handler, and take_turns, against floods."""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler

from auth.cookies import identify
from auth.sessions import IDENTITY
from connections import CONNECTIONS
from database import DATABASE, DB, READY, DatabaseUnavailable
from forms import redirect, wants_json
from routes import PUBLIC_ROUTES, ROUTES_WITHOUT_DATABASE, route_name

PAGES_FOR_STRANGERS = PUBLIC_ROUTES - ROUTES_WITHOUT_DATABASE | {None}  # None: no such page

TURN = web.AppKey("turn", asyncio.Lock)


@web.middleware
async def take_turns(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let only one page for strangers begin in each iteration of the event loop.

    Otherwise hundreds of requests at once would hold up everybody until all of them are answered.
    """
    if route_name(request) in PAGES_FOR_STRANGERS:
        async with request.app[TURN]:
            await asyncio.sleep(0)
    return await handler(request)


@web.middleware
async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put the identity on the request; without one, redirect to the log-in page, or answer 401."""
    # The tutorial compared the beginning of the path, which let /loginX through.
    name = route_name(request)
    if name is None or name in ROUTES_WITHOUT_DATABASE:
        return await handler(request)
    if identity := await identify(request):
        request[IDENTITY] = identity
        request.app[CONNECTIONS].recognized(request.protocol)
    elif name not in PUBLIC_ROUTES:
        if name == "chat" or wants_json(request):
            raise web.HTTPUnauthorized(text="Please log in first.")
        wanted = request.rel_url.raw_path_qs if request.method in ("GET", "HEAD") else "/"
        redirect(request, "login", **({} if wanted == "/" else {"next": wanted}))
    return await handler(request)


@web.middleware
async def db_handler(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put the database on the request; answer 503 until the database has its indexes."""
    name = route_name(request)
    if name and name not in ROUTES_WITHOUT_DATABASE:
        if not request.app[READY].is_set():
            raise DatabaseUnavailable
        request[DB] = request.app[DATABASE]
    return await handler(request)
