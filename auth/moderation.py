"""Moderation: who is a moderator, and how a moderator bans somebody."""

import aiohttp_jinja2
from aiohttp import web
from yarl import URL

from auth.models import User
from auth.sessions import IDENTITY, SESSIONS
from auth.spelling import fold
from database import DB, Document
from forms import FormError, FormPage, url_for
from settings import SETTINGS


def is_moderator(app: web.Application, login: str) -> bool:
    """Return whether the setting MODERATORS names this login, in any of its spellings."""
    return fold(login) in map(fold, app[SETTINGS].MODERATORS)


class Ban(FormPage):
    """Ban an account: its sessions end, its sockets close, and it can't log in any more.

    The page asks first, then says what has happened, and offers to undo it.
    """

    template = "auth/ban.html"

    async def get(self) -> web.Response:
        """Show whether somebody is banned, with the button that changes it."""
        try:
            user = await self.find_user(self.request.query.get("login", ""))
        except FormError as error:
            return await self.refuse({}, error)
        return aiohttp_jinja2.render_template(self.template, self.request, {"user": user})

    head = get

    async def act(self, form: dict[str, str]) -> URL:
        """Ban the login that the form names, or undo it."""
        user = await self.find_user(form.get("login", ""))
        is_banned = form.get("action") != "undo"
        await User(self.request[DB]).ban(user, banned=is_banned)
        if is_banned:
            await self.request.app[SESSIONS].end_all(str(user["_id"]))
        return url_for(self.request, "ban", login=user["login"])

    async def find_user(self, login: str) -> Document:
        """Return the account to ban. Raises FormError."""
        app, moderator = self.request.app, self.request[IDENTITY].login
        if not is_moderator(app, moderator):
            raise FormError(403, "Only a moderator may ban")
        # find() also takes an e-mail address, but moderators must not learn whose address it is.
        user = None if "@" in login else await User(self.request[DB]).find(login)
        if user is None:
            raise FormError(404, "Nobody has this login")
        if fold(login) == fold(moderator):
            raise FormError(400, "You can't ban yourself")
        if is_moderator(app, login):
            raise FormError(400, "A moderator can't be banned")
        return user
