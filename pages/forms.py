"""Pages with a form: how a posted form is read, and how errors are shown in it."""

import asyncio
import re
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, NoReturn
from urllib.parse import parse_qsl

import aiohttp_jinja2
from aiohttp import web
from yarl import URL

from security.limits import Busy
from server.metrics import METRICS
from settings import SETTINGS, Settings

BODY_LIMIT = 32 * 1024  # bytes of a form without a message
# Bytes of a character: %F0%9F%98%80 in a form, \ud83d\ude00 in a frame.
CHARACTER_LIMIT = 12
READ_TIMEOUT = 10  # seconds for a body to arrive
MAX_FIELDS = 20

FORM = web.RequestKey("form", dict[str, str])  # the fields of a request, as far as they were read


class FormError(Exception):
    """A form is refused: the page shows `text` beside the field, or above all fields."""

    def __init__(
        self, status: int, text: str, field: str | None = None, retry_after: float = 0
    ) -> None:
        """Set up; `status` is the HTTP status, `retry_after` is in seconds, 0 if not known."""
        super().__init__(text)
        self.status = status
        self.text = text
        self.field = field
        self.headers = {"Retry-After": str(int(retry_after) + 1)} if retry_after else {}


class BadInput(Exception):
    """What somebody typed into a field can't be taken; the text says why."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field
        self.text = text


class Page(web.View):
    """A page; HEAD is answered as GET is, but without the body."""

    @abstractmethod
    def get(self) -> Awaitable[web.StreamResponse]:
        """Show the page."""

    async def head(self) -> web.StreamResponse:
        """Return the headers of the page."""
        return await self.get()


Action = Callable[[dict[str, str]], Awaitable[URL | web.Response]]


class FormPage(Page):
    """A page with forms. A post is processed and redirects, or shows the page with an error."""

    template: str
    has_message = False  # whether a form may carry a message, which is longer than other forms
    actions: ClassVar[set[str]] = set()  # if there are several forms: methods, see act()

    async def post(self) -> web.Response:
        """Process the form and redirect, or show the page with what is wrong with it."""
        form: dict[str, str] = {}
        try:
            form = await self.read()
            answer = await self.act(form)
        except FormError as error:
            return await self.refuse(form or self.request.get(FORM, {}), error)
        except BadInput as bad:
            return await self.refuse(form, FormError(400, bad.text, bad.field))
        except Busy:
            return await self.refuse(form, too_busy())
        if isinstance(answer, web.Response):
            return answer
        raise web.HTTPSeeOther(answer)

    async def read(self) -> dict[str, str]:
        """Return the fields of the form. Raises FormError."""
        return await read_form(self.request)

    async def act(self, form: dict[str, str]) -> URL | web.Response:
        """Process the form; return where to go then, or a page that can be shown only once.

        If the page has several forms, the field `action` says which method does it. Raises
        FormError, BadInput, Busy, DatabaseUnavailable.
        """
        return await self.chosen(form)(form)

    def chosen(self, form: dict[str, str]) -> Action:
        """Return the method that the form asks for. Raises FormError."""
        name = form.get("action", "")
        if name not in self.actions:
            raise FormError(400, "Please choose what to do")
        action: Action = getattr(self, name)
        return action

    async def context(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the template shows; `form` is what was posted. Raises DatabaseUnavailable."""
        return {"form": form}

    async def refuse(self, form: dict[str, str], error: FormError) -> web.Response:
        """Return the page with the form as it was posted, and the error in it."""
        return error_response(self.request, self.template, await self.context(form), error)


def too_busy(field: str | None = None) -> FormError:
    """Return the error for a form that came while too many others are being worked on."""
    return FormError(503, "Too busy, please try again", field, retry_after=2)


def database_away(field: str | None = None) -> FormError:
    """Return the error for a form that needs the database while it is away."""
    return FormError(
        503, "The chat can't be used for the moment, please try again", field, retry_after=5
    )


def limit_with_message(settings: Settings) -> int:
    """Return how many bytes a form or a frame may have that carries a message."""
    return BODY_LIMIT + CHARACTER_LIMIT * settings.MESSAGE_LENGTH


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of an urlencoded form. Raises FormError.

    They are also request[FORM]; if the form is refused, those that have arrived, so that a page can
    repeat them. Not `request.post()`: it decodes with any charset that a client names, accepts
    files and repeated fields, and answers some malformed bodies with a 500.
    """
    try:
        content_type, charset = request.content_type, (request.charset or "utf-8").lower()
    except Exception:  # Python's email package raises IndexError on `a/b;0*`, for example
        content_type = charset = ""
    if content_type != "application/x-www-form-urlencoded" or charset != "utf-8":
        raise FormError(415, "Please send a form (application/x-www-form-urlencoded, UTF-8)")
    if request.headers.getall("Content-Encoding", []) not in ([], ["identity"]):
        raise FormError(415, "Please send the form without Content-Encoding")
    has_message = getattr(request.match_info.handler, "has_message", False)
    limit = limit_with_message(request.app[SETTINGS]) if has_message else BODY_LIMIT
    body = bytearray()
    try:
        await _receive(request, body, limit)
        form = request[FORM] = _fields(body)
    except FormError:
        request[FORM] = _legible_fields(body[:limit])
        raise
    return form


async def _receive(request: web.Request, body: bytearray, limit: int) -> None:
    """Add what arrives to the body, at most `limit` bytes. Raises FormError."""
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise FormError(413, "That is too much to send at once")
    except TimeoutError:
        raise FormError(408, "Not all of it arrived in time. Please send it again.") from None
    except web.RequestPayloadError:
        raise FormError(400, "The form can't be read") from None


def _fields(body: bytearray) -> dict[str, str]:
    """Return the fields of a form, also one that is not %-encoded (`curl -d`). Raises FormError."""
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise FormError(400, "The form can't be read") from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise FormError(400, "The form has a field twice")
    return form


def _legible_fields(body: bytearray) -> dict[str, str]:
    """Return what can be read of a form, which may be cut off within a character."""
    text = re.sub("%.?$", "", body.decode(errors="ignore"))
    try:
        return dict(parse_qsl(text, errors="ignore", max_num_fields=MAX_FIELDS))
    except ValueError:
        return {}


def check_filled(form: Mapping[str, str], *fields: str) -> None:
    """Check that no field is missing or blank. Raises BadInput for the first one that is."""
    for field in fields:
        if not form.get(field, "").strip():
            raise BadInput(field, "Please fill all fields")


def check_repeated(form: Mapping[str, str]) -> None:
    """Check that the new password is the same again if it is sent twice. Raises BadInput.

    Our pages send it once, because they can show it; other clients may repeat it.
    """
    if form.get("password2", form["password"]) != form["password"]:
        raise BadInput("password", "Passwords must be the same")


def url_for(request: web.Request, route_name: str, **query: str | int) -> URL:
    """Return the address of a page."""
    return request.app.router[route_name].url_for().with_query(query or None)


def redirect(request: web.Request, route_name: str, **query: str | int) -> NoReturn:
    """Redirect to a page, with 303, so that the browser uses GET after a POST."""
    raise web.HTTPSeeOther(url_for(request, route_name, **query))


def wants_json(request: web.Request) -> bool:
    """Return whether the client prefers JSON to a page.

    A view with `prefers_json` answers only those with a page who ask for one.
    """
    accept = request.headers.get("Accept", "")
    prefers_json = getattr(request.match_info.handler, "prefers_json", False)
    return "text/html" not in accept and (prefers_json or "application/json" in accept)


def error_response(
    request: web.Request, template: str, context: Mapping[str, Any], error: FormError
) -> web.Response:
    """Return the page with the error in it, or the error as JSON for a script."""
    request.app[METRICS].http_errors.labels(error.status).inc()
    response: web.Response
    if wants_json(request):
        response = web.json_response({"error": error.text}, status=error.status)
    else:
        response = aiohttp_jinja2.render_template(
            template, request, {**context, "error": error}, status=error.status
        )
    response.headers.update(error.headers)
    return response
