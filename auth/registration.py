"""Registration: who may create an account, as the setting REGISTRATION says."""

from dataclasses import dataclass

from aiohttp import web

from auth.links import INVITATION, Links
from pages.forms import FormError
from settings import SETTINGS
from storage.database import DB, Document, is_empty

CLOSED = "Nobody can create an account here any more."
NOT_INVITED = "You need an invitation to create an account here. Please ask a moderator for one."
# The same for an invitation that never was, has expired, is used up, or was taken back.
INVALID = "This invitation can't be used. Please ask for a new one."


@dataclass(frozen=True)
class Admission:
    """Permission to create an account, and of what kind."""

    is_first: bool = False  # there are no accounts and messages
    makes_moderator: bool = False
    invitation: Document | None = None  # of which one use is to be counted


async def admit(request: web.Request, token: str) -> Admission:
    """Admit a visitor who may create an account; `token` is their invitation's, or "".

    Raises FormError, DatabaseUnavailable.
    """
    settings, db = request.app[SETTINGS], request[DB]
    if await is_empty(db):
        return Admission(is_first=True, makes_moderator=not settings.MODERATORS)
    if settings.REGISTRATION == "closed":
        raise FormError(403, CLOSED)
    if token:
        invitation = await Links(db).find(INVITATION, token, settings.MODERATORS)
        if invitation:  # also where nobody needs one: it is not limited by address
            return Admission(invitation=invitation)
    if settings.REGISTRATION == "open":
        return Admission()
    raise FormError(403, INVALID if token else NOT_INVITED)
