"""error_pages: the middleware that answers every error with a page, or with JSON for scripts."""

import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from database import DatabaseUnavailable
from forms import FormError, error_response

log = logging.getLogger(__name__)

TEXTS = {
    400: "The server can't understand this request.",
    403: "That is not allowed here.",
    404: "This page does not exist.",
    405: "This method is not allowed here.",
    500: "Something went wrong. The error was logged; please try again.",
    503: "The database is away. Please try again in a moment.",
}
KEPT_HEADERS = ("Allow", "Retry-After", "Connection")


@web.middleware
async def error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error with a page, or with JSON for a script that asks for it."""
    try:
        return await handler(request)
    except DatabaseUnavailable:
        return _error_page(request, 503, TEXTS[503], {"Retry-After": "5"})
    except web.HTTPException as error:
        if error.status < 400:
            raise
        # aiohttp's own text is "404: Not Found"; the page shows a sentence instead.
        own_text = error.text if error.text != f"{error.status}: {error.reason}" else None
        text = own_text or TEXTS.get(error.status, error.reason)
        headers = {name: error.headers[name] for name in KEPT_HEADERS if name in error.headers}
        return _error_page(request, error.status, text, headers)
    except ConnectionError:
        raise  # the client is gone: there is nobody to answer, and nothing to log
    except Exception:
        # The raw path: a decoded one can contain a newline and so forge a line of the log.
        log.exception("error in %s %s", request.method, request.rel_url.raw_path)
        return _error_page(request, 500, TEXTS[500], {})


def _error_page(
    request: web.Request, status: int, text: str, headers: dict[str, str]
) -> web.Response:
    response = error_response(request, "error.html", {}, FormError(status, text))
    response.headers.update(headers)
    return response
