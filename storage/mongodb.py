"""The connection to MongoDB, or to the embedded database, through Motor."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import closing, suppress

from aiohttp import web
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import InvalidName, PyMongoError

from settings import SETTINGS, Settings, StartError
from storage.address import ESCAPES, MANUAL, OURS, allowed, option_names
from storage.database import DATABASE, PREPARING, READY, Database, Document
from storage.embedded import embedded_uri
from storage.embedded_files import DEFAULT_NAME

MotorClient = AsyncIOMotorClient[Document]

CLOSE_TIMEOUT = 0.5  # seconds


def connect(uri: str) -> MotorClient:
    """Return a client; it connects when it is first used. Raises StartError."""
    with warnings.catch_warnings(action="ignore"):  # of compressors that are not installed
        address = allowed(uri)
        try:
            return AsyncIOMotorClient(address, **OURS)
        except (PyMongoError, ValueError, OSError) as error:
            # Without the error's own text, which may quote the password in the address.
            kind = type(error).__name__
            if options := option_names(address):
                connect(address.partition("?")[0]).close()  # or raises: it is not the options
                what = f"In MONGO_HOST {options} can't be used, or not together ({kind})"
            else:
                what = f"MONGO_HOST is not a MongoDB address ({kind}): look at its parts; {ESCAPES}"
            raise StartError(f"{what}: see {MANUAL}.") from None


def check_address(settings: Settings) -> None:
    """Check the address of the database and its name, without a look at it. Raises StartError."""
    with closing(connect(settings.MONGO_HOST or embedded_uri(settings.DATA_DIR))) as client:
        database_of(client, settings)


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
    """Return the chat's database. Raises StartError."""
    try:
        if settings.MONGO_DB_NAME:
            return Database(client[settings.MONGO_DB_NAME])
        return Database(client.get_default_database(DEFAULT_NAME))
    except InvalidName:
        text = "the database can't be called so: use letters, digits, - and _ in its name"
        raise StartError(f"MONGO_HOST or MONGO_DB_NAME: {text}.") from None
