"""Tabs: pages that come back by themselves, cheap enough for thousands of them."""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from yarl import URL

from tests.support.raw_sockets import TEXT, RawSocket, upgrade_with
from tests.support.waiting import CROWD_PATIENCE, until

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10  # seconds; as in static/js/connection/backoff.js


class Tab:
    """A page that only reads. It notes what comes, and complains of what is missing or doubled."""

    def __init__(self, doors: Sequence[str], cookie: str) -> None:
        """Set up, but don't connect: `doors` are the addresses to choose from at each visit."""
        self.last = 0  # the number of the last message shown
        self.visits = 0
        self.frames: Counter[str] = Counter()  # by type
        self.fault = ""
        self._doors, self._cookie = doors, cookie

    async def live(self) -> None:
        """Connect, and connect again, for ever."""
        attempts = 0
        while True:
            visits = self.visits
            with suppress(OSError):
                await self._visit(random.choice(self._doors))
            attempts = 0 if self.visits > visits else attempts + 1
            await asyncio.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempts)))

    def take(self, frame: dict[str, Any]) -> None:
        """Note a frame."""
        self.frames[frame["type"]] += 1
        if frame["type"] == "hello":
            self.visits += 1
            if frame["truncated"]:
                self.fault = "misses more than is replayed"
        elif frame["type"] == "message":
            if frame["seq"] != self.last + 1:
                self.fault = f"shows {self.last}, gets {frame['seq']}"
            self.last = frame["seq"]

    async def _visit(self, door: str) -> None:
        query = f"since={self.last}" + ("&returning" if self.visits else "")
        url, loop = URL(door), asyncio.get_running_loop()
        assert url.host
        assert url.port
        transport, socket = await loop.create_connection(
            lambda: TabSocket(self), url.host, url.port
        )
        try:
            transport.write(upgrade_with(door, f"chat_session={self._cookie}", query))
            await socket.ended.wait()
        finally:
            transport.abort()


class TabSocket(RawSocket):
    """The socket of a tab."""

    def __init__(self, tab: Tab) -> None:
        super().__init__()
        self._tab = tab

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.fault:  # such as an answer of a chat that is ending
            self.transport.abort()

    def _take(self, opcode: int, payload: bytes) -> None:
        super()._take(opcode, payload)
        if opcode == TEXT:
            self._tab.take(json.loads(payload))


@asynccontextmanager
async def open_tabs(
    doors: Sequence[str], cookies: Sequence[str], count: int
) -> AsyncIterator[list[Tab]]:
    """Open so many tabs, several with each cookie."""
    tabs = [Tab(doors, cookie) for cookie, _ in zip(itertools.cycle(cookies), range(count))]
    async with asyncio.TaskGroup() as group:
        lives = [group.create_task(tab.live()) for tab in tabs]
        await until(lambda: all(tab.visits for tab in tabs), CROWD_PATIENCE)
        yield tabs
        for life in lives:
            life.cancel()
