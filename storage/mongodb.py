"""The connection to MongoDB, or to the embedded database, through Motor."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import PyMongoError

from settings import SETTINGS, Settings, StartError
from storage.database import (
    ACKNOWLEDGED,
    CALL_TIMEOUT,
    DATABASE,
    PREPARING,
    READY,
    Database,
    Document,
)
from storage.embedded import embedded_uri
from storage.embedded_files import DEFAULT_NAME

MotorClient = AsyncIOMotorClient[Document]

SELECT_TIMEOUT = 2  # seconds to connect, or to find a server
CLOSE_TIMEOUT = 0.5  # seconds


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
    client = connect(settings.MONGO_HOST or embedded_uri(settings.DATA_DIR))
    app[DATABASE] = database_of(client, settings)
    app[PREPARING], app[READY] = asyncio.Event(), asyncio.Event()
    yield
    with suppress(TimeoutError):
        # In a thread, because it waits until the server has answered.
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await asyncio.to_thread(client.close)


def database_of(client: MotorClient, settings: Settings) -> Database:
    """Return the chat's database."""
    if settings.MONGO_DB_NAME:
        return Database(client[settings.MONGO_DB_NAME])
    return Database(client.get_default_database(DEFAULT_NAME))
