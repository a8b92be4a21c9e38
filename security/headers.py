"""The security headers that every response carries, errors and static files included."""

from aiohttp import web

from settings import SETTINGS

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers would post `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# An image that is opened by itself runs no script, also if the room's own logo has one.
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
# What people have sent runs no script if it is opened by itself. For sound and video the browser
# makes a page with its own player, which may not load them from an origin of no name.
FILE_POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; sandbox allow-same-origin"
)
HSTS = "max-age=31536000"  # seconds: a year


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers to a response that is about to be sent."""
    if isinstance(response, web.WebSocketResponse):
        return  # it is not a page, and each open socket would keep them in memory
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)  # a file has a policy of its own
    if response.content_type == "image/svg+xml":
        response.headers["Content-Security-Policy"] = SVG_POLICY
    if request.app[SETTINGS].SECURE_COOKIES:
        response.headers["Strict-Transport-Security"] = HSTS
    response.headers.setdefault("Cache-Control", "no-store")  # static files have one of their own
    response.headers.popall("Server", None)
