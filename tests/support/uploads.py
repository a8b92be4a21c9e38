"""Files on their way to a chat: whole, in forms, and byte by byte."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

from files.store import FILES
from settings import CHUNK_COLLECTION, FILE_COLLECTION
from tests.support.house import House
from tests.support.people import Person
from tests.support.raw_requests import Answer, read_answer
from tests.support.sessions import held_by
from tests.support.waiting import until

BOUNDARY = "a-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


async def upload(
    person: Person, content: Any = b"hello", name: str = "a.bin", **options: Any
) -> aiohttp.ClientResponse:
    """Send a file as it is, as the page does."""
    options.setdefault("headers", {"Content-Type": "application/octet-stream"})
    return await person.post("/file", content, params={"name": name}, **options)


async def uploaded(person: Person, content: bytes = b"hello", name: str = "a.bin") -> Any:
    """Return what is said of a file that somebody sends."""
    response = await upload(person, content, name)
    assert response.status == 201, await response.text()
    return await response.json()


def part(name: str, content: bytes | str = b"", filename: str | None = None) -> bytes:
    """Return a part of a form, as browsers send it."""
    about = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    content = content.encode() if isinstance(content, str) else content
    return part_with(f"Content-Disposition: {about}".encode(), content)


def part_with(head: bytes, content: bytes = b"") -> bytes:
    """Return a part of a form with exactly these headers."""
    return f"--{BOUNDARY}\r\n".encode() + head + b"\r\n\r\n" + content + b"\r\n"


def form_of(*parts: bytes) -> bytes:
    """Return a form of these parts."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def send_form(person: Person, *parts: bytes, accept: str = "*/*") -> aiohttp.ClientResponse:
    """Send a form with files, by default as curl does."""
    headers = {"Content-Type": FORM, "Accept": accept}
    return await person.post("/file", form_of(*parts), headers=headers)


class Begun(NamedTuple):
    """A request for which more is to be sent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        """Send more of it."""
        self.writer.write(data)

    async def answer(self) -> Answer:
        """Return the answer."""
        return await read_answer(self.reader)


@asynccontextmanager
async def begun(
    house: House, person: Person, *headers: str, path: str = "/file?name=a.bin", body: bytes = b""
) -> AsyncIterator[Begun]:
    """Begin an upload with exactly these headers and this beginning of a body."""
    reader, writer = await asyncio.open_connection(house.server.host, house.server.port)
    head = [
        f"POST {path} HTTP/1.1",
        f"Host: {house.server.host}:{house.server.port}",
        f"Cookie: chat_session={held_by(person)}",
        *headers,
    ]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    try:
        yield Begun(reader, writer)
    finally:
        writer.close()


async def files_stored(house: House) -> int:
    """Return how many files and pieces of files the database has."""
    collections = house.database[FILE_COLLECTION], house.database[CHUNK_COLLECTION]
    return sum([await collection.count_documents({}) for collection in collections])


async def nothing_is_stored(house: House) -> None:
    """Wait until nothing is left of what was refused."""

    async def is_empty() -> bool:
        return not await house.database[CHUNK_COLLECTION].count_documents({}) and not [
            document
            async for document in house.database[FILE_COLLECTION].find({})
            if await house.app[FILES].find(document["id"])
        ]

    await until(is_empty)
