"""What is measured."""

import asyncio
import resource
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bench import load
from bench.servers import PEOPLE, Server, sign_in_many
from tests.support.kernel import open_files, resident, send_queues

SETTLE = 0.5  # seconds between opening sockets and counting
LATE = 5  # seconds for which messages on their way are waited for
PER_SECOND = 100  # messages in a recital
CALM = 50  # messages a second in a room where nobody hurries
EACH = 5  # of them by one person, which is what the limits allow
WATCHED = 50  # one reader in so many notes delays
SWEEP = (100, 200, 500, 1000, 1500)  # messages a second
SWEEP_SECONDS = 4
COLLAPSED = 1000  # ms of delay at which a sweep ends
DEAF = 100  # readers that never read
GONE_WITHIN = 20  # seconds
IDLE = 5000  # sockets
UPGRADES = 3000
STRANGERS = 1000  # people whose session is not in memory
PAGES, AT_ONCE = 3000, 16  # requests, and connections they come by

WANTED = {  # unit, and what is wanted
    "1,000 readers, 100 messages/s: p99 from send to reader": (" ms", "< 40 ms"),
    "the same: messages lost": ("", "0"),
    "with 100 more who never read: p99 of the others, against without": (" ×", "≤ 1.2 ×"),
    "the same: memory and kernel queues at most": (" MiB more", "+64 MiB"),
    "the same: the 100 gone, descriptors too, after": (" s", "20 s"),
    "1,000 people, 50 messages/s: p99 from send to reader": (" ms", "< 30 ms"),
    "idle socket, of 5,000: resident memory": (" KB", "≤ 20 KB"),
    "upgrades, session known": (" /s", "≥ 1,500 /s"),
    "upgrades, 1,000 different people after a restart": (" /s", "≥ 500 /s"),
    "GET / signed in, 50 messages": (" /s", "≥ 800 /s"),
}


async def fan_out(server: Server, readers: int, talkers: int, seconds: float) -> load.Result:
    """Let some talk in a closed loop, before so many readers, themselves included."""
    people = await load.connect(server, readers, server.cookies)
    await asyncio.sleep(SETTLE)
    result = await load.measure(server, people, lambda: load.converse(people, talkers, seconds))
    await hang_up(people)
    return result


async def sweep(server: Server) -> dict[int, load.Result]:
    """Say more and more a second before a thousand readers, until the server can't keep up."""
    people = await load.connect(server, 1000, server.cookies)
    await asyncio.sleep(SETTLE)
    results = {}
    for per_second in SWEEP:
        results[per_second] = await recite(server, people, SWEEP_SECONDS, per_second)
        if results[per_second].p99 > COLLAPSED:
            break
    await hang_up(people)
    return results


async def recite(
    server: Server, people: list[load.Person], seconds: float, per_second: int = PER_SECOND
) -> load.Result:
    """Say so many things a second, and note how long they take to the readers."""
    delays: list[float] = []
    before, said = load.received(people), int(per_second * seconds)
    with load.watched(people[::WATCHED], delays):
        async with load.in_turn([p for n, p in enumerate(people) if n % WATCHED]):
            result = await load.measure(
                server,
                people,
                lambda: load.recite(people[: per_second // EACH], per_second, seconds),
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(LATE):
                    while load.received(people) < before + said * len(people):
                        await asyncio.sleep(SETTLE)
    result.deliveries = load.received(people) - before
    result.delays = delays
    return result


async def slow_readers(server: Server) -> dict[str, float]:
    """Measure a thousand readers, and then the same with a hundred more who never read."""
    names = iter(WANTED)
    people = await load.connect(server, 1000, server.cookies)
    await asyncio.sleep(SETTLE)
    without = await recite(server, people, GONE_WITHIN / 2)
    lost = PER_SECOND * GONE_WITHIN / 2 - without.deliveries / len(people)
    memory, descriptors = held(server), open_files(server.pid)

    deaf = await load.connect(server, DEAF, server.cookies)
    for person in deaf:
        sock: socket.socket = person.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        person.transport.pause_reading()
    most = 0
    gone = float("inf")
    reciting = asyncio.create_task(recite(server, people, GONE_WITHIN))
    started = time.monotonic()
    while not reciting.done():
        await asyncio.sleep(0.25)
        most = max(most, held(server))
        if gone == float("inf") and open_files(server.pid) <= descriptors:
            gone = time.monotonic() - started
    result = await reciting
    await hang_up(people + deaf)
    values = (without.p99, lost, result.p99 / without.p99, (most - memory) / 2**20, gone)
    return dict(zip(names, values, strict=False))


def held(server: Server) -> int:
    """Return the memory that a server takes, and the kernel for its readers, in bytes."""
    return resident(server.pid) + sum(send_queues(server.port).values())


async def calm_room(server: Server) -> dict[str, float]:
    """Measure a thousand people, long enough for all that the chat does by itself."""
    people = await load.connect(server, 1000, server.cookies)
    await asyncio.sleep(SETTLE)
    result = await recite(server, people, GONE_WITHIN, CALM)
    await hang_up(people)
    return {list(WANTED)[5]: result.p99}


async def idle_memory(server: Server) -> dict[str, float]:
    """Open thousands of sockets that only listen."""
    cookies = server.cookies + await sign_in_many(server, IDLE - PEOPLE, PEOPLE)
    before = resident(server.pid)
    people = await load.connect(server, IDLE, cookies)
    await asyncio.sleep(2)
    each = (resident(server.pid) - before) / IDLE / 1000
    await hang_up(people)
    return {list(WANTED)[6]: each}


async def upgrades(server: Server) -> dict[str, float]:
    """Open sockets as fast as they come, by somebody known and by strangers."""
    rates = []
    known, strangers = server.cookies[:1], server.cookies[1:]
    for cookies, count in ((known, UPGRADES), (strangers, STRANGERS)):
        started = time.monotonic()
        people = await load.connect(server, count, cookies)
        rates.append(count / (time.monotonic() - started))
        await hang_up(people)
    return dict(zip(list(WANTED)[7:9], rates, strict=True))


async def pages(server: Server) -> dict[str, float]:
    """Ask for the page, over connections that are kept."""
    [speaker] = await load.connect(server, 1, server.cookies)
    await load.recite([speaker], PER_SECOND, 0.6)
    await asyncio.sleep(SETTLE)

    async def browse(cookie: str) -> None:
        request = (
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            f"Cookie: chat_session={cookie}\r\n\r\n"
        ).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(PAGES // AT_ONCE):
            writer.write(request)
            page = await reader.readuntil(b"</html>")
            assert page.count(b' data-seq="') == 50
        writer.close()

    started = time.monotonic()
    await asyncio.gather(*map(browse, server.cookies[:AT_ONCE]))
    rate = PAGES / (time.monotonic() - started)
    await hang_up([speaker])
    return {list(WANTED)[9]: rate}


async def hang_up(people: list[load.Person]) -> None:
    """Close the sockets and give the server time to notice."""
    load.hang_up(people)
    await asyncio.sleep(SETTLE)


def raise_file_limit() -> None:
    """Allow as many sockets as the system lets one process have; the servers inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


OWN: tuple[Callable[[Server], Awaitable[dict[str, float]]], ...] = (
    slow_readers,
    calm_room,
    idle_memory,
    upgrades,
    pages,
)
