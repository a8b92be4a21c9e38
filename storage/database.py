"""The database as the chat uses it: collections whose every call has a deadline.

MongoDB, Atlas and the embedded NX-27017 0.8.1 have to understand the same statements. So:

- Each index has one field, and none has `id`: NX-27017's own index of `_id` has that name.
- `$in` is used on `_id` only, and `$or` not at all: NX-27017 reads the whole collection for it, and
  also for an `$in` of nothing.
- Where an update or a deletion has more than one condition, one is the `_id`: NX-27017 uses no
  other index then.
- No update sets a date: NX-27017 stores it as text. What is updated is a number, in seconds.
- What an update sets to true or false is read as a number from NX-27017: so use bool().
- Dates are not sorted by the database: NX-27017 compares them as text, and whole seconds are
  written shorter.
- `$ne` misses documents without the field. "Without the field" is asked as `None`.
- No TTL index: with one, NX-27017 reads all of a collection at each look-up.
- A call takes a few milliseconds, however many documents there are: NX-27017 serves one at a time.

Motor is past its end of life, so only storage/ imports it: docs/motor.md says what a change costs.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any

import pymongo
from aiohttp import web
from motor.motor_asyncio import AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import UpdateOne
from pymongo.errors import PyMongoError, WriteConcernError, WriteError

from server.logs import SeldomLogger
from settings import MESSAGE_COLLECTION, USER_COLLECTION
from storage.outage import Outage
from storage.remedies import DUPLICATE, diagnose

Document = dict[str, Any]
MotorDatabase = AsyncIOMotorDatabase[Document]
MotorCollection = AsyncIOMotorCollection[Document]

LOG_ID_COLLECTION = "log"  # has one document, the log's id

CALL_TIMEOUT = 4  # seconds; a refused message is answered within five
# A majority, so that a failover can't undo what people have seen. A server that has none gives up
# before the call does (in ms): else each attempt would leave an operation that waits there.
ACKNOWLEDGED: Document = {"w": "majority", "wtimeout": 3000}
UPKEEP_TIMEOUT = 60  # seconds for a call at the start that reads a whole collection

CHECK = "the command `check` says more"
TOO_SLOW = "a message is not confirmed in time: the database is too slow, or this machine is"

log = logging.getLogger(__name__)
seldom = SeldomLogger(log)
outage = Outage(log, "the database")


class DatabaseUnavailable(Exception):
    """The database is away, too slow or not ready. What was asked may or may not be done.

    The text says why and, after a colon, what an operator can do, if there is anything special.
    """

    def __init__(self, why: str = "", remedy: str = "") -> None:
        super().__init__(f"{why}: {remedy}" if remedy else why)
        self.why = why
        self.remedy = remedy


class DatabaseFails(DatabaseUnavailable):
    """The database answers, but can't do what was asked."""


class Conflict(Exception):
    """A document is not stored: another one has the same value in a unique field."""


@asynccontextmanager
async def deadline() -> AsyncIterator[None]:
    """Limit a call to CALL_TIMEOUT. Raises DatabaseUnavailable for any of its errors."""
    try:
        # Motor's own timeouts only start when one of its threads is free, which is far too late.
        async with asyncio.timeout(CALL_TIMEOUT):
            yield
    except (PyMongoError, TimeoutError) as error:
        raise _unavailable(error) from error
    outage.answered()


@asynccontextmanager
async def upkeep(seconds: float = UPKEEP_TIMEOUT) -> AsyncIterator[None]:
    """Like deadline(), but with more time, for calls that read a whole collection."""
    try:
        with pymongo.timeout(seconds):
            yield
    except PyMongoError as error:
        raise _unavailable(error) from error
    outage.answered()


@contextmanager
def _conflicts() -> Iterator[None]:
    """Raise Conflict for a refused duplicate in an insert: that is an answer, not an outage."""
    try:
        yield
    except WriteError as error:
        if error.code != DUPLICATE:
            raise
        raise Conflict from None


def _unavailable(error: Exception) -> DatabaseUnavailable:
    """Return what is wrong with the database, and log it.

    An outage is logged once, and what the database refuses once a minute at most, by its kind.
    """
    found = diagnose(error)
    if found.is_passing:
        outage.failed(f"the database is away ({found.name}): {found.remedy or CHECK}")
        return DatabaseUnavailable(found.name, found.remedy)
    remedy = f": {found.remedy}" if found.remedy else ""
    seldom.log(logging.ERROR, f"the database fails: {found.name}{remedy}")
    return DatabaseFails(found.name, found.remedy)


def note_slowness() -> None:
    """Note that a message took too long, perhaps though each of its calls was answered in time."""
    outage.failed(TOO_SLOW)


class Collection:
    """A collection. Every call ends in time, and may raise DatabaseUnavailable."""

    def __init__(
        self,
        motor: MotorCollection,
        limited: Callable[[], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        """Set up; `limited` is what limits each call, deadline() if it is missing."""
        self.motor = motor
        self._limited = limited or deadline

    @property
    def name(self) -> str:
        """The name of the collection."""
        return self.motor.name

    async def find_one(
        self, where: Document, fields: Sequence[str] | None = None
    ) -> Document | None:
        """Return a document that a filter matches, perhaps only some of its fields."""
        async with self._limited():
            return await self.motor.find_one(where, fields)

    async def find(
        self,
        where: Document,
        fields: Sequence[str] | None = None,
        *,
        sort: tuple[str, int] | None = None,
        limit: int = 0,
    ) -> list[Document]:
        """Return the documents that a filter matches, at most `limit`, 0 for all of them.

        `sort` is a field and 1, or -1 for the highest first.
        """
        async with self._limited():
            # Without a batch size MongoDB sends 101 documents, and the others when asked again.
            found = self.motor.find(
                where, fields, sort=[sort] if sort else None, limit=limit, batch_size=limit
            )
            return await found.to_list(None)

    async def insert_one(self, document: Document) -> None:
        """Store a document. Raises Conflict."""
        async with self._limited():
            with _conflicts():
                await self.motor.insert_one(document)

    async def insert_in_order(self, documents: list[Document]) -> None:
        """Store documents in order, up to the first that is refused. Raises Conflict.

        Sends the plain command. insert_many() costs twice as much, because it splits batches that
        are too large for one command, and ours are not.
        """
        async with self._limited():
            with _conflicts():
                reply = await self.motor.database.command(
                    "insert",
                    self.name,
                    documents=documents,
                    ordered=True,
                    writeConcern=ACKNOWLEDGED,
                )
                # First: a document that no majority has may be the one that a duplicate repeats.
                if error := reply.get("writeConcernError"):
                    raise WriteConcernError("", error.get("code"), error)
                for error in reply.get("writeErrors", ()):
                    raise WriteError("", error.get("code"), error)

    async def update_one(self, where: Document, change: Document) -> bool:
        """Change a document; return whether the filter matched one."""
        async with self._limited():
            result = await self.motor.update_one(where, change)
        return bool(result.matched_count)

    async def update_many(self, where: Document, change: Document) -> None:
        """Change all documents that a filter matches."""
        async with self._limited():
            await self.motor.update_many(where, change)

    async def update_each(self, updates: Sequence[UpdateOne]) -> None:
        """Carry out several updates, in any order."""
        async with self._limited():
            await self.motor.bulk_write(updates, ordered=False)

    async def replace_one(self, where: Document, document: Document) -> None:
        """Replace a document."""
        async with self._limited():
            await self.motor.replace_one(where, document)

    async def delete_one(self, where: Document) -> bool:
        """Delete a document; return whether the filter matched one."""
        async with self._limited():
            result = await self.motor.delete_one(where)
        return bool(result.deleted_count)

    async def delete_many(self, where: Document) -> None:
        """Delete all documents that a filter matches."""
        async with self._limited():
            await self.motor.delete_many(where)


class Database:
    """The chat's database: `db["messages"]` is a collection. Every call has a deadline."""

    def __init__(self, motor: MotorDatabase) -> None:
        self.motor = motor

    def __getitem__(self, name: str) -> Collection:
        return Collection(self.motor[name])

    def unhurried(self, name: str) -> Collection:
        """Return a collection whose calls have a minute, because they read all of it."""
        return Collection(self.motor[name], upkeep)

    @property
    def name(self) -> str:
        """The name of the database on its server."""
        return self.motor.name

    async def collection_names(self) -> list[str]:
        """Return the names of the collections. Raises DatabaseUnavailable."""
        async with deadline():
            return await self.motor.list_collection_names()

    async def command(self, name: str, value: str | int = 1) -> Document:
        """Return the server's answer to a command. Raises DatabaseUnavailable."""
        async with deadline():
            return await self.motor.command(name, value, codec_options=self.motor.codec_options)


DATABASE = web.AppKey("database", Database)
DB = web.RequestKey("db", Database)  # for views: db_handler
PREPARING = web.AppKey("preparing", asyncio.Event)  # set while it answers, but is not ready
READY = web.AppKey("ready", asyncio.Event)  # set once the database has its indexes


async def is_empty(db: Database) -> bool:
    """Return whether there are neither accounts nor messages. Raises DatabaseUnavailable."""
    # A room that everybody has left still has its messages, which are not for a stranger.
    for collection in (USER_COLLECTION, MESSAGE_COLLECTION):
        if await db[collection].find_one({}, ["_id"]):
            return False
    return True


async def log_id(db: Database) -> str:
    """Return the id of this database's log, made once. Raises DatabaseUnavailable."""
    ids, only = db[LOG_ID_COLLECTION], {"_id": "log"}
    document = await ids.find_one(only)
    if document is None:  # only then, so that a chat whose database is full can start, and be read
        with suppress(Conflict):  # another process has just made it
            await ids.insert_one({**only, "id": secrets.token_hex(16)})
        document = await ids.find_one(only)
    assert document is not None
    return str(document["id"])
