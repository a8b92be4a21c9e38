"""Limits: how often somebody may do something, counted in memory and by key."""

import time
from collections import deque
from collections.abc import Hashable

SWEEP_AT = 10_000  # keys; with more of them the expired ones are removed


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
        now = time.monotonic()
        uses = self._uses.get(key)
        if uses and len(uses) == self._count and uses[0] + self._seconds > now:
            return uses[0] + self._seconds - now
        self.add(key)
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
