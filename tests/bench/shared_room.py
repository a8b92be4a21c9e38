"""One room in several processes: what a second of their processor time delivers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from tests.bench import load, work
from tests.bench.servers import Server, chats
from tests.support.kernel import cpu_seconds

PROCESSES = (1, 2, 4)
READERS: dict[str, Callable[[int], int]] = {  # how many there are in so many processes
    "1,000 in all": lambda count: 1000,
    "1,000 on each": lambda count: 1000 * count,
}
TALKERS = 8
SECONDS = 4
WANTED = 0.8  # of what the single process delivers


@dataclass
class Shared:
    """What a while of talking came to; the processor time is in seconds."""

    readers: int
    deliveries: int
    processes: float  # all of them together
    redis: float
    database: float

    @property
    def per_cpu_second(self) -> float:
        """Deliveries per second of a process."""
        return self.deliveries / self.processes

    @property
    def messages(self) -> float:
        """How many were said."""
        return self.deliveries / self.readers


async def measure(rounds: int) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "| readers | processes | deliveries per second of a process | of the single one's | wanted "
        "| processor time of a message: all processes | Redis | the database |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, readers in READERS.items():
        results = {
            count: [await talk(count, readers(count)) for _ in range(rounds)] for count in PROCESSES
        }
        single = median(r.per_cpu_second for r in results[1])
        for count, rounds_of in results.items():
            rate = median(r.per_cpu_second for r in rounds_of)
            costs = (
                f"{median(getattr(r, part) / r.messages for r in rounds_of) * 1000:.2f} ms"
                for part in ("processes", "redis", "database")
            )
            share = f"**{rate / single:.2f} ×** | ≥ {WANTED} ×" if count > 1 else "|"
            lines.append(
                f"| {name} | {count} | {rate / 1000:.0f}k | {share} | {' | '.join(costs)} |"
            )
    return lines


async def talk(count: int, readers: int) -> Shared:
    """Let some talk in a closed loop, before readers who are spread over so many processes."""
    async with chats(count) as servers:
        groups = [
            await load.connect(server, readers // count, server.cookies) for server in servers
        ]
        people = [person for group in zip(*groups, strict=True) for person in group]
        await asyncio.sleep(work.SETTLE)
        before, received = used(servers), load.received(people)
        await load.converse(people, TALKERS, SECONDS)
        after = used(servers)
        result = Shared(
            readers,
            load.received(people) - received,
            *(end - start for start, end in zip(before, after, strict=True)),
        )
        await work.hang_up(people)
        return result


def used(servers: list[Server]) -> tuple[float, float, float]:
    """Return the processor time of the processes, of Redis, and of the database."""
    redis, database = servers[0].redis, servers[0].database
    assert redis is not None
    assert database is not None
    processes = sum(cpu_seconds(server.pid) for server in servers)
    return processes, cpu_seconds(redis), cpu_seconds(database)
