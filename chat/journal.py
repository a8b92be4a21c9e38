"""The journal writes the log: it numbers entries, stores them, and delivers what is stored.

The log is dense: `seq` is 1, 2, 3 … without a hole. The journal numbers entries from the last one
it knows and stores them with an *ordered* insert; `seq` and `key` have unique indexes. If another
process has taken a number, nothing is stored from there on; the journal reads what the other stored
and tries again.

Several processes would often lose such races. With Redis one of them is the writer: the others hand
it their drafts, and deliver what it has stored when it tells them (see server/relay.py).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from aiohttp import web
from bson import ObjectId

from chat.changes import make_changes
from chat.entry import Entry, File, MessageEntry, digest_of, is_change, now, to_entry
from chat.everybody import ALL_EVERY, Everybody
from chat.message_index import MESSAGE_SEQ, add_to_index, message_seq, messages_before
from chat.recent import RECENT_LENGTH, RECENT_TEXT, Recent
from server.logs import SeldomLogger
from server.metrics import Metrics
from server.relay import Relay, check_numbers, check_texts
from storage.batches import Batches
from storage.database import (
    Collection,
    Conflict,
    DatabaseFails,
    DatabaseUnavailable,
    Document,
    note_slowness,
)

log = logging.getLogger(__name__)

BATCH_DELAY = 0.002  # seconds a batch may grow; too short to feel, and it halves the work
ENTRIES_PER_INSERT = 200
READ_FIRST = 50  # of the entries that memory has room for
TEXT_PER_INSERT = 200_000  # characters; the embedded database takes 0.1 s for them
QUEUE_LIMIT = 2000  # drafts; further senders wait for a place, so that memory is bounded
APPEND_TIMEOUT = 4.4  # seconds until append() gives up; longer than a call (CALL_TIMEOUT)
CHECK_EVERY = 0.2  # seconds between checks for drafts that have waited so long
HANDED_OVER_FOR = 1  # seconds that a draft waits for the writer; then this process stores it
POLL_EVERY = 2  # seconds between reads of what other processes stored
RETRY_PAUSE = 0.1  # seconds before another attempt after a failed one


@dataclass(eq=False)
class Draft:
    """An entry that waits to be stored: a message, or a change."""

    key: str  # <user_id>:<nonce>, so that a message that is sent again has the same
    login: str  # the author's
    user_id: str
    content: Document  # {msg, all?, file?} of a message, {of, text, state, all?} of a change
    answer: asyncio.Future[Entry]  # the entry, once it is delivered
    queued_at: float  # the loop's time
    is_handed_over: bool = False

    @property
    def length(self) -> int:
        """How many characters its text has."""
        return len(self.content["text" if "of" in self.content else "msg"])

    def for_writer(self) -> Document:
        """Return what another process needs to store it."""
        author = {"user": self.login, "user_id": self.user_id}
        return {"key": self.key, **author, "content": self.content}

    def to_store(self, seq: int, time: datetime) -> Document:
        """Return the document to store as number `seq` of the log."""
        return {
            "_id": ObjectId(),
            "seq": seq,
            MESSAGE_SEQ: message_seq({"seq": seq, **self.content}),
            "key": self.key,
            "user": self.login,
            "user_id": self.user_id,
            "time": time,
            "digest": digest_of(self.content),
            **self.content,
        }

    def give_up(self) -> None:
        """Make append() raise DatabaseUnavailable, unless the entry is stored."""
        if not self.answer.done():
            self.answer.set_exception(DatabaseUnavailable("not confirmed"))
            self.answer.exception()  # if its sender has left, asyncio would log the exception


class Journal:
    """Appends to the log, and tells "stored" of each entry, once and in order."""

    def __init__(self, collection: Collection, relay: Relay, metrics: Metrics) -> None:
        self.recent = Recent()  # what is delivered; the next entry gets the number after its last
        self.waiting: dict[str, Draft] = {}  # by key, in the order of append()
        self._collection = collection
        self._relay = relay
        self._metrics = metrics
        self._everybody = Everybody()
        self._heard: list[Document] = []  # entries that other processes say they have stored
        self._is_poll_due = False
        self._batches = Batches(ENTRIES_PER_INSERT, ENTRIES_PER_INSERT)  # of entries to read
        self._places = asyncio.Semaphore(QUEUE_LIMIT)
        self._work = asyncio.Event()  # a draft waits, or it is time to poll
        self._closed = False
        self._seldom = SeldomLogger(log)
        relay.listen("entries", self.hear_entries)
        relay.listen("drafts", self.hear_drafts)

    async def open(self) -> None:
        """Read the end of the log into memory. Raises DatabaseUnavailable."""
        documents = await self._read_end({}, "seq", lambda seq: {"seq": {"$lt": seq}})
        # A process that was killed may have stored changes that it has not made.
        entries = await self._prepare(documents)
        if documents:  # all of which may be changes
            before = messages_before(documents[0]["seq"])
            for document in await self._read_end(before, MESSAGE_SEQ, messages_before):
                self.recent.add_message(MessageEntry.from_document(document))
        a_while_ago = now() - timedelta(seconds=ALL_EVERY)
        for document, entry in zip(documents, entries, strict=True):
            self.recent.add(entry)
            if entry.to_all and document["_id"].generation_time > a_while_ago:
                self._everybody.note(entry)

    async def append(self, key: str, login: str, user_id: str, content: Document) -> Entry:
        """Store a message or a change (see Draft); return its entry once it is delivered.

        If the log has an entry with this key, return that one. Raises DatabaseUnavailable if it is
        not confirmed within APPEND_TIMEOUT, once it has a place in the queue.
        """
        async with self._places:
            if entry := await self._find_known(key):
                return entry
            if self._closed:
                raise DatabaseUnavailable("the chat is ending")
            draft = self._add_draft(key, login, user_id, content)
            try:
                return await draft.answer
            finally:
                self.waiting.pop(key, None)

    async def run(self) -> None:
        """Store drafts, for ever, and read what other processes store.

        open_journal() in app.py runs it, once the database is ready.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write())
            tasks.create_task(self._expire_and_poll())

    async def find(self, key: str) -> Entry | None:
        """Return the entry with a key, None without one. Raises DatabaseUnavailable."""
        return await self._find_known(key) or await self._find_stored(key)

    def hear_drafts(self, drafts: Sequence[Document]) -> None:
        """Store drafts that another process hands over; it keeps them until it hears the entries.

        Only if this process is the writer. Raises LookupError, TypeError for anything else.
        """
        for document in drafts:
            check_draft(document)
        if not self._relay.is_writer:
            return
        for document in drafts:
            key, login, user_id = document["key"], document["user"], document["user_id"]
            is_known = key in self.waiting or self.recent.find(key)
            if not is_known and len(self.waiting) < QUEUE_LIMIT:
                draft = self._add_draft(key, login, user_id, document["content"])
                draft.answer.add_done_callback(partial(self._forget, key))

    def hear_entries(self, documents: Sequence[Document]) -> None:
        """Deliver entries that another process says it has stored, when they are next.

        Raises LookupError, TypeError for anything else.
        """
        for document in documents:
            check_entry(document)
        self._heard += documents
        del self._heard[:-QUEUE_LIMIT]  # what is missing then is read
        self._work.set()

    async def settle(self, user_id: str) -> None:
        """Wait until none of a user's drafts waits any more."""
        if own := [draft.answer for draft in self.waiting.values() if draft.user_id == user_id]:
            await asyncio.wait(own)

    async def drain(self, timeout: float) -> None:
        """Refuse new drafts, and wait at most `timeout` seconds until the others are stored."""
        self._closed = True
        if waiting := [draft.answer for draft in self.waiting.values()]:
            await asyncio.wait(waiting, timeout=timeout)
            give_up(self.waiting.values())
            await asyncio.sleep(0)  # lets the views answer their senders before the sockets close

    def _add_draft(self, key: str, login: str, user_id: str, content: Document) -> Draft:
        loop = asyncio.get_running_loop()
        draft = Draft(key, login, user_id, content, loop.create_future(), loop.time())
        self.waiting[key] = draft
        self._work.set()
        return draft

    def _forget(self, key: str, _: asyncio.Future[Entry]) -> None:
        self.waiting.pop(key, None)

    async def _find_known(self, key: str) -> Entry | None:
        """Return the entry with a key if it is a recent one, or waits here: then wait for it."""
        # Must not await unless a draft is there: else another task could add one with the same key
        # before append() does.
        if entry := self.recent.find(key):
            return entry
        draft = self.waiting.get(key)
        return await asyncio.shield(draft.answer) if draft else None

    async def _find_stored(self, key: str) -> Entry | None:
        document = await self._collection.find_one({"key": key})
        if document and is_change(document):
            return to_entry(document, await self._collection.find_one({"seq": document["of"]}))
        return to_entry(document) if document else None

    async def _read_end(
        self, where: Document, order: str, before: Callable[[int], Document]
    ) -> list[Document]:
        """Return the last documents that a filter matches, as many as memory has room for.

        If they are long, all in one query might take longer than a call may.
        """
        found: list[Document] = []
        count, length = min(READ_FIRST, RECENT_LENGTH), 0
        while True:
            documents = await self._collection.find(where, sort=(order, -1), limit=count)
            found += documents
            length += sum(len(str(document.get("msg", ""))) for document in documents)
            room = min(RECENT_LENGTH, RECENT_TEXT * len(found) // max(length, 1)) - len(found)
            if len(documents) < count or room <= 0:
                return found[::-1]
            count, where = room, before(documents[-1]["seq"])

    async def _expire_and_poll(self) -> None:
        """Give up drafts that have waited too long, and let _write() look for others' entries."""
        # One timer for all drafts: one for each would cost as much as the rest of append().
        clock = asyncio.get_running_loop().time
        last_poll = clock()
        while True:
            await asyncio.sleep(CHECK_EVERY)
            for draft in self.waiting.values():
                if draft.queued_at + APPEND_TIMEOUT < clock() and not draft.answer.done():
                    note_slowness()
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
                self._hand_over()
                drafts = next(in_batches(self._drafts_to_store()), [])
                if drafts:
                    await self._store(drafts)
                elif self._is_poll_due:
                    await self._catch_up()
            except DatabaseUnavailable as error:
                if isinstance(error, DatabaseFails):  # what precedes them can't be read or made
                    self._relay.step_down()
                    give_up(drafts)
                await asyncio.sleep(RETRY_PAUSE)
            except Exception:
                self._seldom.log(logging.ERROR, "the journal failed, and goes on", exc_info=True)
                give_up(drafts)
            has_drafts_to_store = not all(draft.is_handed_over for draft in self.waiting.values())
            if has_drafts_to_store or self._heard:
                self._work.set()

    def _hand_over(self) -> None:
        """Hand new drafts to the writer, if that is another process."""
        if self._relay.has_other_writer:
            new = [draft for draft in self._unanswered() if not draft.is_handed_over]
            for batch in in_batches(new):
                self._relay.tell_others("drafts", [draft.for_writer() for draft in batch])
            for draft in new:
                draft.is_handed_over = True

    def _drafts_to_store(self) -> list[Draft]:
        """Return the drafts that this process has to store."""
        if not self._relay.has_other_writer:
            return self._unanswered()
        queued_before = asyncio.get_running_loop().time() - HANDED_OVER_FOR
        return [draft for draft in self._unanswered() if draft.queued_at < queued_before]

    def _unanswered(self) -> list[Draft]:
        return [draft for draft in self.waiting.values() if not draft.answer.done()]

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
        at_once = len(drafts)
        while drafts := [draft for draft in drafts if not draft.answer.done()]:
            last, time, batch = self.recent.last, now(), drafts[:at_once]
            documents = [draft.to_store(last + n, time) for n, draft in enumerate(batch, 1)]
            self._everybody.limit(documents)
            try:
                with self._metrics.journal_write.time():
                    await self._collection.insert_in_order(documents)
            except DatabaseFails:
                # One of them is refused, or all. Each is sent by itself next, so that none takes
                # another with it.
                await self._recover(batch[0])
                if len(batch) == 1:
                    batch[0].give_up()
                at_once = 1
            except (Conflict, DatabaseUnavailable) as error:
                if isinstance(error, Conflict):
                    self._metrics.journal_conflicts.inc()
                else:
                    self._relay.step_down()
                # Another process took a number first, a key exists already, or only the reply was
                # lost: some of the drafts may be stored, even all of them.
                await self._recover(batch[0])
                if self.recent.last == last and not batch[0].answer.done():
                    await asyncio.sleep(RETRY_PAUSE)
            else:
                at_once *= 2
                await self._deliver(documents)
                self._relay.tell_others("entries", list(map(without_text, documents)))

    async def _recover(self, first: Draft) -> None:
        """Find out what a failed insert has stored, and deliver it.

        An ordered insert stops at the first draft that is refused. If even the first one is not
        stored, another process took its number, and the next insert gives it a new one; or an old
        entry has its key, and is its answer. Raises DatabaseFails.
        """
        try:
            await self._catch_up()
            if not first.answer.done():
                await self._answer_repeat(first)
        except DatabaseUnavailable as error:
            if isinstance(error, DatabaseFails):
                raise
            # It is away: the next attempt finds it out.

    async def _answer_repeat(self, draft: Draft) -> None:
        """Answer a draft with the entry that has its key, if it repeats an entry of long ago."""
        entry = await self._find_stored(draft.key)
        is_given_up = draft.answer.done()
        if entry and entry.seq <= self.recent.last and not is_given_up:
            draft.answer.set_result(entry)

    async def _catch_up(self) -> None:
        """Read and deliver the entries after the last one known. Raises DatabaseUnavailable."""
        self._is_poll_due = False
        while True:
            count = min(self._batches.size, ENTRIES_PER_INSERT)
            documents = await self._batches.call(self._read_next)
            if documents:
                await self._deliver(documents)
            if len(documents) < count:
                return

    async def _read_next(self, most: int) -> list[Document]:
        where = {"seq": {"$gt": self.recent.last}}
        count = min(most, ENTRIES_PER_INSERT)
        return await self._collection.find(where, sort=("seq", 1), limit=count)

    async def _deliver(self, documents: Sequence[Document]) -> None:
        """Deliver stored entries, all or none of them. Raises DatabaseUnavailable."""
        entries = await self._prepare(documents)
        for entry in entries:
            self.recent.add(entry)
            self._everybody.note(entry)
        self._relay.tell_here("stored", entries)
        queued_at = []
        for entry in entries:
            draft = self.waiting.pop(entry.key, None)
            if draft and not draft.answer.done():
                draft.answer.set_result(entry)
                queued_at.append(draft.queued_at)
        if queued_at:
            waited = asyncio.get_running_loop().time() - min(queued_at)
            self._metrics.journal_wait.observe(waited)

    async def _prepare(self, documents: Sequence[Document]) -> list[Entry]:
        """Return stored entries once the database has all that they say.

        Raises DatabaseUnavailable.
        """
        await add_to_index(self._collection, documents)
        messages = await make_changes(self._collection, documents)
        return [to_entry(document, messages.get(document["seq"])) for document in documents]


def in_batches(drafts: Sequence[Draft]) -> Iterator[list[Draft]]:
    """Yield as many drafts as are stored or handed over at once; at least one, however long."""
    batch: list[Draft] = []
    room = TEXT_PER_INSERT
    for draft in drafts:
        room -= draft.length
        if batch and (len(batch) == ENTRIES_PER_INSERT or room < 0):
            yield batch
            batch, room = [], TEXT_PER_INSERT - draft.length
        batch.append(draft)
    if batch:
        yield batch


def give_up(drafts: Iterable[Draft]) -> None:
    """Make append() raise DatabaseUnavailable for those drafts that are not stored."""
    for draft in drafts:
        draft.give_up()


def check_draft(document: Document) -> None:
    """Check a draft from another process. Raises LookupError, TypeError."""
    content = document["content"]
    check_texts(document["key"], document["user"], document["user_id"])
    if content.get("all", True) is not True:
        raise TypeError("not a wish to notify everybody")
    names = content.keys() - {"all"}
    if names - {"file"} == {"msg"}:
        check_texts(content["msg"])
        check_file(content)
    elif names == {"of", "text", "state"} and type(content["of"]) is int:
        check_texts(content["text"], content["state"])
    else:
        raise TypeError("neither a message nor a change")


def check_entry(document: Document) -> None:
    """Check an entry from another process. Raises LookupError, TypeError."""
    digest = document.get("digest", "")  # which the process may be too old to have
    check_texts(document["key"], document["user"], document["user_id"], digest)
    if not is_change(document):
        check_texts(document["msg"])
        check_file(document)
    numbers = [document[name] for name in ("seq", "of") if name in document]
    if any(type(number) is not int for number in numbers):  # True is an int, too
        raise TypeError("not a number")


def check_file(document: Document) -> None:
    """Check the file of a message from another process. Raises LookupError, TypeError."""
    if "file" in document:
        file = File.from_document(document["file"])
        check_texts(file.id, file.name, file.type, file.preview, file.text)
        check_numbers(file.size, file.width, file.height)


def without_text(document: Document) -> Document:
    """Return a document for other processes; they read the text of a change in its message."""
    if not is_change(document):
        return document
    return {name: value for name, value in document.items() if name not in ("text", "state")}


JOURNAL = web.AppKey("journal", Journal)
