"""Puts the time of day ahead in a Python process that has this folder in its PYTHONPATH."""

import datetime
import os
import time
from datetime import datetime as exact
from typing import Any

AHEAD = float(os.environ["CLOCK_AHEAD"])  # seconds
exact_time = time.time


class AnyDatetime(type):
    """Makes isinstance() ask for the usual class."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, exact)


class Ahead(exact, metaclass=AnyDatetime):
    """The usual class, but for the time that it tells."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        """Return the time of day."""
        return exact.now(tz) + datetime.timedelta(seconds=AHEAD)


time.time = lambda: exact_time() + AHEAD
datetime.datetime = Ahead  # type: ignore[misc]
