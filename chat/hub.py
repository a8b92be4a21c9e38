"""The room: every open socket, and the broadcast that never waits for one of them.

The hub does not use the database: the journal gives it stored entries, in order.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress

from aiohttp import WSCloseCode, web

from auth.sessions import Identity
from chat import wire
from chat.client import Client
from chat.entry import Entry
from chat.presence import Presence
from chat.recent import Recent
from security.limits import Limit
from server.background import background, for_ever, paced
from server.metrics import METRICS, Metrics
from server.relay import RELAY, Relay, check_numbers, check_texts

PING_EVERY = 8  # seconds; Heroku's router cuts idle connections after 55
PONG_WAIT = 6  # seconds; a dead socket is cut off after PING_EVERY + PONG_WAIT + 1
PINGED_AT_ONCE = 100  # sockets; a thousand pings would take 7 ms
REPLAY_LIMIT = 192 * 1024  # bytes, less than UNREAD_LIMIT; for more the page loads its history
FLUSH_PAUSE = 0.25  # of the time that a flush took; so a busy room has more frames in a write
ABORT_TIMEOUT = 0.1  # seconds that the views of aborted sockets get to return
TYPING_EVERY = 3  # seconds between notices that somebody is writing
TYPING_MAX_PEOPLE = 200  # people; in a larger room these notices would cost more than the messages
WASTED_FRAMES = 50, 10  # frames, seconds; such as refused ones and needless pings
SIGNED_OUT = 4401  # a close code of our own, after HTTP's 401

WEBSOCKETS = web.AppKey("websockets", set[Client])


class Hub:
    """Sends every event to every socket, in one order, with one write per socket and tick."""

    def __init__(self, websockets: set[Client], relay: Relay, metrics: Metrics) -> None:
        """Set up; `websockets` is the set in which the hub keeps the open sockets."""
        self.websockets = websockets
        self._metrics = metrics
        self.presence = Presence(self.broadcast, relay)
        self._relay = relay
        self.is_closing = False  # the chat is ending, and whoever joins is sent away
        self._sockets_of: dict[str, set[Client]] = {}  # by person
        self._unsent: list[wire.Frames] = []  # broadcast since the last flush
        self._next_flush_at = 0.0  # the loop's time before which no broadcast is flushed
        self._emptied = asyncio.Event()  # the last socket has left after is_closing was set
        self._typing = Limit(1, TYPING_EVERY)  # by person
        self._wasted = Limit(*WASTED_FRAMES)  # by session
        relay.listen("stored", self.deliver)
        relay.listen("typing", self.show_typing)
        relay.listen("read", self.show_read)
        relay.listen("ended", self.close_sessions)

    def join(
        self, client: Client, recent: Recent, since: int | None, returning: bool, read: int = 0
    ) -> None:
        """Add a socket: tell the others, greet it, and send it the entries it missed.

        `since` is the number of the last entry that the page has, None if it wants none. `read` is
        the reader's mark: they may have read elsewhere while the page was not connected. There is
        no await in here: otherwise an entry could come between the replay and the first broadcast,
        and this socket would never get it.
        """
        identity = client.identity
        self.presence.arrive(identity.user_id, identity.login, returning)
        self._flush()  # or the new socket would get twice what it also gets from `recent`
        self.websockets.add(client)
        self._sockets_of.setdefault(identity.user_id, set()).add(client)
        replay = b"" if since is None else _replay(recent.after(since), client.is_classic)
        online, people = self.presence.online(), self.presence.people
        client.send(wire.hello(identity.login, recent.last, people, online, replay is None))
        if read:
            client.send(wire.read(min(read, recent.last)))
        if replay:
            client.write(replay)
        if self.is_closing:
            client.close(WSCloseCode.GOING_AWAY, "Server shutdown")

    def leave(self, client: Client) -> None:
        """Remove a socket."""
        if client in self.websockets:
            user_id = client.identity.user_id
            self.websockets.remove(client)
            self._sockets_of[user_id].remove(client)
            if not self._sockets_of[user_id]:
                del self._sockets_of[user_id]
            self.presence.depart(user_id)
            if self.is_closing and not self.websockets:
                self._emptied.set()

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Send stored entries to every socket."""
        for entry in entries:
            self.broadcast(wire.entry_frames(entry))
        self._metrics.messages.inc(len(entries))
        self._metrics.deliveries.inc(len(entries) * len(self.websockets))

    def broadcast(self, frames: wire.Frames) -> None:
        """Send frames to every socket at the end of this tick of the event loop, or soon after."""
        if not self._unsent:
            asyncio.get_running_loop().call_at(self._next_flush_at, self._flush)
        self._unsent.append(frames)

    def send(self, client: Client, frames: wire.Frames) -> None:
        """Send frames to one socket, after everything that was broadcast before."""
        self._flush()
        client.send(frames)

    def announce_typing(self, user: Identity) -> bool:
        """Tell everybody that a user is typing.

        Return False if the user's last notice was less than TYPING_EVERY ago.
        """
        if self._typing.use_or_wait(user.user_id):
            return False
        self._relay.tell_all("typing", user.login)
        return True

    def show_typing(self, login: str) -> None:
        """Tell everybody in this process that somebody is typing, unless the room is large.

        Raises TypeError.
        """
        check_texts(login)  # it may be of another process
        if self.presence.people <= TYPING_MAX_PEOPLE:
            self.broadcast(wire.typing(login))

    def show_read(self, mark: tuple[str, int]) -> None:
        """Tell somebody's own sockets how far they have read. Raises TypeError, ValueError."""
        user_id, seq = mark  # they may be of another process
        check_texts(user_id)
        check_numbers(seq)
        frames = wire.read(seq)
        for client in self._sockets_of.get(user_id, ()):
            self.send(client, frames)

    def count_wasted_frame(self, client: Client) -> None:
        """Count a frame that was refused or not needed; close the socket after too many."""
        if self._wasted.use_or_wait(client.identity.session_id):
            client.close(WSCloseCode.POLICY_VIOLATION, "Too many frames")

    def open_session_ids(self) -> Iterable[str]:
        """Return the session of each open socket."""
        return [client.identity.session_id for client in self.websockets]

    def close_sessions(self, session_ids: Sequence[str]) -> None:
        """Close the sockets of sessions that have ended."""
        ended = set(session_ids)
        for client in self.websockets:
            if client.identity.session_id in ended:
                client.close(SIGNED_OUT, "Signed out")

    async def close_all(self, timeout: float) -> None:
        """Close every socket because the chat ends; cut off those still open after `timeout`.

        Wait at most `timeout` + ABORT_TIMEOUT seconds. A view that is still open then is waiting
        for the database.
        """
        if self.is_closing:
            return
        self.is_closing = True
        self._flush()
        self.presence.close()
        for client in self.websockets:
            client.close(WSCloseCode.GOING_AWAY, "Server shutdown", timeout)
        if self.websockets:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout + ABORT_TIMEOUT):
                    await self._emptied.wait()

    async def ping_sockets(self) -> None:
        """Ping every socket, for ever, and cut off those that don't answer."""
        loop = asyncio.get_running_loop()
        while True:
            async for clients in paced(list(self.websockets), PINGED_AT_ONCE, 1):
                now = loop.time()
                # Not those that have just left.
                for client in self.websockets.intersection(clients):
                    waited = now - client.pinged_at
                    if client.is_silent and not client.is_busy and waited > PONG_WAIT:
                        self._metrics.readers_cut_off.labels("no_pong").inc()
                        client.abort()
                    elif waited >= PING_EVERY:
                        client.ping(now)

    def _flush(self) -> None:
        """Write all unsent frames to each socket at once, because system calls cost the most."""
        if not self._unsent:
            return
        clock = asyncio.get_running_loop().time
        started = clock()
        chat_v1 = b"".join(frames.chat_v1 for frames in self._unsent)
        classic = b"".join(frames.classic for frames in self._unsent)
        self._metrics.flush_frames.observe(len(self._unsent))
        self._unsent.clear()
        size = 0
        for client in self.websockets:
            data = classic if client.is_classic else chat_v1
            if data:
                client.write(data)
                size += len(data)
        self._metrics.broadcast_bytes.inc(size)
        self._next_flush_at = clock() + FLUSH_PAUSE * (clock() - started)


def _replay(entries: Sequence[Entry] | None, is_classic: bool) -> bytes | None:
    """Return the frames of entries, None if they are too many, or not known."""
    replay = bytearray()
    for entry in () if entries is None else entries:
        frames = wire.entry_frames(entry)
        replay += frames.classic if is_classic else frames.chat_v1
        if len(replay) > REPLAY_LIMIT:
            return None
    return None if entries is None else bytes(replay)


HUB = web.AppKey("hub", Hub)


async def hub_ctx(app: web.Application) -> AsyncIterator[None]:
    """Keep the hub, and ping its sockets, while the application runs."""
    app[HUB] = hub = Hub(app[WEBSOCKETS], app[RELAY], app[METRICS])
    async with background(for_ever(hub.ping_sockets), for_ever(hub.presence.share)):
        yield
