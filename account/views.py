"""The page of one's own account: its password, its sessions, its end."""

from abc import abstractmethod
from typing import Any

import aiohttp_jinja2
from aiohttp import web
from aiohttp_session import get_session

from account.own_messages import disown
from account.sessions import SessionList
from auth.attempts import is_proven
from auth.models import User
from auth.moderators import is_moderator
from auth.passwords import HASHER, Busy, WeakPassword, check_strength
from auth.sessions import IDENTITY, SESSIONS
from database import DB, Document
from forms import (
    FormError,
    check_filled,
    check_repeated,
    error_response,
    read_form,
    redirect,
    too_busy,
)

TEMPLATE = "account.html"

DONE = {
    "password": "Your password is changed. Wherever else you were signed in, you are not any more.",
    "session": "The session has ended.",
}


class AccountPage(web.View):
    """What the page and its forms have in common."""

    async def context(self) -> dict[str, Any]:
        """Return what the page shows. Raises DatabaseUnavailable."""
        sessions, done = await self.sessions.read()
        user = self.request[IDENTITY]
        return {"user": user, "sessions": sessions, "done": DONE.get(done), "form": {}}

    @property
    def sessions(self) -> SessionList:
        """Where the user is signed in."""
        return SessionList(self.request.app[SESSIONS], self.request[IDENTITY])

    async def forget_cookie(self) -> None:
        """Let the browser forget a session that has ended."""
        (await get_session(self.request)).invalidate()


class Account(AccountPage):
    """The page itself."""

    async def get(self) -> web.Response:
        """Show it."""
        return aiohttp_jinja2.render_template(TEMPLATE, self.request, await self.context())

    head = get


class AccountAction(AccountPage):
    """What one of the page's forms does."""

    async def post(self) -> web.Response:
        """Do what the form is for, or say in the page what is wrong."""
        try:
            next_page = await self.act(await read_form(self.request))
        except FormError as error:
            return await self.refuse(error)
        except Busy:
            return await self.refuse(too_busy())
        redirect(self.request, next_page)

    @abstractmethod
    async def act(self, form: dict[str, str]) -> str:
        """Carry out the action and return the route to redirect to.

        Raises FormError, Busy, DatabaseUnavailable.
        """

    async def refuse(self, error: FormError) -> web.Response:
        """Answer with the page and what is wrong."""
        context = {**await self.context(), "done": None}
        return error_response(self.request, TEMPLATE, context, error)

    async def proven(self, password: str, field: str) -> Document:
        """Return the account, if that is its password. Raises FormError beside the field, Busy."""
        identity = self.request[IDENTITY]
        user = await User(self.request.app[DB]).get(identity.user_id)
        if not await is_proven(self.request, user, identity.login, password, field) or user is None:
            raise FormError(401, "Wrong password", field)
        return user


class ChangePassword(AccountAction):
    """Change the password, and end all other sessions: a thief's may be among them."""

    async def act(self, form: dict[str, str]) -> str:
        """Check the old password and the new one, and change it."""
        check_filled(form, "old", "password", "password2")
        check_repeated(form)
        user = await self.proven(form["old"], "old")
        try:
            check_strength(form["password"], user["login"], user["email"])
        except WeakPassword as error:
            raise FormError(400, str(error), "password") from None
        app = self.request.app
        # Of two at once only the first counts: the other may be a thief's.
        if not await User(app[DB]).change_password(user, form["password"], app[HASHER]):
            raise FormError(401, "Wrong password", "old")
        await self.sessions.end_others()
        await self.sessions.note("password")
        return "account"


class EndSession(AccountAction):
    """End one session."""

    async def act(self, form: dict[str, str]) -> str:
        """End the session that the form names."""
        listed, _ = await self.sessions.read()
        session = next((each for each in listed if each.mark == form.get("session")), None)
        if session is None:
            raise FormError(404, "This session has already ended")
        await self.request.app[SESSIONS].end(session.session_id)
        if session.is_this:
            await self.forget_cookie()
            return "login"
        await self.sessions.note("session")
        return "account"


class SignOutEverywhere(AccountAction):
    """End every session."""

    async def act(self, form: dict[str, str]) -> str:
        """End them, also the one that is asking."""
        await self.request.app[SESSIONS].end_all(self.request[IDENTITY].user_id)
        await self.forget_cookie()
        return "login"


class DeleteAccount(AccountAction):
    """Delete the account; what it said stays, without its name."""

    async def act(self, form: dict[str, str]) -> str:
        """Check the password and delete."""
        app, identity = self.request.app, self.request[IDENTITY]
        if not form.get("confirm", "").strip():
            raise FormError(400, "Please enter your password", "confirm")
        if is_moderator(app, identity.login):
            # The login would be free, and with it what a moderator may do.
            raise FormError(403, "A moderator's account can't be deleted", "confirm")
        user = await self.proven(form["confirm"], "confirm")
        # The account last: where the database goes away in between, its owner can try again.
        await app[SESSIONS].end_all(identity.user_id)
        await disown(app, identity.user_id)
        await User(app[DB]).delete(user)
        await self.forget_cookie()
        return "login"
