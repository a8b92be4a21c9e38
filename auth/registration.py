"""Registration: who may create an account, as the setting REGISTRATION says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from auth.links import INVITATION, Links, UsedUp
from pages.forms import FormError
from settings import SETTINGS
from storage.database import DB, Document, is_empty

CLOSED = "Nobody can create an account here any more."
NOT_INVITED = "You need an invitation to create an account here. Please ask a moderator for one."
# The same for an invitation that never was, has expired, is used up, or was taken back.
INVALID = "This invitation can't be used. Please ask for a new one."


class Registration:
    """Decides whether a visitor may create an account; `token` is their invitation's, or ""."""

    def __init__(self, request: web.Request, token: str) -> None:
        self._settings = request.app[SETTINGS]
        self._db = request[DB]
        self._links = Links(request[DB])
        self._token = token
        self._invitation: Document | None = None
        self.is_first = False  # whether there are no accounts and messages, once that is checked

    @property
    def makes_moderator(self) -> bool:
        """Whether the new account is to be a moderator's: the first is, if no setting names one."""
        return self.is_first and not self._settings.MODERATORS

    async def check(self) -> None:
        """Check that the visitor may register. Raises FormError, DatabaseUnavailable."""
        self.is_first = await is_empty(self._db)
        if self.is_first or self._settings.REGISTRATION == "open":
            return
        if self._settings.REGISTRATION == "closed":
            raise FormError(403, CLOSED)
        if not self._token:
            raise FormError(403, NOT_INVITED)
        self._invitation = await self._links.find(
            INVITATION, self._token, self._settings.MODERATORS
        )
        if self._invitation is None:
            raise FormError(403, INVALID)

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Let a block create the account, and count one use of the invitation if it does.

        Raises FormError if the invitation was used up since check(); DatabaseUnavailable.
        """
        if self._invitation is None:
            yield
            return
        try:
            async with self._links.used(self._invitation):
                yield
        except UsedUp:
            raise FormError(403, INVALID) from None
