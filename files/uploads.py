"""Uploads: how a file comes from the body of a request onto the server's disk.

The body is the file itself, with its name as `?name=`, or a form (multipart/form-data).

Not read by `request.multipart()`: that of aiohttp 3.14.5 reads what stands before the first part
line by line, which holds up everything else, warns of odd headers in the client's own words, and
does not understand `filename="a;b;c.png"`.
"""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

from aiohttp import StreamReader, web
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from pages.forms import MAX_FIELDS, FormError, limit_with_message
from pages.sizes import size_text
from server.logs import SeldomLogger
from settings import SETTINGS

PIECE = 64 * 1024  # bytes that are read and written at once
STALL = 30  # seconds for a piece to arrive
FILES_IN_FORM = 10
PLAIN = {"", "7bit", "8bit", "binary"}  # encodings of a part that change nothing

UNREADABLE = "The form can't be read, or it breaks off. Please send it again."
HOW_TO_SEND = "Please send a form (multipart/form-data), or the file itself and its name as ?name="

seldom = SeldomLogger(logging.getLogger(__name__))


class Received(NamedTuple):
    """A file that has arrived."""

    name: str  # as the client says
    content: IO[bytes]  # on the disk, without a name there; its reader closes it
    size: int


async def receive(
    request: web.Request, form: dict[str, str], check: Callable[[], Awaitable[None]]
) -> AsyncIterator[Received]:
    """Yield the files of a request as they arrive, and put the other fields of its form in `form`.

    The next file is not read before the caller wants it. `check` is called with each piece, and may
    end it all. Raises FormError, and what `check` raises.
    """
    limit = request.app[SETTINGS].FILE_SIZE_LIMIT
    if not limit:
        raise FormError(403, "No files can be sent in this chat.")
    if request.headers.getall("Content-Encoding", []) not in ([], ["identity"]):
        raise FormError(415, "Please send the file without Content-Encoding")
    pieces = _pieces(request.content, check)
    if "name" in request.query:
        yield await _received(request.query["name"], pieces, limit)
        return
    kind, options = parse_options_header(request.headers.get("Content-Type", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise FormError(415, HOW_TO_SEND)
    parts = _parts(pieces, options["boundary"])
    files, room = 0, limit_with_message(request.app[SETTINGS])
    async for part in parts:
        assert isinstance(part, MultipartSegment)
        if part.header("Content-Transfer-Encoding", "").lower() not in PLAIN:
            raise FormError(415, "Please send the parts of the form without an encoding")
        field = part.name or ""
        if field == "file":
            files += 1
            if files > FILES_IN_FORM:
                raise FormError(413, f"Please send at most {FILES_IN_FORM} files at once")
            file = await _received(part.filename or "", _content(parts), limit)
            if file.name or file.size:
                yield file
            else:  # none was chosen
                file.content.close()
        elif field in form or len(form) == MAX_FIELDS:
            raise FormError(400, "The form has a field twice, or too many")
        else:
            form[field] = await _text(_content(parts), room)
            room -= len(form[field])


async def _parts(
    pieces: AsyncIterator[bytes], boundary: str
) -> AsyncIterator[MultipartSegment | bytes | None]:
    """Yield each part of a form, after it its content, and None at its end. Raises FormError."""
    try:
        # Strict, or what stands before the first part might have no end.
        parser = PushMultipartParser(boundary, strict=True)
        async for piece in pieces:
            for event in parser.parse(piece):
                yield event
        parser.close()
    except MultipartError:
        raise FormError(400, UNREADABLE) from None


async def _content(
    parts: AsyncIterator[MultipartSegment | bytes | None],
) -> AsyncIterator[bytes]:
    """Yield the content of the part that has begun."""
    while isinstance(piece := await anext(parts), bytes | bytearray):
        yield bytes(piece)


async def _pieces(
    content: StreamReader, check: Callable[[], Awaitable[None]]
) -> AsyncIterator[bytes]:
    """Yield a body in pieces of PIECE bytes; the last one is shorter. Raises FormError."""
    is_end = False
    while not is_end:
        try:
            async with asyncio.timeout(STALL):
                piece = await content.readexactly(PIECE)
        except asyncio.IncompleteReadError as end:
            piece, is_end = end.partial, True
        except TimeoutError:
            raise FormError(408, "Not all of it arrived in time. Please send it again.") from None
        except web.RequestPayloadError:
            raise FormError(400, UNREADABLE) from None
        await check()
        yield piece


async def _received(name: str, pieces: AsyncIterator[bytes], limit: int) -> Received:
    """Return a file once all of it is on the disk. Raises FormError."""
    with on_disk():
        content, size = await asyncio.to_thread(_new_file), 0
    try:
        async for piece in pieces:
            size += len(piece)
            if size > limit:
                raise FormError(413, f"A file may have at most {size_text(limit)}.")
            with on_disk():
                await asyncio.to_thread(_write, content, piece)  # the disk may be slow
        content.seek(0)
    except BaseException:
        content.close()
        raise
    return Received(name, content, size)


@contextmanager
def on_disk() -> Iterator[None]:
    """Raise FormError if the disk takes no more."""
    try:
        yield
    except OSError as error:
        seldom.log(logging.ERROR, f"an upload can't be written to the disk: {error.strerror}")
        raise FormError(507, "The chat has no room for this file at the moment.") from None


def _new_file() -> IO[bytes]:
    return tempfile.TemporaryFile(buffering=0)


def _write(content: IO[bytes], piece: bytes) -> None:
    while piece:
        piece = piece[content.write(piece) :]


async def _text(pieces: AsyncIterator[bytes], limit: int) -> str:
    """Return a short text that arrives. Raises FormError."""
    text = b""
    async for piece in pieces:
        text += piece
        if len(text) > limit:
            raise FormError(413, "That is too much to send at once")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise FormError(400, UNREADABLE) from None
