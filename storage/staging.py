"""Staging: the collections that an import fills, which do not count until they are renamed.

Renames publish what is in them: the files get their names first, which are nothing without the
messages, then the messages, then the accounts. If an import is killed before the messages have
theirs, its collections are never read, and the next import drops them, or a start of the chat a day
later. If it is killed after that, there are messages without accounts; finish_import() renames
those, too.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from bson import ObjectId
from pymongo.errors import OperationFailure, WriteConcernError, WriteError

from settings import (
    CHUNK_COLLECTION,
    FILE_COLLECTION,
    LINK_COLLECTION,
    MESSAGE_COLLECTION,
    PREVIEW_COLLECTION,
    SESSION_COLLECTION,
    USER_COLLECTION,
)
from storage.batches import Batches
from storage.database import (
    ACKNOWLEDGED,
    UPKEEP_TIMEOUT,
    Collection,
    Conflict,
    Database,
    Document,
    is_empty,
    upkeep,
)
from storage.indexes import INDEXES, build_index
from storage.remedies import DUPLICATE, NAMESPACE_NOT_FOUND

FILE_COLLECTIONS = (FILE_COLLECTION, CHUNK_COLLECTION, PREVIEW_COLLECTION)
# Made in this order: accounts alone would be those of an import that was killed in publish().
STAGED = (MESSAGE_COLLECTION, USER_COLLECTION, *FILE_COLLECTIONS)

PREFIX = "import_"
KEPT_FOR = timedelta(days=1)  # an import takes less than an hour
PER_INSERT, MOST_PER_INSERT = 500, 5000  # documents, of the first insert and of any
WITHIN_A_MINUTE = {**ACKNOWLEDGED, "wtimeout": (UPKEEP_TIMEOUT - 5) * 1000}  # before its call


class StagingDropped(Exception):
    """Another import has been started, and has dropped what this one had stored."""


class RoomTaken(Exception):
    """Somebody has registered or written meanwhile."""


class Staging:
    """The collections of one import.

    Each step but create() may be repeated after DatabaseUnavailable, whatever of it was done.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._id = str(ObjectId())  # which tells when it was made
        self._inserts = Batches(PER_INSERT, MOST_PER_INSERT)
        self._is_complete = False  # but for the documents of create(), which may be there
        self._a_message: Document | None = None  # the id of one that is stored

    def collection(self, name: str) -> Collection:
        """Return the collection that will be called `name`."""
        return self._db[f"{PREFIX}{self._id}_{name}"]

    async def create(self) -> None:
        """Create the collections, each with a document that shows that it is still the same one.

        An insert would create a collection again that another import has dropped.
        Raises DatabaseUnavailable.
        """
        for name in STAGED:
            with suppress(Conflict):  # the driver has repeated it after its reply was lost
                await self.collection(name).insert_one({"_id": self._id})

    async def store(self, name: str, documents: list[Document]) -> int:
        """Store the first of the documents; return how many. Raises DatabaseUnavailable."""
        return await self._inserts.call(partial(self._insert, name, documents))

    async def complete(self) -> None:
        """Create the unique indexes, and remove the documents of create().

        Raises StagingDropped if the collections are not the same ones; DatabaseUnavailable.
        """
        mark = {"_id": self._id}
        if not self._is_complete:  # else an index would create a dropped collection again
            for name, field, is_unique in INDEXES:
                if is_unique:
                    await build_index(self.collection(name).motor, field, unique=True)
            for name in STAGED:
                if not await self.collection(name).find_one(mark):
                    raise StagingDropped
            self._is_complete = True
        for name in STAGED:
            await self.collection(name).delete_one(mark)

    async def publish(self) -> None:
        """Put the collections in the place of the room's, which have to be empty.

        Raises RoomTaken, StagingDropped, DatabaseUnavailable.
        """
        room, staged = self._db[MESSAGE_COLLECTION], self.collection(MESSAGE_COLLECTION)
        # Else an earlier call has renamed the messages, and the reply was lost.
        if not self._a_message or not await room.find_one(self._a_message):
            if self._a_message and not await staged.find_one(self._a_message):
                raise StagingDropped
            if not await is_empty(self._db):
                await self.drop()
                raise RoomTaken
            for name in FILE_COLLECTIONS:
                with suppress(StagingDropped):  # an earlier call has renamed it
                    await _rename(self.collection(name), name)
            await _rename(staged, MESSAGE_COLLECTION)
        # Of former people, or of one who has registered just now, whose account is replaced.
        for name in (SESSION_COLLECTION, LINK_COLLECTION):
            await self._db.unhurried(name).delete_many({})
        with suppress(StagingDropped):  # a chat has started just now, and has finished the import
            await _rename(self.collection(USER_COLLECTION), USER_COLLECTION)

    async def drop(self) -> None:
        """Drop the collections. Raises DatabaseUnavailable."""
        await drop([self.collection(name) for name in reversed(STAGED)])

    async def others(self, name: str) -> list[Collection]:
        """Return the collections of other imports for `name`.

        Raises DatabaseUnavailable.
        """
        own = self.collection(name).name
        return [self._db[other] for other in await _staged(self._db, name) if other != own]

    async def _insert(self, name: str, documents: list[Document], most: int) -> int:
        collection = self.collection(name).motor
        async with upkeep():
            # The driver repeats other kinds of inserts by itself, without a pause.
            reply = await collection.database.command(
                "insert",
                collection.name,
                documents=documents[:most],
                ordered=False,
                writeConcern=WITHIN_A_MINUTE,
            )
            for error in reply.get("writeErrors", ()):
                # No id is twice in a file, so a duplicate was stored by a call that seemed to fail.
                if error["code"] != DUPLICATE:
                    raise WriteError(error.get("errmsg", ""), error["code"], error)
            if error := reply.get("writeConcernError"):
                raise WriteConcernError("", error.get("code"), error)
        if name == MESSAGE_COLLECTION:
            self._a_message = {"_id": documents[0]["_id"]}
        return min(most, len(documents))


async def drop(collections: list[Collection]) -> None:
    """Drop collections. Raises DatabaseUnavailable."""
    for collection in collections:
        async with upkeep():
            await collection.motor.drop()


async def finish_import(db: Database) -> None:
    """Rename the accounts of an import that was killed after it had renamed its messages.

    Unless somebody has registered since. Raises DatabaseUnavailable.
    """
    for users in await _staged(db, USER_COLLECTION):
        messages = users.removesuffix(USER_COLLECTION) + MESSAGE_COLLECTION
        if messages in await _staged(db, MESSAGE_COLLECTION) or not await _has_only_messages(db):
            continue
        id_ = users.removeprefix(PREFIX).removesuffix(f"_{USER_COLLECTION}")
        if await db[users].find_one({"_id": id_}):  # create()'s: this import was never complete
            continue
        with suppress(StagingDropped):  # another process has just done it
            await _rename(db[users], USER_COLLECTION)


async def drop_old_imports(db: Database) -> None:
    """Drop what imports have left that were killed a day ago. Raises DatabaseUnavailable."""
    names = [name for each in STAGED for name in await _staged(db, each)]
    for name in names:
        id_, _, collection = name.removeprefix(PREFIX).partition("_")
        messages = f"{PREFIX}{id_}_{MESSAGE_COLLECTION}"
        if collection == USER_COLLECTION and messages not in names:
            continue  # finish_import() may need it
        if ObjectId.is_valid(id_) and ObjectId(id_).generation_time < datetime.now(UTC) - KEPT_FOR:
            await drop([db[name]])


async def _staged(db: Database, name: str) -> list[str]:
    names = await db.collection_names()
    return [each for each in names if each.startswith(PREFIX) and each.endswith(f"_{name}")]


async def _has_only_messages(db: Database) -> bool:
    has_messages = await db[MESSAGE_COLLECTION].find_one({}, ["_id"]) is not None
    return has_messages and await db[USER_COLLECTION].find_one({}, ["_id"]) is None


async def _rename(collection: Collection, name: str) -> None:
    async with upkeep():
        try:
            await collection.motor.rename(name, dropTarget=True)
        except OperationFailure as error:
            if error.code == NAMESPACE_NOT_FOUND:
                raise StagingDropped from None
            raise
