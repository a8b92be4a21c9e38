"""WebSockets byte by byte, and many of them at once."""

import array
import asyncio
import fcntl
import itertools
import json
import select
import socket
import termios
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import aiohttp
from yarl import URL

from tests.support.accounts import signed_in
from tests.support.waiting import CROWD_PATIENCE

AT_ONCE = 100  # sockets that connect together; the listener of a test has room for 128
PER_SESSION = 20  # sockets; their pongs count as frames, of which a session has 50 in 10 s
SMALL = 4096  # bytes of a receive buffer, so that a reader who never reads is soon behind

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class RawSocket(asyncio.Protocol):
    """A WebSocket taken apart by hand: it accepts nothing but whole, valid, expected frames."""

    def __init__(self) -> None:
        self.received = 0  # bytes
        self.seqs: list[int] = []  # of the messages
        self.pings = 0
        self.pongs: list[bytes] = []
        self.close_code: int | None = None
        self.close_pause = 0.0  # seconds until it answers a close frame
        self.has_closed = False  # sent a close frame
        self.fault: AssertionError | None = None
        self.ended = asyncio.Event()
        self.upgraded = asyncio.Event()
        self.transport: asyncio.Transport
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self._buffer += data
        try:
            if not self.upgraded.is_set():
                self._read_head()
            if self.upgraded.is_set():
                self._read_frames()
        except AssertionError as fault:
            self.fault = self.fault or fault

    def connection_lost(self, error: Exception | None) -> None:
        if self._buffer and self.fault is None:
            self.fault = AssertionError(f"ends within a frame: {self._buffer!r}")
        # To a browser such an end is not clean, whatever code came first.
        if self.close_code is not None and not self.has_closed and self.fault is None:
            self.fault = AssertionError("ends before the close frame could be answered")
        self.upgraded.set()
        self.ended.set()

    @property
    def port(self) -> int:
        """Its own port, by which the kernel's tables name it."""
        port: int = self.transport.get_extra_info("sockname")[1]
        return port

    @property
    def unread(self) -> int:
        """How many bytes wait in its receive buffer."""
        count = array.array("i", [0])
        fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.FIONREAD, count)
        return count[0]

    @property
    def is_cut_off(self) -> bool:
        """Whether the connection was reset, which also one who never reads can ask for."""
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))

    def send(self, opcode: int, payload: bytes = b"") -> None:
        """Send a frame."""
        self.has_closed |= opcode == CLOSE
        self.transport.write(frame(opcode, payload))

    def say(self, msg: str) -> None:
        """Send a message."""
        self.send(TEXT, json.dumps({"type": "message", "msg": msg}).encode())

    async def end(self) -> None:
        """Wait until the connection has ended; complain about what came before."""
        async with asyncio.timeout(CROWD_PATIENCE):
            await self.ended.wait()
        if self.fault:
            raise self.fault

    def _read_head(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if found:
            assert head.startswith(b"HTTP/1.1 101 "), head
            self._buffer = rest
            self.upgraded.set()

    def _read_frames(self) -> None:
        position = 0
        while len(self._buffer) >= position + 2:
            first, size = self._buffer[position : position + 2]
            start = position + 2
            # One whole frame of a known kind, no extensions, not masked (RFC 6455, 5.1 and 5.2).
            assert first in (0x80 | TEXT, 0x80 | CLOSE, 0x80 | PING, 0x80 | PONG), hex(first)
            assert size <= (127 if first == 0x80 | TEXT else 125), size
            if size > 125:
                width = 2 if size == 126 else 8
                size = int.from_bytes(self._buffer[start : start + width], "big")
                start += width
            if len(self._buffer) < start + size:
                break
            self._take(first & 0x0F, self._buffer[start : start + size])
            position = start + size
        self._buffer = self._buffer[position:]

    def _take(self, opcode: int, payload: bytes) -> None:
        assert self.close_code is None, f"comes after the close frame: {opcode} {payload!r}"
        if opcode == TEXT:
            event = json.loads(payload)
            if event["type"] == "message":
                self.seqs.append(event["seq"])
        elif opcode == PING:
            self.pings += 1
            self.send(PONG, payload)
        elif opcode == PONG:
            self.pongs.append(payload)
        else:
            self.close_code = int.from_bytes(payload[:2], "big")
            loop = asyncio.get_running_loop()
            loop.call_later(self.close_pause, self.send, CLOSE, payload[:2])


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame, masked with a key of zeros."""
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes((0x80 | opcode,)) + length + bytes(4) + payload


def upgrade(
    door: str, browser: aiohttp.ClientSession, since: int = 0, protocol: str | None = "chat.v1"
) -> bytes:
    """Return a browser's request for a WebSocket."""
    return upgrade_with(door, cookies(door, browser), f"since={since}", protocol)


def upgrade_with(door: str, cookie: str, query: str, protocol: str | None = "chat.v1") -> bytes:
    """Return a request for a WebSocket with the content of a `Cookie` header."""
    url = URL(door)
    lines = [
        f"GET /ws?{query} HTTP/1.1",
        f"Host: {url.host}:{url.port}",
        f"Cookie: {cookie}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
        *([f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def cookies(door: str, browser: aiohttp.ClientSession) -> str:
    """Return the content of a browser's `Cookie` header."""
    return browser.cookie_jar.filter_cookies(URL(door)).output(header="", sep=";").strip()


Reader = TypeVar("Reader", bound=RawSocket)


class Crowd:
    """Opens many raw sockets at one address, few for each session."""

    def __init__(self, door: str, browsers: list[aiohttp.ClientSession]) -> None:
        self.browsers = browsers
        self._door = URL(door)
        self._requests = itertools.cycle(upgrade(door, browser) for browser in browsers)

    @property
    def request(self) -> bytes:
        """The next session's request for an upgrade."""
        return next(self._requests)

    async def dial(self, receive_buffer: int | None = None) -> socket.socket:
        """Return a connected socket that has not sent anything."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, (self._door.host, self._door.port))
        return sock

    async def readers(self, count: int) -> list[RawSocket]:
        """Return open sockets that read everything."""
        sockets: list[RawSocket] = []
        while len(sockets) < count:
            wanted = min(AT_ONCE, count - len(sockets))
            sockets += await asyncio.gather(*(self._open(None) for _ in range(wanted)))
        return sockets

    async def deaf(self, count: int) -> list[RawSocket]:
        """Return open sockets that never read."""
        sockets = await asyncio.gather(*(self._open(SMALL) for _ in range(count)))
        for deaf in sockets:
            deaf.transport.pause_reading()
        return sockets

    async def enter(
        self, reader: Reader, request: bytes, receive_buffer: int | None = None
    ) -> Reader:
        """Connect a socket and upgrade it."""
        sock = await self.dial(receive_buffer)
        await asyncio.get_running_loop().create_connection(lambda: reader, sock=sock)
        reader.transport.write(request)
        async with asyncio.timeout(CROWD_PATIENCE):
            await reader.upgraded.wait()
        if reader.fault:
            raise reader.fault
        return reader

    async def _open(self, receive_buffer: int | None) -> RawSocket:
        return await self.enter(RawSocket(), self.request, receive_buffer)


@asynccontextmanager
async def crowd_at(door: str, sockets: int) -> AsyncIterator[Crowd]:
    """Sign as many people in as so many sockets need."""
    async with AsyncExitStack() as stack:
        logins = [f"user{number}" for number in range(-(-sockets // PER_SESSION))]
        people = [stack.enter_async_context(signed_in(door, login)) for login in logins]
        yield Crowd(door, [await person for person in people])
