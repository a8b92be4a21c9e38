"""Message saves, edits, deletes and reads messages, for the WebSocket and for forms alike.

The life of a message, from the key press to every other screen:

1. The page sends a frame, which the WebSocket view reads (chat/views.py). A browser without scripts
   posts a form instead. Both call Message.save().
2. save() cleans the text (chat/cleaning.py), checks how much its author has just sent, and gives
   it to the journal.
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

import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from aiohttp import web

from auth.sessions import Identity
from chat.cleaning import NOTHING_WRITTEN, clean
from chat.entry import (
    DELETED,
    EDITED,
    Entry,
    File,
    MessageEntry,
    change_key,
    is_change,
    is_repeated_by,
    message_key,
    now,
    time_of,
)
from chat.journal import Journal
from chat.message_index import MESSAGE_SEQ, messages_before, messages_from
from chat.refused import Refused
from chat.rich_text import mentions_all
from security.limits import Busy, Limit, Turns
from storage.database import Collection, DatabaseUnavailable, Document, deadline

PAGE_LENGTH = 50  # messages
BURST_SECONDS = 4  # a user may send as many messages at once as in this time
CHANGEABLE_FOR = timedelta(minutes=15)
MOST_EDITS = 50  # of one message; each is an entry of the log for ever
CHANGES_WAITING = 1000  # of one message; many more than anybody may ask for within a deadline
RETRY_AFTER = 5  # seconds until it is worth trying again

UNAVAILABLE = "The message could not be saved yet. Sent again, it appears only once."
TOO_FAST = "Too fast, please wait a moment"
UNCHANGEABLE = "This message can't be changed any more"
EDITED_ENOUGH = f"This message was edited {MOST_EDITS} times; now it can only be deleted"
NONCE_USED = "This was mixed up with something that you have sent before. Please send it again."


class NonceUsed(Refused):
    """Something else was stored with this nonce: what is sent now needs another one."""

    def __init__(self) -> None:
        super().__init__("invalid", NONCE_USED)


# Gives a file to the message with a key, for good: it takes the author and the file's id. Raises
# Refused if the file is not the author's, is another message's, or is not there.
Claim = Callable[[Identity, str, str], Awaitable[File]]


class Message:
    """Saves, edits, deletes and reads messages, each of which is a MessageEntry."""

    def __init__(
        self,
        collection: Collection,
        journal: Journal,
        claim: Claim,
        per_second: int,
        length: int,
    ) -> None:
        """Set up.

        `per_second` is how many messages one person may send on average, `length` how many code
        points each may have.
        """
        self._collection = collection
        self._journal = journal
        self._claim = claim
        self._length = length
        self._limit = Limit(BURST_SECONDS * per_second, BURST_SECONDS)  # by person
        # By message: one change after the other, or those at the same time would not count each
        # other.
        self._turns = Turns(at_once=1, waiting=CHANGES_WAITING)

    async def save(
        self, user: Identity, msg: str, nonce: str | None = None, file_id: str = ""
    ) -> Entry:
        """Store a message and show it to everybody; return its entry. Raises Refused.

        If the user has sent the same with this nonce before, return the entry of that time. With a
        file that the user has sent before, the text may be blank.
        """
        msg = clean(msg, self._length, may_be_blank=bool(file_id))
        self._check_pace(user)
        key = message_key(user.user_id, nonce or new_nonce())
        content: Document = {"msg": msg}
        if mentions_all(msg):
            content["all"] = True
        entry: Entry | None = None
        with refused_if_unavailable():
            if file_id:
                # If it was sent before, it may be deleted by now, and its file with it.
                entry = await self._journal.find(key)
                file = File(file_id) if entry else await self._claim(user, file_id, key)
                content["file"] = file.to_document()
            if entry is None:
                entry = await self._journal.append(key, user.login, user.user_id, content)
        if not is_repeated_by(entry, content):
            raise NonceUsed
        return entry

    async def edit(self, user: Identity, of: int, msg: str, nonce: str | None = None) -> Entry:
        """Change the text of the user's own message; return the change. Raises Refused.

        The text may be blank if the message has a file.
        """
        msg = clean(msg, self._length, may_be_blank=True)
        if not msg:
            with refused_if_unavailable():
                message = await self.get(of)
            if message is None or message.file is None:
                raise Refused("invalid", NOTHING_WRITTEN)
        return await self._change(user, of, nonce, msg, EDITED)

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
        """Return the messages from a number on, oldest first.

        Of the newest ones from memory, without a query. Raises DatabaseUnavailable.
        """
        page = self._journal.recent.messages_from(start, count)
        return await self._read(messages_from(start), 1, count) if page is None else page

    async def first_since(self, time: datetime) -> MessageEntry | None:
        """Return the first message since a time; if there is none the newest; None without any.

        What is before it in the log is earlier, as far as times rise with the numbers: processes
        whose clocks differ may have written some messages around that time in another order. Each
        doubling of the log costs a query more. Raises DatabaseUnavailable.
        """
        first, end = 1, self._journal.recent.last + 1
        while first < end:
            middle = (first + end) // 2
            entry = await self._collection.find_one({"seq": middle}, ["time"])
            if entry is not None and time_of(entry) < time:
                first = middle + 1
            else:
                end = middle
        found = await self.get_messages_from(first, 1) or await self.get_messages(count=1)
        return found[0] if found else None

    async def _read(self, where: Document, direction: int, count: int) -> list[MessageEntry]:
        documents = await self._collection.find(where, sort=(MESSAGE_SEQ, direction), limit=count)
        return [MessageEntry.from_document(document) for document in documents]

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
        content: Document = {"of": of, "text": msg, "state": state}
        may_change = is_editable if state == EDITED else is_deletable
        entry: Entry | None
        with refused_if_unavailable():
            async with deadline(), self._turns.turn(of):
                message = await self.get(of)
                if may_change(message, user):
                    if mentions_all(msg) and not (message and mentions_all(message.msg)):
                        content["all"] = True
                    entry = await self._journal.append(key, user.login, user.user_id, content)
                else:
                    # Answer a change that comes again, even if it is not allowed any more: the
                    # first time it may have deleted the message.
                    entry = await self._journal.find(key)
        if entry is None:
            is_edited_enough = state == EDITED and is_changeable(message, user)
            raise Refused("forbidden", EDITED_ENOUGH if is_edited_enough else UNCHANGEABLE)
        if not is_repeated_by(entry, content):
            raise NonceUsed
        return entry


MESSAGES = web.AppKey("messages", Message)


@contextmanager
def refused_if_unavailable() -> Iterator[None]:
    """Raise Refused where the database can't confirm that something is stored."""
    try:
        yield
    except (Busy, DatabaseUnavailable):
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
    """Return a nonce, for a form or for a client that sent none."""
    return secrets.token_urlsafe(12)
