"""The account page: change the password, see and end sessions, delete the account."""

from typing import Any, ClassVar

import aiohttp_jinja2
from aiohttp_session import get_session
from yarl import URL

from account.sessions import ListedSession, list_sessions
from auth.attempts import LIMITS, authenticate
from auth.cookies import forget_session
from auth.links import Links
from auth.models import Changed, User, is_moderator
from auth.pages import MemberPage
from auth.passwords import HASHER, check_strength
from auth.sessions import IDENTITY, SESSIONS
from chat.departures import DEPARTURES
from files.usage import USAGE
from pages.forms import BadInput, FormError, check_filled, check_repeated, url_for
from security.address import client_address
from settings import SETTINGS
from storage.database import DB, Document

WRONG_PASSWORD = "Wrong password"
PASSWORD_CHANGED = "Your password has been changed. You have been signed out on all other devices."
SESSION_ENDED = "The session has ended."
ACCOUNT_CHANGED = "A moderator has just changed your account. Please try again."


class Account(MemberPage):
    """The account page, and what its forms do."""

    template = "account.html"
    actions: ClassVar = {"change_password", "end_session", "sign_out_everywhere", "delete"}

    @aiohttp_jinja2.template(template)
    async def get(self) -> dict[str, Any]:
        """Show the page."""
        return await self.context({})

    async def context(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the page shows. Raises DatabaseUnavailable."""
        cookie, usage = await get_session(self.request), self.request.app[USAGE]
        user_id = self.request[IDENTITY].user_id
        return {
            "user": self.request[IDENTITY],
            "files": usage.files[user_id],
            "files_size": usage.sizes[user_id],
            "files_limit": self.request.app[SETTINGS].FILES_PER_USER,
            "sessions": await self.sessions(),
            "notice": cookie.pop("notice", None),
            "form": form,
        }

    async def change_password(self, form: dict[str, str]) -> URL:
        """Change the password, and end all other sessions, because one may be a thief's."""
        check_filled(form, "old", "password")
        check_repeated(form)
        user = await self.check_password(form["old"], "old")
        check_strength(form["password"], user["login"], user.get("email") or "")
        app, users = self.request.app, User(self.request[DB])
        # Of two changes at the same time only the first succeeds: the other may be a thief's.
        if not await users.change_password(user, form["password"], app[HASHER]):
            raise FormError(401, WRONG_PASSWORD, "old")
        await Links(self.request[DB]).revoke_passwords(str(user["_id"]))
        identity = self.request[IDENTITY]
        await app[SESSIONS].end_all(identity.user_id, keep=[identity.session_id])
        return await self.done(PASSWORD_CHANGED)

    async def end_session(self, form: dict[str, str]) -> URL:
        """End the session that the form names."""
        sessions, wanted = await self.sessions(), form.get("session")
        session = next((each for each in sessions if each.public_id == wanted), None)
        if session is None:
            raise FormError(404, "This session has already ended")
        await self.request.app[SESSIONS].end(session.session_id)
        if session.is_current:
            await forget_session(self.request)
            return url_for(self.request, "login")
        return await self.done(SESSION_ENDED)

    async def sign_out_everywhere(self, form: dict[str, str]) -> URL:
        """End all sessions, this one too."""
        await self.request.app[SESSIONS].end_all(self.request[IDENTITY].user_id)
        await forget_session(self.request)
        return url_for(self.request, "login")

    async def delete(self, form: dict[str, str]) -> URL:
        """Delete the account; its messages stay, without its name."""
        app = self.request.app
        if not form.get("confirm", "").strip():
            raise BadInput("confirm", "Please enter your password")
        user = await self.check_password(form["confirm"], "confirm")
        if is_moderator(user, app[SETTINGS].MODERATORS):
            # If MODERATORS names the login, anybody could register it and would be a moderator; and
            # the room would perhaps have no moderator any more.
            raise FormError(403, "A moderator's account can't be deleted", "confirm")
        try:
            await app[DEPARTURES].delete(user)
        except Changed:
            raise FormError(409, ACCOUNT_CHANGED, "confirm") from None
        await forget_session(self.request)
        return url_for(self.request, "login")

    async def sessions(self) -> list[ListedSession]:
        """Return the sessions of the user who is asking. Raises DatabaseUnavailable."""
        return await list_sessions(self.request.app[SESSIONS], self.request[IDENTITY])

    async def done(self, notice: str) -> URL:
        """Return the address of this page, which then shows a notice, once."""
        # In the cookie, not in the address, where any link could fake one.
        (await get_session(self.request))["notice"] = notice
        return url_for(self.request, "account")

    async def check_password(self, password: str, field: str) -> Document:
        """Return the account if that is its password. Raises FormError beside the field, Busy."""
        users, user_id = User(self.request[DB]), self.request[IDENTITY].user_id
        limits, address = self.request.app[LIMITS], client_address(self.request)
        return await authenticate(
            self.request,
            limits.account_page_attempt(user_id, address),
            lambda: users.get(user_id),
            password,
            name=user_id,
            field=field,
            wrong=WRONG_PASSWORD,
        )
