"""Correcting: the page where a message is changed without scripts."""

import secrets
from typing import Any

import aiohttp_jinja2
from aiohttp import web

from auth.moderators import is_moderator
from auth.sessions import IDENTITY
from chat import wire
from chat.entry import DELETED, DELETED_USER, Entry, Refused
from chat.models import RETRY_AFTER, UNAVAILABLE, UNCHANGEABLE, Message, is_changeable
from chat.views import MESSAGES, form_error
from database import DatabaseUnavailable
from forms import FormError, error_response, read_form, redirect

TEMPLATE = "chat/correction.html"
NOT_YOURS = "Only who wrote a message can change it."


class Correction(web.View):
    """A message, for its author and for moderators: to edit, to delete, to ban who wrote it."""

    async def get(self) -> web.Response:
        """Show the message to those who may change it. Raises HTTPForbidden, HTTPNotFound."""
        context = self.context(await self.message())
        if not any((context["may_edit"], context["may_delete"], context["may_ban"])):
            is_own = context["entry"].user_id == self.request[IDENTITY].user_id
            raise web.HTTPForbidden(text=f"{UNCHANGEABLE}." if is_own else NOT_YOURS)
        return aiohttp_jinja2.render_template(TEMPLATE, self.request, context)

    head = get

    async def post(self) -> web.Response:
        """Change the message, or say why it can't be changed. Raises HTTPNotFound."""
        form: dict[str, str] = {}
        entry: Entry | None = None
        try:
            form = await read_form(self.request)
            entry = await self.message()
            await self.change(entry, form)
        except DatabaseUnavailable:
            error = FormError(503, UNAVAILABLE, "msg", RETRY_AFTER)
            return error_response(self.request, TEMPLATE, self.context(entry, form), error)
        except FormError as error:
            return error_response(self.request, TEMPLATE, self.context(entry, form), error)
        redirect(self.request, "main")

    async def message(self) -> Entry:
        """Return the message of the address. Raises HTTPNotFound, DatabaseUnavailable."""
        seq = int(self.request.match_info["seq"])
        entry = await self._messages.get(seq)
        if entry is None:
            raise web.HTTPNotFound(text="There is no such message.")
        return entry

    async def change(self, entry: Entry, form: dict[str, str]) -> None:
        """Do what a form asks for. Raises FormError."""
        user, action = self.request[IDENTITY], form.get("action")
        try:
            nonce = wire.read_nonce(form.get("nonce") or None)
            if action not in ("edit", "delete"):
                raise FormError(400, "Please choose to save or to delete")
            if action == "edit":
                await self._messages.edit(user, entry.seq, form.get("msg", ""), nonce)
            else:
                await self._messages.delete(user, entry.seq, nonce, self._is_moderator)
        except Refused as refused:
            raise form_error(refused) from None

    def context(self, entry: Entry | None, form: dict[str, str] | None = None) -> dict[str, Any]:
        """Return what the page shows: a message, or what was typed if none can be read."""
        user, form = self.request[IDENTITY], form or {}
        nonces = {action: secrets.token_urlsafe(12) for action in ("edit", "delete")}
        if form.get("action") in nonces and form.get("nonce"):
            nonces[form["action"]] = form["nonce"]  # sending it again is to be harmless
        may_edit = is_changeable(entry, user)
        return {
            "entry": entry,
            "form": form,
            "nonces": nonces,
            "may_edit": may_edit,
            "may_delete": may_edit
            or (entry is not None and entry.state != DELETED and self._is_moderator),
            "may_ban": entry is not None
            and entry.user_id != user.user_id
            and entry.user != DELETED_USER
            and self._is_moderator,
        }

    @property
    def _messages(self) -> Message:
        return self.request.app[MESSAGES]

    @property
    def _is_moderator(self) -> bool:
        return is_moderator(self.request.app, self.request[IDENTITY].login)
