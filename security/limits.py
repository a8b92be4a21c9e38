"""Limits: how often somebody may do something, counted in memory and by key."""

import time
from collections.abc import Hashable

ROUNDING = 1e-6  # seconds; more than the error of adding floats after years of uptime
SWEEP_AT = 10_000  # keys; with more of them the expired ones are removed


class Busy(Exception):
    """Too many requests of this kind are already waiting."""


class Limit:
    """Allows `count` uses in any `seconds`, for each key. A count of 0 turns the limit off."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._seconds = seconds
        self._uses: dict[Hashable, list[float]] = {}  # by key: when, the latest last
        self._sweep_at = SWEEP_AT

    def take(self, key: Hashable) -> float:
        """Count one use and return 0, or return the seconds until another is allowed."""
        now = time.monotonic()
        uses = self._uses.get(key, [])
        if uses and len(uses) == self._count and uses[0] + self._seconds > now:
            return uses[0] + self._seconds - now
        self.add(key)
        return 0.0

    def add(self, key: Hashable) -> None:
        """Count one use that is allowed anyway, such as one in another process."""
        if not self._count:
            return
        now = time.monotonic()
        uses = self._uses.setdefault(key, [])
        uses.append(now)
        del uses[: -self._count]  # earlier ones hinder nobody any more
        if len(self._uses) > self._sweep_at:
            self._sweep(now)

    def give_back(self, key: Hashable) -> None:
        """Remove the latest use."""
        if uses := self._uses.get(key):
            uses.pop()
            if not uses:
                del self._uses[key]

    def _sweep(self, now: float) -> None:
        fresh = now - self._seconds
        self._uses = {key: uses for key, uses in self._uses.items() if uses[-1] > fresh}
        self._sweep_at = max(SWEEP_AT, 2 * len(self._uses))


class Pace:
    """Allows `per_second` uses on average and `burst` at once, for each key. 0 turns it off.

    This is the generic cell rate algorithm (ITU-T I.371): a leaky bucket that needs one number per
    key, the time at which the bucket is empty again.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._depth = self._interval * burst
        self._empty_at: dict[Hashable, float] = {}
        self._sweep_at = SWEEP_AT

    def take(self, key: Hashable) -> float:
        """Count one use and return 0, or return the seconds until another is allowed."""
        now = time.monotonic()
        empty_at = max(self._empty_at.get(key, now), now) + self._interval
        wait = empty_at - now - self._depth
        if wait > ROUNDING:
            return wait
        self._empty_at[key] = empty_at
        if len(self._empty_at) > self._sweep_at:
            self._empty_at = {key: at for key, at in self._empty_at.items() if at > now}
            self._sweep_at = max(SWEEP_AT, 2 * len(self._empty_at))
        return 0.0
