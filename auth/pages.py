"""Pages with a form for people who are signed in."""

from aiohttp import web

from auth.sessions import IDENTITY, SESSIONS
from pages.forms import FormPage

SIGNED_OUT = "You have been signed out. Please log in again."


class MemberPage(FormPage):
    """A page with a form, which only somebody who is signed in can send."""

    async def read(self) -> dict[str, str]:
        """Return the fields of the form. Raises FormError, HTTPUnauthorized.

        Raises DatabaseUnavailable, too.
        """
        form = await super().read()
        # It may have taken seconds to arrive. Meanwhile its sender may have been banned, in another
        # process too, or may have signed out.
        session_id = self.request[IDENTITY].session_id
        identity = await self.request.app[SESSIONS].identify(session_id)
        if identity is None:
            raise web.HTTPUnauthorized(text=SIGNED_OUT)
        self.request[IDENTITY] = identity
        return form
