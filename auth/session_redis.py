"""Sessions in Redis, as the tutorial shows; the cookie holds only a key."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp_session import Session
from aiohttp_session.redis_storage import RedisStorage
from redis.asyncio import Redis

from auth.session_cookie import cookie_options, delete_cookie
from storage.database import DatabaseUnavailable
from storage.redis_client import FAILURES

KEY = re.compile(r"[0-9a-f]{32}")  # as the base class makes them


class SessionInRedis(RedisStorage):
    """Stores the session in Redis.

    The base class (of aiohttp-session 2.12.1) answers some forged cookies, and every request while
    Redis is away, with a 500, omits `Secure` when it deletes a cookie, and leaves an empty session
    in Redis.
    """

    def __init__(self, redis: Redis, *, secure: bool) -> None:
        """Set up."""
        super().__init__(redis, **cookie_options(secure))

    async def load_session(self, request: web.Request) -> Session:
        """Return the session that the cookie names, an empty one if there is none.

        Raises DatabaseUnavailable: nobody is signed out because Redis is away.
        """
        if not KEY.fullmatch(self.load_cookie(request) or ""):
            return Session(None, data=None, new=True)
        try:
            async with available():
                return await super().load_session(request)
        except (ValueError, TypeError, AttributeError, RecursionError):  # somebody has damaged it
            return Session(None, data=None, new=True)

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: Session
    ) -> None:
        """Store the session, or delete it if it is empty. Raises DatabaseUnavailable."""
        async with available():
            if not session.empty:
                await super().save_session(request, response, session)
                return
            delete_cookie(response, self)
            if session.identity:
                await self._redis.delete(f"{self.cookie_name}_{session.identity}")


@asynccontextmanager
async def available() -> AsyncIterator[None]:
    """Raise DatabaseUnavailable for what Redis may fail with."""
    try:
        yield
    except FAILURES as error:
        raise DatabaseUnavailable(type(error).__name__) from error
