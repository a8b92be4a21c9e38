"""Staging: the collections that an import fills, which do not count until they are renamed.

Two renames publish what is in them: the messages get their name first, then the accounts. Nobody
reads what an import left that was killed before, and the next import drops it. An import that was
killed between the two has left messages without accounts, and finish_import() does the rest.
"""

import secrets
from contextlib import suppress
from typing import Any

from pymongo.errors import OperationFailure

from settings import MESSAGE_COLLECTION, USER_COLLECTION
from storage.database import Collection, Database, deadline, upkeep
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
        return self._db[self._name(name)]

    async def create(self) -> None:
        """Create the collections. Raises DatabaseUnavailable."""
        # In this order: accounts alone would be those of an import that was killed in publish().
        for name in (MESSAGE_COLLECTION, USER_COLLECTION):
            async with deadline():
                await self._db.motor.create_collection(self._name(name))

    async def index(self) -> None:
        """Make unique what has to be so before a chat can write. Raises DatabaseUnavailable."""
        for name, field, is_unique in INDEXES:
            if is_unique:
                async with upkeep():
                    await self.collection(name).motor.create_index(field, unique=True)

    async def check(self, first_ids: dict[str, Any]) -> None:
        """Check that nobody has dropped what was stored, by the first `_id` in each collection.

        Raises StagingDropped, DatabaseUnavailable.
        """
        # Later documents prove nothing: an insert creates its collection again.
        for name, first_id in first_ids.items():
            if await self.collection(name).find_one({"_id": first_id}, ["_id"]) is None:
                raise StagingDropped

    async def publish(self) -> None:
        """Put the collections in the place of the room's, which are empty.

        Raises StagingDropped, DatabaseUnavailable.
        """
        await _rename(self.collection(MESSAGE_COLLECTION), MESSAGE_COLLECTION)
        with suppress(StagingDropped):  # a chat has started just now, and has finished the import
            await _rename(self.collection(USER_COLLECTION), USER_COLLECTION)

    async def drop(self) -> None:
        """Drop the collections. Raises DatabaseUnavailable."""
        for name in (MESSAGE_COLLECTION, USER_COLLECTION):
            await _drop(self.collection(name))

    def _name(self, name: str) -> str:
        return f"{PREFIX}{self._id}_{name}"


async def drop_staged(db: Database, name: str) -> None:
    """Drop what earlier imports left that would have been called `name`.

    Raises DatabaseUnavailable.
    """
    for staged in await db.collection_names():
        if staged.startswith(PREFIX) and staged.endswith(f"_{name}"):
            await _drop(db[staged])


async def finish_import(db: Database) -> None:
    """Rename the accounts of an import that was killed after it had renamed its messages.

    Unless somebody has registered since. Raises DatabaseUnavailable.
    """
    names = await db.collection_names()
    for staged in names:
        if staged.startswith(PREFIX) and staged.endswith(f"_{USER_COLLECTION}"):
            messages = staged.removesuffix(USER_COLLECTION) + MESSAGE_COLLECTION
            if messages not in names and await _has_only_messages(db):
                with suppress(StagingDropped):  # another process has just done it
                    await _rename(db[staged], USER_COLLECTION)


async def _has_only_messages(db: Database) -> bool:
    has_messages = await db[MESSAGE_COLLECTION].find_one({}, ["_id"]) is not None
    return has_messages and await db[USER_COLLECTION].find_one({}, ["_id"]) is None


async def _drop(collection: Collection) -> None:
    async with upkeep():
        await collection.motor.drop()


async def _rename(collection: Collection, name: str) -> None:
    async with upkeep():
        try:
            await collection.motor.rename(name, dropTarget=True)
        except OperationFailure as error:
            if error.code == NAMESPACE_NOT_FOUND:
                raise StagingDropped from None
            raise
