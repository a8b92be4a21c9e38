"""The session cookie as views use it: who is asking, sign a browser in, sign it out."""

import time

from aiohttp import web
from aiohttp_session import SESSION_KEY, STORAGE_KEY, get_session, new_session

from auth.session_storage import HELD
from auth.sessions import IDENTITY, SESSIONS, Identity


async def identify(request: web.Request) -> Identity | None:
    """Return the identity of the first cookie whose session has not ended, None without one.

    Raises DatabaseUnavailable.
    """
    held = request[HELD] = {}
    first: Identity | None = None
    for name, session in await request[STORAGE_KEY].load_sessions(request):
        session_id = session.get("id")
        if not isinstance(session_id, str) or not session_id.isascii():
            continue
        if identity := await request.app[SESSIONS].identify(session_id):
            held[session_id] = name
            if first is None:
                first, request[SESSION_KEY] = identity, session
    return first


async def set_session(request: web.Request, user_id: str, login: str) -> None:
    """Sign a browser in. Raises DatabaseUnavailable.

    Starts a new session and ends the old ones, so that a planted cookie never becomes a signed-in
    one (session fixation).
    """
    # A header may contain bytes that are not UTF-8; a BSON string may not.
    agent = request.headers.get("User-Agent", "").encode(errors="replace").decode()
    identity = await request.app[SESSIONS].create(user_id, login, agent)
    await _end_sessions(request)
    request[IDENTITY] = identity
    session = await new_session(request)
    session["id"] = identity.session_id
    session["user"] = user_id  # this and the next are the tutorial's; nothing reads them
    session["last_visit"] = int(time.time())


async def clear_session(request: web.Request) -> None:
    """Sign a browser out. Raises DatabaseUnavailable, and then leaves the cookie as it is."""
    await _end_sessions(request)
    await forget_session(request)


async def forget_session(request: web.Request) -> None:
    """Delete the cookie of a session that has ended."""
    (await get_session(request)).invalidate()


async def _end_sessions(request: web.Request) -> None:
    """End what a browser is signed in with, by its cookies and since. Raises DatabaseUnavailable.

    All of it: otherwise it would be signed in by another cookie as soon as the first is deleted.
    """
    ended = {*request.get(HELD, {})}
    if IDENTITY in request:
        ended.add(request[IDENTITY].session_id)
    if ended:
        await request.app[SESSIONS].end(*ended)
