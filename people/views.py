"""The people of the room: a page for everybody, and for moderators invitations and accounts."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar

import aiohttp_jinja2
from aiohttp import web
from yarl import URL

from auth.links import INVITATION_DAYS, MOST_DAYS, MOST_USES, Links, read_number
from auth.models import Changed, User, is_deleted, is_moderator, is_named
from auth.moderation import Moderation, NotModerator
from auth.pages import MemberPage
from auth.sessions import IDENTITY, SESSIONS
from chat.departures import DEPARTURES
from chat.hub import HUB
from chat.writings import RemovalUnderWay
from files.usage import USAGE
from pages.forms import BadInput, FormError, Page, url_for
from security.address import own_origin
from settings import SETTINGS
from storage.database import DB, Document

PAGE_LENGTH = 100  # accounts
NAMES_SENT = 20  # more than a page shows at once
ABSENT_SENT, ABSENT_READ = 50, 150  # accounts; of those that are read some may be here, or banned
INVITATIONS_SHOWN = 10  # of an account; the page of the people has all, and a form few fields
ONLY_MODERATORS = "Only a moderator may do this"
ONLY_OPERATOR = "Only the operator can do this for a moderator, with a command (see the README)"


def member(app: web.Application, user: Document) -> dict[str, Any]:
    """Return what the page shows of an account."""
    return {
        "login": user["login"],
        "is_here": app[HUB].presence.has(str(user["_id"])),
        "is_moderator": is_moderator(user, app[SETTINGS].MODERATORS),
        "is_banned": user.get("banned", False),
        "seen": datetime.fromtimestamp(user["seen"], UTC) if "seen" in user else None,
        "files": app[USAGE].files[str(user["_id"])],
        "files_size": app[USAGE].sizes[str(user["_id"])],
    }


def expiry(link: Document) -> datetime:
    """Return until when a link can be used."""
    return datetime.fromtimestamp(link["expires"], UTC)


async def require_moderator(request: web.Request) -> None:
    """Check that a moderator asks. Raises FormError, DatabaseUnavailable."""
    # The identity may be some seconds old, and what a moderator does lasts.
    user_id, moderators = request[IDENTITY].user_id, request.app[SETTINGS].MODERATORS
    if not await User(request[DB]).moderates(user_id, moderators):
        raise FormError(403, ONLY_MODERATORS)


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
        shown = [account for account in accounts[:PAGE_LENGTH] if not is_deleted(account)]
        members = [member(app, account) for account in shown]
        return {
            "user": user,
            "members": [m for m in members if user.is_moderator or not m["is_banned"]],
            "after": accounts[PAGE_LENGTH - 1]["login_key"] if accounts[PAGE_LENGTH:] else None,
            "invitations": await Links(db).invitations() if user.is_moderator else [],
            "files": app[USAGE].files.total(),
            "files_size": app[USAGE].sizes.total(),
            "files_limit": app[SETTINGS].FILES_IN_ALL,
            "expiry": expiry,
            "form": {"uses": "1", "days": str(INVITATION_DAYS), **form},
        }

    async def revoke(self, form: dict[str, str]) -> URL:
        """Take an invitation back."""
        await require_moderator(self.request)
        await Links(self.request[DB]).revoke(form.get("link", ""))
        return url_for(self.request, "people")

    async def invite(self, form: dict[str, str]) -> web.Response:
        """Make an invitation, and show its link."""
        await require_moderator(self.request)
        uses, days = number_in(form, "uses", MOST_USES), number_in(form, "days", MOST_DAYS)
        links, maker = Links(self.request[DB]), self.request[IDENTITY]
        path = await links.create_invitation(maker, days=days, uses=uses)
        people = "One person" if uses == 1 else f"{uses} people"
        period = "a day" if days == 1 else f"{days} days"
        note = f"{people} can create an account with it within {period}."
        return link_page(self.request, path, "Invitation", note)


class Names(Page):
    """The names with which a page completes what is typed after @."""

    async def get(self) -> web.Response:
        """Return some names that begin in the same way, and whether there are more of them."""
        beginning = self.request.query.get("begin", "")
        names, more = await User(self.request[DB]).logins(beginning, NAMES_SENT)
        return web.json_response({"names": names, "more": more})


class Absent(Page):
    """Who belongs here and is not here, for the list of people beside the talk."""

    async def get(self) -> web.Response:
        """Return some of their names, in order, and how many more there are."""
        presence, users = self.request.app[HUB].presence, User(self.request[DB])
        accounts = await users.page("", ABSENT_READ)
        names = [
            account["login"]
            for account in accounts
            if not (account.get("banned") or is_deleted(account))
            and not presence.has(str(account["_id"]))
        ]
        more = len(names[ABSENT_SENT:])
        if len(accounts) == ABSENT_READ:  # all are counted, the banned ones too
            more = max(more, await users.count() - presence.people - len(names[:ABSENT_SENT]))
        return web.json_response({"names": names[:ABSENT_SENT], "more": more})


class Person(MemberPage):
    """One account, for moderators."""

    template = "people/person.html"
    actions: ClassVar = {"ban", "unban", "revoke", "remove", "password", "appoint", "dismiss"}

    def __init__(self, request: web.Request) -> None:
        super().__init__(request)
        self.user: Document = {}  # the account, once it is read for a moderator

    @property
    def url(self) -> URL:
        """The address of this page."""
        return url_for(self.request, "person", login=self.user["login"])

    @property
    def moderation(self) -> Moderation:
        """What changes an account's rights."""
        return Moderation(self.request[DB], self.request.app[SESSIONS])

    @property
    def is_oneself(self) -> bool:
        """Whether the account is that of the moderator who asks."""
        return str(self.user["_id"]) == self.request[IDENTITY].user_id

    async def get(self) -> web.StreamResponse:
        """Show the account, with what can be done."""
        try:
            await self.read_user(self.request.query.get("login", ""))
        except FormError as error:
            return await self.refuse({}, error)
        return aiohttp_jinja2.render_template(self.template, self.request, await self.context({}))

    async def context(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the page shows: the account, or nothing if it could not be read."""
        if not self.user:
            return {}
        return {
            "person": member(self.request.app, self.user),
            "is_oneself": self.is_oneself,
            "is_named": is_named(self.user["login"], self.request.app[SETTINGS].MODERATORS),
            "invitations": await self.invitations(),
            "invitations_shown": INVITATIONS_SHOWN,
            "came_by": self.user.get("invitation"),
            "expiry": expiry,
        }

    async def invitations(self) -> list[Document]:
        """Return the invitations with which a banned person could come back.

        First the one by which the account came. Raises DatabaseUnavailable.
        """
        if self.request.app[SETTINGS].REGISTRATION != "invite":
            return []
        came_by = self.user.get("invitation")
        links = await Links(self.request[DB]).invitations()
        return sorted(links, key=lambda link: link["_id"] != came_by)

    async def act(self, form: dict[str, str]) -> URL | web.Response:
        """Do what the form asks for. Raises FormError, DatabaseUnavailable."""
        while True:
            await self.read_user(form.get("login", ""))
            if self.is_oneself:
                raise FormError(400, "You can't do this to yourself")
            with suppress(Changed):  # by another moderator: see whether it is still allowed
                return await super().act(form)

    async def read_user(self, login: str) -> None:
        """Read the account with a login. Raises FormError, DatabaseUnavailable."""
        await require_moderator(self.request)
        # Not by an e-mail address: moderators must not learn whose it is.
        self.user = await User(self.request[DB]).find_login(login) or {}
        if not self.user:
            raise FormError(404, "Nobody has this login")

    async def ban(self, form: dict[str, str]) -> URL:
        """Ban the account, and perhaps remove what it has said, and the ways back in."""
        self.check_not_moderator("A moderator can't be banned")
        await self.moderation.ban(self.user)
        await self.revoke(form)
        if "also_remove" in form:
            await self.remove_all()
        return self.url

    async def revoke(self, form: dict[str, str]) -> URL:
        """Take the invitations back that are chosen."""
        for name, value in form.items():
            if name.startswith("invitation-"):
                await Links(self.request[DB]).revoke(value)
        return self.url

    async def unban(self, form: dict[str, str]) -> URL:
        """Undo the ban."""
        await self.moderation.unban(self.user)
        return self.url

    async def remove(self, form: dict[str, str]) -> URL:
        """Remove everything that a banned account has said, if the form says that it is meant."""
        if not self.user.get("banned"):
            raise FormError(400, "Please ban the account first")
        if "sure" not in form:
            raise FormError(400, "Please tick that all messages are to be removed, for ever")
        await self.remove_all()
        return self.url

    async def remove_all(self) -> None:
        """Remove everything that the account has said. Raises FormError.

        That may take minutes, and goes on after the answer; what is left after an outage is removed
        by itself (chat/departures.py).
        """
        self.check_not_moderator("A moderator's messages can't be removed")
        try:
            await self.request.app[DEPARTURES].remove_all(self.request[IDENTITY], self.user)
        except RemovalUnderWay:
            raise FormError(409, "These messages are being removed already") from None

    async def password(self, form: dict[str, str]) -> web.Response:
        """Show a link to set a new password."""
        # With it one could also log in to the account, and have rights that one has not.
        self.check_not_moderator(ONLY_OPERATOR)
        self.check_not_banned()
        links, maker = Links(self.request[DB]), self.request[IDENTITY]
        path = await links.create_password_link(maker, self.user)
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
        identity, moderators = self.request[IDENTITY], self.request.app[SETTINGS].MODERATORS
        try:
            await self.moderation.dismiss(self.user, identity, moderators)
        except NotModerator:
            raise FormError(403, ONLY_MODERATORS) from None
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
