"""The people of the room: a page for everybody, and for moderators invitations and accounts."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import aiohttp_jinja2
from aiohttp import web
from yarl import URL

from auth.links import INVITATION_DAYS, MOST_DAYS, MOST_USES, Links, read_number
from auth.models import User, is_moderator, is_named
from auth.moderation import Moderation
from auth.pages import MemberPage
from auth.sessions import IDENTITY, SESSIONS
from chat.hub import HUB
from chat.models import MESSAGES
from pages.forms import FormError, url_for
from security.address import own_origin
from settings import SETTINGS
from storage.database import DB, Document

PAGE_LENGTH = 100  # accounts
ONLY_MODERATORS = "Only a moderator may do this"
ONLY_OPERATOR = "Only the operator can do this for a moderator, with a command (see the README)"


class Member(NamedTuple):
    """An account as the page shows it."""

    login: str
    is_here: bool
    is_moderator: bool
    is_banned: bool
    seen: datetime | None  # UTC; only its day is shown


def member(app: web.Application, user: Document) -> Member:
    """Return what the page shows of an account."""
    return Member(
        login=user["login"],
        is_here=app[HUB].presence.has(str(user["_id"])),
        is_moderator=is_moderator(user, app[SETTINGS].MODERATORS),
        is_banned=user.get("banned", False),
        seen=datetime.fromtimestamp(user["seen"], UTC) if "seen" in user else None,
    )


async def require_moderator(request: web.Request) -> Moderation:
    """Return what moderators can do. Raises FormError unless it is a moderator who asks."""
    # The identity may be some seconds old, and what a moderator does lasts.
    user = await User(request[DB]).get(request[IDENTITY].user_id)
    if not user or user.get("banned") or not is_moderator(user, request.app[SETTINGS].MODERATORS):
        raise FormError(403, ONLY_MODERATORS)
    return Moderation(request[DB], request.app[SESSIONS])


def link_page(request: web.Request, path: str, heading: str, note: str) -> web.Response:
    """Return the page with a new link, which is shown this once."""
    # The host is one of ours (guard.py), or whatever the moderator's own browser has opened.
    context = {"link": own_origin(request) + path, "heading": heading, "note": note}
    return aiohttp_jinja2.render_template("people/link.html", request, context)


class People(MemberPage):
    """Who belongs here, and who is here now; moderators also make and take back invitations."""

    template = "people/index.html"

    @aiohttp_jinja2.template(template)
    async def get(self) -> dict[str, Any]:
        """Show the accounts."""
        return await self.context({})

    head = get

    async def context(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the page shows. Raises DatabaseUnavailable."""
        app, user, db = self.request.app, self.request[IDENTITY], self.request[DB]
        accounts = await User(db).page(self.request.query.get("after", ""), PAGE_LENGTH + 1)
        members = [member(app, account) for account in accounts[:PAGE_LENGTH]]
        return {
            "user": user,
            "members": [it for it in members if user.is_moderator or not it.is_banned],
            "after": accounts[PAGE_LENGTH - 1]["login_key"] if accounts[PAGE_LENGTH:] else None,
            "registration": app[SETTINGS].REGISTRATION,
            "invitations": await Links(db).invitations() if user.is_moderator else [],
            "expiry": lambda link: datetime.fromtimestamp(link["expires"], UTC),
            "form": {"uses": "1", "days": str(INVITATION_DAYS), **form},
        }

    async def act(self, form: dict[str, str]) -> URL | web.Response:
        """Make an invitation, and show its link; or take one back."""
        moderation = await require_moderator(self.request)
        if "revoke" in form:
            await Links(self.request[DB]).revoke(form["revoke"])
            return url_for(self.request, "people")
        uses, days = number_in(form, "uses", MOST_USES), number_in(form, "days", MOST_DAYS)
        path = await moderation.invite(days, uses, self.request[IDENTITY])
        people = "one person" if uses == 1 else f"{uses} people"
        note = f"{people.capitalize()} can create an account with it within {count_days(days)}."
        return link_page(self.request, path, "Invitation", note)


class Person(MemberPage):
    """One account, for moderators."""

    template = "people/person.html"

    async def get(self) -> web.StreamResponse:
        """Show the account, with what can be done."""
        try:
            context = await self.shown(self.request.query.get("login", ""))
        except FormError as error:
            return await self.refuse({}, error)
        return aiohttp_jinja2.render_template(self.template, self.request, context)

    head = get

    async def context(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the page shows beside an error. Raises DatabaseUnavailable."""
        try:
            return await self.shown(form.get("login", ""))
        except FormError:
            return {}

    async def shown(self, login: str) -> dict[str, Any]:
        """Return what the page shows. Raises FormError, DatabaseUnavailable."""
        await require_moderator(self.request)
        user = await self.find(login)
        return {
            "person": member(self.request.app, user),
            "is_oneself": str(user["_id"]) == self.request[IDENTITY].user_id,
            "is_named": is_named(login, self.request.app[SETTINGS].MODERATORS),
        }

    async def act(self, form: dict[str, str]) -> URL | web.Response:
        """Do what the form asks for."""
        moderation = await require_moderator(self.request)
        actions: dict[str, Callable[[Moderation, Document], Awaitable[web.Response | None]]] = {
            "ban": self.ban,
            "unban": self.unban,
            "remove": self.remove,
            "password": self.password,
            "appoint": self.appoint,
            "dismiss": self.dismiss,
        }
        action = form.get("action", "")
        if action not in actions:
            raise FormError(400, "Please choose what to do")
        user = await self.find(form.get("login", ""))
        if str(user["_id"]) == self.request[IDENTITY].user_id:
            raise FormError(400, "You can't do this to yourself")
        answer = await actions[action](moderation, user)
        if action == "ban" and "remove" in form:
            await self.remove(moderation, {**user, "banned": True})
        return answer or url_for(self.request, "person", login=user["login"])

    async def find(self, login: str) -> Document:
        """Return the account with a login. Raises FormError, DatabaseUnavailable."""
        # Not by an e-mail address: moderators must not learn whose it is.
        user = await User(self.request[DB]).find_login(login)
        if user is None:
            raise FormError(404, "Nobody has this login")
        return user

    async def ban(self, moderation: Moderation, user: Document) -> None:
        """Ban the account."""
        self.check_not_moderator(user, "A moderator can't be banned")
        await moderation.ban(user)

    async def unban(self, moderation: Moderation, user: Document) -> None:
        """Undo the ban."""
        await moderation.unban(user)

    async def remove(self, moderation: Moderation, user: Document) -> None:
        """Remove everything that a banned account has said.

        That may take some seconds. If the browser or a proxy does not wait, it goes on; pressing
        the button again removes what is left.
        """
        if not user.get("banned"):
            raise FormError(400, "Please ban the account first")
        self.check_not_moderator(user, "A moderator's messages can't be removed")
        await self.request.app[MESSAGES].remove_all(self.request[IDENTITY], str(user["_id"]))

    async def password(self, moderation: Moderation, user: Document) -> web.Response:
        """Show a link to set a new password."""
        # With it one could also log in to the account, and have rights that one has not.
        self.check_not_moderator(user, ONLY_OPERATOR)
        if user.get("banned"):
            raise FormError(400, "This account is banned")
        path = await moderation.password_link(user, self.request[IDENTITY])
        note = (
            f"Whoever opens it within a day can set a new password for {user['login']}, once. "
            "Send it to nobody else."
        )
        return link_page(self.request, path, "Link for a new password", note)

    async def appoint(self, moderation: Moderation, user: Document) -> None:
        """Make the account a moderator."""
        if user.get("banned"):
            raise FormError(400, "This account is banned")
        await moderation.appoint(user)

    async def dismiss(self, moderation: Moderation, user: Document) -> None:
        """Make a moderator an ordinary account."""
        if is_named(user["login"], self.request.app[SETTINGS].MODERATORS):
            raise FormError(400, "The setting MODERATORS names this moderator")
        await moderation.dismiss(user)

    def check_not_moderator(self, user: Document, text: str) -> None:
        """Check that an account is not a moderator's. Raises FormError."""
        if is_moderator(user, self.request.app[SETTINGS].MODERATORS):
            raise FormError(400, text)


def number_in(form: dict[str, str], name: str, highest: int) -> int:
    """Return a number of the form, from 1 on. Raises FormError."""
    try:
        return read_number(form.get(name, "").strip(), highest)
    except ValueError as error:
        raise FormError(400, f"Please enter {error}", name) from None


def count_days(days: int) -> str:
    """Return a number of days in words."""
    return "a day" if days == 1 else f"{days} days"
