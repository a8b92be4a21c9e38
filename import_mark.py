"""The mark that a database has while an import fills it, so that no chat starts on half a room."""

import logging
import time

from pymongo.errors import DuplicateKeyError

from database import LOG_COLLECTION, Database, DatabaseUnavailable, deadline, upkeep
from settings import LINK_COLLECTION, MESSAGE_COLLECTION, SESSION_COLLECTION, USER_COLLECTION

log = logging.getLogger(__name__)

ID = {"_id": "import"}
CUT_OFF_AFTER = 30  # seconds; an import renews its mark much more often


class ImportUnderWay(DatabaseUnavailable):
    """An import fills the room."""


async def set_mark(db: Database) -> None:
    """Mark the beginning of an import. Raises ImportUnderWay, DatabaseUnavailable."""
    try:
        async with deadline():
            await db[LOG_COLLECTION].insert_one({**ID, "at": int(time.time())})
    except DuplicateKeyError:
        raise ImportUnderWay from None


async def renew_mark(db: Database) -> None:
    """Mark that the import goes on. Raises DatabaseUnavailable."""
    async with deadline():
        await db[LOG_COLLECTION].update_one(ID, {"$set": {"at": int(time.time())}})


async def remove_mark(db: Database) -> None:
    """Mark the end of the import. Raises DatabaseUnavailable."""
    async with deadline():
        await db[LOG_COLLECTION].delete_one(ID)


async def end_killed_import(db: Database, *, is_ours: bool) -> None:
    """Empty the room if an import was killed; `is_ours` means that nobody else uses the database.

    Raises ImportUnderWay, DatabaseUnavailable.
    """
    async with deadline():
        mark = await db[LOG_COLLECTION].find_one(ID)
    if mark is None:
        return
    if not is_ours and mark["at"] > time.time() - CUT_OFF_AFTER:
        raise ImportUnderWay("an import is under way")
    log.warning("an import was cut off, so the room is made empty again")
    await empty(db)


async def empty(db: Database) -> None:
    """Remove everything, the mark at last. Raises DatabaseUnavailable."""
    for name in (MESSAGE_COLLECTION, USER_COLLECTION, SESSION_COLLECTION, LINK_COLLECTION):
        async with upkeep():
            await db[name].delete_many({})
    await remove_mark(db)
