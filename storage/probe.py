"""A probe: a small document that is written again and again, to see whether the database takes it.

A full disk, one that can only be read and a damaged file show in nothing else before somebody
says something.
"""

import time
from contextlib import suppress

from storage.database import Conflict, Database

PROBE_COLLECTION = "health"  # has one document, which all processes replace
SIZE = 4096  # characters; more than most messages, so that these are refused later


async def write_probe(db: Database) -> None:
    """Write the document. Raises DatabaseUnavailable, DatabaseFails."""
    probe = {"written": int(time.time()), "filling": "." * SIZE}
    if not await db[PROBE_COLLECTION].update_one({"_id": "probe"}, {"$set": probe}):
        with suppress(Conflict):  # another process has just made it
            await db[PROBE_COLLECTION].insert_one({"_id": "probe", **probe})
