"""The journal writes the log: it numbers entries, stores them, and delivers what is stored.

The log is dense: `seq` is 1, 2, 3 … without a hole. The journal numbers entries from the last one
it knows and stores them with an *ordered* insert under a unique index. If another process has taken
a number, nothing is stored from there on; the journal reads what the other stored and tries again.

Several processes would often lose such races. With a relay (chat/relay.py) one of them is the
writer: the others hand it their drafts, and deliver what it has stored when they hear of it.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from aiohttp import web
from bson import ObjectId

from chat.entry import ChangeEntry, Entry, MessageEntry, is_change, now
from chat.recent import RECENT_LENGTH, Recent
from chat.relay import Relay
from server.metrics import Metrics
from storage.database import ACKNOWLEDGED, Collection, DatabaseUnavailable, Document, deadline

log = logging.getLogger(__name__)

BATCH_DELAY = 0.002  # seconds a batch may grow; too short to feel, and it halves the work
ENTRIES_PER_INSERT = 200
QUEUE_LIMIT = 2000  # drafts; further senders wait for a place, so that memory is bounded
APPEND_TIMEOUT = 4.4  # seconds until append() gives up; longer than a call (CALL_TIMEOUT)
CHECK_EVERY = 0.2  # seconds between checks for drafts that have waited so long
HANDED_OVER_FOR = 1  # seconds in which the writer should have stored a draft; then we do it
POLL_EVERY = 2  # seconds between reads of what other processes stored
RETRY_PAUSE = 0.1  # seconds before another attempt after a failed one

DRAFT_NAMES = ("key", "user", "user_id", "content")  # what another process needs of a draft


class Conflict(Exception):
    """A document was refused because its `seq` or `key` exists; those before it are stored."""


@dataclass(eq=False)
class Draft:
    """An entry that waits to be stored: a message, or a change."""

    key: str
    user: str  # the author's login
    user_id: str
    content: Document  # {msg} of a message, {of, text, state} of a change
    stored: asyncio.Future[Entry]
    queued_at: float  # the loop's time
    is_handed_over: bool = False

    def as_document(self) -> Document:
        """Return what another process needs to store it."""
        return {name: getattr(self, name) for name in DRAFT_NAMES}

    def document(self, seq: int, time: datetime) -> Document:
        """Return the document to store as number `seq` of the log."""
        return {
            "_id": ObjectId(),
            "seq": seq,
            "key": self.key,
            "user": self.user,
            "user_id": self.user_id,
            "time": time,
            **self.content,
        }

    def give_up(self) -> None:
        """Make append() raise DatabaseUnavailable, unless the entry is stored."""
        if not self.stored.done():
            self.stored.set_exception(DatabaseUnavailable("not confirmed"))
            self.stored.exception()  # if its sender has left, asyncio would log the exception


class Journal:
    """Appends to the log and delivers it to listeners: stored entries only, in order, each once."""

    def __init__(
        self, collection: Collection, metrics: Metrics, relay: Relay | None = None
    ) -> None:
        self.recent = Recent()  # the entries that are delivered
        self.listeners: list[Callable[[Sequence[Entry]], None]] = []
        self._collection = collection
        self._metrics = metrics
        self._relay = relay
        self._heard: list[Document] = []  # entries that other processes say they have stored
        self._is_poll_due = False
        self.waiting: dict[str, Draft] = {}  # by key, in the order of append()
        self._queue = asyncio.Semaphore(QUEUE_LIMIT)
        self._work = asyncio.Event()  # a draft waits, or it is time to poll
        self._closed = False

    async def open(self) -> None:
        """Read the end of the log into memory. Raises DatabaseUnavailable."""
        async with deadline():
            documents = (
                await self._collection.find({}).sort("seq", -1).limit(RECENT_LENGTH).to_list(None)
            )
        for entry in await self._entries(documents[::-1]):
            self.recent.add(entry)

    async def append(self, key: str, user: str, user_id: str, content: Document) -> Entry:
        """Store a message or a change (see Draft); return its entry once it is delivered.

        If the log has an entry with this key, return that one. Raises DatabaseUnavailable if it is
        not confirmed within APPEND_TIMEOUT, once it has a place in the queue.
        """
        async with self._queue:
            if entry := await self._in_memory(key):
                return entry
            if self._closed:
                raise DatabaseUnavailable("the chat is ending")
            loop = asyncio.get_running_loop()
            draft = Draft(key, user, user_id, content, loop.create_future(), loop.time())
            self.waiting[key] = draft
            self._work.set()
            try:
                return await draft.stored
            finally:
                self.waiting.pop(key, None)

    async def run(self) -> None:
        """Store drafts, for ever, and read what other processes store."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write())
            tasks.create_task(self._watch_time())

    async def find(self, key: str) -> Entry | None:
        """Return the entry with a key, None without one. Raises DatabaseUnavailable."""
        if entry := await self._in_memory(key):
            return entry
        async with deadline():
            document = await self._collection.find_one({"key": key})
        return (await self._entries([document]))[0] if document else None

    def adopt(self, process: str, drafts: Sequence[Document]) -> None:
        """Store the drafts of another process, too; it keeps them until their entries come back.

        Only if this process is the writer. Raises LookupError, TypeError for what is no draft.
        """
        if not self._relay or not self._relay.is_writer:
            return
        loop = asyncio.get_running_loop()
        for document in drafts:
            key, user, user_id, content = (document[name] for name in DRAFT_NAMES)
            check_texts(document, "key", "user", "user_id")
            if content.keys() not in ({"msg"}, {"of", "text", "state"}):
                raise TypeError("no draft")
            is_known = key in self.waiting or self.recent.find(key)
            if not is_known and len(self.waiting) < QUEUE_LIMIT:
                draft = Draft(key, user, user_id, content, loop.create_future(), loop.time())
                draft.stored.add_done_callback(partial(self._forget, key))
                self.waiting[key] = draft
                self._work.set()

    def hear(self, process: str, documents: Sequence[Document]) -> None:
        """Deliver entries of which another process says that they are stored, when they are next.

        Raises LookupError, TypeError for what is no entry.
        """
        for document in documents:
            check_texts(document, "key", "user", "user_id")
            if not is_change(document):
                check_texts(document, "msg")
            if any(type(document[name]) is not int for name in {"seq", "of"} & document.keys()):
                raise TypeError("no entry")
        self._heard += documents
        del self._heard[:-QUEUE_LIMIT]  # what is missing then is read
        self._work.set()

    async def settle(self, user_id: str) -> None:
        """Wait until no draft of a user waits any more."""
        if own := [draft.stored for draft in self.waiting.values() if draft.user_id == user_id]:
            await asyncio.wait(own)

    async def drain(self, timeout: float) -> None:
        """Refuse new drafts, and wait at most `timeout` seconds until the others are stored."""
        self._closed = True
        if waiting := [draft.stored for draft in self.waiting.values()]:
            await asyncio.wait(waiting, timeout=timeout)
            for draft in self.waiting.values():
                draft.give_up()
            await asyncio.sleep(0)  # lets the views answer their senders before the sockets close

    def _forget(self, key: str, _: asyncio.Future[Entry]) -> None:
        self.waiting.pop(key, None)

    async def _in_memory(self, key: str) -> Entry | None:
        # Without a draft no other task may run in here, or append() could queue a key twice.
        if entry := self.recent.find(key):
            return entry
        draft = self.waiting.get(key)
        return await asyncio.shield(draft.stored) if draft else None

    async def _watch_time(self) -> None:
        # One timer for all drafts: one for each would cost as much as the rest of append().
        clock = asyncio.get_running_loop().time
        last_poll = clock()
        while True:
            await asyncio.sleep(CHECK_EVERY)
            for draft in self.waiting.values():
                if draft.queued_at + APPEND_TIMEOUT < clock():
                    draft.give_up()
            if last_poll + POLL_EVERY <= clock():
                last_poll = clock()
                self._is_poll_due = True
            if self.waiting or self._is_poll_due:
                self._work.set()

    async def _write(self) -> None:
        # All entries are delivered by this one task, whether they were stored here, read, or heard
        # of: so none is delivered twice, or before the one that precedes it.
        while True:
            await self._work.wait()
            self._work.clear()
            await asyncio.sleep(BATCH_DELAY)
            drafts: list[Draft] = []
            try:
                await self._deliver_heard()
                drafts = self._drafts_to_store()[:ENTRIES_PER_INSERT]
                if drafts:
                    await self._store(drafts)
                elif self._is_poll_due:
                    await self._catch_up()
            except DatabaseUnavailable:
                await asyncio.sleep(RETRY_PAUSE)
            except Exception:
                log.exception("the journal failed, and goes on")
                for draft in drafts:
                    draft.give_up()
            if self._heard or not all(draft.is_handed_over for draft in self.waiting.values()):
                self._work.set()

    def _drafts_to_store(self) -> list[Draft]:
        """Hand new drafts to the writer, if that is another process; return those to store here."""
        waiting = [draft for draft in self.waiting.values() if not draft.stored.done()]
        if not self._relay or not self._relay.has_other_writer:
            return waiting
        if new := [draft for draft in waiting if not draft.is_handed_over]:
            self._relay.publish("drafts", [draft.as_document() for draft in new])
            for draft in new:
                draft.is_handed_over = True
        handed_over_by = asyncio.get_running_loop().time() - HANDED_OVER_FOR
        return [draft for draft in waiting if draft.queued_at < handed_over_by]

    async def _deliver_heard(self) -> None:
        """Deliver what follows the last entry; read what is missing. Raises DatabaseUnavailable."""
        heard = {document["seq"]: document for document in self._heard}
        self._heard.clear()
        following: list[Document] = []
        while document := heard.get(self.recent.last + len(following) + 1):
            following.append(document)
        if following:
            await self._deliver(following)
        if any(seq > self.recent.last for seq in heard):
            await self._catch_up()

    async def _store(self, drafts: list[Draft]) -> None:
        """Store drafts as the next entries and deliver them, until each is stored or given up."""
        while drafts := [draft for draft in drafts if not draft.stored.done()]:
            last, time = self.recent.last, now()
            documents = [draft.document(last + n, time) for n, draft in enumerate(drafts, 1)]
            try:
                with self._metrics.journal_write.time():
                    async with deadline():
                        await insert_in_order(self._collection, documents)
            except (Conflict, DatabaseUnavailable) as error:
                if isinstance(error, Conflict):
                    self._metrics.journal_conflicts.inc()
                elif self._relay:
                    self._relay.step_down()
                # Another process took a number first, a key exists already, or only the reply was
                # lost: some of the drafts may be stored, even all of them.
                await self._recover(drafts[0])
                if self.recent.last == last and not drafts[0].stored.done():
                    await asyncio.sleep(RETRY_PAUSE)
            else:
                await self._deliver(documents)
                if self._relay:
                    self._relay.publish("entries", list(map(without_text, documents)))

    async def _recover(self, first: Draft) -> None:
        """Find out what a failed insert has stored, and deliver it.

        An ordered insert stops at the first draft that is refused. If even the first one is not
        stored, another process took its number, and the next insert gives it another; or its key
        belongs to an entry of long ago. The turn of the others comes when they are first.
        """
        with suppress(DatabaseUnavailable):
            await self._catch_up()
            if not first.stored.done():
                await self._answer_repeat(first)

    async def _answer_repeat(self, draft: Draft) -> None:
        """Answer a draft with the entry that has its key, if it repeats an entry of long ago."""
        async with deadline():
            document = await self._collection.find_one({"key": draft.key})
        if document and document["seq"] <= self.recent.last:
            [entry] = await self._entries([document])
            if not draft.stored.done():  # it may have been given up meanwhile
                draft.stored.set_result(entry)

    async def _catch_up(self) -> None:
        """Read and deliver the entries after the last one known. Raises DatabaseUnavailable."""
        self._is_poll_due = False
        while True:
            async with deadline():
                following = self._collection.find({"seq": {"$gt": self.recent.last}})
                documents = await following.sort("seq", 1).limit(ENTRIES_PER_INSERT).to_list(None)
            if documents:
                await self._deliver(documents)
            if len(documents) < ENTRIES_PER_INSERT:
                return

    async def _deliver(self, documents: Sequence[Document]) -> None:
        """Deliver stored entries, all or none of them. Raises DatabaseUnavailable."""
        entries = await self._entries(documents)
        for entry in entries:
            self.recent.add(entry)
        for listener in self.listeners:
            listener(entries)
        queued_at = []
        for entry in entries:
            draft = self.waiting.pop(entry.key, None)
            if draft and not draft.stored.done():
                draft.stored.set_result(entry)
                queued_at.append(draft.queued_at)
        if queued_at:
            waited = asyncio.get_running_loop().time() - min(queued_at)
            self._metrics.journal_wait.observe(waited)

    async def _entries(self, documents: Sequence[Document]) -> list[Entry]:
        """Return the entries in documents, after changing the messages as new changes say."""
        entries: dict[int, Entry] = {}  # by number
        changes: defaultdict[int, list[Document]] = defaultdict(list)  # by their message
        for document in documents:
            if is_change(document):
                changes[document["of"]].append(document)
            else:
                entries[document["seq"]] = MessageEntry.from_document(document)

        async def change_one(changes: list[Document]) -> None:
            for change in changes:
                entries[change["seq"]] = await self._change(change)

        # Different messages at once: one after the other they would hold up everybody.
        done = await asyncio.gather(*map(change_one, changes.values()), return_exceptions=True)
        for error in filter(None, done):
            raise error
        if new := [document["_id"] for document in documents if "text" in document]:
            async with deadline():
                await self._collection.update_many(
                    {"_id": {"$in": new}}, {"$unset": {"text": "", "state": ""}}
                )
        return [entries[document["seq"]] for document in documents]

    async def _change(self, document: Document) -> ChangeEntry:
        async with deadline():
            message = await self._collection.find_one({"seq": document["of"]})
        if message and "text" in document:
            message = await self._apply(document, message)
        return ChangeEntry.from_documents(document, message)

    async def _apply(self, change: Document, message: Document) -> Document | None:
        """Change a message as a stored change says; return the message as it is then.

        Only now, when the log has the change: so whatever is killed in between, everybody who reads
        the log gets the change, and the next process that delivers it changes the message, too.
        """
        values = {"msg": change["text"], "state": change["state"], "changed": change["seq"]}
        for earlier in ({"$exists": False}, {"$lt": change["seq"]}):
            # Each message knows its last change, because another process may be ahead. A deleted
            # message has no text, and a late edit must not bring it back. (Not by its state: in
            # NX-27017 0.8.1 `$ne` does not match documents without the field.)
            unchanged = {"_id": message["_id"], "msg": {"$ne": ""}, "changed": earlier}
            async with deadline():
                result = await self._collection.update_one(unchanged, {"$set": values})
            if result.matched_count:
                return {**message, **values}
        async with deadline():
            return await self._collection.find_one({"_id": message["_id"]})


def check_texts(document: Document, *names: str) -> None:
    """Check that fields are texts. Raises LookupError, TypeError."""
    if not all(isinstance(document[name], str) for name in names):
        raise TypeError("no text")


def without_text(document: Document) -> Document:
    """Return a document for other processes; they read the text of a change in its message."""
    if not is_change(document):
        return document
    return {name: value for name, value in document.items() if name not in ("text", "state")}


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
