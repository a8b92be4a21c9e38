"""Message saves, edits, deletes and reads messages, for the WebSocket and for forms alike.

The life of a message, from the key press to every other screen:

1. The page sends a frame, which the WebSocket view reads (chat/views.py). A browser without scripts
   posts a form instead. Both call Message.save().
2. save() cleans the text, checks how much its author has just sent, and passes it to the journal.
3. The journal (chat/journal.py) numbers it and stores it with others that wait, in one ordered
   insert. Once the database has confirmed that, it tells "stored" (server/relay.py).
4. The hub (chat/hub.py) listens to that: it encodes the entry (chat/entry.py) as a frame
   (chat/wire.py), and writes it to every open socket (chat/client.py). The author gets it too, and
   so learns that it is stored. At the same time save() returns the entry to the view.

If a message is sent twice, the view answers its sender alone; nobody sees it again.

With several processes and Redis, one of them writes: in step 3 the others hand it their messages,
and deliver them when it tells that they are stored.

An edit or a deletion is an entry of the log, too: a change, which names its message. Before the
journal delivers it in step 3, it changes the message as the change says (chat/changes.py).
"""

import asyncio
import re
import secrets
import unicodedata
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from aiohttp import web

from auth.sessions import Identity
from chat.entry import (
    DELETED,
    DELETED_USER,
    EDITED,
    ChangeEntry,
    Entry,
    MessageEntry,
    change_key,
    is_change,
    message_key,
    now,
)
from chat.journal import Journal
from chat.message_index import MESSAGE_SEQ, messages_before, messages_from
from chat.refused import Refused
from security.limits import Limit
from server.relay import Relay
from storage.database import Collection, DatabaseUnavailable, Document, deadline

PAGE_LENGTH = 50  # messages
ENTRIES_PER_QUERY = 200
ENTRIES_PER_UPDATE = 50  # the embedded database takes 8 ms for these
REMOVED_AT_ONCE = 5  # messages; the embedded database takes 10 ms for these
REMOVAL_PAUSE = 1  # of the time that they took
BURST_SECONDS = 4  # a user may send as many messages at once as in this time
CHANGEABLE_FOR = timedelta(minutes=15)
MOST_EDITS = 50  # of one message; each is an entry of the log for ever
RETRY_AFTER = 5  # seconds until it is worth trying again
MESSAGE_LENGTH = 2000  # code points

UNAVAILABLE = "The message could not be saved; sending it again is harmless"
TOO_FAST = "Too fast, please wait a moment"
UNCHANGEABLE = "This message can't be changed any more"
EDITED_ENOUGH = f"This message was edited {MOST_EDITS} times; now it can only be deleted"
NONCE_USED = "The nonce was used for the change of another message"

# Bidirectional controls can make a text read as a different one (Trojan Source, CVE-2021-42574).
BIDI_CONTROLS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
UNWANTED = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{BIDI_CONTROLS}]")
SURROGATES = re.compile("[\ud800-\udfff]")
NEWLINES = re.compile("\r\n|[\r\x85\u2028\u2029]")


class RemovalUnderWay(Exception):
    """What this user has said is being removed already."""


class Message:
    """Saves, edits, deletes and reads messages, each of which is a MessageEntry."""

    def __init__(
        self, collection: Collection, journal: Journal, relay: Relay, per_second: int
    ) -> None:
        """Set up; `per_second` is how many messages one person may send on average."""
        self._collection = collection
        self._journal = journal
        self._relay = relay
        self._limit = Limit(BURST_SECONDS * per_second, BURST_SECONDS)  # by person
        # By the number of a message that is being changed: one change after the other, or those at
        # the same time would not count each other.
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._removals: set[str] = set()  # the users whose messages are being removed
        self._removal_turn = asyncio.Lock()  # so that several removals are felt as one
        relay.listen("anonymized", self.forget_name)

    async def save(self, user: Identity, msg: str, nonce: str | None = None) -> Entry:
        """Store a message and show it to everybody; return its entry. Raises Refused.

        If the user has sent the same nonce before, return the entry of that time.
        """
        msg = clean(msg)
        self._check_pace(user)
        key = message_key(user.user_id, nonce or new_nonce())
        with refused_if_unavailable():
            return await self._journal.append(key, user.login, user.user_id, {"msg": msg})

    async def edit(self, user: Identity, of: int, msg: str, nonce: str | None = None) -> Entry:
        """Change the text of the user's own message; return the change. Raises Refused."""
        return await self._change(user, of, nonce, clean(msg), EDITED)

    async def delete(self, user: Identity, of: int, nonce: str | None = None) -> Entry:
        """Delete a message's text for good; return the change. Raises Refused.

        Moderators may delete every message.
        """
        return await self._change(user, of, nonce, "", DELETED)

    async def get(self, seq: int) -> MessageEntry | None:
        """Return a message by its number, None without one. Raises DatabaseUnavailable."""
        document = await self._collection.find_one({"seq": seq})
        if document is None or is_change(document):
            return None
        return MessageEntry.from_document(document)

    async def get_messages(
        self, before: int | None = None, count: int = PAGE_LENGTH
    ) -> list[MessageEntry]:
        """Return the newest messages, or the last ones before a number, oldest first.

        Usually from memory, without a query. Raises DatabaseUnavailable.
        """
        recent = self._journal.recent
        page = recent.messages(before, count)
        if page is None:
            end = recent.last + 1 if before is None else before
            page = (await self._read(messages_before(end), -1, count))[::-1]
        return page

    async def get_messages_from(self, start: int, count: int = PAGE_LENGTH) -> list[MessageEntry]:
        """Return the messages from a number on, oldest first. Raises DatabaseUnavailable."""
        return await self._read(messages_from(start), 1, count)

    async def own_messages(self, user_id: str) -> AsyncIterator[list[Document]]:
        """Yield the documents of what a user has said, in order.

        In short queries, each of which takes the embedded database less than 10 ms, however much
        others have written. Raises DatabaseUnavailable.
        """
        own: list[tuple[int, Any]] = []
        keys = message_key(user_id, "")
        async for documents in self._with_keys(keys, ["key", "seq", "of"], ENTRIES_PER_QUERY):
            own += [(d["seq"], d["_id"]) for d in documents if not is_change(d)]
        own.sort()
        for start in range(0, len(own), ENTRIES_PER_QUERY):
            ids = [id_ for _, id_ in own[start : start + ENTRIES_PER_QUERY]]
            yield await self._collection.find({"_id": {"$in": ids}}, sort=("seq", 1))

    async def remove_all(self, moderator: Identity, user_id: str) -> None:
        """Delete everything a user has said until now, in steps that nobody notices.

        Raises RemovalUnderWay; DatabaseUnavailable: then some of it is left.
        """
        if user_id in self._removals:
            raise RemovalUnderWay
        self._removals.add(user_id)
        try:
            await self._journal.settle(user_id)
            newest = await self._collection.find({}, ["seq"], sort=("seq", -1), limit=1)
            last = newest[0]["seq"] if newest else 0  # who is let in again meanwhile may speak
            keys, fields = message_key(user_id, ""), ["key", "seq", "of", "state"]
            async for documents in self._with_keys(keys, fields, REMOVED_AT_ONCE):
                seqs = [
                    document["seq"]
                    for document in documents
                    if not is_change(document)
                    and document["seq"] <= last
                    and document.get("state") != DELETED
                ]
                if seqs:
                    await self._remove(moderator, seqs)
        finally:
            self._removals.remove(user_id)

    async def anonymize(self, user_id: str) -> None:
        """Replace a user's name in everything they wrote or changed. Raises DatabaseUnavailable."""
        await self._journal.settle(user_id)
        self._relay.tell_all("anonymized", user_id)  # what is in memory, which most pages show
        for keys in (message_key(user_id, ""), change_key(user_id, "")):
            async for documents in self._with_keys(keys, ["key"], ENTRIES_PER_UPDATE):
                ids = {"_id": {"$in": [document["_id"] for document in documents]}}
                await self._collection.update_many(ids, {"$set": {"user": DELETED_USER}})
        self._relay.tell_all("anonymized", user_id)  # what was read from there meanwhile

    def names_in_memory(self) -> set[str]:
        """Return the ids of the users whose names are in memory."""
        return self._journal.recent.user_ids()

    def forget_name(self, user_id: str) -> None:
        """Replace a user's name in memory."""
        self._journal.recent.rename(user_id, DELETED_USER)

    async def _read(self, where: Document, direction: int, count: int) -> list[MessageEntry]:
        documents = await self._collection.find(where, sort=(MESSAGE_SEQ, direction), limit=count)
        return [MessageEntry.from_document(document) for document in documents]

    async def _with_keys(
        self, beginning: str, fields: Sequence[str], count: int
    ) -> AsyncIterator[list[Document]]:
        """Yield the documents whose keys begin so, some at a time, in the order of the keys."""
        end = beginning[:-1] + chr(ord(beginning[-1]) + 1)  # the first text after all of those
        last = beginning
        while True:
            documents = await self._collection.find(
                {"key": {"$gt": last, "$lt": end}}, fields, sort=("key", 1), limit=count
            )
            if documents:
                yield documents
            if len(documents) < count:
                return
            last = documents[-1]["key"]

    def _check_pace(self, user: Identity) -> None:
        if wait := self._limit.use_or_wait(user.user_id):
            raise Refused("too_fast", TOO_FAST, wait)

    async def _change(
        self,
        user: Identity,
        of: int,
        nonce: str | None,
        msg: str,
        state: str,
    ) -> Entry:
        self._check_pace(user)
        key = change_key(user.user_id, nonce or new_nonce())
        content = {"of": of, "text": msg, "state": state}
        may_change = is_editable if state == EDITED else is_deletable
        turn = self._turns.setdefault(of, asyncio.Lock())
        entry: Entry | None
        with refused_if_unavailable():
            async with deadline(), turn:
                message = await self.get(of)
                if may_change(message, user):
                    entry = await self._journal.append(key, user.login, user.user_id, content)
                else:
                    # Answer a change that comes again, even if it is not allowed any more: the
                    # first time it may have deleted the message.
                    entry = await self._journal.find(key)
        if entry is None:
            is_edited_enough = state == EDITED and is_changeable(message, user)
            raise Refused("forbidden", EDITED_ENOUGH if is_edited_enough else UNCHANGEABLE)
        if not isinstance(entry, ChangeEntry) or entry.message.seq != of:
            raise Refused("invalid", NONCE_USED)
        return entry

    async def _remove(self, moderator: Identity, seqs: list[int]) -> None:
        """Delete a few messages, and leave the database to others for as long as that took."""
        clock = asyncio.get_running_loop().time
        author = moderator.login, moderator.user_id
        async with self._removal_turn:
            began = clock()
            await asyncio.gather(
                *(
                    # Always the same key, so that no two processes delete a message twice.
                    self._journal.append(
                        change_key(moderator.user_id, f"removal of {seq}"),
                        *author,
                        {"of": seq, "text": "", "state": DELETED},
                    )
                    for seq in seqs
                )
            )
            await asyncio.sleep(REMOVAL_PAUSE * (clock() - began))


MESSAGES = web.AppKey("messages", Message)


@contextmanager
def refused_if_unavailable() -> Iterator[None]:
    """Raise Refused where the database can't confirm that something is stored."""
    try:
        yield
    except DatabaseUnavailable:
        raise Refused("unavailable", UNAVAILABLE, RETRY_AFTER) from None


def is_changeable(message: MessageEntry | None, user: Identity) -> bool:
    """Return whether this is the user's own message and still recent enough to change."""
    return (
        message is not None
        and message.user_id == user.user_id
        and message.state != DELETED
        and message.time > now() - CHANGEABLE_FOR
    )


def is_editable(message: MessageEntry | None, user: Identity) -> bool:
    """Return whether the user may change the text."""
    return message is not None and message.changes < MOST_EDITS and is_changeable(message, user)


def is_deletable(message: MessageEntry | None, user: Identity) -> bool:
    """Return whether the user may delete the message."""
    if user.is_moderator:
        return message is not None and message.state != DELETED
    return is_changeable(message, user)


def new_nonce() -> str:
    """Return a nonce for a client that sent none."""
    return secrets.token_urlsafe(12)


def clean(text: str) -> str:
    """Return the text of a message without control characters. Raises Refused."""
    text = UNWANTED.sub("", NEWLINES.sub("\n", text)).strip("\n")
    if not any(map(_is_visible, text)):
        raise Refused("invalid", "Please write something")
    if len(text) > MESSAGE_LENGTH:
        raise Refused("too_long", f"A message has at most {MESSAGE_LENGTH} characters")
    if not _is_unicode(text):
        raise Refused("invalid", "The message is not valid Unicode")
    return text


def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) != "Cf"


def _is_unicode(text: str) -> bool:
    # JSON can contain half a surrogate pair, which neither databases nor browsers accept.
    return SURROGATES.search(text) is None
