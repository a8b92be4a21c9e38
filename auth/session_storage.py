"""Where a browser's session is kept, as SESSION_STORAGE says: in its cookie, or in Redis.

An invalid cookie counts as signed out.
"""

import json
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Any

from aiohttp import hdrs, web
from aiohttp_session import AbstractStorage, Session
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from aiohttp_session.redis_storage import RedisStorage
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from redis.asyncio import Redis

from auth.sessions import LIFETIME
from security.keys import fernet_key
from storage.database import DatabaseUnavailable
from storage.redis_client import FAILURES

KEY = re.compile(r"[0-9a-f]{32}")  # as RedisStorage makes them
MOST_COOKIES = 10  # of our name that are tried


class SecurelyDeleted(AbstractStorage):
    """Deletes the cookie with `Secure`, which aiohttp-session 2.12.1 omits.

    Without it browsers keep a `__Host-` cookie.
    """

    def save_cookie(
        self, response: web.StreamResponse, cookie_data: str, *, max_age: int | None = None
    ) -> None:
        """Set the cookie, or delete it if there is nothing to keep in it."""
        if cookie_data:
            super().save_cookie(response, cookie_data, max_age=max_age)
        else:
            secure = self.cookie_params["secure"]
            response.del_cookie(self.cookie_name, secure=secure, httponly=True, samesite="Lax")


def cookies_named(name: str, request: web.Request) -> list[str]:
    """Return what the cookies of a name hold; of several, `request.cookies` has only the last.

    Other programs on the host, at other ports or paths, may have set some of them.
    """
    headers = request.headers.getall(hdrs.COOKIE, [])
    pairs = (pair.partition("=") for header in headers for pair in header.split(";"))
    found = (
        value.strip().strip('"') for found_name, _, value in pairs if found_name.strip() == name
    )
    return list(islice(found, MOST_COOKIES))


class SessionCookie(SecurelyDeleted, EncryptedCookieStorage):
    """Stores the session in an encrypted cookie.

    The base class (of aiohttp-session 2.12.1) accepts only one key, answers some forged cookies
    with a 500, and refuses cookies from a server whose clock is a minute ahead.
    """

    def __init__(self, keys: Iterable[str], *, secure: bool) -> None:
        """Set up; the first key encrypts, and all of them decrypt."""
        fernets = [Fernet(fernet_key(key)) for key in keys]
        super().__init__(fernets[0], **_cookie_options(secure))
        self._fernets = MultiFernet(fernets)

    async def load_session(self, request: web.Request) -> Session:
        """Return the session in the first cookie that has one, an empty one if there is none."""
        for cookie in cookies_named(self.cookie_name, request):
            with suppress(InvalidToken, ValueError, RecursionError):
                # Without a ttl: the session's document says when it expires.
                data = json.loads(self._fernets.decrypt(cookie.encode()))
                if isinstance(data, dict) and isinstance(data.get("session"), dict):
                    return Session(None, data={"session": data["session"]}, new=False)
        return Session(None, data=None, new=True)


class SessionInRedis(SecurelyDeleted, RedisStorage):
    """Stores the session in Redis, as the tutorial shows; the cookie holds only a key.

    The base class (of aiohttp-session 2.12.1) answers some forged cookies, and every request while
    Redis is away, with a 500, and leaves an empty session in Redis.
    """

    def __init__(self, redis: Redis, *, secure: bool) -> None:
        """Set up."""
        super().__init__(redis, **_cookie_options(secure))

    def load_cookie(self, request: web.Request) -> str | None:
        """Return the first cookie that may be a key."""
        return next(filter(KEY.fullmatch, cookies_named(self.cookie_name, request)), None)

    async def load_session(self, request: web.Request) -> Session:
        """Return the session that the cookie names, an empty one if there is none.

        Raises DatabaseUnavailable: nobody is signed out because Redis is away.
        """
        if self.load_cookie(request) is None:
            return Session(None, data=None, new=True)
        try:
            async with _available():
                return await super().load_session(request)
        except (ValueError, TypeError, AttributeError, RecursionError):  # somebody has damaged it
            return Session(None, data=None, new=True)

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: Session
    ) -> None:
        """Store the session, or delete it if it is empty. Raises DatabaseUnavailable."""
        async with _available():
            if not session.empty:
                await super().save_session(request, response, session)
                return
            self.save_cookie(response, "")
            if session.identity:
                await self._redis.delete(f"{self.cookie_name}_{session.identity}")


def _cookie_options(secure: bool) -> dict[str, Any]:
    return {
        "cookie_name": "__Host-session" if secure else "session",
        "secure": secure,
        "samesite": "Lax",
        "max_age": int(LIFETIME.total_seconds()),
    }


@asynccontextmanager
async def _available() -> AsyncIterator[None]:
    """Raise DatabaseUnavailable for what Redis may fail with."""
    try:
        yield
    except FAILURES as error:
        raise DatabaseUnavailable(type(error).__name__) from error
