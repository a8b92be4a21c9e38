"""Times as pages, frames and files give them."""

from datetime import datetime


def iso_time(time: datetime) -> str:
    """Return a UTC time as in 2026-11-21T10:00:00.123Z."""
    return time.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
