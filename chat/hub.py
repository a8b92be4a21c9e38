"""The room: every open socket, and the broadcast that waits for none of them.

It knows neither database nor Redis: entries come to it in order, and already stored.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress

from aiohttp import WSCloseCode, web

from auth.sessions import Identity
from background import background
from chat import wire
from chat.client import Client
from chat.entry import Change, Entry
from chat.presence import Presence
from limits import Pace

PING_EVERY = 8  # seconds; also keeps proxies awake (Heroku's router: 55 s)
PONG_WAIT = 6  # seconds; who is silent is gone after PING_EVERY + PONG_WAIT + 1
REPLAY_LIMIT = 192 * 1024  # bytes; with more the page reloads (must be less than UNREAD_LIMIT)
REST = 0.25  # of the time a flush took, before the next: the busier, the more joins one write
CUT_OFF_WITHIN = 0.1  # seconds until the views of sockets that were cut off have ended
TYPING_EVERY = 3  # seconds between notices that somebody is writing
TYPING_ROOM = 200  # people; in a larger room such notices would cost more than the talk
SIGNED_OUT = 4401  # close code of our own, after HTTP's 401


class Hub:
    """Brings every event to every socket, in one order, each socket's frames joined per tick."""

    def __init__(self) -> None:
        self.websockets: set[Client] = set()
        self.presence = Presence(self.broadcast)
        self._outbox: list[wire.Frames] = []  # told to the room since the last flush
        self._rest_until = 0.0  # the loop's time before which no broadcast is flushed
        self._emptied = asyncio.Event()
        self.is_closing = False  # the chat ends, nobody may come any more
        self._typing = Pace(1 / TYPING_EVERY, 1)  # by person

    def join(
        self, client: Client, last: int, missed: Sequence[Entry | Change] | None, returning: bool
    ) -> None:
        """Let a socket in: tell the others, greet it, and replay what it missed.

        Must be called in the same step of the event loop in which `last` and `missed` were
        read from the journal: then nothing falls between replay and broadcast.
        """
        identity = client.identity
        self.presence.arrive(identity.user_id, identity.login, returning)
        self._flush()  # to the others: what is in the outbox is before this client's time
        self.websockets.add(client)
        replay = b"".join(
            frames.classic if client.is_classic else frames.chat_v1
            for frames in map(wire.entry, missed or ())
        )
        truncated = missed is None or len(replay) > REPLAY_LIMIT
        online = self.presence.online()
        client.send(wire.hello(identity.login, last, self.presence.people, online, truncated))
        if replay and not truncated:
            client.write(replay)

    def leave(self, client: Client) -> None:
        """Let a socket go."""
        if client in self.websockets:
            self.websockets.remove(client)
            self.presence.depart(client.identity.user_id)
            if self.is_closing and not self.websockets:
                self._emptied.set()

    def deliver(self, entries: Sequence[Entry | Change]) -> None:
        """Bring stored entries to the room."""
        for entry in entries:
            self.broadcast(wire.entry(entry))

    def broadcast(self, frames: wire.Frames) -> None:
        """Tell everybody at the end of this tick of the event loop, or soon after under load."""
        if not self._outbox:
            asyncio.get_running_loop().call_at(self._rest_until, self._flush)
        self._outbox.append(frames)

    def send(self, client: Client, frames: wire.Frames) -> None:
        """Tell one socket, after everything the room has been told."""
        self._flush()
        client.send(frames)

    def tell_of_typing(self, user: Identity) -> bool:
        """Tell the room, unless it is large, that somebody is writing.

        Returns False if they said so just now.
        """
        if self._typing.take(user.user_id):
            return False
        if self.presence.people <= TYPING_ROOM:
            self.broadcast(wire.typing(user.login))
        return True

    def sessions(self) -> Iterable[str]:
        """Return the session of each open socket."""
        return [client.identity.session_id for client in self.websockets]

    def close_session(self, session_id: str) -> None:
        """Close the sockets of a session that has ended."""
        for client in self.websockets:
            if client.identity.session_id == session_id:
                client.close(SIGNED_OUT, "Signed out")

    async def close_all(self, timeout: float) -> None:
        """Close every socket because the chat ends; cut off those that stay longer than `timeout`.

        Returns when the last one has gone, or a moment after `timeout` seconds: the view of a
        socket may still wait for the database then.
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
                async with asyncio.timeout(timeout + CUT_OFF_WITHIN):
                    await self._emptied.wait()

    async def watch(self) -> None:
        """Ping every socket, for ever, and cut off those that do not answer."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1)
            now = loop.time()
            for client in list(self.websockets):
                if client.is_silent and not client.is_busy and now - client.pinged_at > PONG_WAIT:
                    client.abort()
                elif now - client.pinged_at >= PING_EVERY:
                    client.ping(now)

    def _flush(self) -> None:
        """Write what the room was told, joined: one send() call costs more than all else here."""
        if not self._outbox:
            return
        clock = asyncio.get_running_loop().time
        started = clock()
        chat_v1 = b"".join(frames.chat_v1 for frames in self._outbox)
        classic = b"".join(frames.classic for frames in self._outbox)
        self._outbox.clear()
        for client in self.websockets:
            data = classic if client.is_classic else chat_v1
            if data:
                client.write(data)
        self._rest_until = clock() + REST * (clock() - started)


HUB = web.AppKey("hub", Hub)


async def hub_ctx(app: web.Application) -> AsyncIterator[None]:
    """Keep the room while the application runs."""
    app[HUB] = hub = Hub()
    async with background(hub.watch()):
        yield
        hub.presence.close()
