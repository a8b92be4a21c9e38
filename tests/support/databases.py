"""The database servers that tests talk to, and a database of its own for each of them.

`TEST_MONGO_HOST=mongodb://… make test` runs against that server whatever does not stop, kill or
restart its database; without it every run has an embedded server of its own.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymongo
from pymongo.database import Database
from pymongo.errors import OperationFailure

from settings import ROOT, Settings
from storage.database import Document, MotorCollection, MotorDatabase
from storage.embedded import embedded_uri
from storage.mongodb import connect

TEST_MONGO_HOST = os.environ.get("TEST_MONGO_HOST", "")


class EmbeddedServer:
    """An embedded database server without a chat, to be started, stopped and killed."""

    def __init__(self, folder: str) -> None:
        """Set up, but don't start."""
        self.folder = folder
        self.address = embedded_uri(Path(folder))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it serves."""
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "storage.embedded_server",
                f"{self.folder}/database.sock",
                self.folder,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """Kill the server if it runs."""
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


@contextmanager
def embedded_server() -> Iterator[EmbeddedServer]:
    """Set up an embedded server on a folder of its own, and kill it at the end."""
    with tempfile.TemporaryDirectory(prefix="chat") as folder:
        server = EmbeddedServer(folder)
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """Return a name for a database that nobody has used, and drop the database at the end."""
    name = f"chat-test-{uuid4().hex[:16]}"  # Atlas' free clusters allow 38 bytes
    try:
        yield name
    finally:
        with pymongo.MongoClient[dict[str, Any]](server) as client:
            remove(client[name])


def remove(database: Database[dict[str, Any]]) -> None:
    """Drop a database; as a user who may not, drop its collections, or else what is in them."""
    try:
        database.client.drop_database(database)
    except OperationFailure:  # the role readWrite does not allow it
        for name in database.list_collection_names():
            try:
                database[name].drop()
            except OperationFailure:
                database[name].delete_many({})


@asynccontextmanager
async def database_at(address: str, name: str) -> AsyncIterator[MotorDatabase]:
    """Open a database on a server."""
    client = connect(address)
    try:
        yield client[name]
    finally:
        client.close()


async def insert_all(collection: MotorCollection, documents: Sequence[Document]) -> None:
    """Insert many documents, some at a time: the chat's client gives each command few seconds."""
    for start in range(0, len(documents), 200):
        await collection.insert_many(documents[start : start + 200])


def another_client(settings: Settings) -> AbstractAsyncContextManager[MotorDatabase]:
    """Connect to the test's database, as another process does."""
    return database_at(settings.MONGO_HOST, settings.MONGO_DB_NAME)
