"""HTTP requests byte by byte, as no client library sends them."""

import asyncio
from email.message import Message
from email.parser import BytesParser

from tests.support.house import House
from tests.support.waiting import PATIENCE


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
