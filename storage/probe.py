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
    """Delete, insert and update the document. Raises DatabaseUnavailable, DatabaseFails."""
    probes, only = db[PROBE_COLLECTION], {"_id": "probe"}
    content = {"written": int(time.time()), "filling": "." * SIZE}
    # A database that is full may refuse what is new, and no more than that.
    await probes.delete_one(only)
    with suppress(Conflict):  # another process has just made it
        await probes.insert_one(only | content)
    await probes.update_one(only, {"$set": content})


async def read_probe(db: Database) -> None:
    """Read the document. Raises DatabaseUnavailable, DatabaseFails."""
    await db[PROBE_COLLECTION].find_one({"_id": "probe"}, ["_id"])
