"""Clocks that a test sets."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from security import limits
from storage import lookup


class Clock:
    """A clock that stands still until it is put forward."""

    def __init__(self, now: float) -> None:
        self.now = now

    def monotonic(self) -> float:
        """Return the time, as time.monotonic does."""
        return self.now


def clock_ahead(seconds: int) -> dict[str, Any]:
    """Return the environment of a process whose time of day is some seconds ahead."""
    folder = Path(__file__).parent / "clock_ahead"
    return {"PYTHONPATH": str(folder), "CLOCK_AHEAD": seconds} if seconds else {}


@contextmanager
def stopped_clock(start: float = 1000.0) -> Iterator[Clock]:
    """Let limits and look-ups go by a clock that stands still until it is put forward."""
    clock = Clock(start)
    with pytest.MonkeyPatch.context() as patch:
        for module in (limits, lookup):
            patch.setattr(module, "time", clock)
        yield clock
