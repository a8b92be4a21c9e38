"""The chat page, and the WebSocket for its messages."""

import re
from datetime import UTC, datetime
from typing import Any

import aiohttp_jinja2
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from yarl import URL

from auth.models import FIRST_ID, User, may_moderate
from auth.pages import MemberPage
from auth.sessions import IDENTITY, SESSIONS, Identity
from chat import wire
from chat.client import Client
from chat.entry import Entry, MessageEntry, now
from chat.hub import HUB, SIGNED_OUT
from chat.journal import JOURNAL
from chat.models import (
    CHANGEABLE_FOR,
    MESSAGES,
    PAGE_LENGTH,
    NonceUsed,
    new_nonce,
    refused_if_unavailable,
)
from chat.read_marks import READ_MARKS
from chat.refused import Refused
from chat.render import Renderer
from chat.unread import NOTHING_UNREAD, find_unread, what_is_new
from pages.forms import FormError, limit_with_message, redirect, url_for, wants_json
from pages.times import zone_of
from security.address import own_origin
from security.limits import Limit
from server.metrics import METRICS
from settings import SETTINGS
from storage.database import DB

# Sockets that somebody opens a second, on average. What was sent to one that has closed stays in
# memory for CLOSE_WAIT seconds if its peer does not read, and that may be a whole replay.
OPENINGS_PER_SECOND = 2

OPENINGS = web.AppKey("openings", Limit)  # of sockets, by person

SEQ = r"[0-9]{1,15}"  # a number of the log in an address or a form

# A day, or the time when it begins somewhere.
DAY = r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z)?"

STATUS_OF_CODE = {
    "invalid": 400,
    "too_long": 400,
    "forbidden": 403,
    "too_fast": 429,
    "unavailable": 503,
}


class ChatList(MemberPage):
    """The chat page, which also works without scripts."""

    template = "chat/index.html"
    has_message = True

    async def get(self) -> web.Response:
        """Show where the reader left off, the newest messages, or those at a place of the log.

        The newest ones are shown, too, where they are all that is unread.
        """
        app, user = self.request.app, self.request[IDENTITY]
        if begin := read_begin(self.request):
            return await self.open_day(begin)
        query = {name: read_seq(self.request, name) for name in ("before", "around", "after")}
        position = {name: seq for name, seq in query.items() if seq is not None}
        read = await app[READ_MARKS].get(user.user_id)
        unread = find_unread(app[JOURNAL].recent, user, read)
        if not position and "newest" not in self.request.query:
            position = await self.where_left_off(unread.first)
        context = await self.context({}, **position)
        if "after" in position and not context["messages"]:
            redirect(self.request, "main")
        context |= what_is_new(context, position, read, unread)
        around = position.get("around")
        if around is not None and around not in {entry.seq for entry in context["messages"]}:
            context["missing"] = f"There is no message {around}."
        # Whoever follows a link to a message wants to answer, too; the rest is only to be read.
        is_history = "before" in position or "after" in position
        template = "chat/history.html" if is_history else self.template
        return aiohttp_jinja2.render_template(template, self.request, context)

    async def act(self, form: dict[str, str]) -> URL | web.Response:
        """Save a message that is posted: without scripts, or by a page that has no socket."""
        user = self.request[IDENTITY]
        check_sender(user, form)
        try:
            nonce = wire.read_nonce(form.get("nonce") or None)
            file_id = wire.read_file_id(form.get("file") or None)
            messages = self.request.app[MESSAGES]
            entry = await messages.save(user, form.get("msg", ""), nonce, file_id)
        except Refused as refused:
            raise form_error(self.request, refused, form) from None
        place = place_after(self.request, form, entry.seq)
        return web.json_response({"seq": entry.seq}) if wants_json(self.request) else place

    async def open_day(self, begin: datetime) -> web.Response:
        """Go to the first message of a day; if nobody said anything then, of the next one.

        Raises HTTPSeeOther.
        """
        first = await self.request.app[MESSAGES].first_since(begin)
        if wants_json(self.request):
            return web.json_response({"seq": first.seq if first else 0})
        if first is None:
            redirect(self.request, "main")
        address = url_for(self.request, "main", around=first.seq)
        raise web.HTTPSeeOther(address.with_fragment(f"m{first.seq}"))

    async def context(self, form: dict[str, str], **position: int) -> dict[str, Any]:
        """Return what the page shows. Raises DatabaseUnavailable."""
        app, user = self.request.app, self.request[IDENTITY]
        # Both before the messages: more may be stored meanwhile.
        last, newest = app[JOURNAL].recent.last, await app[MESSAGES].get_messages(count=1)
        messages = await self.messages(**position)
        first_shown = messages[0].seq if messages else 0
        last_shown = messages[-1].seq if messages else 0
        has_newer = position and 0 < last_shown < max((entry.seq for entry in newest), default=0)
        env, zone = aiohttp_jinja2.get_env(app), zone_of(self.request)
        return {
            "messages": messages,
            "user": user,
            "renderer": Renderer(env, user, position.get("around"), zone),
            "knows_zone": zone is not None,
            "from_end": position.keys() <= {"before"},
            "is_at_unread": "unread" in position,
            "last": max(last, last_shown),
            "older": first_shown if first_shown > 1 else None,
            "newer": last_shown if has_newer else None,
            "message_length": app[SETTINGS].MESSAGE_LENGTH,
            "changeable_for": CHANGEABLE_FOR,
            "now": now(),
            "frame_size": limit_with_message(app[SETTINGS]),
            "nonce": new_nonce(),
            "form": form,
            "unread": NOTHING_UNREAD,  # an error's page only repeats a form
            "moderator": None if messages else await self.moderator(),
            "origin": own_origin(self.request),
        }

    async def moderator(self) -> str | None:
        """Return the login of a moderator of an empty room, None if that is not known.

        That is whoever was the first here, or whom MODERATORS names first. Raises
        DatabaseUnavailable.
        """
        users, moderators = User(self.request[DB]), self.request.app[SETTINGS].MODERATORS
        if (user := await users.get(str(FIRST_ID))) and may_moderate(user, moderators):
            return str(user["login"])
        # A login without an account is not told: anybody could register it, and would moderate.
        if moderators and (user := await users.find_login(moderators[0])):
            return str(user["login"]) if may_moderate(user, moderators) else None
        return None

    async def where_left_off(self, first_unread: int | None) -> dict[str, int]:
        """Return the position of the first unread message, none if it is among the newest."""
        newest = await self.request.app[MESSAGES].get_messages()
        if first_unread is None or newest[0].seq <= first_unread:
            return {}
        return {"unread": first_unread}

    async def messages(
        self,
        before: int | None = None,
        around: int | None = None,
        after: int | None = None,
        unread: int | None = None,
    ) -> list[MessageEntry]:
        """Return the newest messages, or those at a position of the log, oldest first."""
        messages = self.request.app[MESSAGES]
        if around is not None:
            earlier = await messages.get_messages(around, PAGE_LENGTH // 2)
            return earlier + await messages.get_messages_from(around, PAGE_LENGTH // 2)
        if after is not None:
            return await messages.get_messages_from(after + 1)
        if unread is not None:  # after some that are known, so that they need not be loaded
            earlier = await messages.get_messages(unread, PAGE_LENGTH // 2)
            return earlier + await messages.get_messages_from(unread)
        return await messages.get_messages(before)


class ReadMark(web.View):
    """How far one has read, told by the page while it is seen.

    A script posts it where there is no socket. Where scripts are off an image in the page asks for
    it: a browser that only fetches a page ahead does not ask for its images.
    """

    async def get(self) -> web.Response:
        """Move the mark if the image of a page that is shown asks for it."""
        headers = self.request.headers
        is_image = headers.get("Sec-Fetch-Dest", "image") == "image"  # no link that was followed
        is_ahead = "prefetch" in headers.get("Sec-Purpose", headers.get("Purpose", ""))
        if self.request.method == "GET" and is_image and not is_ahead:
            move_mark(self.request, int(self.request.match_info["seq"]))
        return web.Response(status=204)

    async def post(self) -> web.Response:
        """Move the mark."""
        move_mark(self.request, int(self.request.match_info["seq"]))
        return web.Response(status=204)

    head = get


def openings(sockets_per_user: int) -> Limit:
    """Return the limit of openings, by how many sockets a person may have open. 0: no limit.

    All of them may be opened twice at once: tabs that have come back may have to come back again.
    """
    return Limit(OPENINGS_PER_SECOND * sockets_per_user, sockets_per_user)


class WebSocket(web.View):
    """One person's live connection to the room: this view reads it, and the hub writes to it."""

    async def get(self) -> web.WebSocketResponse:
        """Join the room, read the socket until it ends, and leave the room."""
        request, hub = self.request, self.request.app[HUB]
        identity = request[IDENTITY]
        since, returning = read_seq(request, "since"), "returning" in request.query
        read = await request.app[READ_MARKS].get(identity.user_id)
        ws = self.new_response(identity)
        await ws.prepare(request)
        client = Client(ws, request, identity)
        hub.join(client, request.app[JOURNAL].recent, since, returning, read)
        try:
            # The session may have ended during the upgrade.
            if request.app[SESSIONS].has_ended(identity.session_id):
                client.close(SIGNED_OUT, "Signed out")
            await self.read(client)
        finally:
            hub.leave(client)
            client.finish()
        return ws

    def new_response(self, identity: Identity) -> web.WebSocketResponse:
        """Return the response to upgrade with.

        Raises HTTPBadRequest, HTTPTooManyRequests.
        """
        hub, settings = self.request.app[HUB], self.request.app[SETTINGS]
        limit, frame_limit = settings.SOCKETS_PER_USER, limit_with_message(settings)
        if limit and hub.presence.sockets(identity.user_id) >= limit:
            raise web.HTTPTooManyRequests(text="Too many open windows, please close one.")
        protocols = self.request.headers.get("Sec-WebSocket-Protocol")
        if protocols is not None and wire.CHAT_V1 not in [
            name.strip() for name in protocols.split(",")
        ]:
            raise web.HTTPBadRequest(text=f"Only the subprotocol {wire.CHAT_V1} is supported.")
        ws = web.WebSocketResponse(
            protocols=(wire.CHAT_V1,),
            compress=False,
            autoping=False,
            autoclose=False,
            max_msg_size=frame_limit + 1,  # aiohttp refuses a message of exactly this size
        )
        if not ws.can_prepare(self.request):
            raise web.HTTPBadRequest(text="This address only accepts WebSocket connections.")
        if wait := self.request.app[OPENINGS].use_or_wait(identity.user_id):
            headers = {"Retry-After": str(int(wait) + 1)}
            raise web.HTTPTooManyRequests(
                text="Too many connections, please wait.", headers=headers
            )
        return ws

    async def read(self, client: Client) -> None:
        """Handle the client's frames until the socket closes."""
        async for frame in client.ws:
            if not client.is_closed:
                await self.handle(client, frame)

    async def handle(self, client: Client, frame: WSMessage) -> None:
        """Handle a frame; count those that are a waste (see hub.py)."""
        if frame.type is WSMsgType.TEXT:
            await self.handle_text(client, frame.data)
        elif frame.type is WSMsgType.PONG and client.is_silent:
            client.is_silent = False
        else:
            if frame.type is WSMsgType.PING:
                client.pong(frame.data)
            elif frame.type is WSMsgType.BINARY:
                client.close(WSCloseCode.UNSUPPORTED_DATA, "Text frames only")
            self.request.app[HUB].count_wasted_frame(client)

    async def handle_text(self, client: Client, data: str) -> None:
        """Do what a text frame asks for, or answer why not."""
        if client.is_classic and data == "close":
            client.close(WSCloseCode.OK)
            return
        app, user, nonce = self.request.app, client.identity, None
        is_news = True
        try:
            frame = wire.read_classic(data) if client.is_classic else wire.read_chat_v1(data)
            nonce = frame.nonce
            match frame.type:
                case "typing":
                    is_news = app[HUB].announce_typing(user)
                case "read":
                    is_news = move_mark(self.request, frame.seq)
                case _:
                    await self.store(client, frame)
        except wire.BadFrame as bad:
            self.refuse(client, bad, bad.nonce)
        except Refused as refused:
            self.refuse(client, refused, nonce)
        if not is_news:
            app[HUB].count_wasted_frame(client)

    def refuse(self, client: Client, refused: Refused, nonce: str | None) -> None:
        """Answer a frame with why it is refused."""
        self.request.app[METRICS].messages_refused.labels(refused.code).inc()
        self.request.app[HUB].send(client, wire.error(refused, nonce))
        self.request.app[HUB].count_wasted_frame(client)

    async def store(self, client: Client, frame: wire.Incoming) -> None:
        """Save, edit or delete a message, as the frame asks. Raises Refused."""
        app, user = self.request.app, client.identity
        messages, last_before = app[MESSAGES], app[JOURNAL].recent.last
        entry: Entry
        client.is_busy = True  # it reads no pongs meanwhile: see Hub.ping_sockets()
        try:
            with refused_if_unavailable():
                may_speak = await app[SESSIONS].may_speak(user.session_id)
            if not may_speak:
                client.close(SIGNED_OUT, "Signed out")
                return
            if frame.type == "edit":
                entry = await messages.edit(user, frame.seq, frame.msg, frame.nonce)
            elif frame.type == "delete":
                entry = await messages.delete(user, frame.seq, frame.nonce)
            else:
                entry = await messages.save(user, frame.msg, frame.nonce, frame.file_id)
        finally:
            client.is_busy = False
        is_repeat = entry.seq <= last_before
        if is_repeat:  # everybody has it; a new one comes to its sender through the hub
            app[HUB].send(client, wire.entry_frames(entry))
        if client.is_classic and entry.to_all is False:  # pages show it at the message
            app[HUB].send(client, wire.nobody_notified())


def move_mark(request: web.Request, seq: int) -> bool:
    """Move the reader's mark to a number, or to the end; return False if it is there or further."""
    app, user_id = request.app, request[IDENTITY].user_id
    return app[READ_MARKS].move(user_id, min(seq, app[JOURNAL].recent.last))


def check_sender(user: Identity, form: dict[str, str]) -> None:
    """Check that a form is its page's user's: somebody else may have signed in, in another tab.

    Raises FormError.
    """
    if form.get("user", user.login) != user.login:
        raise FormError(403, f"You are signed in as {user.login} now. Please try again.", "msg")


def place_after(request: web.Request, form: dict[str, str], seq: int) -> URL:
    """Return the page that shows a message which a form has sent; move its author's mark."""
    last = form.get("last", "")
    seen = int(last) if re.fullmatch(SEQ, last) else 0
    move_mark(request, seen)  # who answers has read the page
    # The author wants to see the message, and not where there is more to read first.
    is_far = seq - seen > PAGE_LENGTH
    return url_for(request, "main", **({"newest": ""} if is_far else {}))


def read_seq(request: web.Request, name: str) -> int | None:
    """Return a number of the log from the query, None without it. Raises HTTPBadRequest."""
    values = request.query.getall(name, [])
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch(SEQ, values[0]):
        raise web.HTTPBadRequest(text=f"?{name}= takes one whole number.")
    return int(values[0])


def read_begin(request: web.Request) -> datetime | None:
    """Return when the day in the query begins, None without one. Raises HTTPBadRequest.

    A script, which knows the reader's time zone, sends the time; a form only the day, of UTC.
    """
    days = request.query.getall("date", [])
    if not days:
        return None
    try:
        if len(days) > 1 or not re.fullmatch(DAY, days[0]):
            raise ValueError
        return datetime.fromisoformat(days[0]).replace(tzinfo=UTC)
    except ValueError:
        raise web.HTTPBadRequest(text="?date= takes a day, such as 2026-03-01.") from None


def form_error(request: web.Request, refused: Refused, form: dict[str, str]) -> FormError:
    """Return the error that a form shows when its message is refused.

    A nonce that can't be used is taken out of the form, which then gets a new one.
    """
    if isinstance(refused, NonceUsed | wire.BadFrame):
        form.pop("nonce", None)
    request.app[METRICS].messages_refused.labels(refused.code).inc()
    return FormError(STATUS_OF_CODE[refused.code], refused.text, "msg", refused.wait)
