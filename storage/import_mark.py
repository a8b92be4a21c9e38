"""The mark that a database has while an import fills it, so that no chat starts on half a room."""

import logging
import time
from contextlib import suppress

from pymongo.errors import DuplicateKeyError

from settings import SESSION_COLLECTION
from storage.database import LOG_COLLECTION, Database, DatabaseUnavailable, deadline, remove_all

log = logging.getLogger(__name__)

MARK_ID = {"_id": "import"}
CUT_OFF_AFTER = 30  # seconds; an import renews its mark much more often


class ImportUnderWay(DatabaseUnavailable):
    """An import fills the room."""


class MarkLost(Exception):
    """Somebody has taken the import for killed, and has emptied the room."""


async def set_mark(db: Database) -> None:
    """Mark the beginning of an import, which has not looked yet whether the room is empty.

    Raises ImportUnderWay, DatabaseUnavailable.
    """
    try:
        async with deadline():
            await db[LOG_COLLECTION].insert_one({**MARK_ID, "at": int(time.time())})
    except DuplicateKeyError:
        raise ImportUnderWay from None


async def renew_mark(db: Database) -> None:
    """Mark that the import fills the room, which was empty.

    Raises MarkLost, DatabaseUnavailable.
    """
    values = {"at": int(time.time()), "is_filling": True}
    async with deadline():
        result = await db[LOG_COLLECTION].update_one(MARK_ID, {"$set": values})
    if not result.matched_count:
        raise MarkLost


async def remove_mark(db: Database) -> None:
    """Mark the end of the import. Raises DatabaseUnavailable."""
    async with deadline():
        await db[LOG_COLLECTION].delete_one(MARK_ID)


async def is_being_imported(db: Database) -> bool:
    """Return whether the database has the mark. Raises DatabaseUnavailable."""
    async with deadline():
        return await db[LOG_COLLECTION].find_one(MARK_ID) is not None


async def end_killed_import(db: Database, *, is_alone: bool) -> None:
    """Empty the room if an import was killed; `is_alone` means that nobody else uses the database.

    But not if somebody has signed in since, to a chat that ran all the time. Raises ImportUnderWay,
    DatabaseUnavailable.
    """
    async with deadline():
        mark = await db[LOG_COLLECTION].find_one(MARK_ID)
    if mark is None:
        return
    if not is_alone and mark["at"] > time.time() - CUT_OFF_AFTER:
        raise ImportUnderWay
    async with deadline():
        is_used = await db[SESSION_COLLECTION].find_one({}, {"_id": 1}) is not None
    if mark.get("is_filling") and not is_used:
        log.warning("an import was cut off, so the room is made empty again")
        async with deadline():  # only one of several processes does it
            claimed = await db[LOG_COLLECTION].update_one(
                {**MARK_ID, "at": mark["at"]}, {"$set": {"at": int(time.time())}}
            )
        if not claimed.matched_count:
            raise ImportUnderWay
        with suppress(MarkLost):  # the import was not killed, but has failed
            await undo_import(db)
    else:  # what is there is not only the import's
        await remove_mark(db)


async def undo_import(db: Database) -> None:
    """Make the room empty again, and remove the mark at last.

    Raises MarkLost, DatabaseUnavailable.
    """
    if not await is_being_imported(db):
        raise MarkLost  # what is there now is somebody else's
    await remove_all(db)
    await remove_mark(db)
