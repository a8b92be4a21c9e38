"""Limits: how often, and how much at once, somebody may do something; in memory and by key."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

SWEEP_AT = 10_000  # keys; with more of them the expired ones are removed
PATIENCE = 5  # seconds that somebody waits for a turn, unless its Turns say otherwise
REFUSED_AFTER = 0.5  # seconds; or scripts that are refused would ask again at once


class Busy(Exception):
    """Too many requests of this kind are already waiting."""


class Limit:
    """Allows `count` uses in any `seconds`, for each key. A count of 0 turns the limit off."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._seconds = seconds
        self._uses: dict[Hashable, deque[float]] = {}  # by key: when, the latest last
        self._sweep_at = SWEEP_AT

    def use_or_wait(self, key: Hashable) -> float:
        """Count one use and return 0; or return the seconds to wait until one is allowed."""
        wait = self.wait(key)
        if not wait:
            self.add(key)
        return wait

    def wait(self, key: Hashable) -> float:
        """Return the seconds to wait until a use is allowed, 0 if one is."""
        now = time.monotonic()
        uses = self._uses.get(key)
        if uses and len(uses) == self._count and uses[0] + self._seconds > now:
            return uses[0] + self._seconds - now
        return 0.0

    def add(self, key: Hashable) -> None:
        """Count one use that is allowed anyway, such as one in another process."""
        if not self._count:
            return
        now = time.monotonic()
        # A use before the last `count` does not matter any more.
        self._uses.setdefault(key, deque(maxlen=self._count)).append(now)
        if len(self._uses) > self._sweep_at:
            fresh = now - self._seconds
            self._uses = {key: uses for key, uses in self._uses.items() if uses[-1] > fresh}
            self._sweep_at = max(SWEEP_AT, 2 * len(self._uses))

    def give_back(self, key: Hashable) -> None:
        """Remove the latest use."""
        if uses := self._uses.get(key):
            uses.pop()
            if not uses:
                del self._uses[key]


class Line:
    """Those of one key who have a turn or wait for one."""

    def __init__(self, at_once: int) -> None:
        self.places = asyncio.Semaphore(at_once)
        self.inside = 0
        # Not used here: for a caller that lets those with a turn begin one by one, with pauses.
        self.begins = asyncio.Lock()
        self.pause = 0.0  # seconds before the next one begins


class Turns:
    """Lets each key do `at_once` things at a time; the next ones of that key wait for their turn.

    Where all then have to queue for one thing, such as a thread, each key has at most `at_once`
    places in that queue. So nobody can fill it, and the keys are served in rotation.
    """

    def __init__(self, at_once: int, waiting: int, patience: float = PATIENCE) -> None:
        """Set up; `waiting` is how many of one key may wait, and `patience` how many seconds."""
        self._at_once = at_once
        self._patience = patience
        self._most = at_once + waiting
        self._lines: dict[Hashable, Line] = {}

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[Line]:
        """Run a block when it is its turn. Raises Busy if too many wait, or after `patience`."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(self._at_once)
        if line.inside >= self._most:
            await asyncio.sleep(REFUSED_AFTER)
            raise Busy
        line.inside += 1
        try:
            if line.places.locked():
                await self._wait(line)
            else:
                await line.places.acquire()
            try:
                yield line
            finally:
                line.places.release()
        finally:
            line.inside -= 1
            if not line.inside:
                del self._lines[key]

    async def _wait(self, line: Line) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await line.places.acquire()
        except TimeoutError:
            raise Busy from None
