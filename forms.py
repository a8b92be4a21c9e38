"""Reading a posted form, and answering it: with a redirect, or with what is wrong."""

import asyncio
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

import aiohttp_jinja2
from aiohttp import web

from auth.sessions import IDENTITY, SESSIONS

BODY_LIMIT = 32 * 1024  # bytes of a form; also of a WebSocket message
READ_TIMEOUT = 10  # seconds for a body to arrive
MAX_FIELDS = 20


class FormError(Exception):
    """What was posted can't be taken; the text says so beside the field."""

    def __init__(
        self, status: int, text: str, field: str | None = None, retry_after: float = 0
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.field = field
        self.headers = {"Retry-After": str(int(retry_after) + 1)} if retry_after else {}


def too_busy(field: str | None = None) -> FormError:
    """Return the error for a form that came while too many others are being worked on."""
    return FormError(503, "Too busy, please try again", field, retry_after=2)


def database_away(field: str | None = None) -> FormError:
    """Return the error for a form that needs the database while it is away."""
    return FormError(503, "The database is away, please try again", field, retry_after=5)


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of an urlencoded form. Raises FormError, HTTPUnauthorized.

    Not `request.post()`: that decodes with any charset a client names, accepts files and
    repeated fields, and answers some malformed bodies with a 500.
    """
    try:
        content_type, charset = request.content_type, (request.charset or "utf-8").lower()
    except Exception:  # Python's email package fails on some, as with IndexError on `a/b;0*`
        content_type = charset = ""
    if content_type != "application/x-www-form-urlencoded" or charset != "utf-8":
        raise FormError(415, "Please send a form (application/x-www-form-urlencoded, UTF-8)")
    if request.headers.getall("Content-Encoding", []) not in ([], ["identity"]):
        raise FormError(415, "Please send the form without Content-Encoding")
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            body = await request.read()
    except TimeoutError:
        raise FormError(408, "The form did not arrive in time") from None
    except web.HTTPRequestEntityTooLarge:
        raise FormError(413, "The form is too large") from None
    except web.RequestPayloadError:
        raise FormError(400, "The form can't be read") from None
    # A form may take seconds to arrive, and who sends it may be banned or gone by then.
    identity = request.get(IDENTITY)
    if identity and request.app[SESSIONS].has_ended(identity.session_id):
        raise web.HTTPUnauthorized(text="You were signed out meanwhile. Please log in.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise FormError(400, "The form can't be read") from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise FormError(400, "The form has a field twice")
    return form


def check_filled(form: Mapping[str, str], *fields: str) -> None:
    """Check that nothing was left out. Raises FormError beside the first field that was."""
    for field in fields:
        if not form.get(field, "").strip():
            raise FormError(400, "Please fill all fields", field)


def check_repeated(form: Mapping[str, str]) -> None:
    """Check that a new password was typed twice alike. Raises FormError."""
    if form["password"] != form["password2"]:
        raise FormError(400, "Passwords must be the same", "password2")


def redirect(request: web.Request, route_name: str) -> NoReturn:
    """Send the browser to a page with GET, whatever it came with."""
    raise web.HTTPSeeOther(request.app.router[route_name].url_for())


def wants_json(request: web.Request) -> bool:
    """Tell whether a script is asking, that would rather read JSON than a page."""
    accept = request.headers.get("Accept", "")
    return "application/json" in accept and "text/html" not in accept


def error_response(
    request: web.Request, template: str, context: Mapping[str, Any], error: FormError
) -> web.Response:
    """Answer with the form as it was typed and the error in it, or with the error as JSON."""
    if wants_json(request):
        return web.json_response({"error": error.text}, status=error.status, headers=error.headers)
    response = aiohttp_jinja2.render_template(
        template, request, {**context, "error": error}, status=error.status
    )
    response.headers.update(error.headers)
    return response
