"""MongoDB through Motor: the client, the indexes, and whether the database is there.

The only file that imports Motor, which is past its end of life: its successor, PyMongo's
asynchronous client, will take its place here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pymongo
from aiohttp import web
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from embedded import embedded_uri
from settings import (
    MESSAGE_COLLECTION,
    SESSION_COLLECTION,
    SETTINGS,
    USER_COLLECTION,
    StartError,
)

Document = dict[str, Any]
Client = AsyncIOMotorClient[Document]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]

CLIENT: web.AppKey[Client] = web.AppKey("client", AsyncIOMotorClient)
DB: web.AppKey[Database] = web.AppKey("db", AsyncIOMotorDatabase)
READY = web.AppKey("ready", asyncio.Event)

ACKNOWLEDGED = {"w": "majority"}  # so that no failover takes back what was shown
CALL_TIMEOUT = 4  # seconds; a visitor hears "unavailable" within five
SELECT_TIMEOUT = 2  # seconds to connect, or to find a server
UPKEEP_TIMEOUT = 60  # seconds for what is done at the start, over all that is stored
CLOSE_TIMEOUT = 0.5  # seconds
RETRY_PAUSE = 1  # seconds between attempts to reach the database at the start


class Conflict(Exception):
    """A document was refused, for a value that has to be unique; those before it are stored."""


class DatabaseUnavailable(Exception):
    """The database is away, too slow, or not ready: what was asked may or may not be done."""


@asynccontextmanager
async def deadline() -> AsyncIterator[None]:
    """Give a database call four seconds, and one exception for whatever else goes wrong.

    Raises DatabaseUnavailable; lets DuplicateKeyError through, which tells that the database
    is there and has judged.
    """
    try:
        # Motor's own timeouts count from when one of its threads is free: far too late.
        async with asyncio.timeout(CALL_TIMEOUT):
            yield
    except DuplicateKeyError:
        raise
    except (PyMongoError, TimeoutError) as error:
        raise DatabaseUnavailable(type(error).__name__) from error


async def insert_in_order(collection: Collection, documents: list[Document]) -> None:
    """Insert documents, up to the first that is refused. Raises Conflict.

    Sends what insert_many(ordered=True) would send, at half its cost: that guards against
    batches too large for one command, and ours are not.
    """
    reply = await collection.database.command(
        "insert", collection.name, documents=documents, ordered=True, writeConcern=ACKNOWLEDGED
    )
    if reply.get("writeErrors"):
        raise Conflict
    if reply.get("writeConcernError"):
        raise DatabaseUnavailable("not acknowledged")


@asynccontextmanager
async def upkeep() -> AsyncIterator[None]:
    """Give a call longer that goes over all that is stored. Raises DatabaseUnavailable."""
    try:
        with pymongo.timeout(UPKEEP_TIMEOUT):
            yield
    except PyMongoError as error:
        raise DatabaseUnavailable(type(error).__name__) from error


def connect(uri: str) -> Client:
    """Return a client, which connects when it is first used. Raises StartError."""
    try:
        return AsyncIOMotorClient(
            uri,
            appname="chat",
            tz_aware=True,
            connectTimeoutMS=SELECT_TIMEOUT * 1000,
            serverSelectionTimeoutMS=SELECT_TIMEOUT * 1000,
            # Frees the thread. timeoutMS would too, but it costs a third of a call's time.
            socketTimeoutMS=CALL_TIMEOUT * 1000,
            w=ACKNOWLEDGED["w"],
            readConcernLevel="majority",
        )
    except (PyMongoError, ValueError) as error:
        # Not the error's own text: it may quote the address, and the password in it.
        raise StartError(
            f"MONGO_HOST is not a MongoDB address ({type(error).__name__}): check it against "
            "https://www.mongodb.com/docs/manual/reference/connection-string/."
        ) from None


async def database_ctx(app: web.Application) -> AsyncIterator[None]:
    """Keep the client while the application runs."""
    settings = app[SETTINGS]
    app[CLIENT] = client = connect(settings.MONGO_HOST or embedded_uri(settings.DATA_DIR))
    app[DB] = (
        client[settings.MONGO_DB_NAME]
        if settings.MONGO_DB_NAME
        else client.get_default_database("chat")
    )
    app[READY] = asyncio.Event()
    yield
    with suppress(TimeoutError):
        # It says goodbye to the server, and without a thread all else would wait for the answer.
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await asyncio.to_thread(client.close)


async def create_indexes(db: Database) -> None:
    """Make what every query relies on. Raises DatabaseUnavailable."""
    for collection, field, options in (
        (MESSAGE_COLLECTION, "seq", {"unique": True}),
        (MESSAGE_COLLECTION, "key", {"unique": True}),
        (MESSAGE_COLLECTION, "user_id", {}),
        (USER_COLLECTION, "login_key", {"unique": True}),
        (USER_COLLECTION, "email_key", {"unique": True}),
        (SESSION_COLLECTION, "user_id", {}),
        (SESSION_COLLECTION, "expires", {"expireAfterSeconds": 0}),
    ):
        async with upkeep():
            await db[collection].create_index(field, **options)
    async with upkeep():
        await _create_text_index(db[MESSAGE_COLLECTION], "msg")


async def _create_text_index(collection: Collection, field: str) -> None:
    try:
        # Of no language: each word counts, "the" too, and only as it is written.
        await collection.create_index([(field, pymongo.TEXT)], default_language="none")
    except OperationFailure as error:
        # nx-27017 0.8.1 does not see that it has the index, and would fill it a second time.
        if "constraint failed" not in str(error):
            raise


async def is_reachable(app: web.Application) -> bool:
    """Tell whether the database answers and its collections are prepared."""
    with suppress(DatabaseUnavailable):
        async with deadline():
            await app[DB].command("ping")
            return app[READY].is_set()
    return False
