"""The session cookie: encrypted, and for any content an ordinary anonymous visitor."""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from datetime import timedelta

from aiohttp import web
from aiohttp_session import Session
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from settings import Settings, StartError, make_data_dir

LIFETIME = timedelta(days=14)


class SessionCookie(EncryptedCookieStorage):
    """The session in an encrypted cookie, for several keys, and for cookies of any content.

    Its parent refuses MultiFernet, fails with a 500 on encrypted nonsense, deletes without
    `Secure` (so that a browser keeps a `__Host-` cookie) and refuses the cookies of a clock
    that is a minute ahead.
    """

    def __init__(self, keys: Iterable[str], *, secure: bool) -> None:
        fernets = [Fernet(_fernet_key(key)) for key in keys]
        super().__init__(
            fernets[0],
            cookie_name="__Host-session" if secure else "session",
            secure=secure,
            samesite="Lax",
            max_age=int(LIFETIME.total_seconds()),
        )
        self._fernets = MultiFernet(fernets)

    async def load_session(self, request: web.Request) -> Session:
        """Return the session that the cookie holds, an empty one if it holds none."""
        try:
            cookie = self.load_cookie(request) or ""
            # No ttl: how long a session lasts is for its document to say.
            data = json.loads(self._fernets.decrypt(cookie.encode()))
            if isinstance(data, dict) and isinstance(data.get("session"), dict):
                return Session(None, data={"session": data["session"]}, new=False)
        except (InvalidToken, ValueError, RecursionError):
            pass
        return Session(None, data=None, new=True)

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: Session
    ) -> None:
        """Set the cookie, or delete it where the session is empty."""
        if session.empty:
            response.del_cookie(
                self._cookie_name, path="/", secure=self._cookie_params["secure"],
                httponly=True, samesite="Lax",
            )  # fmt: skip
        else:
            await super().save_session(request, response, session)


def _fernet_key(text: str) -> bytes:
    # Fernet wants 32 bytes in base64; people set any text.
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode(errors="surrogateescape")).digest())


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """Return the keys of the settings, else one that is made once and kept. Raises StartError."""
    if settings.SECRET_KEY:
        return settings.SECRET_KEY
    make_data_dir(settings.DATA_DIR)
    path = settings.DATA_DIR / "secret_key"
    try:
        # Created whole under another name, so that nobody ever reads half a key.
        draft = path.with_suffix(f".{os.getpid()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
        return (path.read_text(),)
    except OSError as error:
        raise StartError(f"SECRET_KEY is not set and {path} is unusable: {error}.") from None
