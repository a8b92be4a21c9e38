"""Moderation: who is a moderator, and how a moderator bans somebody."""

from aiohttp import web

from auth.models import User
from auth.sessions import IDENTITY, SESSIONS
from auth.spelling import fold
from database import DB, Document
from forms import FormError, FormPage
from settings import SETTINGS


def is_moderator(app: web.Application, login: str) -> bool:
    """Return whether the setting MODERATORS names this login, in any of its spellings."""
    return fold(login) in map(fold, app[SETTINGS].MODERATORS)


class Ban(FormPage):
    """Ban an account: its sessions end, its sockets close, and it can't log in any more."""

    template = "error.html"

    async def act(self, form: dict[str, str]) -> str:
        """Ban the login that the form names."""
        user = await self.find_user(form.get("login", ""))
        await User(self.request[DB]).ban(user)
        await self.request.app[SESSIONS].end_all(str(user["_id"]))
        return "main"

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
