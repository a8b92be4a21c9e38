"""One room in several processes: what a second of their processor time delivers."""

import asyncio
from dataclasses import dataclass
from statistics import median

from bench import load, work
from bench.servers import Server, chats, cpu_seconds

CASES = ((1, 1000), (2, 1000), (4, 1000), (2, 2000), (4, 4000))  # processes, readers in all
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

    def per_message(self, part: str) -> float:
        """Milliseconds that a part took for each message."""
        taken: float = getattr(self, part)
        return taken / (self.deliveries / self.readers) * 1000


async def measure(rounds: int) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "| processes | readers in all | deliveries per second of a process | of the single one's "
        "| wanted | processor time of a message: all processes | Redis | the database |",
        "|---|---|---|---|---|---|---|---|",
    ]
    single = None
    for count, readers in CASES:
        results = [await talk(count, readers) for _ in range(rounds)]
        rate = median(result.per_cpu_second for result in results)
        share = f"**{rate / single:.2f} ×** | ≥ {WANTED} ×" if single else "|"
        single = single or rate
        costs = " | ".join(
            f"{median(result.per_message(part) for result in results):.2f} ms"
            for part in ("processes", "redis", "database")
        )
        lines.append(f"| {count} | {readers:,} | {rate / 1000:.0f}k | {share} | {costs} |")
    return lines


async def talk(count: int, readers: int) -> Shared:
    """Let some talk in a closed loop, before readers who are spread over so many processes."""
    async with chats(count, readers) as servers:
        people = await load.connect_to_all(servers, readers, servers[0].cookies)
        await asyncio.sleep(work.SETTLE)
        before, received = used(servers), load.received(people)
        await load.converse(people, TALKERS, SECONDS)
        taken = (end - start for start, end in zip(before, used(servers), strict=True))
        result = Shared(readers, load.received(people) - received, *taken)
        await work.hang_up(people)
        return result


def used(servers: list[Server]) -> tuple[float, float, float]:
    """Return the processor time of the processes, of Redis, and of the database."""
    processes = sum(cpu_seconds(server.pid) for server in servers)
    return processes, servers[0].redis_cpu(), servers[0].database_cpu()
