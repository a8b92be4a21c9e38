"""The middlewares: the tutorial's authorize and db_handler, and three more."""

import asyncio
import logging
from contextlib import suppress

from aiohttp import web
from aiohttp.typedefs import Handler

from auth.cookies import identify
from auth.pages import SIGNED_OUT
from auth.sessions import IDENTITY, SESSIONS
from pages.forms import FORM, FormError, error_response, read_form, redirect, wants_json
from routes import PUBLIC_ROUTES, ROUTES_WITHOUT_DATABASE, route_name
from security.limits import Busy, Turns
from server.connections import CONNECTIONS
from storage.database import DATABASE, DB, PREPARING, READY, DatabaseUnavailable

log = logging.getLogger(__name__)

TEXTS = {
    400: "Your browser sent something that can't be understood here.",
    403: "That is not allowed here.",
    404: "This page does not exist.",
    405: "This address can't be used in this way.",
    500: "Something went wrong. The error was logged; please try again.",
    503: "The chat can't be used for the moment. Please try again soon.",
}
BEING_PREPARED = "The chat is being prepared, which may take some minutes."
RELOADS = "This page loads again by itself."
RELOAD_AFTER = "10"  # seconds
KEPT_HEADERS = ("Allow", "Retry-After", "Connection")

PAGES_FOR_STRANGERS = (PUBLIC_ROUTES - ROUTES_WITHOUT_DATABASE) | {None}  # None: no such page

PAGES_WITH_TEXT = {"main", "message", "upload"}  # where somebody writes what must not be lost
FORMS_OF_STRANGERS = {  # which are shown again, without the passwords
    "login": "auth/login.html",
    "signin": "auth/sign.html",
    "set_password": "auth/password.html",
}
KEEPS_TEXT = {401, 404, 429, 500, 503}  # but not 403: the form may be of another site

PAGES_AT_ONCE = 4  # of one account
PAGES_WAITING = 80  # of one account; somebody may open many tabs at once
# Seconds before each page of an account that wants several, so that others go on: at least PAUSE,
# and twice what the last one took, because a list of a hundred sessions takes ten times as long.
PAUSE, LONGEST_PAUSE = 0.003, 0.1

# Routes that have a line of their own: they take long, and pages don't wait for them.
LINES = {"chat": "sockets", "upload": "uploads", "file": "files"}
STAY_OPEN = {"chat", "file"}  # as long as the client wants: their turns end when they begin

STRANGERS_TURN = web.AppKey("strangers_turn", asyncio.Lock)
MEMBERS_TURN = web.AppKey("members_turn", asyncio.Lock)
PAGES = web.AppKey("pages", Turns)  # by account and line


class BeingPrepared(DatabaseUnavailable):
    """The database answers, but has not got its indexes yet, which may take minutes."""


@web.middleware
async def take_turns(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Begin pages for strangers one at a time, so that a flood of them can't hold up the room.

    aiohttp begins all requests that have arrived in one iteration of the event loop, and whatever
    else there is to do waits until they are answered. With 500 log-in pages at once, a member's
    message took 0.15 s at worst, and 0.5 s without this.
    """
    if route_name(request) in PAGES_FOR_STRANGERS:
        await _strangers_turn(request.app)
    return await handler(request)


@web.middleware
async def error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error with a page, or with JSON for a script that asks for it."""
    try:
        return await handler(request)
    except BeingPrepared:
        text, headers = BEING_PREPARED, {"Retry-After": RELOAD_AFTER}
        if request.method in ("GET", "HEAD"):  # a form that was posted would be lost
            text, headers = f"{text} {RELOADS}", headers | {"Refresh": RELOAD_AFTER}
        return await _error_page(request, 503, text, headers)
    except DatabaseUnavailable:
        return await _error_page(request, 503, TEXTS[503], {"Retry-After": "5"})
    except web.HTTPException as error:
        if error.status < 400:
            raise
        # aiohttp's own text is "404: Not Found"; the page shows a sentence instead.
        own_text = error.text if error.text != f"{error.status}: {error.reason}" else None
        text = own_text or TEXTS.get(error.status, error.reason)
        headers = {name: error.headers[name] for name in KEPT_HEADERS if name in error.headers}
        return await _error_page(request, error.status, text, headers)
    except ConnectionError:
        raise  # the client is gone: there is nobody to answer, and nothing to log
    except Exception:
        # The raw path: a decoded one can contain a newline and so forge a line of the log.
        log.exception("error in %s %s", request.method, request.rel_url.raw_path)
        return await _error_page(request, 500, TEXTS[500], {})


@web.middleware
async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put the identity on the request; without one, redirect to the log-in page, or answer 401."""
    # The tutorial compared the beginning of the path, which let /loginX through.
    name = route_name(request)
    if name is None or name in ROUTES_WITHOUT_DATABASE:
        return await handler(request)
    if identity := await identify(request):
        request[IDENTITY] = identity
        request.app[CONNECTIONS].used_by(identity.user_id, request.protocol)
    elif name not in PUBLIC_ROUTES:
        await _strangers_turn(request.app)
        is_text = request.method == "POST" and name in PAGES_WITH_TEXT
        if name == "chat" or wants_json(request) or is_text:
            raise web.HTTPUnauthorized(text="Please log in first.")
        wanted = request.rel_url.raw_path_qs if request.method in ("GET", "HEAD") else "/"
        redirect(request, "login", **({} if wanted == "/" else {"next": wanted}))
    return await handler(request)


@web.middleware
async def share_out(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Work on a few pages of each account at a time, and begin them one at a time.

    The next ones of that account wait. Without this, pages on 50 connections of one member left no
    time for what others say, as take_turns() tells of strangers. Pages don't wait for sockets and
    files, which take long.
    """
    identity = request.get(IDENTITY)
    if identity is None:
        return await handler(request)
    name = route_name(request) or ""
    stays_open, line_name = name in STAY_OPEN, LINES.get(name, "pages")
    clock = asyncio.get_running_loop().time
    try:
        async with request.app[PAGES].turn((identity.user_id, line_name)) as line:
            is_one_of_many = line.inside > 1 and not stays_open
            if is_one_of_many:
                async with line.begins:
                    await asyncio.sleep(line.pause)
            async with request.app[MEMBERS_TURN]:
                await asyncio.sleep(PAUSE if is_one_of_many else 0)
            if name != "chat" and request.app[SESSIONS].has_ended(identity.session_id):
                raise web.HTTPUnauthorized(text=SIGNED_OUT)  # a socket is told in its own way
            if not stays_open:
                began = clock()
                try:
                    return await handler(request)
                finally:
                    line.pause = min(2 * (clock() - began), LONGEST_PAUSE)
    except Busy:
        text = "Too many requests at once, please wait a moment."
        raise web.HTTPTooManyRequests(text=text, headers={"Retry-After": "2"}) from None
    return await handler(request)


@web.middleware
async def db_handler(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put the database on the request; answer 503 until the database has its indexes."""
    name = route_name(request)
    if name and name not in ROUTES_WITHOUT_DATABASE:
        if not request.app[READY].is_set():
            raise BeingPrepared if request.app[PREPARING].is_set() else DatabaseUnavailable
        request[DB] = request.app[DATABASE]
    return await handler(request)


async def _strangers_turn(app: web.Application) -> None:
    async with app[STRANGERS_TURN]:
        await asyncio.sleep(0)


async def _error_page(
    request: web.Request, status: int, text: str, headers: dict[str, str]
) -> web.Response:
    name = route_name(request)
    is_kept = request.method == "POST" and status in KEEPS_TEXT and not wants_json(request)
    if is_kept and FORM not in request and name in PAGES_WITH_TEXT | FORMS_OF_STRANGERS.keys():
        with suppress(FormError):  # then what has arrived is kept
            await read_form(request)
    form = request.get(FORM, {}) if is_kept else {}
    template = FORMS_OF_STRANGERS.get(name or "", "error.html") if form else "error.html"
    context = {"form": form, "login": form.get("login"), "has_files": name == "upload"}
    response = error_response(request, template, context, FormError(status, text))
    response.headers.update(headers)
    return response
