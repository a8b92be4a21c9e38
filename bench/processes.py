"""Several processes on a database that is some milliseconds away, without and with Redis."""

import asyncio
import json
import random
import time
from contextlib import AsyncExitStack
from statistics import quantiles
from typing import Any

import aiohttp

from bench.servers import SECRET_KEY
from tests.support.databases import database_at, embedded_server
from tests.support.guests import sign_in_guests
from tests.support.imitation import imitate
from tests.support.processes import NO_LIMITS, running_chat
from tests.support.redis_server import redis_server

CASES = ((2, 0.01), (4, 0.01), (8, 0.01), (4, 0.05))  # processes; seconds to the database
WRITERS = 5  # on each process
PAUSE = 0.2  # seconds between the messages of a writer
SECONDS = 8
SETTLE = 4  # seconds until one process is the writer, and until the last messages are back


class Writer:
    """Somebody who writes, and notes when messages come: their own, and those of others."""

    sent: dict[str, tuple["Writer", float]]  # by nonce: who sent it, and when

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, process: int, number: int) -> None:
        """Set up; `number` is the place among the writers of a process."""
        self.own: list[float] = []  # milliseconds from sending to hearing
        self.others: list[float] = []  # of those in other processes
        self.refused = 0
        self._ws = ws
        self._process = process
        self._number = number

    async def write(self) -> None:
        """Write messages at a pace."""
        await asyncio.sleep(random.uniform(0, PAUSE))
        for count in range(int(SECONDS / PAUSE)):
            nonce = f"{self._process}-{self._number}-{count}"
            Writer.sent[nonce] = self, time.perf_counter()
            frame = {"type": "message", "msg": f"message {nonce}", "nonce": nonce}
            await self._ws.send_str(json.dumps(frame))
            await asyncio.sleep(PAUSE)

    async def listen(self) -> None:
        """Note what comes."""
        async for message in self._ws:
            frame = json.loads(message.data)
            self.refused += frame["type"] == "error"
            if frame["type"] == "message" and frame["nonce"] in Writer.sent:
                sender, sent_at = Writer.sent[frame["nonce"]]
                delay = (time.perf_counter() - sent_at) * 1000
                if sender is self:
                    self.own.append(delay)
                elif sender._process != self._process:
                    self.others.append(delay)


async def measure() -> list[str]:
    """Return the lines of the table."""
    lines = [
        "| processes, to the database | Redis | own message back, p50 / p99 "
        "| heard in other processes, p50 / p99 | refused |",
        "|---|---|---|---|---|",
    ]
    for processes, delay in CASES:
        for has_redis in (False, True):
            writers = await let_write(processes, delay, has_redis)
            own = [value for writer in writers for value in writer.own]
            others = [value for writer in writers for value in writer.others]
            refused = sum(writer.refused for writer in writers)
            lines.append(
                f"| {processes}, {delay * 1000:.0f} ms | {'yes' if has_redis else 'no'} "
                f"| {spread(own)} | {spread(others)} | {refused} of {len(Writer.sent):,} |"
            )
    return lines


async def let_write(processes: int, delay: float, has_redis: bool) -> list[Writer]:
    """Let people write in several processes; return them with what they noted."""
    Writer.sent = {}
    async with AsyncExitStack() as stack:
        server = stack.enter_context(embedded_server())
        server.start()
        imitation = stack.enter_context(imitate(server.address))
        imitation.delay = delay
        settings: dict[str, Any] = {
            "MONGO_HOST": imitation.standalone,
            "SECRET_KEY": SECRET_KEY,
            "REDIS_URL": stack.enter_context(redis_server()).url if has_redis else "",
            **NO_LIMITS,
        }
        chats = [
            await stack.enter_async_context(running_chat(**settings)) for _ in range(processes)
        ]
        async with database_at(server.address, "chat") as database:
            cookies = iter(await sign_in_guests(database, SECRET_KEY, processes * WRITERS))
        browser = await stack.enter_async_context(aiohttp.ClientSession())
        await asyncio.sleep(SETTLE)
        writers = []
        for process, chat in enumerate(chats):
            for number in range(WRITERS):
                ws = await browser.ws_connect(
                    f"{chat.url}/ws",
                    protocols=["chat.v1"],
                    headers={"Cookie": f"chat_session={next(cookies)}"},
                )
                writers.append(Writer(ws, process, number))
        listening = [asyncio.create_task(writer.listen()) for writer in writers]
        await asyncio.gather(*(writer.write() for writer in writers))
        await asyncio.sleep(SETTLE)
        for task in listening:
            task.cancel()
        return writers


def spread(delays: list[float]) -> str:
    """Return the median, and what one in a hundred exceeds."""
    percentiles = quantiles(delays, n=100)
    return f"{percentiles[49]:,.0f} / {percentiles[98]:,.0f} ms"
