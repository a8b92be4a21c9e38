"""MongoDB through Motor: the client, the deadlines, the indexes, and the health check.

This is the only file that imports Motor, because Motor has reached its end of life: PyMongo's
asynchronous client can replace it here.
"""

import asyncio
import secrets
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

from settings import (
    LINK_COLLECTION,
    MESSAGE_COLLECTION,
    SESSION_COLLECTION,
    SETTINGS,
    USER_COLLECTION,
    Settings,
    StartError,
)
from storage.embedded import embedded_uri

Document = dict[str, Any]
MotorClient = AsyncIOMotorClient[Document]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]

CLIENT: web.AppKey[MotorClient] = web.AppKey("client", AsyncIOMotorClient)
DATABASE: web.AppKey[Database] = web.AppKey("database", AsyncIOMotorDatabase)
DB: web.RequestKey[Database] = web.RequestKey("db", AsyncIOMotorDatabase)  # for views: db_handler
READY = web.AppKey("ready", asyncio.Event)  # set once the database has its indexes

INDEXES = (  # collection, field, and whether it is unique
    (MESSAGE_COLLECTION, "seq", True),
    (MESSAGE_COLLECTION, "key", True),
    (USER_COLLECTION, "login_key", True),
    (USER_COLLECTION, "look", True),
    (USER_COLLECTION, "email_key", True),
    (SESSION_COLLECTION, "user_id", False),
    (SESSION_COLLECTION, "seen", False),
    (LINK_COLLECTION, "user_id", False),
    (LINK_COLLECTION, "maker_id", False),
    (LINK_COLLECTION, "expires", False),
)
LOG_COLLECTION = "log"  # the log's id, and the mark of an import (import_mark.py)

ACKNOWLEDGED = {"w": "majority"}  # so that a failover can't undo what people have seen
CALL_TIMEOUT = 4  # seconds; a refused message is answered within five
SELECT_TIMEOUT = 2  # seconds to connect, or to find a server
UPKEEP_TIMEOUT = 60  # seconds for a call at the start that scans a whole collection
CLOSE_TIMEOUT = 0.5  # seconds
RETRY_PAUSE = 1  # seconds between attempts to reach the database at the start


class DatabaseUnavailable(Exception):
    """The database is away, too slow or not ready. What was asked may or may not be done."""


@asynccontextmanager
async def deadline() -> AsyncIterator[None]:
    """Limit a database call to CALL_TIMEOUT. Raises DatabaseUnavailable for any of its errors.

    Only DuplicateKeyError passes: it is an answer, not an outage.
    """
    try:
        # Motor's own timeouts only start when one of its threads is free, which is far too late.
        async with asyncio.timeout(CALL_TIMEOUT):
            yield
    except DuplicateKeyError:
        raise
    except (PyMongoError, TimeoutError) as error:
        raise DatabaseUnavailable(type(error).__name__) from error


@asynccontextmanager
async def upkeep() -> AsyncIterator[None]:
    """Like deadline(), but with a minute, for calls that scan a collection."""
    try:
        with pymongo.timeout(UPKEEP_TIMEOUT):
            yield
    except PyMongoError as error:
        raise DatabaseUnavailable(type(error).__name__) from error


def connect(uri: str) -> MotorClient:
    """Return a client; it connects when it is first used. Raises StartError."""
    try:
        return AsyncIOMotorClient(
            uri,
            appname="chat",
            tz_aware=True,
            connectTimeoutMS=SELECT_TIMEOUT * 1000,
            serverSelectionTimeoutMS=SELECT_TIMEOUT * 1000,
            # Also ends the call in Motor's thread. timeoutMS would, but makes calls a third slower.
            socketTimeoutMS=CALL_TIMEOUT * 1000,
            w=ACKNOWLEDGED["w"],
            readConcernLevel="majority",
        )
    except (PyMongoError, ValueError) as error:
        # Without the error's own text, which may quote the password in the address.
        raise StartError(
            f"MONGO_HOST is not a MongoDB address ({type(error).__name__}): check it against "
            "https://www.mongodb.com/docs/manual/reference/connection-string/."
        ) from None


async def database_ctx(app: web.Application) -> AsyncIterator[None]:
    """Open the client, and close it when the application ends."""
    settings = app[SETTINGS]
    app[CLIENT] = client = connect(settings.MONGO_HOST or embedded_uri(settings.DATA_DIR))
    app[DATABASE] = database_of(client, settings)
    app[READY] = asyncio.Event()
    yield
    with suppress(TimeoutError):
        # In a thread, because it waits until the server has answered.
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await asyncio.to_thread(client.close)


def database_of(client: MotorClient, settings: Settings) -> Database:
    """Return the chat's database."""
    if settings.MONGO_DB_NAME:
        return client[settings.MONGO_DB_NAME]
    return client.get_default_database("chat")


async def create_indexes(db: Database) -> None:
    """Create the indexes that the queries rely on. Raises DatabaseUnavailable."""
    for collection, field, is_unique in INDEXES:
        async with upkeep():
            await db[collection].create_index(field, unique=is_unique)
    async with upkeep():
        await _create_text_index(db[MESSAGE_COLLECTION], "msg")
    # Indexes that earlier versions made. With the first, NX-27017 0.8.1 reads all sessions at each
    # look-up; with the second, a download would sort all that its author has written.
    for collection, field in (SESSION_COLLECTION, "expires"), (MESSAGE_COLLECTION, "user_id"):
        async with upkeep():
            await _drop_index(db[collection], field)


async def is_empty(db: Database) -> bool:
    """Return whether there are neither accounts nor messages. Raises DatabaseUnavailable."""
    # A room that everybody has left still has its messages, which are not for a stranger.
    for collection in (USER_COLLECTION, MESSAGE_COLLECTION):
        async with deadline():
            if await db[collection].find_one({}, {"_id": 1}):
                return False
    return True


async def remove_all(db: Database) -> None:
    """Remove all accounts, messages, sessions and links. Raises DatabaseUnavailable."""
    for name in (MESSAGE_COLLECTION, USER_COLLECTION, SESSION_COLLECTION, LINK_COLLECTION):
        async with upkeep():
            await db[name].delete_many({})


async def log_id(db: Database) -> str:
    """Return the id of this database's log, made once. Raises DatabaseUnavailable."""
    async with deadline():
        with suppress(DuplicateKeyError):  # it has one
            await db[LOG_COLLECTION].insert_one({"_id": "log", "id": secrets.token_hex(16)})
        document = await db[LOG_COLLECTION].find_one({"_id": "log"})
    assert document is not None
    return str(document["id"])


async def _drop_index(collection: Collection, field: str) -> None:
    for name, index in (await collection.index_information()).items():
        if index["key"] == [(field, 1)]:
            await collection.drop_index(name)


async def _create_text_index(collection: Collection, field: str) -> None:
    try:
        # Without a language: no stop words such as "the", and no stemming.
        await collection.create_index([(field, pymongo.TEXT)], default_language="none")
    except OperationFailure as error:
        # NX-27017 0.8.1 does not notice that it has the index, and tries to fill it again.
        if "constraint failed" not in str(error):
            raise
