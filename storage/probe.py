"""Probes: the database is asked to do something small, to see whether it does it.

A full disk, one that can only be read, a damaged file and a missing right show in nothing else
before somebody says something.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pymongo.errors import OperationFailure

from storage.database import Conflict, Database, DatabaseFails, deadline
from storage.remedies import NAMESPACE_NOT_FOUND

PROBE_COLLECTION = "health"  # has one document, which all processes replace
SIZE = 4096  # characters; more than most messages, so that these are refused later
# Always the same two, so that no more are left behind where none may be dropped.
EMPTY_COLLECTION, RENAMED_COLLECTION = "chat_check", "chat_check_renamed"


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


async def refused_steps(db: Database) -> dict[str, str]:
    """Make an index of a new, empty collection, rename the collection, and drop it.

    Returns which of these the server has refused: "index", "rename", "drop", each with the name of
    the error. Raises DatabaseUnavailable.
    """
    empty, renamed = db.motor[EMPTY_COLLECTION], db.motor[RENAMED_COLLECTION]
    steps: tuple[tuple[str, Callable[[], Awaitable[object]]], ...] = (
        ("index", lambda: empty.create_index("field")),
        ("rename", lambda: empty.rename(RENAMED_COLLECTION, dropTarget=True)),
        ("drop", empty.drop),
        ("drop", renamed.drop),
    )
    refused = {}
    for step, carry_out in steps:
        try:
            async with deadline():
                try:
                    await carry_out()
                except OperationFailure as error:
                    if error.code != NAMESPACE_NOT_FOUND:  # another `check` has just renamed it
                        raise
        except DatabaseFails as error:
            refused[step] = error.why
    return refused
