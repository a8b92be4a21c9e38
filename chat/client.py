"""Client: one open WebSocket. Writing to it never waits for the browser at the other end.

Frames are made in wire.py and written to the transport here, not by ws.send_str(), because that
encodes a frame again for each reader, and has to be awaited. In a second of processor time it makes
121,000 deliveries to 1,000 readers; writing by hand makes 630,000. But it can compress nothing.
"""

import asyncio
import socket
import struct
from contextlib import suppress

from aiohttp import WSCloseCode, web

from auth.sessions import Identity
from chat import wire
from server.metrics import METRICS
from settings import SETTINGS

UNREAD_LIMIT = 256 * 1024  # bytes in the transport's buffer, besides long messages
UNREAD_MESSAGES = 20  # the longest ones, as many as one person may send at once by default
SEND_BUFFER = 64 * 1024  # bytes in the kernel; by default it would hide up to 4 MB unread
CLOSE_WAIT = 2  # seconds for the peer to answer a close frame

CLOSE, PING, PONG = 8, 9, 10
PING_FRAME = wire.control_frame(PING, b"")


class Client:
    """One socket in the room. Any task may write to it; only its view reads from it."""

    __slots__ = (
        "_abort_timer",
        "_metrics",
        "_socket",
        "_transport",
        "_unread_limit",
        "identity",
        "is_busy",
        "is_classic",
        "is_closed",
        "is_silent",
        "pinged_at",
        "ws",
    )

    def __init__(self, ws: web.WebSocketResponse, request: web.Request, identity: Identity) -> None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client left during the upgrade")
        self.ws = ws
        self._metrics = request.app[METRICS]
        # Bytes; a client with more is cut off. UTF-8 has up to four for each character.
        self._unread_limit = (
            UNREAD_LIMIT + UNREAD_MESSAGES * 4 * request.app[SETTINGS].MESSAGE_LENGTH
        )
        self.identity = identity
        self.is_classic = ws.ws_protocol != wire.CHAT_V1  # speaks the tutorial's plain text
        self.is_closed = False  # a close frame was sent
        self.is_busy = False  # its view waits for the journal and can't read pongs
        self.pinged_at = asyncio.get_running_loop().time()
        self.is_silent = False  # the last ping is not answered yet
        self._abort_timer: asyncio.TimerHandle | None = None  # runs after the close frame
        self._transport: asyncio.Transport = transport
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def write(self, data: bytes) -> None:
        """Write whole frames, or cut the socket off if it reads too slowly."""
        # Nothing may follow a close frame (RFC 6455, 5.5.1), or the peer reports 1006.
        if self.is_closed or self.ws.closed or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > self._unread_limit:
            self._metrics.readers_cut_off.labels("unread").inc()
            self.abort()
        else:
            self._transport.write(data)

    def send(self, frames: wire.Frames) -> None:
        """Write one event in the socket's format."""
        self.write(frames.classic if self.is_classic else frames.chat_v1)

    def ping(self, now: float) -> None:
        """Send a ping, which the client has to answer."""
        self.pinged_at = now
        self.is_silent = True
        self.write(PING_FRAME)

    def pong(self, payload: bytes) -> None:
        """Answer the peer's own ping."""
        self.write(wire.control_frame(PONG, payload))

    def close(self, code: int, reason: str = "", timeout: float = CLOSE_WAIT) -> None:
        """Send a close frame, once; cut the socket off if the peer does not answer in time."""
        # Not ws.close(): called while the view reads, it does not wait for the peer's answer, and
        # the browser would report that the connection broke.
        if not self.is_closed:
            self.write(wire.control_frame(CLOSE, code.to_bytes(2, "big") + reason.encode()))
            self.is_closed = True
            self._abort_timer = asyncio.get_running_loop().call_later(timeout, self.abort)

    def finish(self) -> None:
        """Release the connection at the end of its view, whatever ended it."""
        # The peer's close code; None without a close frame, 0 if the frame had no code.
        code = self.ws.close_code
        if code is None:
            code = WSCloseCode.INTERNAL_ERROR
        self.close(code or WSCloseCode.OK)
        self._transport.close()  # once everything is sent
        if self._abort_timer and not self._transport.get_write_buffer_size():
            self._abort_timer.cancel()  # else it cuts off a peer that does not read the rest
        if error := self.ws.exception():
            # Its traceback leads back to the response, which holds all that the connection had:
            # a cycle, which would stay until the next full collection (server/garbage.py).
            error.with_traceback(None).__context__ = None

    def abort(self) -> None:
        """Drop the connection and everything unread, also what the kernel holds."""
        with suppress(OSError):
            # Otherwise the kernel would keep its queue and try to deliver it for minutes.
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()
