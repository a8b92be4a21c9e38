"""The chat page, and the WebSocket that carries the talk."""

import re
import secrets

import aiohttp_jinja2
from aiohttp import WSCloseCode, WSMsgType, web

from auth.forms import BODY_LIMIT, FormError, error_response, read_form
from auth.limits import Limit, Pace
from auth.sessions import IDENTITY, SESSIONS, Identity
from auth.views import redirect
from chat import wire
from chat.entry import Unavailable
from chat.hub import HUB, SIGNED_OUT
from chat.journal import JOURNAL, Journal
from chat.member import Member
from chat.models import Message
from database import DB
from settings import SETTINGS, Settings

REFRESH_PAUSES = ("10",)  # seconds; what a page without scripts may be refreshed with
UNAVAILABLE = "The message could not be saved; sending it again is harmless"
TOO_FAST = "Too fast, please wait a moment"


BURST = 4  # seconds' worth of messages that somebody may send at once


class TalkLimits:
    """How fast somebody may talk, and how often a session may send what is refused."""

    def __init__(self, settings: Settings) -> None:
        rate = settings.MESSAGES_PER_SECOND
        self.messages = Pace(rate, BURST * rate)
        self.refusals = Limit(50, 10)


TALK_LIMITS = web.AppKey("talk_limits", TalkLimits)


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
        """Show the newest messages, or those before a number."""
        context = await self.context(read_seq(self.request, "before"))
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
            msg, nonce = wire.clean(form.get("msg", "")), wire.read_nonce(form.get("nonce") or None)
            if wait := self.request.app[TALK_LIMITS].messages.take(user.user_id):
                raise FormError(429, TOO_FAST, "msg", wait)
            await Message(self.request.app[DB], self.request.app[JOURNAL]).save(user, msg, nonce)
        except wire.BadFrame as bad:
            raise FormError(400, bad.text, "msg") from None
        except Unavailable:
            raise FormError(503, UNAVAILABLE, "msg", retry_after=5) from None

    async def context(self, before: int | None = None) -> dict[str, object]:
        """Return what the page shows."""
        journal = self.request.app[JOURNAL]
        messages = await Message(self.request.app[DB], journal).get_messages(before)
        refresh = self.request.query.get("refresh")
        return {
            "messages": messages,
            "user": self.request[IDENTITY],
            "is_history": before is not None,
            "last": messages[-1].seq if messages else 0,
            "older": messages[0].seq if messages and messages[0].seq > 1 else None,
            "refresh": refresh if refresh in REFRESH_PAUSES and before is None else None,
            "nonce": secrets.token_urlsafe(12),
            "form": {},
        }


class WebSocket(web.View):
    """The talk, live: one reader per socket, any number of writers."""

    async def get(self) -> web.WebSocketResponse:
        """Let the socket join, read it until it ends, and let it go."""
        request, hub, journal = self.request, self.request.app[HUB], self.request.app[JOURNAL]
        identity = request[IDENTITY]
        since = read_seq(request, "since")
        ws = self.socket(identity)
        await ws.prepare(request)
        member = Member(ws, request, identity)
        missed = [] if since is None else journal.after(since)
        hub.join(member, journal.last, missed, returning="returning" in request.query)
        try:
            # It may have ended while the upgrade was under way.
            if request.app[SESSIONS].has_ended(identity.session_id):
                member.close(SIGNED_OUT, "Signed out")
            await self.read(member, journal)
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

    async def read(self, member: Member, journal: Journal) -> None:
        """Take every frame the client sends, until either side closes."""
        refusals = self.request.app[TALK_LIMITS].refusals
        async for frame in member.ws:
            if member.is_closed:
                continue
            is_welcome = False
            if frame.type is WSMsgType.TEXT:
                if frame.data == "close" and member.is_classic:
                    member.close(WSCloseCode.OK)
                else:
                    is_welcome = await self.take(member, journal, frame.data)
            elif frame.type is WSMsgType.PONG:
                is_welcome = member.is_silent  # nobody asked for more than one
                member.is_silent = False
            elif frame.type is WSMsgType.PING:
                member.pong(frame.data)
            elif frame.type is WSMsgType.BINARY:
                member.close(WSCloseCode.UNSUPPORTED_DATA, "Text frames only")
            # Pings count too: a client has no need of more than one in some seconds.
            if not is_welcome and refusals.take(member.identity.session_id):
                member.close(WSCloseCode.POLICY_VIOLATION, "Too many frames")

    async def take(self, member: Member, journal: Journal, data: str) -> bool:
        """Save one message and tell whether that went well; answer what can't be taken."""
        hub, user = self.request.app[HUB], member.identity
        nonce = None
        try:
            read = wire.read_classic if member.is_classic else wire.read_chat_v1
            incoming = read(data)
            nonce = incoming.nonce
            if self.request.app[TALK_LIMITS].messages.take(user.user_id):
                raise wire.BadFrame("too_fast", TOO_FAST, nonce)
            delivered = journal.last
            member.is_busy = True
            entry = await Message(self.request.app[DB], journal).save(user, incoming.msg, nonce)
        except wire.BadFrame as bad:
            hub.send(member, wire.error(bad))
            return False
        except Unavailable:
            hub.send(member, wire.error(wire.BadFrame("unavailable", UNAVAILABLE, nonce)))
            return False
        finally:
            member.is_busy = False
        is_repeat = entry.seq <= delivered
        if is_repeat:  # the room has seen it, so only its sender is answered
            hub.send(member, wire.message(entry))
        return True
