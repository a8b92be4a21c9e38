"""Banning: an account that may not be used any more."""

from aiohttp import web

from auth.models import User, fold
from auth.moderators import is_moderator
from auth.sessions import IDENTITY, SESSIONS
from database import DB, Document
from forms import FormError, error_response, read_form, redirect


class Ban(web.View):
    """Ban somebody: sessions end, sockets close, and logging in is refused."""

    async def post(self) -> web.Response:
        """Ban the login of a form, or say why not."""
        app = self.request.app
        try:
            user = await self.find_user(await read_form(self.request))
        except FormError as error:
            context = {"status": error.status, "text": error.text}
            return error_response(self.request, "error.html", context, error)
        await User(app[DB]).ban(user)
        await app[SESSIONS].end_all(str(user["_id"]))
        redirect(self.request, "main")

    async def find_user(self, form: dict[str, str]) -> Document:
        """Return whom the form names, if who is asking may ban them. Raises FormError."""
        app, moderator = self.request.app, self.request[IDENTITY].login
        login = form.get("login", "")
        if not is_moderator(app, moderator):
            raise FormError(403, "Only a moderator may ban")
        # An address is none: who has it is not for moderators to find out.
        user = None if "@" in login else await User(app[DB]).find(login)
        if user is None:
            raise FormError(404, "Nobody has this login")
        if fold(login) == fold(moderator):
            raise FormError(400, "You can't ban yourself")
        if is_moderator(app, login):
            raise FormError(400, "A moderator can't be banned")
        return user
