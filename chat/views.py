"""The chat page, and the WebSocket that carries the talk."""

import re
import secrets
from typing import Any

import aiohttp_jinja2
from aiohttp import WSCloseCode, WSMsgType, web

from auth.moderators import is_moderator
from auth.sessions import IDENTITY, SESSIONS, Identity
from chat import wire
from chat.client import Client
from chat.entry import Change, Entry, Refused
from chat.hub import HUB, SIGNED_OUT
from chat.journal import JOURNAL
from chat.line import Lines
from chat.models import PAGE_LENGTH, Message
from chat.read_marks import READ_MARKS
from forms import BODY_LIMIT, FormError, error_response, read_form, redirect
from limits import Limit
from settings import SETTINGS

MESSAGES = web.AppKey("messages", Message)
UNWELCOME = web.AppKey("unwelcome", Limit)  # needless and refused frames, by session

STATUSES = {"invalid": 400, "too_long": 400, "forbidden": 403, "too_fast": 429, "unavailable": 503}
REFRESH_PAUSES = ("10",)  # seconds; what a page without scripts may be refreshed with


def read_seq(request: web.Request, name: str) -> int | None:
    """Return a number of the log from the query. Raises HTTPBadRequest."""
    values = request.query.getall(name, [])
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch(r"[0-9]{1,15}", values[0]):
        raise web.HTTPBadRequest(text=f"?{name}= takes one whole number.")
    return int(values[0])


def form_error(refused: Refused) -> FormError:
    """Return why a form's message is refused, as the page says it."""
    return FormError(STATUSES[refused.code], refused.text, "msg", refused.wait)


class ChatList(web.View):
    """The talk as a page: it works without scripts, and comes alive with them."""

    async def get(self) -> web.Response:
        """Show the newest messages, or those before, around or after a number."""
        names = ("before", "around", "after")
        places = {name: read_seq(self.request, name) for name in names}
        place = {name: seq for name, seq in places.items() if seq is not None}
        context = await self.context(**place)
        if "after" in place and not context["messages"]:
            redirect(self.request, "main")
        # A script that fetches the page in a hidden tab has not shown it to anybody.
        is_seen = self.request.headers.get("Sec-Fetch-Dest", "document") == "document"
        if is_seen and not context["is_history"] and self.request.method == "GET":
            self.request.app[READ_MARKS].mark(context["user"].user_id, context["last"])
        return aiohttp_jinja2.render_template("chat/index.html", self.request, context)

    head = get

    async def post(self) -> web.Response:
        """Save a message that a browser without scripts posts."""
        form: dict[str, str] = {}
        try:
            form = await read_form(self.request)
            await self.save(form)
        except FormError as error:
            context = {**await self.context(), "form": form}
            return error_response(self.request, "chat/index.html", context, error)
        redirect(self.request, "main")

    async def save(self, form: dict[str, str]) -> None:
        """Save the message of a form. Raises FormError."""
        user = self.request[IDENTITY]
        try:
            nonce = wire.read_nonce(form.get("nonce") or None)
            await self.request.app[MESSAGES].save(user, form.get("msg", ""), nonce)
        except Refused as refused:
            raise form_error(refused) from None

    async def context(self, **place: int) -> dict[str, Any]:
        """Return what the page shows."""
        app, user = self.request.app, self.request[IDENTITY]
        may_any = is_moderator(app, user.login)
        last = app[JOURNAL].recent.last
        messages = await self.messages(**place)
        refresh = self.request.query.get("refresh")
        return {
            "messages": messages,
            "user": user,
            "is_moderator": may_any,
            "lines": Lines(aiohttp_jinja2.get_env(app), user, may_any, place.get("around")),
            "is_history": bool(place),
            "last": max(last, messages[-1].seq) if messages else last,
            "read": max(user.read, app[READ_MARKS].get(user.user_id)),
            "older": messages[0].seq if messages and messages[0].seq > 1 else None,
            "newer": messages[-1].seq if place and messages and messages[-1].seq < last else None,
            "refresh": refresh if refresh in REFRESH_PAUSES and not place else None,
            "nonce": secrets.token_urlsafe(12),
            "form": {},
        }

    async def messages(
        self, before: int | None = None, around: int | None = None, after: int | None = None
    ) -> list[Entry]:
        """Return the newest messages, or those at a place of the log, oldest first."""
        talk = self.request.app[MESSAGES]
        if around is not None:
            earlier = await talk.get_messages(around, PAGE_LENGTH // 2)
            return earlier + await talk.get_messages_from(around, PAGE_LENGTH // 2)
        if after is not None:
            return await talk.get_messages_from(after + 1)
        return await talk.get_messages(before)


class WebSocket(web.View):
    """The talk, live: one reader per socket, any number of writers."""

    async def get(self) -> web.WebSocketResponse:
        """Let the socket join, read it until it ends, and let it go."""
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
            # It may have ended while the upgrade was under way.
            if request.app[SESSIONS].has_ended(identity.session_id):
                client.close(SIGNED_OUT, "Signed out")
            await self.read(client)
        finally:
            hub.leave(client)
            client.finish()
        return ws

    def socket(self, identity: Identity) -> web.WebSocketResponse:
        """Return the response to upgrade with. Raises HTTPBadRequest, HTTPTooManyRequests."""
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
        """Take every frame the client sends, until either side closes."""
        async for frame in client.ws:
            if client.is_closed:
                continue
            is_welcome = False
            if frame.type is WSMsgType.TEXT:
                if frame.data == "close" and client.is_classic:
                    client.close(WSCloseCode.OK)
                else:
                    is_welcome = await self.take(client, frame.data)
            elif frame.type is WSMsgType.PONG:
                is_welcome = client.is_silent  # nobody asked for more than one
                client.is_silent = False
            elif frame.type is WSMsgType.PING:
                client.pong(frame.data)
            elif frame.type is WSMsgType.BINARY:
                client.close(WSCloseCode.UNSUPPORTED_DATA, "Text frames only")
            # Pings count too: a client has no need of more than one in some seconds.
            if not is_welcome and self.request.app[UNWELCOME].take(client.identity.session_id):
                client.close(WSCloseCode.POLICY_VIOLATION, "Too many frames")

    async def take(self, client: Client, data: str) -> bool:
        """Do what a frame asks for, or tell why not; return whether the frame was welcome."""
        app, user, nonce = self.request.app, client.identity, None
        recent = app[JOURNAL].recent
        try:
            frame = wire.read_classic(data) if client.is_classic else wire.read_chat_v1(data)
            nonce = frame.nonce
            if frame.type == "typing":
                return app[HUB].tell_of_typing(user)
            if frame.type == "read":
                return app[READ_MARKS].mark(user.user_id, min(frame.seq, recent.last))
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
        if entry.seq <= delivered:  # a repeat: the room has seen it, so only its sender is answered
            app[HUB].send(client, wire.entry(entry))
        return True

    async def store(self, user: Identity, frame: wire.Incoming) -> Entry | Change:
        """Save, edit or delete a message, as a frame asks. Raises Refused."""
        messages = self.request.app[MESSAGES]
        if frame.type == "edit":
            return await messages.edit(user, frame.seq, frame.msg, frame.nonce)
        if frame.type == "delete":
            may_any = is_moderator(self.request.app, user.login)
            return await messages.delete(user, frame.seq, frame.nonce, may_any)
        return await messages.save(user, frame.msg, frame.nonce)
