"""What every request passes: error pages, the cross-origin guard, authorize, db_handler."""

import logging
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp_jinja2
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from auth.sessions import IDENTITY, identify
from database import READY, DatabaseUnavailable
from forms import redirect, wants_json
from settings import SETTINGS, Settings

log = logging.getLogger(__name__)

# Known by route name: the tutorial compared the start of the path, and let /loginX through.
PUBLIC_ROUTES = {"login", "signin", "signout", "static", "healthz"}
ROUTES_WITHOUT_DATABASE = {"static", "healthz"}

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

TEXTS = {
    400: "That request makes no sense here.",
    403: "That is not allowed here.",
    404: "There is nothing at this address.",
    405: "This address does not do that.",
    500: "Something went wrong here. It has been noted; please try again.",
    503: "The database is away. Nothing is lost; please try again in a moment.",
}

FOREIGN = "That came from another site, so it was refused."

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers would post `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=31536000"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every response, errors and static files included."""
    if isinstance(response, web.WebSocketResponse):
        return  # no page, and each open socket would keep them
    response.headers.update(HEADERS)
    if request.app[SETTINGS].SECURE_COOKIES:
        response.headers["Strict-Transport-Security"] = HSTS
    # Static files have an ETag: a browser asks, and after a deploy gets the new ones.
    is_static = _route_name(request) == "static"
    response.headers["Cache-Control"] = "no-cache" if is_static else "no-store"
    response.headers.popall("Server", None)


@web.middleware
async def error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error with a page, or with JSON for whoever asks for that."""
    try:
        return await handler(request)
    except DatabaseUnavailable:
        return _error_page(request, 503, TEXTS[503], {"Retry-After": "5"})
    except web.HTTPException as error:
        if error.status < 400:
            raise
        # aiohttp's own text, as "404: Not Found", is no sentence.
        own_text = error.text if error.text != f"{error.status}: {error.reason}" else None
        text = own_text or TEXTS.get(error.status, error.reason)
        kept = {name: error.headers[name] for name in ("Allow", "Retry-After", "Connection")
                if name in error.headers}  # fmt: skip
        return _error_page(request, error.status, text, kept)
    except ConnectionError:
        raise  # the client is gone: nobody to answer, and nothing to log
    except Exception:
        # The raw path: a decoded one can hold a newline, and forge a line of the log.
        log.exception("error in %s %s", request.method, request.rel_url.raw_path)
        return _error_page(request, 500, TEXTS[500], {})


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what another site could make a browser send. Raises HTTPForbidden.

    Needs no tokens (https://words.filippo.io/csrf/). What changes something passes when
    `Sec-Fetch-Site` says `same-origin`, or `none` (typed, bookmarked); without that header
    when `Origin` is the page's own or a public one, or absent: a browser sends it with
    every post, so that is a script. A WebSocket goes by `Origin` alone.
    """
    settings, name = request.app[SETTINGS], _route_name(request)
    if name != "healthz":  # a health check may come by any name, and learns nothing
        _check_host(request, settings)
        _require_https(request, settings)
    if name == "chat":
        _check_origin(request, settings)
    elif request.method not in SAFE_METHODS or name == "signout":
        sites = request.headers.getall("Sec-Fetch-Site", [])
        if not sites:
            _check_origin(request, settings)
        elif sites not in (["same-origin"], ["none"]):
            raise web.HTTPForbidden(text=FOREIGN)
    return await handler(request)


@web.middleware
async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who is asking; send whoever is nobody to the log-in page."""
    name = _route_name(request)
    if name is None or name in ROUTES_WITHOUT_DATABASE:
        return await handler(request)
    if identity := await identify(request):
        request[IDENTITY] = identity
    elif name not in PUBLIC_ROUTES:
        if name == "chat" or wants_json(request):
            raise web.HTTPUnauthorized(text="Please log in first.")
        redirect(request, "login")
    return await handler(request)


@web.middleware
async def db_handler(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let no request pass until the database is prepared. Raises DatabaseUnavailable."""
    name = _route_name(request)
    if name and name not in ROUTES_WITHOUT_DATABASE and not request.app[READY].is_set():
        raise DatabaseUnavailable
    return await handler(request)


def own_origin(request: web.Request) -> str:
    """Return the origin of the chat's own pages, as their reader's browser sees it."""
    scheme = "https" if request.app[SETTINGS].SECURE_COOKIES else request.scheme
    return f"{scheme}://{request.headers.get(hdrs.HOST, '')}".lower()


def _route_name(request: web.Request) -> str | None:
    """Return the name of the route, None where nothing answers to path and method."""
    return request.match_info.route.name


def _check_host(request: web.Request, settings: Settings) -> None:
    hosts = request.headers.getall(hdrs.HOST, [])
    host = hosts[0].lower() if len(hosts) == 1 else ""
    if settings.PUBLIC_ORIGINS:
        is_known = host in {urlsplit(origin).netloc for origin in settings.PUBLIC_ORIGINS}
    else:
        # DNS rebinding: a foreign name may be made to point to this machine.
        is_known = not _is_loopback(settings.SITE_HOST) or _is_loopback(host)
    if not host or not is_known:
        raise web.HTTPForbidden(text="This host is not known here.")


def _is_loopback(host: str) -> bool:
    """Tell whether a host, with or without port, is this machine and nothing else."""
    try:
        name = host if host.count(":") > 1 and "[" not in host else urlsplit("//" + host).hostname
        return name == "localhost" or ip_address(name or "").is_loopback
    except ValueError:
        return False


def _require_https(request: web.Request, settings: Settings) -> None:
    proto = ",".join(request.headers.getall("X-Forwarded-Proto", [])).split(",")[-1].strip().lower()
    if settings.TRUSTED_PROXIES and settings.SECURE_COOKIES and proto == "http":
        raise web.HTTPPermanentRedirect(f"https://{request.host}{request.rel_url}")


def _check_origin(request: web.Request, settings: Settings) -> None:
    origins = [origin.lower() for origin in request.headers.getall(hdrs.ORIGIN, [])]
    own = (own_origin(request), *settings.PUBLIC_ORIGINS)
    if len(origins) > 1 or (origins and origins[0] not in own):
        raise web.HTTPForbidden(text=FOREIGN)


def _error_page(
    request: web.Request, status: int, text: str, headers: dict[str, str]
) -> web.Response:
    response: web.Response
    if wants_json(request):
        response = web.json_response({"error": text}, status=status)
    else:
        context = {"status": status, "text": text}
        response = aiohttp_jinja2.render_template("error.html", request, context, status=status)
    response.headers.update(headers)
    return response
