"""The people of the room: a page for everybody, and for moderators invitations and accounts."""

from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple

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
from pages.forms import BadInput, FormError, url_for
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
    actions: ClassVar = {"invite", "revoke"}

    @aiohttp_jinja2.template(template)
    async def get(self) -> dict[str, Any]:
        """Show the accounts."""
        return await self.context({})

    async def context(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the page shows. Raises DatabaseUnavailable."""
        app, user, db = self.request.app, self.request[IDENTITY], self.request[DB]
        accounts = await User(db).page(self.request.query.get("after", ""), PAGE_LENGTH + 1)
        members = [member(app, account) for account in accounts[:PAGE_LENGTH]]
        return {
            "user": user,
            "members": [m for m in members if user.is_moderator or not m.is_banned],
            "after": accounts[PAGE_LENGTH - 1]["login_key"] if accounts[PAGE_LENGTH:] else None,
            "registration": app[SETTINGS].REGISTRATION,
            "invitations": await Links(db).invitations() if user.is_moderator else [],
            "expiry": lambda link: datetime.fromtimestamp(link["expires"], UTC),
            "form": {"uses": "1", "days": str(INVITATION_DAYS), **form},
        }

    async def revoke(self, form: dict[str, str]) -> URL:
        """Take an invitation back."""
        await require_moderator(self.request)
        await Links(self.request[DB]).revoke(form.get("link", ""))
        return url_for(self.request, "people")

    async def invite(self, form: dict[str, str]) -> web.Response:
        """Make an invitation, and show its link."""
        moderation = await require_moderator(self.request)
        uses, days = number_in(form, "uses", MOST_USES), number_in(form, "days", MOST_DAYS)
        path = await moderation.invite(days, uses, self.request[IDENTITY])
        people = "one person" if uses == 1 else f"{uses} people"
        note = f"{people.capitalize()} can create an account with it within {count_days(days)}."
        return link_page(self.request, path, "Invitation", note)


class Person(MemberPage):
    """One account, for moderators."""

    template = "people/person.html"
    actions: ClassVar = {"ban", "unban", "remove", "password", "appoint", "dismiss"}
    moderation: Moderation  # this and the next once a form has passed act()
    user: Document

    @property
    def url(self) -> URL:
        """The address of this page."""
        return url_for(self.request, "person", login=self.user["login"])

    async def get(self) -> web.StreamResponse:
        """Show the account, with what can be done."""
        try:
            context = await self.shown(self.request.query.get("login", ""))
        except FormError as error:
            return await self.refuse({}, error)
        return aiohttp_jinja2.render_template(self.template, self.request, context)

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
        """Do what the form asks for. Raises FormError, DatabaseUnavailable."""
        self.moderation = await require_moderator(self.request)
        action = self.chosen(form)
        self.user = await self.find(form.get("login", ""))
        if str(self.user["_id"]) == self.request[IDENTITY].user_id:
            raise FormError(400, "You can't do this to yourself")
        return await action(form)

    async def find(self, login: str) -> Document:
        """Return the account with a login. Raises FormError, DatabaseUnavailable."""
        # Not by an e-mail address: moderators must not learn whose it is.
        user = await User(self.request[DB]).find_login(login)
        if user is None:
            raise FormError(404, "Nobody has this login")
        return user

    async def ban(self, form: dict[str, str]) -> URL:
        """Ban the account, and perhaps remove what it has said."""
        self.check_not_moderator("A moderator can't be banned")
        await self.moderation.ban(self.user)
        return await self.remove(form) if "remove" in form else self.url

    async def unban(self, form: dict[str, str]) -> URL:
        """Undo the ban."""
        await self.moderation.unban(self.user)
        return self.url

    async def remove(self, form: dict[str, str]) -> URL:
        """Remove everything that a banned account has said.

        That may take some seconds. If the browser or a proxy does not wait, it goes on; pressing
        the button again removes what is left.
        """
        if not self.user.get("banned"):
            raise FormError(400, "Please ban the account first")
        self.check_not_moderator("A moderator's messages can't be removed")
        messages, user_id = self.request.app[MESSAGES], str(self.user["_id"])
        await messages.remove_all(self.request[IDENTITY], user_id)
        return self.url

    async def password(self, form: dict[str, str]) -> web.Response:
        """Show a link to set a new password."""
        # With it one could also log in to the account, and have rights that one has not.
        self.check_not_moderator(ONLY_OPERATOR)
        self.check_not_banned()
        path = await self.moderation.password_link(self.user, self.request[IDENTITY])
        note = (
            f"Whoever opens it within a day can set a new password for {self.user['login']}, once. "
            "Send it to nobody else."
        )
        return link_page(self.request, path, "Link for a new password", note)

    async def appoint(self, form: dict[str, str]) -> URL:
        """Make the account a moderator."""
        self.check_not_banned()
        await self.moderation.appoint(self.user)
        return self.url

    async def dismiss(self, form: dict[str, str]) -> URL:
        """Make a moderator an ordinary account."""
        if is_named(self.user["login"], self.request.app[SETTINGS].MODERATORS):
            raise FormError(400, "The setting MODERATORS names this moderator")
        await self.moderation.dismiss(self.user)
        return self.url

    def check_not_moderator(self, text: str) -> None:
        """Check that the account is not a moderator's. Raises FormError."""
        if is_moderator(self.user, self.request.app[SETTINGS].MODERATORS):
            raise FormError(400, text)

    def check_not_banned(self) -> None:
        """Check that the account is not banned. Raises FormError."""
        if self.user.get("banned"):
            raise FormError(400, "This account is banned")


def number_in(form: dict[str, str], name: str, highest: int) -> int:
    """Return a number of the form, from 1 on. Raises BadInput."""
    try:
        return read_number(form.get(name, "").strip(), highest)
    except ValueError as error:
        raise BadInput(name, f"Please enter {error}") from None


def count_days(days: int) -> str:
    """Return a number of days in words."""
    return "a day" if days == 1 else f"{days} days"
