"""Requests byte by byte, as no client library sends them, and pages as a reader finds them."""

import asyncio
from email.message import Message
from email.parser import BytesParser
from html.parser import HTMLParser

import aiohttp

from tests.conftest import PATIENCE, House


class Answer:
    """A response, taken apart by hand."""

    def __init__(self, head: bytes, body: bytes) -> None:
        status_line, _, lines = head.partition(b"\r\n")
        self.status = int(status_line.split()[1])
        self.headers: Message = BytesParser().parsebytes(lines)
        self.body = body


async def read_answer(reader: asyncio.StreamReader, has_body: bool = True) -> Answer:
    """Return the next response on a connection."""
    async with asyncio.timeout(PATIENCE):
        answer = Answer(await reader.readuntil(b"\r\n\r\n"), b"")
        if has_body:
            answer.body = await reader.readexactly(int(answer.headers.get("Content-Length", 0)))
    return answer


async def exchange(house: House, request: bytes, has_body: bool = True) -> Answer:
    """Send bytes to the chat and return what it answers."""
    reader, writer = await asyncio.open_connection(house.server.host, house.server.port)
    try:
        writer.write(request)
        return await read_answer(reader, has_body)
    finally:
        writer.close()


async def ask(
    house: House,
    *headers: str,
    path: str = "/login",
    method: str = "GET",
    body: bytes = b"",
    connection: str = "close",
) -> Answer:
    """Send a request with exactly these headers (Host is the chat's own unless it is given)."""
    if not any(header.lower().startswith("host:") for header in headers):
        headers = (f"Host: {house.server.host}:{house.server.port}", *headers)
    lines = [f"{method} {path} HTTP/1.1", *headers, f"Connection: {connection}", "", ""]
    request = "\r\n".join(lines).encode("utf-8", "surrogateescape") + body
    return await exchange(house, request, has_body=method != "HEAD")


class FormPage(HTMLParser):
    """A page with a form: what its fields hold, and beside which of them the error stands."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inputs: dict[str, dict[str, str | None]] = {}
        self.error = ""
        self.error_field: str | None = None
        self._is_alert = False
        self._field: str | None = None
        self.feed(html)

    @classmethod
    async def read(cls, response: aiohttp.ClientResponse) -> "FormPage":
        """Read the page of a response."""
        assert response.content_type == "text/html"
        return cls(await response.text())

    @property
    def marked(self) -> list[str]:
        """The fields that are marked as invalid."""
        return [name for name, field in self.inputs.items() if field.get("aria-invalid") == "true"]

    def value(self, name: str) -> str | None:
        """Return what a field holds."""
        return self.inputs[name].get("value")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the fields; the error is its field's that stands before it."""
        attributes = dict(attrs)
        if tag in ("input", "textarea"):
            self._field = attributes["name"]
            assert self._field is not None
            self.inputs[self._field] = attributes
        self._is_alert = attributes.get("role") == "alert"

    def handle_endtag(self, tag: str) -> None:
        """Leave the error behind."""
        self._is_alert = False

    def handle_data(self, data: str) -> None:
        """Take the error's text."""
        if self._is_alert and data.strip():
            self.error, self.error_field = data.strip(), self._field
