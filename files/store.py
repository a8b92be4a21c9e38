"""Files: keeps files in the database, from the upload on, and removes what no message names.

A file has a document, and beside it its chunks and the preview of a picture, which are read and
written by their ids only. The document's state says what may be done:

    incomplete   its chunks are being stored; nobody sees it
    complete     its owner may name it in a message, and has a day for it; then everybody sees it
    gone         nobody sees it any more; its chunks are being removed

So the document is there before the first chunk and after the last one. Whatever is killed, sweep()
finds what is left. It asks the log which files have a message: a file's `key` says which message
its owner wanted to send with it, but not whether that was ever stored, or is deleted by now.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import IO, NamedTuple

from aiohttp import web
from bson import Binary, ObjectId

from auth.models import User
from auth.sessions import Identity
from chat.entry import DELETED, ChangeEntry, Entry, File
from chat.refused import Refused
from files.usage import Usage
from server.relay import Relay
from settings import CHUNK_COLLECTION, FILE_COLLECTION, MESSAGE_COLLECTION, PREVIEW_COLLECTION
from storage.database import Collection, Database, DatabaseUnavailable, Document, deadline

INCOMPLETE, COMPLETE, GONE = "incomplete", "complete", "gone"

CHUNK_SIZE = 128 * 1024  # bytes; the embedded database takes 5 ms for so many
WRITE_PAUSE = 0.5  # times as long as a chunk took
# Chunks and previews. With two at once in the embedded database others wait for both.
CHUNK_READS, CHUNK_READS_ELSEWHERE = 1, 4
PREVIEWS_KEPT = 8_000_000  # bytes; what is new in the room, everybody asks for at once
KEPT_FOR = 24 * 3600  # seconds that a file is kept for a message that is not there
SETTLED_AFTER = 60  # seconds; by then a write that seemed to fail has happened, or never will
FILES_PER_QUERY = 200  # the embedded database takes 4 ms for these
SWEEP_EVERY = 3600  # seconds
SWEEP_PAUSE = 20  # times as long as it took to look at a file
RETRY_PAUSE = 1  # seconds


class NewFile(NamedTuple):
    """A file that is to be stored."""

    name: str
    type: str
    content: IO[bytes]  # from its present position on
    size: int
    width: int = 0
    height: int = 0
    text: str = ""
    preview: bytes = b""

    def to_file(self, id_: str) -> File:
        """Return what a message says of it."""
        preview = f"/file/{id_}/preview" if self.preview else ""
        return File(
            id_, self.name, self.type, self.size, self.width, self.height, preview, self.text
        )


class FileGone(Exception):
    """A file was removed while it was being read."""


class Files:
    """Stores, reads and removes files. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database, relay: Relay, usage: Usage, reads_at_once: int) -> None:
        self._files = db[FILE_COLLECTION]
        self._chunks = db[CHUNK_COLLECTION]
        self._previews = db[PREVIEW_COLLECTION]
        self._log = db[MESSAGE_COLLECTION]
        self._users = User(db)
        self._relay = relay
        self._usage = usage
        self._writing, self._reads = asyncio.Lock(), asyncio.Semaphore(reads_at_once)
        self._kept_previews: dict[str, bytes] = {}  # by file, the latest last
        self._to_forget: asyncio.Queue[str] = asyncio.Queue()
        self._to_remove: asyncio.Queue[Document] = asyncio.Queue()
        relay.listen("stored", self._hear_entries)

    async def add(self, user_id: str, new: NewFile) -> File:
        """Store a file, and return what a message says of it. Raises OverQuota."""
        async with deadline():
            await self._usage.is_counted.wait()
        file = new.to_file(secrets.token_urlsafe(16))
        # `file_id` is its `id` again, because none of our indexes may have that name (database.py).
        about = {"file_id": file.id, **file.to_document(), "user_id": user_id, "key": None}
        incomplete = {"_id": ObjectId(), "state": INCOMPLETE}
        with self._usage.reserved(user_id, new.size):
            try:
                await self._files.insert_one({**about, **incomplete, "touched": now()})
                for chunk_id in chunk_ids(file.id, 0, new.size):
                    async with self._turn():
                        chunk = Binary(new.content.read(CHUNK_SIZE))
                        await self._chunks.insert_one({"_id": chunk_id, "data": chunk})
                if new.preview:
                    async with self._turn():
                        preview = Binary(new.preview)
                        await self._previews.insert_one({"_id": file.id, "data": preview})
                complete = {"$set": {"state": COMPLETE, "touched": now()}}
                await self._files.update_one(incomplete, complete)
            except BaseException:
                self.forget(file.id)
                raise
            self._relay.tell_all("file", (file.id, user_id, new.size))
        return file

    async def claim(self, user: Identity, file_id: str, key: str) -> File:
        """Let the message with a key have the user's file, and return it. Raises Refused.

        Claiming it again for the same message is harmless.
        """
        document = await self.find(file_id)
        if document and document["user_id"] == user.user_id:
            for claimed_for in (None, key):
                free = {"_id": document["_id"], "state": COMPLETE, "key": claimed_for}
                if await self._files.update_one(free, {"$set": {"key": key, "touched": now()}}):
                    return File.from_document(document)
        raise Refused("invalid", "This file is not there any more. Please send it again.")

    async def find(self, file_id: str) -> Document | None:
        """Return the document of a file; None if it is gone, or not all of it is there."""
        async with self._reads:
            document = await self._files.find_one({"file_id": file_id})
        return document if document and document["state"] == COMPLETE else None

    async def read(self, file_id: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes of a file from number `start` to before `end`, a chunk at a time.

        Raises FileGone if it is removed meanwhile.
        """
        offset = start % CHUNK_SIZE
        for chunk_id in chunk_ids(file_id, start, end):
            async with self._reads:
                chunk = await self._chunks.find_one({"_id": chunk_id})
            if chunk is None:
                raise FileGone
            data = chunk["data"][offset : offset + end - start]
            yield data
            start, offset = start + len(data), 0

    async def preview(self, file_id: str) -> bytes | None:
        """Return the preview of a picture, None without one."""
        async with self._reads:
            if file_id not in self._kept_previews:
                document = await self._previews.find_one({"_id": file_id})
                if document is None:
                    return None
                self._kept_previews[file_id] = document["data"]
                while sum(map(len, self._kept_previews.values())) > PREVIEWS_KEPT:
                    del self._kept_previews[next(iter(self._kept_previews))]
            return self._kept_previews[file_id]

    def forget(self, file_id: str) -> None:
        """Begin to remove a file, as soon as the database is there."""
        self._to_forget.put_nowait(file_id)

    async def run(self) -> None:
        """Remove what is to be forgotten, and sweep now and then, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._forget_all())
            tasks.create_task(self._remove_all())
            while True:
                with suppress(DatabaseUnavailable):
                    await self.sweep()
                await asyncio.sleep(SWEEP_EVERY if self._usage.is_counted.is_set() else RETRY_PAUSE)

    async def sweep(self) -> None:
        """Count the files, look at each, and begin to remove those that nothing needs."""
        await self._usage.count(walk(self._files, {"state": COMPLETE}))
        async for document in walk(self._files, {}):
            began = time.monotonic()
            if await self._is_left_over(document):
                await self._begin_removal(document)
            await asyncio.sleep(SWEEP_PAUSE * (time.monotonic() - began))

    def _hear_entries(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, ChangeEntry) and entry.deleted_file:
                self.forget(entry.deleted_file)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Let one write at a time be under way; then pause, so that others have the database."""
        async with deadline():  # it has a turn for each within milliseconds, unless it is away
            await self._writing.acquire()
        try:
            began = time.monotonic()
            yield
            await asyncio.sleep(WRITE_PAUSE * (time.monotonic() - began))
        finally:
            self._writing.release()

    async def _forget_all(self) -> None:
        while True:
            file_id = await self._to_forget.get()
            with suppress(DatabaseUnavailable):
                document = await self._files.find_one({"file_id": file_id})
                if document is None or document["state"] == GONE:
                    continue
                if await self._begin_removal(document):
                    continue
            self.forget(file_id)  # the database is away, or the file was claimed just now
            await asyncio.sleep(RETRY_PAUSE)

    async def _begin_removal(self, document: Document) -> bool:
        """Let nobody see a file any more, and remove it after those before it.

        Return False, and do nothing, if its document was changed since it was read.
        """
        unchanged = {name: document[name] for name in ("_id", "state", "touched")}
        gone = {"$set": {"state": GONE, "touched": now()}}
        if not await self._files.update_one(unchanged, gone):
            return False
        if document["state"] == COMPLETE:
            told = document["file_id"], document["user_id"], -document["size"]
            self._relay.tell_all("file", told)
        self._to_remove.put_nowait(document)
        return True

    async def _remove_all(self) -> None:
        while True:
            document = await self._to_remove.get()
            with suppress(DatabaseUnavailable):  # then the next sweep finds it
                await self._remove(document)

    async def _remove(self, document: Document) -> None:
        """Remove a file that is gone; `document` is what it was before."""
        for chunk_id in chunk_ids(document["id"], 0, document["size"]):
            async with self._turn():
                await self._chunks.delete_one({"_id": chunk_id})
        async with self._turn():
            await self._previews.delete_one({"_id": document["id"]})
        # Of an upload that has failed just now a write may still be under way. The sweep waits.
        if document["state"] != INCOMPLETE or document["touched"] < now() - KEPT_FOR:
            await self._files.delete_one({"_id": document["_id"]})

    async def _is_left_over(self, document: Document) -> bool:
        """Return whether neither a message nor an upload needs a file."""
        state, key = document["state"], document["key"]
        if state == COMPLETE and not key and not await self._users.get(document["user_id"]):
            return True  # its owner is gone, and nobody else may name it
        if state == COMPLETE and key:
            message = await self._log.find_one({"key": key}, ["file", "state"])
            if message and (message.get("file") or {}).get("id") == document["id"]:
                return bool(message.get("state") == DELETED)
        kept_for = SETTLED_AFTER if state == GONE else KEPT_FOR
        return bool(document["touched"] < now() - kept_for)


async def walk(files: Collection, where: Document) -> AsyncIterator[Document]:
    """Yield the documents of the files that a filter matches, in the order of their ids.

    Raises DatabaseUnavailable.
    """
    last: str | None = ""
    while last is not None:
        began = time.monotonic()
        documents = await files.find(
            {"file_id": {"$gt": last}, **where}, sort=("file_id", 1), limit=FILES_PER_QUERY
        )
        await asyncio.sleep(time.monotonic() - began)
        for document in documents:
            yield document
        last = documents[-1]["file_id"] if documents else None


def chunk_ids(file_id: str, start: int, end: int) -> Iterator[str]:
    """Yield the ids of the chunks that have the bytes from number `start` to before `end`."""
    for n in range(start // CHUNK_SIZE, -(-end // CHUNK_SIZE)):
        yield f"{file_id}:{n}"


def now() -> int:
    """Return the time, in whole seconds."""
    return int(time.time())


FILES = web.AppKey("files", Files)
