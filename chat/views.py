"""The chat page, and the WebSocket that carries the talk."""

import re
import secrets
from typing import Any

import aiohttp_jinja2
from aiohttp import WSCloseCode, WSMsgType, web

from auth.moderators import is_moderator
from auth.sessions import IDENTITY, SESSIONS, Identity
from chat import wire
from chat.entry import Entry
from chat.hub import HUB, SIGNED_OUT
from chat.inbox import INBOX, TOO_FAST, UNAVAILABLE
from chat.incoming import BadFrame, clean, read_nonce
from chat.journal import JOURNAL, Unavailable
from chat.line import Lines
from chat.member import Member
from chat.models import PAGE_LENGTH, Message
from chat.unread import READ_MARKS
from database import DB
from forms import BODY_LIMIT, FormError, error_response, read_form, redirect
from settings import SETTINGS

REFRESH_PAUSES = ("10",)  # seconds; what a page without scripts may be refreshed with


def read_seq(request: web.Request, name: str) -> int | None:
    """Return a number of the log from the query. Raises HTTPBadRequest."""
    values = request.query.getall(name, [])
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch(r"[0-9]{1,15}", values[0]):
        raise web.HTTPBadRequest(text=f"?{name}= takes one whole number.")
    return int(values[0])


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
            msg, nonce = clean(form.get("msg", "")), read_nonce(form.get("nonce") or None)
            if wait := self.request.app[INBOX].messages.take(user.user_id):
                raise FormError(429, TOO_FAST, "msg", wait)
            await Message(self.request.app[DB], self.request.app[JOURNAL]).save(user, msg, nonce)
        except BadFrame as bad:
            raise FormError(400, bad.text, "msg") from None
        except Unavailable:
            raise FormError(503, UNAVAILABLE, "msg", retry_after=5) from None

    async def context(self, **place: int) -> dict[str, Any]:
        """Return what the page shows."""
        app, user = self.request.app, self.request[IDENTITY]
        may_any = is_moderator(app, user.login)
        last = app[JOURNAL].memory.last
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
        talk = Message(self.request.app[DB], self.request.app[JOURNAL])
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
        memory = request.app[JOURNAL].memory
        identity = request[IDENTITY]
        since = read_seq(request, "since")
        ws = self.socket(identity)
        await ws.prepare(request)
        member = Member(ws, request, identity)
        missed = [] if since is None else memory.after(since)
        hub.join(member, memory.last, missed, returning="returning" in request.query)
        try:
            # It may have ended while the upgrade was under way.
            if request.app[SESSIONS].has_ended(identity.session_id):
                member.close(SIGNED_OUT, "Signed out")
            await self.read(member)
        finally:
            hub.leave(member)
            member.finish()
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

    async def read(self, member: Member) -> None:
        """Take every frame the client sends, until either side closes."""
        inbox = self.request.app[INBOX]
        async for frame in member.ws:
            if member.is_closed:
                continue
            is_welcome = False
            if frame.type is WSMsgType.TEXT:
                if frame.data == "close" and member.is_classic:
                    member.close(WSCloseCode.OK)
                else:
                    is_welcome = await inbox.take(member, frame.data)
            elif frame.type is WSMsgType.PONG:
                is_welcome = member.is_silent  # nobody asked for more than one
                member.is_silent = False
            elif frame.type is WSMsgType.PING:
                member.pong(frame.data)
            elif frame.type is WSMsgType.BINARY:
                member.close(WSCloseCode.UNSUPPORTED_DATA, "Text frames only")
            # Pings count too: a client has no need of more than one in some seconds.
            if not is_welcome and inbox.refusals.take(member.identity.session_id):
                member.close(WSCloseCode.POLICY_VIOLATION, "Too many frames")
