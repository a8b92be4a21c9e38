"""Times as pages, frames and files give them."""

import re
from datetime import datetime, timedelta, timezone

from aiohttp import web

MINUTES_AHEAD = re.compile(r"-?[0-9]{1,3}")  # of UTC


def iso_time(time: datetime) -> str:
    """Return a UTC time as in 2026-11-21T10:00:00.123Z."""
    return time.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def zone_of(request: web.Request) -> timezone | None:
    """Return the reader's time zone as a script of an earlier page has told it, None if none has.

    It is the one of today: a time from before the clocks were changed may be an hour off.
    """
    minutes = request.cookies.get("zone", "")
    if not MINUTES_AHEAD.fullmatch(minutes) or int(minutes) % 15:
        return None
    return timezone(timedelta(minutes=int(minutes)))
