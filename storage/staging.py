"""Staging: the collections that an import fills, which do not count until they are renamed.

Two renames publish what is in them: the messages get their name first, then the accounts. If an
import is killed before, its collections are never read, and the next import drops them. If it is
killed between the two, there are messages without accounts; finish_import() renames those, too.
"""

import secrets
from contextlib import suppress

from pymongo.errors import OperationFailure

from settings import LINK_COLLECTION, MESSAGE_COLLECTION, SESSION_COLLECTION, USER_COLLECTION
from storage.database import Collection, Database, upkeep
from storage.indexes import INDEXES

PREFIX = "import_"
NAMESPACE_NOT_FOUND = 26  # MongoDB's code of the error


class StagingDropped(Exception):
    """Another import has been started, and has dropped what this one had stored."""


class Staging:
    """The collections of one import."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._id = secrets.token_hex(8)

    def collection(self, name: str) -> Collection:
        """Return the collection that will be called `name`."""
        return self._db[f"{PREFIX}{self._id}_{name}"]

    async def create(self) -> None:
        """Create the collections, each with a document that shows that it is still the same one.

        An insert would create a collection again that another import has dropped.
        Raises DatabaseUnavailable.
        """
        # In this order: accounts alone would be those of an import that was killed in publish().
        for name in (MESSAGE_COLLECTION, USER_COLLECTION):
            await self.collection(name).insert_one({"_id": self._id})

    async def complete(self) -> None:
        """Create the unique indexes, and remove the documents of create().

        Raises StagingDropped if the collections are not the same ones; DatabaseUnavailable.
        """
        for name, field, is_unique in INDEXES:
            if is_unique:
                async with upkeep():
                    await self.collection(name).motor.create_index(field, unique=True)
        for name in (MESSAGE_COLLECTION, USER_COLLECTION):
            if not await self.collection(name).delete_one({"_id": self._id}):
                raise StagingDropped

    async def publish(self) -> None:
        """Put the collections in the place of the room's, which are empty.

        Raises StagingDropped, DatabaseUnavailable.
        """
        await _rename(self.collection(MESSAGE_COLLECTION), MESSAGE_COLLECTION)
        # Of former people, or of one who has registered just now, whose account is replaced.
        for name in (SESSION_COLLECTION, LINK_COLLECTION):
            await self._db.unhurried(name).delete_many({})
        with suppress(StagingDropped):  # a chat has started just now, and has finished the import
            await _rename(self.collection(USER_COLLECTION), USER_COLLECTION)

    async def drop(self) -> None:
        """Drop the collections. Raises DatabaseUnavailable."""
        await drop([self.collection(USER_COLLECTION), self.collection(MESSAGE_COLLECTION)])

    async def others(self, name: str) -> list[Collection]:
        """Return the collections of other imports for `name`.

        Raises DatabaseUnavailable.
        """
        own = self.collection(name).name
        return [self._db[other] for other in await _staged(self._db, name) if other != own]


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
