"""Headers that are too long or damaged: how much is read, and what is answered to more."""

from aiohttp import web

from security.headers import HEADERS

COOKIES_LIMIT = 64 * 1024  # bytes in one header; other programs of a host may have set many
HEADER_LIMIT = 8190  # bytes of another header, as is usual

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>That did not work</title>
<h1>That did not work</h1>
<p>Your browser sent something that can't be read here: too many cookies, a damaged one, or an
address that is too long.</p>
<p>Please delete the cookies of this site in your browser's settings, which signs you out, and open
the <a href="/">chat</a> again.</p>
</html>
"""


def has_long_header(request: web.BaseRequest) -> bool:
    """Return whether a header is too long that has no cookies."""
    return any(
        len(value) > HEADER_LIMIT and name.lower() != b"cookie"
        for name, value in request.raw_headers
    )


def refusal(status: int) -> web.Response:
    """Return the answer to a request that is not read any further; it ends the connection."""
    headers = {**HEADERS, "Cache-Control": "no-store", "Server": ""}
    page = web.Response(status=status, text=PAGE, content_type="text/html", headers=headers)
    page.force_close()
    return page
