"""The chat's end of one socket: what it writes, and how it lets go."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from auth.sessions import Identity
from chat import client as client_module
from chat import wire
from chat.client import CLOSE_WAIT, SEND_BUFFER, UNREAD_LIMIT, Client
from server.metrics import METRICS, Metrics
from settings import SETTINGS, Settings

ALLOWED = UNREAD_LIMIT + 20 * 4 * 10_000  # twenty of the longest messages
ALICE = Identity("id of alice", "session of alice", "alice")


class Transport:
    """Stands for aiohttp's transport, and keeps what is done to it."""

    def __init__(self, sock: socket.socket) -> None:
        self.done: list[Any] = []
        self.unread = 0
        self.is_ending = False
        self._socket = sock

    def get_extra_info(self, name: str) -> Any:
        return {"socket": self._socket}.get(name)

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.is_ending

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    """A socket whose options can be set and read."""
    with socket.socket() as sock:
        yield sock


@pytest.fixture
def transport(sock: socket.socket) -> Transport:
    """A transport over which nothing was sent yet."""
    return Transport(sock)


def new_client(transport: Transport | None, protocol: str | None = wire.CHAT_V1) -> Client:
    """Return a client that writes to a transport."""
    ws: Any = SimpleNamespace(
        ws_protocol=protocol, closed=False, close_code=None, exception=lambda: None
    )
    request: Any = SimpleNamespace(
        transport=transport, app={METRICS: Metrics(), SETTINGS: Settings()}
    )
    return Client(ws, request, ALICE)


@pytest.fixture
async def client(transport: Transport) -> Client:
    """A client that writes to this transport."""
    return new_client(transport)


def closing(code: int, reason: str = "") -> bytes:
    """Return a close frame."""
    return wire.control_frame(8, code.to_bytes(2, "big") + reason.encode())


async def test_a_new_client_is_open_and_has_nothing_to_answer(
    transport: Transport, sock: socket.socket
) -> None:
    began = asyncio.get_running_loop().time()
    client = new_client(transport)
    assert client.identity == ALICE
    assert not client.is_classic
    assert (client.is_closed, client.is_busy, client.is_silent) == (False, False, False)
    assert began <= client.pinged_at <= asyncio.get_running_loop().time()
    with socket.socket() as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        option = socket.SOL_SOCKET, socket.SO_SNDBUF
        assert sock.getsockopt(*option) == same.getsockopt(*option)


async def test_a_client_that_left_during_the_upgrade_is_none(transport: Transport) -> None:
    transport.is_ending = True
    for gone in (transport, None):
        with pytest.raises(ConnectionResetError):
            new_client(gone)


async def test_each_format_gets_its_own_frames(transport: Transport) -> None:
    frames = wire.Frames(b"json", b"classic")
    for protocol in (wire.CHAT_V1, None):
        new_client(transport, protocol).send(frames)
    assert transport.done == [b"json", b"classic"]


@pytest.mark.parametrize(("unread", "done"), [(ALLOWED, [b"frame"]), (ALLOWED + 1, ["abort"])])
async def test_who_leaves_too_much_unread_is_cut_off(
    client: Client, transport: Transport, unread: int, done: list[Any]
) -> None:
    transport.unread = unread
    client.write(b"frame")
    assert transport.done == done
    cut_off = client._metrics.registry.get_sample_value(
        "chat_readers_cut_off_total", {"reason": "unread"}
    )
    assert cut_off == done.count("abort")


@pytest.mark.parametrize("end", ["a close frame was sent", "the peer closed", "it is closing"])
async def test_nothing_is_written_after_the_end(
    client: Client, transport: Transport, end: str
) -> None:
    client.is_closed = end == "a close frame was sent"
    client.ws = SimpleNamespace(closed=end == "the peer closed")  # type: ignore[assignment]
    transport.is_ending = end == "it is closing"
    transport.unread = ALLOWED + 1
    client.write(b"frame")
    assert transport.done == []


async def test_a_ping_has_to_be_answered_and_a_pong_answers(
    client: Client, transport: Transport
) -> None:
    client.ping(77.0)
    assert (client.pinged_at, client.is_silent) == (77.0, True)
    client.pong(b"payload")
    assert transport.done == [b"\x89\x00", b"\x8a\x07payload"]


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was put off, and what of it was called off."""
    timers: list[Any] = []

    def call_later(seconds: float, call: Any) -> Any:
        timers.append((seconds, call))
        return SimpleNamespace(cancel=lambda: timers.append("cancelled"))

    loop = SimpleNamespace(call_later=call_later)
    parts = SimpleNamespace(get_running_loop=lambda: loop)
    monkeypatch.setattr(client_module, "asyncio", parts)
    return timers


async def test_it_is_closed_once_and_cut_off_unless_the_peer_answers(
    client: Client, transport: Transport, timers: list[Any]
) -> None:
    client.close(1008, "Too many frames")
    client.close(1001)
    assert transport.done == [closing(1008, "Too many frames")]
    assert client.is_closed
    assert timers == [(CLOSE_WAIT, client.abort)]


async def test_a_close_may_be_given_another_time_and_no_reason(
    client: Client, transport: Transport, timers: list[Any]
) -> None:
    client.close(1001, timeout=0.5)
    assert transport.done == [closing(1001)]
    assert timers == [(0.5, client.abort)]


@pytest.mark.parametrize(("theirs", "ours"), [(None, 1011), (0, 1000), (1001, 1001), (4000, 4000)])
async def test_the_end_of_its_view_answers_the_peers_close_frame(
    client: Client, transport: Transport, timers: list[Any], theirs: int | None, ours: int
) -> None:
    client.ws = SimpleNamespace(closed=False, close_code=theirs, exception=lambda: None)  # type: ignore[assignment]
    client.finish()
    assert transport.done == [closing(ours), "close"]
    assert timers == [(CLOSE_WAIT, client.abort), "cancelled"]


async def test_a_peer_that_does_not_read_the_rest_is_cut_off_after_all(
    client: Client, transport: Transport, timers: list[Any]
) -> None:
    transport.unread = 1
    client.finish()
    assert transport.done == [closing(1011), "close"]
    assert timers == [(CLOSE_WAIT, client.abort)]


async def test_cutting_off_drops_what_the_kernel_holds(
    client: Client, transport: Transport, sock: socket.socket
) -> None:
    client.abort()
    linger = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.calcsize("ii"))
    assert struct.unpack("ii", linger) == (1, 0)
    sock.close()
    client.abort()  # which needs no socket any more
    assert transport.done == ["abort"] * 2
