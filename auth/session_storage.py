"""Where a browser's session is kept, as SESSION_STORAGE says: in its cookie, or in Redis.

An invalid cookie counts as signed out.

A browser sends a host's cookies to all its ports. So the cookie's name tells chats apart, and other
programs' cookies of the same name are passed over.
"""

import hashlib
import json
import re
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
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

NAME = "chat_session"  # followed by what tells this chat from others on its host
EARLIER_NAME = "session"  # of the version before; such a cookie may be in use for LIFETIME
# Enough for the chats of a machine; too little of the secret key's digest to find the key by it.
DIGITS = 4
KEY = re.compile(r"[0-9a-f]{32}")  # as RedisStorage makes them
MOST_COOKIES = 10  # that are tried
LONGEST_COOKIE = 4096  # characters; browsers keep none that are longer

# By session: the names of the cookies in which a browser has sent those that have not ended.
HELD = web.RequestKey("held", dict[str, str])


class ChatCookie(AbstractStorage):
    """The session cookie of this chat, among those that others have set on the same host."""

    def __init__(self, *arguments: Any, secure: bool, of_chat: str) -> None:
        """Set up; `of_chat` is a text that no other chat on the host has. It may be a secret."""
        prefix = "__Host-" if secure else ""
        digest = hashlib.sha256(of_chat.encode(errors="surrogateescape")).hexdigest()
        super().__init__(
            *arguments,
            cookie_name=f"{prefix}{NAME}_{digest[:DIGITS]}",
            secure=secure,
            samesite="Lax",
            max_age=int(LIFETIME.total_seconds()),
        )
        self.earlier_name = prefix + EARLIER_NAME
        # With any ending, because this chat's may have been another one before.
        names = rf"{prefix}{NAME}[^=;\s]*|{prefix}{EARLIER_NAME}"
        self._pattern = re.compile(rf"(?:^|;)\s*({names})\s*=([^;]*)")

    @abstractmethod
    async def load_sessions(self, request: web.Request) -> Sequence[tuple[str, Session]]:
        """Return the sessions in the cookies, each with its cookie's name.

        Raises DatabaseUnavailable.
        """

    async def load_session(self, request: web.Request) -> Session:
        """Return the first session, an empty one if there is none. Raises DatabaseUnavailable."""
        sessions = await self.load_sessions(request)
        return sessions[0][1] if sessions else Session(None, data=None, new=True)

    def cookies(self, request: web.Request) -> list[tuple[str, str]]:
        """Return the cookies that may be ours, with their names, the likeliest first."""
        headers = request.headers.getall(hdrs.COOKIE, [])
        pairs = (match.groups() for header in headers for match in self._pattern.finditer(header))
        found = [(name, value.strip().strip('"')) for name, value in pairs]
        found.sort(key=lambda cookie: cookie[0] != self.cookie_name)
        return [cookie for cookie in found if len(cookie[1]) <= LONGEST_COOKIE][:MOST_COOKIES]

    def save_cookie(
        self, response: web.StreamResponse, cookie_data: str, *, max_age: int | None = None
    ) -> None:
        """Set the cookie, or delete it if there is nothing to keep in it."""
        if cookie_data:
            super().save_cookie(response, cookie_data, max_age=max_age)
        else:
            self.delete_cookie(response, self.cookie_name)

    def delete_cookie(self, response: web.StreamResponse, name: str) -> None:
        """Delete a cookie with `Secure`, which aiohttp-session 2.12.1 omits.

        Without it browsers keep a `__Host-` cookie.
        """
        secure = self.cookie_params["secure"]
        response.del_cookie(name, secure=secure, httponly=True, samesite="Lax")

    def delete_others(self, request: web.Request, response: web.StreamResponse) -> None:
        """Delete the cookies in which a session of this chat came under another name."""
        for name in {*request.get(HELD, {}).values()} - {self.cookie_name}:
            self.delete_cookie(response, name)


class SessionCookie(ChatCookie, EncryptedCookieStorage):
    """Stores the session in an encrypted cookie.

    The base class (of aiohttp-session 2.12.1) accepts only one key, answers some forged cookies
    with a 500, and refuses cookies from a server whose clock is a minute ahead.
    """

    def __init__(self, keys: Iterable[str], *, secure: bool, of_chat: str = "") -> None:
        """Set up; the first key encrypts, and all of them decrypt."""
        fernets = [Fernet(fernet_key(key)) for key in keys]
        super().__init__(fernets[0], secure=secure, of_chat=of_chat)
        self._fernets = MultiFernet(fernets)

    async def load_sessions(self, request: web.Request) -> Sequence[tuple[str, Session]]:
        """Return the sessions in the cookies, each with its cookie's name."""
        sessions: list[tuple[str, Session]] = []
        for name, cookie in self.cookies(request):
            with suppress(InvalidToken, ValueError, RecursionError):
                # Without a ttl: the session's document says when it expires.
                data = json.loads(self._fernets.decrypt(cookie.encode()))
                if isinstance(data, dict) and isinstance(data.get("session"), dict):
                    session = Session(None, data={"session": data["session"]}, new=False)
                    sessions.append((name, session))
        return sessions

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: Session
    ) -> None:
        """Keep the session in the cookie, or delete it if it is empty."""
        await super().save_session(request, response, session)
        self.delete_others(request, response)


class SessionInRedis(ChatCookie, RedisStorage):
    """Stores the session in Redis, as the tutorial shows; the cookie holds only a key.

    The base class (of aiohttp-session 2.12.1) answers some forged cookies, and every request while
    Redis is away, with a 500, and leaves an empty session in Redis.
    """

    def __init__(self, redis: Redis, *, secure: bool, of_chat: str = "") -> None:
        """Set up."""
        super().__init__(redis, secure=secure, of_chat=of_chat)

    async def load_sessions(self, request: web.Request) -> Sequence[tuple[str, Session]]:
        """Return the sessions that the cookies name, each with its cookie's name.

        Raises DatabaseUnavailable: nobody is signed out because Redis is away.
        """
        cookies = [cookie for cookie in self.cookies(request) if KEY.fullmatch(cookie[1])]
        if not cookies:
            return []
        async with _available():
            stored = await self._redis.mget([self._place(key) for _, key in cookies])
        sessions: list[tuple[str, Session]] = []
        for (name, key), data in zip(cookies, stored, strict=True):
            # What somebody has damaged counts as none.
            with suppress(ValueError, TypeError, AttributeError, RecursionError):
                if data:
                    session = Session(key, data=json.loads(data), new=False, max_age=self.max_age)
                    sessions.append((name, session))
        return sessions

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: Session
    ) -> None:
        """Store the session, or delete it if it is empty. Raises DatabaseUnavailable."""
        async with _available():
            if session.empty:
                self.save_cookie(response, "")
                if session.identity:
                    await self._redis.delete(self._place(session.identity))
            else:
                key = session.identity or self._key_factory()
                data = json.dumps(self._get_session_data(session))
                await self._redis.set(self._place(key), data, ex=session.max_age)
                self.save_cookie(response, key, max_age=session.max_age)
        self.delete_others(request, response)

    def _place(self, key: str) -> str:
        """Return where a session is in Redis; earlier versions find it there, too."""
        return f"{self.earlier_name}_{key}"


@asynccontextmanager
async def _available() -> AsyncIterator[None]:
    """Raise DatabaseUnavailable for what Redis may fail with."""
    try:
        yield
    except FAILURES as error:
        raise DatabaseUnavailable(type(error).__name__) from error
