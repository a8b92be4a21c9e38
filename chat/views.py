"""The chat page, and the WebSocket for its messages."""

import re
import secrets
from typing import Any

import aiohttp_jinja2
from aiohttp import WSCloseCode, WSMsgType, web

from auth.moderation import is_moderator
from auth.sessions import IDENTITY, SESSIONS, Identity
from chat import wire
from chat.client import Client
from chat.entry import Change, Entry, Refused
from chat.hub import HUB, SIGNED_OUT
from chat.journal import JOURNAL
from chat.models import CHANGEABLE_FOR, MESSAGE_LENGTH, PAGE_LENGTH, Message
from chat.read_marks import READ_MARKS
from chat.render import Renderer
from forms import BODY_LIMIT, FormError, FormPage, redirect
from settings import SETTINGS

MESSAGES = web.AppKey("messages", Message)

STATUSES = {"invalid": 400, "too_long": 400, "forbidden": 403, "too_fast": 429, "unavailable": 503}
REFRESH_PAUSES = ("10",)  # seconds; how often a page without scripts may reload itself


class ChatList(FormPage):
    """The chat page, which also works without scripts."""

    template = "chat/index.html"

    @aiohttp_jinja2.template(template)
    async def get(self) -> dict[str, Any]:
        """Show the newest messages, or those before, around or after a number."""
        names = ("before", "around", "after")
        places = {name: read_seq(self.request, name) for name in names}
        place = {name: seq for name, seq in places.items() if seq is not None}
        context = await self.context(**place)
        if "after" in place and not context["messages"]:
            redirect(self.request, "main")
        marks, user_id = self.request.app[READ_MARKS], self.request[IDENTITY].user_id
        context["read"] = await marks.get(user_id)
        # When a script fetches the page, perhaps in a hidden tab, nobody has read it yet.
        is_seen = self.request.headers.get("Sec-Fetch-Dest", "document") == "document"
        if is_seen and not place and self.request.method == "GET":
            marks.move(user_id, context["last"])
        return context

    head = get

    async def act(self, form: dict[str, str]) -> str:
        """Save a message that a browser without scripts posts."""
        user = self.request[IDENTITY]
        try:
            nonce = wire.read_nonce(form.get("nonce") or None)
            await self.request.app[MESSAGES].save(user, form.get("msg", ""), nonce)
        except Refused as refused:
            raise form_error(refused) from None
        return "main"

    async def context(self, **place: int) -> dict[str, Any]:
        """Return what the page shows. Raises DatabaseUnavailable."""
        app, user = self.request.app, self.request[IDENTITY]
        may_moderate = is_moderator(app, user.login)
        last = app[JOURNAL].recent.last
        messages = await self.messages(**place)
        refresh = self.request.query.get("refresh")
        env = aiohttp_jinja2.get_env(app)
        return {
            "messages": messages,
            "user": user,
            "is_moderator": may_moderate,
            "renderer": Renderer(env, user, may_moderate, place.get("around")),
            "is_history": bool(place),
            "last": max(last, messages[-1].seq) if messages else last,
            "older": messages[0].seq if messages and messages[0].seq > 1 else None,
            "newer": messages[-1].seq if place and messages and messages[-1].seq < last else None,
            "refresh": refresh if refresh in REFRESH_PAUSES and not place else None,
            "message_length": MESSAGE_LENGTH,
            "changeable_for": CHANGEABLE_FOR,
            "frame_size": BODY_LIMIT,
            "nonce": secrets.token_urlsafe(12),
            "form": {},
        }

    async def messages(
        self, before: int | None = None, around: int | None = None, after: int | None = None
    ) -> list[Entry]:
        """Return the newest messages, or those at a place of the log, oldest first."""
        messages = self.request.app[MESSAGES]
        if around is not None:
            earlier = await messages.get_messages(around, PAGE_LENGTH // 2)
            return earlier + await messages.get_messages_from(around, PAGE_LENGTH // 2)
        if after is not None:
            return await messages.get_messages_from(after + 1)
        return await messages.get_messages(before)


class WebSocket(web.View):
    """One person's live connection to the room: this view reads it, and the hub writes to it."""

    async def get(self) -> web.WebSocketResponse:
        """Join the room, read the socket until it ends, and leave the room."""
        request, hub = self.request, self.request.app[HUB]
        recent = request.app[JOURNAL].recent
        identity = request[IDENTITY]
        since = read_seq(request, "since")
        ws = self.socket(identity)
        await ws.prepare(request)
        client = Client(ws, request, identity)
        missed = [] if since is None else recent.after(since)
        hub.join(client, recent.last, missed, returning="returning" in request.query)
        try:
            # The session may have ended during the upgrade.
            if request.app[SESSIONS].has_ended(identity.session_id):
                client.close(SIGNED_OUT, "Signed out")
            await self.read(client)
        finally:
            hub.leave(client)
            client.finish()
        return ws

    def socket(self, identity: Identity) -> web.WebSocketResponse:
        """Return the response to upgrade with.

        Raises HTTPBadRequest, HTTPTooManyRequests, HTTPServiceUnavailable.
        """
        hub, limit = self.request.app[HUB], self.request.app[SETTINGS].SOCKETS_PER_USER
        if hub.is_closing:
            raise web.HTTPServiceUnavailable(text="The chat is being restarted.")
        if limit and hub.presence.sockets(identity.user_id) >= limit:
            raise web.HTTPTooManyRequests(text="Too many open windows, please close one.")
        protocols = self.request.headers.get("Sec-WebSocket-Protocol")
        if protocols is not None and wire.CHAT_V1 not in [
            name.strip() for name in protocols.split(",")
        ]:
            raise web.HTTPBadRequest(text=f"The only subprotocol here is {wire.CHAT_V1}.")
        ws = web.WebSocketResponse(
            protocols=(wire.CHAT_V1,),
            compress=False,
            autoping=False,
            autoclose=False,
            max_msg_size=BODY_LIMIT + 1,
        )
        if not ws.can_prepare(self.request):
            raise web.HTTPBadRequest(text="This address speaks WebSocket only.")
        return ws

    async def read(self, client: Client) -> None:
        """Take every frame that the client sends, until either side closes."""
        async for frame in client.ws:
            if client.is_closed:
                continue
            is_needed = False
            if frame.type is WSMsgType.TEXT:
                if frame.data == "close" and client.is_classic:
                    client.close(WSCloseCode.OK)
                else:
                    is_needed = await self.take(client, frame.data)
            elif frame.type is WSMsgType.PONG:
                is_needed = client.is_silent  # the first pong after our ping; more are not needed
                client.is_silent = False
            elif frame.type is WSMsgType.PING:
                client.pong(frame.data)
            elif frame.type is WSMsgType.BINARY:
                client.close(WSCloseCode.UNSUPPORTED_DATA, "Text frames only")
            if not is_needed:
                self.request.app[HUB].count_needless_frame(client)

    async def take(self, client: Client, data: str) -> bool:
        """Do what a frame asks for, or answer why not; return whether the frame was needed."""
        app, user, nonce = self.request.app, client.identity, None
        recent = app[JOURNAL].recent
        try:
            frame = wire.read_classic(data) if client.is_classic else wire.read_chat_v1(data)
            nonce = frame.nonce
            if frame.type == "typing":
                return app[HUB].tell_of_typing(user)
            if frame.type == "read":
                return app[READ_MARKS].move(user.user_id, min(frame.seq, recent.last))
            delivered = recent.last
            client.is_busy = True
            entry = await self.store(user, frame)
        except wire.BadFrame as bad:
            app[HUB].send(client, wire.error(bad, bad.nonce))
            return False
        except Refused as refused:
            app[HUB].send(client, wire.error(refused, nonce))
            return False
        finally:
            client.is_busy = False
        if (
            entry.seq <= delivered
        ):  # a repeat: everybody else has seen it, so only answer its sender
            app[HUB].send(client, wire.entry(entry))
        return True

    async def store(self, user: Identity, frame: wire.Incoming) -> Entry | Change:
        """Save, edit or delete a message, as the frame asks. Raises Refused."""
        messages = self.request.app[MESSAGES]
        if frame.type == "edit":
            return await messages.edit(user, frame.seq, frame.msg, frame.nonce)
        if frame.type == "delete":
            may_moderate = is_moderator(self.request.app, user.login)
            return await messages.delete(user, frame.seq, frame.nonce, may_moderate)
        return await messages.save(user, frame.msg, frame.nonce)


def read_seq(request: web.Request, name: str) -> int | None:
    """Return a number of the log from the query, None without it. Raises HTTPBadRequest."""
    values = request.query.getall(name, [])
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch(r"[0-9]{1,15}", values[0]):
        raise web.HTTPBadRequest(text=f"?{name}= takes one whole number.")
    return int(values[0])


def form_error(refused: Refused) -> FormError:
    """Return the error that a form shows when its message is refused."""
    return FormError(STATUSES[refused.code], refused.text, "msg", refused.wait)
