"""The encrypted session cookie; an invalid one counts as signed out."""

import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web
from aiohttp_session import AbstractStorage, Session
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from auth.sessions import LIFETIME
from security.keys import fernet_key


class SessionCookie(EncryptedCookieStorage):
    """Stores the session in an encrypted cookie.

    The base class (of aiohttp-session 2.12.1) accepts only one key, answers some forged cookies
    with a 500, omits `Secure` when it deletes a cookie (browsers then keep a `__Host-` one), and
    refuses cookies from a server whose clock is a minute ahead.
    """

    def __init__(self, keys: Iterable[str], *, secure: bool) -> None:
        """Set up; the first key encrypts, and all of them decrypt."""
        fernets = [Fernet(fernet_key(key)) for key in keys]
        super().__init__(fernets[0], **cookie_options(secure))
        self._fernets = MultiFernet(fernets)

    async def load_session(self, request: web.Request) -> Session:
        """Return the session in the cookie, an empty one if there is none."""
        try:
            cookie = self.load_cookie(request) or ""
            # Without a ttl: the session's document says when it expires.
            data = json.loads(self._fernets.decrypt(cookie.encode()))
            if isinstance(data, dict) and isinstance(data.get("session"), dict):
                return Session(None, data={"session": data["session"]}, new=False)
        except (InvalidToken, ValueError, RecursionError):
            pass
        return Session(None, data=None, new=True)

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: Session
    ) -> None:
        """Set the cookie, or delete it if the session is empty."""
        if session.empty:
            delete_cookie(response, self)
        else:
            await super().save_session(request, response, session)


def cookie_options(secure: bool) -> dict[str, Any]:
    """Return the options of the cookie, whatever it holds."""
    return {
        "cookie_name": "__Host-session" if secure else "session",
        "secure": secure,
        "samesite": "Lax",
        "max_age": int(LIFETIME.total_seconds()),
    }


def delete_cookie(response: web.StreamResponse, storage: AbstractStorage) -> None:
    """Delete the cookie."""
    response.del_cookie(
        storage.cookie_name, path="/", secure=storage.cookie_params["secure"],
        httponly=True, samesite="Lax",
    )  # fmt: skip
