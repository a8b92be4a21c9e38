"""guard: the middleware against cross-site requests, DNS rebinding and plain HTTP."""

import re
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from security.address import (
    DEFAULT_PORTS,
    is_loopback,
    normal_host,
    normal_origin,
    own_origin,
)
from settings import SETTINGS, Settings

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
FROM_OUR_PAGES = {"same-origin", "none"}  # `none`: typed into the address bar, or a bookmark
FOR_MACHINES = {"healthz", "metrics"}  # which may ask by IP address and without TLS
WHOLE_URL = re.compile("([a-z]+://)[^/?#]*", re.IGNORECASE)  # as a request's target; its origin
FOREIGN = "This request came from another site and was refused."


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse unknown hosts, redirect to HTTPS, and prevent cross-site request forgery.

    Raises HTTPForbidden, HTTPPermanentRedirect. There are no tokens. A
    request that changes something passes if its `Sec-Fetch-Site` is `same-origin` or `none`.
    Without that header it passes if its `Origin` is one of ours, or missing: browsers send `Origin`
    with every POST, so a request without it comes from a script. For a WebSocket only `Origin`
    counts.
    Source: https://words.filippo.io/csrf/.
    """
    settings, name = request.app[SETTINGS], request.match_info.route.name
    if name not in FOR_MACHINES:
        _check_host(request, settings)
        _require_https(request, settings)
    if name == "chat":
        _check_origin(request, settings)
    elif request.method not in SAFE_METHODS:
        sites = request.headers.getall("Sec-Fetch-Site", [])
        if not sites:
            _check_origin(request, settings)
        elif len(sites) > 1 or sites[0] not in FROM_OUR_PAGES:
            raise web.HTTPForbidden(text=FOREIGN)
    return await handler(request)


def _check_host(request: web.Request, settings: Settings) -> None:
    hosts = request.headers.getall(hdrs.HOST, [])
    host = hosts[0] if len(hosts) == 1 else ""
    target = WHOLE_URL.match(request.raw_path)
    if target and normal_origin(target[0]) != normal_origin(target[1] + host):
        host = ""  # the target's counts, and it is another one (RFC 9112, 3.2.2)
    if settings.PUBLIC_ORIGINS:
        known = {urlsplit(normal_origin(origin)).netloc for origin in settings.PUBLIC_ORIGINS}
        # A proxy may have taken https away: the port may be the default of either.
        is_known = any(normal_host(scheme, host) in known for scheme in DEFAULT_PORTS)
    else:
        # DNS rebinding: somebody else's host name may be made to point to this machine.
        is_known = not is_loopback(settings.SITE_HOST) or is_loopback(host)
    if not host or not is_known:
        raise web.HTTPForbidden(text="The chat does not answer under this host name.")


def _require_https(request: web.Request, settings: Settings) -> None:
    proto = ",".join(request.headers.getall("X-Forwarded-Proto", [])).split(",")[-1].strip().lower()
    if settings.TRUSTED_PROXIES and settings.SECURE_COOKIES and proto == "http":
        host = normal_host("http", request.host)  # port 80 would be wrong there
        raise web.HTTPPermanentRedirect(f"https://{host}{request.rel_url}")


def _check_origin(request: web.Request, settings: Settings) -> None:
    origins = [normal_origin(origin) for origin in request.headers.getall(hdrs.ORIGIN, [])]
    own = (own_origin(request), *map(normal_origin, settings.PUBLIC_ORIGINS))
    if len(origins) > 1 or (origins and origins[0] not in own):
        raise web.HTTPForbidden(text=FOREIGN)
