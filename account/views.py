"""The account page: change the password, see and end sessions, delete the account."""

from typing import Any

import aiohttp_jinja2
from aiohttp import web
from yarl import URL

from account.sessions import SessionList
from auth.attempts import authenticate
from auth.cookies import forget_session
from auth.links import Links
from auth.models import User
from auth.pages import MemberPage
from auth.passwords import HASHER, WeakPassword, check_strength
from auth.sessions import IDENTITY, SESSIONS
from chat.models import MESSAGES
from pages.forms import FormError, check_filled, check_repeated, url_for
from storage.database import DB, Document

NOTICES = {
    "password": "Your password has been changed. You have been signed out on all other devices.",
    "session": "The session has ended.",
}


def session_list(request: web.Request) -> SessionList:
    """Return the sessions of the user who is asking."""
    return SessionList(request.app[SESSIONS], request[IDENTITY])


async def account_context(request: web.Request, form: dict[str, str]) -> dict[str, Any]:
    """Return what the page shows. Raises DatabaseUnavailable."""
    sessions, notice = await session_list(request).read()
    return {
        "user": request[IDENTITY],
        "sessions": sessions,
        "notice": NOTICES.get(notice),
        "form": form,
    }


class Account(web.View):
    """The account page."""

    @aiohttp_jinja2.template("account.html")
    async def get(self) -> dict[str, Any]:
        """Show the page."""
        return await account_context(self.request, {})

    head = get


class AccountAction(MemberPage):
    """A form of the account page."""

    template = "account.html"

    async def context(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the page shows. Raises DatabaseUnavailable."""
        return await account_context(self.request, form)

    async def check_password(self, password: str, field: str) -> Document:
        """Return the account if that is its password. Raises FormError beside the field, Busy."""
        identity = self.request[IDENTITY]
        return await authenticate(
            self.request,
            identity.login,
            password,
            field=field,
            wrong="Wrong password",
            user_id=identity.user_id,
        )


class ChangePassword(AccountAction):
    """Change the password, and end all other sessions, because one may be a thief's."""

    async def act(self, form: dict[str, str]) -> URL:
        """Check the old password and the new one, and change it."""
        check_filled(form, "old", "password", "password2")
        check_repeated(form)
        user = await self.check_password(form["old"], "old")
        try:
            check_strength(form["password"], user["login"], user.get("email") or "")
        except WeakPassword as error:
            raise FormError(400, str(error), "password") from None
        app, users = self.request.app, User(self.request[DB])
        # Of two changes at the same time only the first succeeds: the other may be a thief's.
        if not await users.change_password(user, form["password"], app[HASHER]):
            raise FormError(401, "Wrong password", "old")
        await Links(self.request[DB]).revoke_passwords(str(user["_id"]))
        sessions = session_list(self.request)
        await sessions.end_others()
        await sessions.set_notice("password")
        return url_for(self.request, "account")


class EndSession(AccountAction):
    """End one session."""

    async def act(self, form: dict[str, str]) -> URL:
        """End the session that the form names."""
        sessions = session_list(self.request)
        listed, _ = await sessions.read()
        session = next((each for each in listed if each.public_id == form.get("session")), None)
        if session is None:
            raise FormError(404, "This session has already ended")
        await self.request.app[SESSIONS].end(session.session_id)
        if session.is_current:
            await forget_session(self.request)
            return url_for(self.request, "login")
        await sessions.set_notice("session")
        return url_for(self.request, "account")


class SignOutEverywhere(AccountAction):
    """End all sessions."""

    async def act(self, form: dict[str, str]) -> URL:
        """End them, this one too."""
        await self.request.app[SESSIONS].end_all(self.request[IDENTITY].user_id)
        await forget_session(self.request)
        return url_for(self.request, "login")


class DeleteAccount(AccountAction):
    """Delete the account; its messages stay, without its name."""

    async def act(self, form: dict[str, str]) -> URL:
        """Check the password, and delete the account."""
        app, identity = self.request.app, self.request[IDENTITY]
        if not form.get("confirm", "").strip():
            raise FormError(400, "Please enter your password", "confirm")
        if identity.is_moderator:
            # If MODERATORS names the login, anybody could register it and would be a moderator; and
            # the room would perhaps have no moderator any more.
            raise FormError(403, "A moderator's account can't be deleted", "confirm")
        user = await self.check_password(form["confirm"], "confirm")
        # The account last: if a step fails, its owner can still log in and try again.
        await app[SESSIONS].end_all(identity.user_id)
        await Links(self.request[DB]).revoke_passwords(identity.user_id)
        await app[MESSAGES].anonymize(identity.user_id)
        await User(self.request[DB]).delete(user)
        await forget_session(self.request)
        return url_for(self.request, "login")
