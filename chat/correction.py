"""The page for changing one message: to edit it, to delete it, or to manage its author."""

from typing import Any, ClassVar

import aiohttp_jinja2
from aiohttp import web
from yarl import URL

from auth.pages import MemberPage
from auth.sessions import IDENTITY
from chat import wire
from chat.entry import DELETED_USER, MessageEntry
from chat.models import (
    MESSAGES,
    RETRY_AFTER,
    UNAVAILABLE,
    UNCHANGEABLE,
    is_deletable,
    is_editable,
    new_nonce,
)
from chat.refused import Refused
from chat.views import form_error
from pages.forms import FormError, url_for
from storage.database import DatabaseUnavailable

NOT_YOURS = "Only the author of a message can change it."


class Correction(MemberPage):
    """A message, for its author and for moderators."""

    template = "chat/correction.html"
    actions: ClassVar = {"edit", "delete"}
    has_message = True

    def __init__(self, request: web.Request) -> None:
        super().__init__(request)
        self.seq = int(request.match_info["seq"])
        self.entry: MessageEntry | None = None  # the message, once it is read

    @aiohttp_jinja2.template(template)
    async def get(self) -> dict[str, Any]:
        """Show the message to those who may change it. Raises HTTPForbidden, HTTPNotFound."""
        entry = await self.read_entry()
        context = await self.context({})
        if not any((context["may_edit"], context["may_delete"], context["may_manage"])):
            is_own = entry.user_id == self.request[IDENTITY].user_id
            raise web.HTTPForbidden(text=f"{UNCHANGEABLE}." if is_own else NOT_YOURS)
        return context

    async def act(self, form: dict[str, str]) -> URL | web.Response:
        """Edit or delete the message. Raises FormError, HTTPNotFound."""
        try:
            await self.read_entry()
            return await super().act(form)
        except Refused as refused:
            raise form_error(self.request, refused, form) from None
        except DatabaseUnavailable:
            raise FormError(503, UNAVAILABLE, "msg", RETRY_AFTER) from None

    async def edit(self, form: dict[str, str]) -> URL:
        """Change the text. Raises Refused."""
        seq, nonce = self.seq, wire.read_nonce(form.get("nonce") or None)
        messages, msg = self.request.app[MESSAGES], form.get("msg", "")
        await messages.edit(self.request[IDENTITY], seq, msg, nonce)
        return url_for(self.request, "main")

    async def delete(self, form: dict[str, str]) -> URL:
        """Delete the message. Raises Refused."""
        seq, nonce = self.seq, wire.read_nonce(form.get("nonce") or None)
        await self.request.app[MESSAGES].delete(self.request[IDENTITY], seq, nonce)
        return url_for(self.request, "main")

    async def context(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the page shows: the message, or only the form if it could not be read."""
        user, entry = self.request[IDENTITY], self.entry
        nonces = {action: new_nonce() for action in ("edit", "delete")}
        if form.get("action") in nonces and form.get("nonce"):
            nonces[form["action"]] = form["nonce"]  # so that sending again is harmless
        return {
            "entry": entry,
            "form": form,
            "nonces": nonces,
            "may_edit": is_editable(entry, user),
            "may_delete": is_deletable(entry, user),
            "may_manage": entry is not None
            and entry.user_id not in ("", user.user_id)  # "": one of the tutorial's, by anybody
            and entry.user != DELETED_USER
            and user.is_moderator,
        }

    async def read_entry(self) -> MessageEntry:
        """Return the message of the address. Raises HTTPNotFound, DatabaseUnavailable."""
        self.entry = await self.request.app[MESSAGES].get(self.seq)
        if self.entry is None:
            raise web.HTTPNotFound(text="There is no such message.")
        return self.entry
