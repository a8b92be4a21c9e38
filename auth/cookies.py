"""The session cookie as views use it: who is asking, sign a browser in, sign it out."""

import time

from aiohttp import web
from aiohttp_session import get_session, new_session

from auth.sessions import IDENTITY, SESSIONS, Identity


async def identify(request: web.Request) -> Identity | None:
    """Return the identity of the cookie's session, None without one. Raises DatabaseUnavailable."""
    session_id = (await get_session(request)).get("id")
    if not isinstance(session_id, str) or not session_id.isascii():
        return None
    return await request.app[SESSIONS].identify(session_id)


async def set_session(request: web.Request, user_id: str, login: str) -> None:
    """Sign a browser in. Raises DatabaseUnavailable.

    Starts a new session and ends the old one, so that a planted cookie never becomes a signed-in
    one (session fixation).
    """
    # A header may contain bytes that are not UTF-8; a BSON string may not.
    agent = request.headers.get("User-Agent", "").encode(errors="replace").decode()
    identity = await request.app[SESSIONS].create(user_id, login, agent)
    if IDENTITY in request:
        await request.app[SESSIONS].end(request[IDENTITY].session_id)
    request[IDENTITY] = identity
    session = await new_session(request)
    session["id"] = identity.session_id
    session["user"] = user_id  # this and the next are the tutorial's; nothing reads them
    session["last_visit"] = int(time.time())


async def clear_session(request: web.Request) -> None:
    """Sign a browser out. Raises DatabaseUnavailable, and then leaves the cookie as it is."""
    if IDENTITY in request:
        await request.app[SESSIONS].end(request[IDENTITY].session_id)
    await forget_session(request)


async def forget_session(request: web.Request) -> None:
    """Delete the cookie of a session that has ended."""
    (await get_session(request)).invalidate()
