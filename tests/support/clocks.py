"""Clocks that a test sets."""

import time


class Clock:
    """A clock that stands still until it is put forward."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        """Return the time, as time.monotonic does."""
        return self.now


class LateClock:
    """The time of day and the monotonic clock, some seconds ahead."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def monotonic(self) -> float:
        """Return what time.monotonic will."""
        return time.monotonic() + self.ahead

    def time(self) -> float:
        """Return what time.time will."""
        return time.time() + self.ahead
