"""Client: one open WebSocket, and how to write to it without ever waiting for its reader."""

import asyncio
import socket
import struct
from contextlib import suppress

from aiohttp import WSCloseCode, web

from auth.sessions import Identity
from chat import wire

UNREAD_LIMIT = 256 * 1024  # bytes in the transport's buffer; who leaves more unread is cut off
SEND_BUFFER = 64 * 1024  # bytes the kernel takes first; its default of up to 4 MB would hide that
CLOSE_WAIT = 2  # seconds for the peer to answer a close frame

CLOSE, PING, PONG = 8, 9, 10
PING_FRAME = wire.control_frame(PING, b"")


class Client:
    """One socket in the room: written to by anybody, read by its view alone."""

    __slots__ = (
        "_cut",
        "_socket",
        "_transport",
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
        self.identity = identity
        self.is_classic = ws.ws_protocol != wire.CHAT_V1
        self.is_closed = False  # a goodbye was said
        self.is_busy = False  # its view waits for the journal and can't see a pong
        self.pinged_at = asyncio.get_running_loop().time()
        self.is_silent = False  # the last ping is not answered
        self._cut: asyncio.TimerHandle | None = None  # the abort that follows the goodbye
        self._transport: asyncio.Transport = transport
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def write(self, data: bytes) -> None:
        """Hand whole frames to the transport; cut the socket off if it reads too slowly."""
        # After a close frame nothing may follow (RFC 6455, 5.5.1): the peer would see 1006.
        if self.is_closed or self.ws.closed or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > UNREAD_LIMIT:
            self.abort()
        else:
            self._transport.write(data)

    def send(self, frames: wire.Frames) -> None:
        """Write one event in the socket's own format."""
        self.write(frames.classic if self.is_classic else frames.chat_v1)

    def ping(self, now: float) -> None:
        """Ask for a sign of life."""
        self.pinged_at = now
        self.is_silent = True
        self.write(PING_FRAME)

    def pong(self, payload: bytes) -> None:
        """Answer the peer's own ping."""
        self.write(wire.control_frame(PONG, payload))

    def close(self, code: int, reason: str = "", timeout: float = CLOSE_WAIT) -> None:
        """Say goodbye once; the view reads on until the peer answers, or is cut off."""
        # Not by ws.close(): called beside the view, it does not wait for the answer, and to a
        # browser that had no time for it the end is not a clean one.
        if not self.is_closed:
            self.write(wire.control_frame(CLOSE, code.to_bytes(2, "big") + reason.encode()))
            self.is_closed = True
            self._cut = asyncio.get_running_loop().call_later(timeout, self.abort)

    def finish(self) -> None:
        """Let go of the connection at the end of its view, however that came about."""
        code = self.ws.close_code  # the peer's; 0 where it gave none
        self.close(WSCloseCode.INTERNAL_ERROR if code is None else code or WSCloseCode.OK)
        self._transport.close()
        if self._cut and not self._transport.get_write_buffer_size():
            self._cut.cancel()

    def abort(self) -> None:
        """Drop the connection and everything unread, in the kernel too."""
        with suppress(OSError):
            # Without it the kernel would keep its queue and try for minutes to deliver it.
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()
