"""The tutorial's two middlewares, authorize and db_handler."""

from aiohttp import web
from aiohttp.typedefs import Handler

from auth.cookies import identify
from auth.sessions import IDENTITY
from connections import CONNECTIONS
from database import DATABASE, DB, READY, DatabaseUnavailable
from forms import redirect, wants_json
from routes import PUBLIC_ROUTES, ROUTES_WITHOUT_DATABASE, route_name


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
        redirect(request, "login")
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
