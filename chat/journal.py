"""The journal writes the log: it numbers entries, stores them, and delivers what is stored.

The log is dense: `seq` is 1, 2, 3 … without a hole. The journal numbers entries from the last one
it knows and stores them with an *ordered* insert under a unique index. If another process has taken
a number, nothing is stored from there on; the journal reads what the other stored and tries again.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from chat.entry import Change, Entry, entry_key, now
from chat.recent import LENGTH, Recent
from database import ACKNOWLEDGED, Collection, DatabaseUnavailable, Document, deadline

log = logging.getLogger(__name__)

GATHER = 0.002  # seconds a batch may grow; too short to feel, and it halves the work per message
BATCH = 200  # entries in one insert
PLACES = 2000  # messages that may wait; more senders wait in turn, so that memory is bounded
PATIENCE = 4.4  # seconds until a message is given up; longer than a call (CALL_TIMEOUT)
LOOK_EVERY = 0.2  # seconds between checks for messages that have waited so long
POLL_EVERY = 2  # seconds between reads of what other processes stored
RETRY_PAUSE = 0.1  # seconds before another attempt after a failed one


class Unavailable(Exception):
    """Nobody knows whether the message is stored. Sending it again, same nonce, is harmless."""


class Conflict(Exception):
    """A document was refused because its `seq` or `key` exists; those before it are stored."""


class Draft:
    """A message that waits to be stored, or a change of message number `of`."""

    def __init__(self, key: str, user: str, user_id: str, msg: str, of: int) -> None:
        loop = asyncio.get_running_loop()
        self.key, self.user, self.user_id, self.msg, self.of = key, user, user_id, msg, of
        self.since = loop.time()
        self.stored: asyncio.Future[Entry | Change] = loop.create_future()

    def document(self, seq: int, time: datetime) -> dict[str, Any]:
        """Return the document to store as number `seq` of the log."""
        return {
            "seq": seq,
            "key": self.key,
            "user": self.user,
            "user_id": self.user_id,
            "time": time,
            **({"of": self.of} if self.of else {"msg": self.msg}),
        }

    def give_up(self) -> None:
        """Raise Unavailable in whoever waits for it, unless it is stored."""
        if not self.stored.done():
            self.stored.set_exception(Unavailable())
            self.stored.exception()  # if its sender has left, asyncio would log the exception


class Journal:
    """Appends to the log and delivers it to listeners: stored entries only, in order, each once."""

    def __init__(self, collection: Collection) -> None:
        self.recent = Recent()  # the entries that are delivered
        self.listeners: list[Callable[[Sequence[Entry | Change]], None]] = []
        self._collection = collection
        self.waiting: dict[str, Draft] = {}  # by key, in the order of append()
        self._places = asyncio.Semaphore(PLACES)
        self._work = asyncio.Event()  # a draft waits, or it is time to poll
        self._closed = False

    async def open(self) -> None:
        """Read the end of the log into memory. Raises DatabaseUnavailable."""
        async with deadline():
            documents = await self._collection.find({}).sort("seq", -1).limit(LENGTH).to_list(None)
        for document in reversed(documents):
            self.recent.add(await self._entry(document))

    async def append(
        self, user: str, user_id: str, msg: str, nonce: str | None, of: int = 0
    ) -> Entry | Change:
        """Store a message, or a change of number `of`; return its entry once it is delivered.

        If the user has sent the same nonce before, return the entry of that time. Raises
        Unavailable if the database does not confirm it within PATIENCE.
        """
        key = entry_key(user_id, nonce or secrets.token_urlsafe(12))
        async with self._places:
            if stored := self.recent.find(key):
                return stored
            if draft := self.waiting.get(key):
                return await asyncio.shield(draft.stored)
            if self._closed:
                raise Unavailable
            draft = self.waiting[key] = Draft(key, user, user_id, msg, of)
            self._work.set()
            try:
                return await draft.stored
            finally:
                self.waiting.pop(key, None)

    async def run(self) -> None:
        """Store drafts, for ever, and read what other processes store."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write())
            tasks.create_task(self._keep_time())

    async def drain(self, timeout: float) -> None:
        """Refuse new drafts, and wait at most `timeout` seconds until the others are stored."""
        self._closed = True
        if waiting := [draft.stored for draft in self.waiting.values()]:
            await asyncio.wait(waiting, timeout=timeout)
            for draft in self.waiting.values():
                draft.give_up()
            await asyncio.sleep(0)  # lets the views answer their senders before the sockets close

    async def _keep_time(self) -> None:
        # One timer for all drafts: one for each would cost as much as the rest of append().
        clock = asyncio.get_running_loop().time
        last_poll = clock()
        while True:
            await asyncio.sleep(min(LOOK_EVERY, POLL_EVERY))
            for draft in self.waiting.values():
                if draft.since + PATIENCE < clock():
                    draft.give_up()
            if last_poll + POLL_EVERY <= clock():
                last_poll = clock()
                self._work.set()

    async def _write(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            await asyncio.sleep(GATHER)
            waiting = [draft for draft in self.waiting.values() if not draft.stored.done()]
            drafts = waiting[:BATCH]
            try:
                if drafts:
                    await self._store(drafts)
                else:
                    await self._catch_up()
            except DatabaseUnavailable:
                await asyncio.sleep(RETRY_PAUSE)
            except Exception:
                log.exception("the journal failed, and goes on")
                for draft in drafts:
                    draft.give_up()
            if self.waiting:
                self._work.set()

    async def _store(self, drafts: list[Draft]) -> None:
        """Store drafts as the next entries and deliver them, until each is stored or given up."""
        while drafts := [draft for draft in drafts if not draft.stored.done()]:
            time = now()
            documents = [
                draft.document(self.recent.last + n, time) for n, draft in enumerate(drafts, 1)
            ]
            try:
                async with deadline():
                    await insert_in_order(self._collection, documents)
            except (Conflict, DatabaseUnavailable):
                # Some of them may be stored, even all: an error may hide a success.
                await self._find_out(drafts[0])
            else:
                await self._deliver(documents)

    async def _find_out(self, head: Draft) -> None:
        """Deliver what is stored by now, after a failed insert whose first draft is `head`."""
        last = self.recent.last
        try:
            await self._catch_up()
            if head.stored.done():
                return
            # If its number was free, its key was not: it repeats an entry of long ago.
            async with deadline():
                document = await self._collection.find_one({"key": head.key})
            if document and document["seq"] <= self.recent.last and not head.stored.done():
                head.stored.set_result(await self._entry(document))
        except DatabaseUnavailable:
            pass
        if self.recent.last == last and not head.stored.done():
            await asyncio.sleep(RETRY_PAUSE)

    async def _catch_up(self) -> None:
        """Read and deliver the entries after the last one known. Raises DatabaseUnavailable."""
        while True:
            async with deadline():
                following = self._collection.find({"seq": {"$gt": self.recent.last}})
                documents = await following.sort("seq", 1).limit(BATCH).to_list(None)
            if documents:
                await self._deliver(documents)
            if len(documents) < BATCH:
                return

    async def _deliver(self, documents: Sequence[Document]) -> None:
        """Deliver stored entries, all or none of them. Raises DatabaseUnavailable."""
        entries = [await self._entry(document) for document in documents]
        for entry in entries:
            self.recent.add(entry)
        for listener in self.listeners:
            listener(entries)
        for entry in entries:
            draft = self.waiting.pop(entry.key, None)
            if draft and not draft.stored.done():
                draft.stored.set_result(entry)

    async def _entry(self, document: Document) -> Entry | Change:
        if "of" not in document:
            return Entry.from_document(document)
        async with deadline():
            return Change.of(await self._collection.find_one({"seq": document["of"]}), document)


async def insert_in_order(collection: Collection, documents: list[Document]) -> None:
    """Insert documents in order, up to the first that is refused. Raises Conflict.

    Sends the same command as insert_many(ordered=True) at half its cost, which comes from splitting
    batches that are too large for one command. Ours are not.
    """
    reply = await collection.database.command(
        "insert", collection.name, documents=documents, ordered=True, writeConcern=ACKNOWLEDGED
    )
    if reply.get("writeErrors"):
        raise Conflict
    if reply.get("writeConcernError"):
        raise DatabaseUnavailable("not acknowledged")


JOURNAL = web.AppKey("journal", Journal)
