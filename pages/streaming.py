"""Answers that are sent piece by piece, and only as far as the client has not got them already."""

import asyncio
import re
from collections.abc import AsyncIterator

from aiohttp import web

RANGE = re.compile("bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)
ETAG_ANY = "*"


async def stream(
    request: web.Request,
    response: web.StreamResponse,
    pieces: AsyncIterator[bytes],
    timeout: float,
    failures: tuple[type[Exception], ...],
) -> None:
    """Send pieces as fast as the client takes them; for each it has `timeout` seconds.

    An error before the first piece is raised as it is. After it the connection is aborted:
    otherwise what is cut off would look whole, and what a client does not read would stay in
    memory. The timeout, and `failures`, the expected errors of `pieces`, are then raised as
    ConnectionResetError, which is not logged.
    """
    try:
        async for piece in pieces:
            if not response.prepared:
                await response.prepare(request)
            if request.method == "HEAD":
                break
            async with asyncio.timeout(timeout):
                await response.write(piece)
    except Exception as error:
        if not response.prepared:
            raise
        if request.transport:
            request.transport.abort()
        if isinstance(error, (TimeoutError, *failures)):
            raise ConnectionResetError("the answer broke off") from None
        raise


def is_known(request: web.Request, etag: str) -> bool:
    """Return whether the client says that it has this already (RFC 9110, 13.1.2)."""
    # Weak ones too: a proxy may send them.
    return any(known.value in (etag, ETAG_ANY) for known in request.if_none_match or ())


def read_range(request: web.Request, etag: str, size: int) -> tuple[int, int] | None:
    """Return where the range begins that a request asks for, and where it ends (RFC 9110, 14).

    None if it asks for all, or for what can't be understood. If there is no such range, it does not
    end after its beginning.
    """
    found = RANGE.fullmatch(",".join(request.headers.getall("Range", [])))
    is_same = request.headers.get("If-Range", f'"{etag}"') == f'"{etag}"'
    if found is None or not is_same or request.method == "HEAD":
        return None
    first, last = found.groups()
    if first and last and int(last) < int(first):
        return None
    if first:
        return int(first), min(int(last) + 1, size) if last else size
    return (max(size - int(last), 0), size) if last else None
