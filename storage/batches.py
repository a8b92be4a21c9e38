"""Batches: work on many documents, so many in each call as the database takes in about a second."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from storage.database import DatabaseUnavailable

T = TypeVar("T")

QUICK, SLOW = 1, 2  # seconds of a call: more than a long way, and well below CALL_TIMEOUT


class Batches:
    """How many documents to work on at once: more after a quick call, fewer after a slow one.

    Each call costs the way to the database and back, however few its documents are. But a server
    may be so slow that many of them take longer than a call may.
    """

    def __init__(self, size: int, most: int) -> None:
        """Begin with `size` documents, and never work on more than `most`."""
        self.size = size
        self._most = most

    async def call(self, work: Callable[[int], Awaitable[T]]) -> T:
        """Return what `work` returns for so many documents. Raises DatabaseUnavailable."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            result = await work(self.size)
        except DatabaseUnavailable:
            self._halve()
            raise
        if clock() < began + QUICK:
            self.size = min(2 * self.size, self._most)
        elif clock() > began + SLOW:
            self._halve()
        return result

    def _halve(self) -> None:
        self.size = max(self.size // 2, 1)
