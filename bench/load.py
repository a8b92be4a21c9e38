"""The load: people with raw sockets, cheap enough that the server is what gets measured."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from bench.servers import Server, cpu_seconds
from server.background import background

MESSAGE = b'"type":"message"'
PADDING = b"x" * 46  # with the 18 of a time in front the 64 bytes of a message
CONNECT_AT_ONCE = 50
IN_TURN = 20  # readers at a time, of those that nobody watches
TURN = 0.004  # seconds; with a thousand readers it is each one's turn five times a second
UNREAD = 1 << 20  # bytes; more than comes between two turns
PING, PONG = b"\x89\x00", b"\x8a\x80\x00\x00\x00\x00"  # an empty ping, and a masked pong


class Person(asyncio.Protocol):
    """One open WebSocket, which counts the messages that arrive."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = 0
        self.on_data: Callable[[bytes], None] = lambda data: None
        self.transport: asyncio.Transport
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Count messages; a header that is cut in two costs one in thousands."""
        if not self.upgraded.done():
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                self.upgraded.set_exception(ConnectionError(head[:40].decode()))
                return
            self.upgraded.set_result(None)
        self.received += data.count(MESSAGE)
        if PING in data:
            self.transport.write(PONG)
        self.on_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end."""
        if not self.lost.done():
            self.lost.set_result(None)
        if not self.upgraded.done():
            self.upgraded.set_exception(error or ConnectionError("closed"))

    def take(self) -> None:
        """Take what has come since the last turn, when reading is paused."""
        with suppress(OSError):  # nothing has come, or the socket is closed
            self.data_received(os.read(self.transport.get_extra_info("socket").fileno(), UNREAD))

    def say(self, text: bytes, nonce: bytes) -> None:
        """Send a message."""
        self.send(b'{"type":"message","msg":"' + text + b'","nonce":"' + nonce + b'"}')

    def send(self, payload: bytes) -> None:
        """Send a frame of up to 64 KiB, masked with zeros, which costs neither side anything."""
        if self.transport.is_closing():
            raise ConnectionError("the server has closed the socket of somebody who talks")
        head = bytes((0x81, 0x80 | 126)) + len(payload).to_bytes(2, "big")
        self.transport.write(head + bytes(4) + payload)


class Talker:
    """Says something, waits until it is back, says the next."""

    def __init__(self, person: Person, number: int) -> None:
        self.person = person
        # Never used before, or the chat would take the message for a repeat.
        self.prefix = b"%d-%d-" % (time.monotonic_ns(), number)
        self.said = 0
        self.nonce = b""
        self.is_talking = True
        person.on_data = self.heard

    def speak(self) -> None:
        """Say the next thing."""
        self.said += 1
        self.nonce = self.prefix + b"%d" % self.said
        self.person.say(timestamp() + PADDING, self.nonce)

    def heard(self, data: bytes) -> None:
        """Go on when it was one's own."""
        if self.is_talking and b'"nonce":"' + self.nonce + b'"' in data:
            self.speak()


@dataclass
class Result:
    """What a while of talking came to."""

    deliveries: int = 0
    seconds: float = 0
    server_cpu: float = 0  # seconds, as are the next two
    database_cpu: float = 0
    load_cpu: float = 0
    delays: list[float] = field(default_factory=list)  # seconds, of every delivery

    @property
    def per_cpu_second(self) -> float:
        """Deliveries per second of the server's process."""
        return self.deliveries / self.server_cpu

    @property
    def server_share(self) -> float:
        """The share of a core that the server used."""
        return self.server_cpu / self.seconds

    @property
    def p99(self) -> float:
        """The delay that one delivery in a hundred exceeds, in milliseconds."""
        delays = sorted(self.delays)
        return delays[len(delays) * 99 // 100] * 1000 if delays else float("nan")


def timestamp() -> bytes:
    """Return the time as 18 digits, which stand at the head of each message."""
    return b"%018d" % time.monotonic_ns()


async def connect(server: Server, count: int, cookies: list[str]) -> list[Person]:
    """Open sockets, dividing them over the sessions."""
    people: list[Person] = []

    async def open_one(number: int) -> Person:
        request = (
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Version: 13\r\n{server.headers}"
            f"Cookie: chat_session={cookies[number % len(cookies)]}\r\n\r\n"
        ).encode()
        loop = asyncio.get_running_loop()
        _, person = await loop.create_connection(lambda: Person(request), "127.0.0.1", server.port)
        await person.upgraded
        return person

    for start in range(0, count, CONNECT_AT_ONCE):
        numbers = range(start, min(start + CONNECT_AT_ONCE, count))
        people += await asyncio.gather(*(open_one(number) for number in numbers))
    return people


async def connect_to_all(servers: list[Server], count: int, cookies: list[str]) -> list[Person]:
    """Open sockets, as many with each server; neighbours in the list are with different ones."""
    each = count // len(servers)
    groups = [
        await connect(server, each, cookies[number :: len(servers)])
        for number, server in enumerate(servers)
    ]
    return [person for group in zip(*groups, strict=True) for person in group]


def hang_up(people: list[Person]) -> None:
    """Close the sockets."""
    for person in people:
        person.transport.abort()


async def measure(
    server: Server, people: list[Person], talk: Callable[[], Awaitable[None]]
) -> Result:
    """Count what arrives and what it costs while somebody talks."""
    before, cpu, database = received(people), cpu_seconds(server.pid), server.database_cpu()
    started, load = time.monotonic(), time.process_time()
    await talk()
    return Result(
        deliveries=received(people) - before,
        seconds=time.monotonic() - started,
        server_cpu=cpu_seconds(server.pid) - cpu,
        database_cpu=server.database_cpu() - database,
        load_cpu=time.process_time() - load,
    )


def received(people: list[Person]) -> int:
    """Return how many messages have arrived at all of them."""
    return sum(person.received for person in people)


async def converse(people: list[Person], talkers: int, seconds: float) -> None:
    """Let the last so many talk, each waiting for its own message before the next."""
    talking = [Talker(person, number) for number, person in enumerate(people[-talkers:])]
    for talker in talking:
        talker.speak()
    await asyncio.sleep(seconds)
    for talker in talking:
        talker.is_talking = False


@contextmanager
def watched(people: list[Person], delays: list[float]) -> Iterator[None]:
    """Note the delay of every message at every reader."""

    def note(data: bytes) -> None:
        now = time.monotonic_ns()
        at = data.find(b'"msg":"')
        while at >= 0:
            if len(digits := data[at + 7 : at + 25]) == 18:
                delays.append((now - int(digits)) / 1e9)
            at = data.find(b'"msg":"', at + 25)

    for person in people:
        person.on_data = note
    yield
    for person in people:
        person.on_data = lambda data: None


@asynccontextmanager
async def in_turn(people: list[Person]) -> AsyncIterator[None]:
    """Let readers read in turn: reading at once, a thousand of them would take a whole core."""

    async def read() -> None:
        while True:
            for start in range(0, len(people), IN_TURN):
                for person in people[start : start + IN_TURN]:
                    person.take()
                await asyncio.sleep(TURN)

    for person in people:
        person.transport.pause_reading()
    async with background(read()):
        yield
    for person in people:
        person.transport.resume_reading()


async def recite(people: list[Person], per_second: int, seconds: float) -> None:
    """Say so many things per second, at even distances, one person after the other."""
    started = time.monotonic()
    for number in range(int(per_second * seconds)):
        said = timestamp()
        people[number % len(people)].say(said + PADDING, said)
        await asyncio.sleep(max(0, started + (number + 1) / per_second - time.monotonic()))
