"""Message: the talk, as views see it."""

from datetime import timedelta

from auth.sessions import Identity
from chat.entry import DELETED, EDITED, Change, Entry, entry_key, now
from chat.journal import Journal
from database import Database, deadline
from settings import MESSAGE_COLLECTION

PAGE_LENGTH = 50  # messages
CHANGEABLE_FOR = timedelta(minutes=15)


class Unchangeable(Exception):
    """The message is gone, somebody else's, or too old to be changed."""


class Message:
    """Saves, changes and reads messages."""

    def __init__(self, db: Database, journal: Journal) -> None:
        self._collection = db[MESSAGE_COLLECTION]
        self._journal = journal

    async def save(self, user: Identity, msg: str, nonce: str | None = None) -> Entry | Change:
        """Store a message and show it to everybody; return its entry. Raises Unavailable."""
        return await self._journal.append(user.login, user.user_id, msg, nonce)

    async def edit(
        self, user: Identity, of: int, msg: str, nonce: str | None = None
    ) -> Entry | Change:
        """Give a message another text. Raises Unchangeable, Unavailable, DatabaseUnavailable."""
        if repeated := self._repeated(user, nonce):
            return repeated
        if not is_changeable(await self.get(of), user):
            raise Unchangeable
        return await self._change(user, of, nonce, msg, EDITED)

    async def delete(
        self, user: Identity, of: int, nonce: str | None = None, is_moderator: bool = False
    ) -> Entry | Change:
        """Take a message's text away. Raises Unchangeable, Unavailable, DatabaseUnavailable."""
        if repeated := self._repeated(user, nonce):
            return repeated
        message = await self.get(of)
        if not message or not (is_moderator or is_changeable(message, user)):
            raise Unchangeable
        return await self._change(user, of, nonce, "", DELETED)

    async def get(self, seq: int) -> Entry | None:
        """Return a message, None where there is none. Raises DatabaseUnavailable."""
        async with deadline():
            document = await self._collection.find_one({"seq": seq})
        return Entry.from_document(document) if document and "of" not in document else None

    async def get_messages(
        self, before: int | None = None, count: int = PAGE_LENGTH
    ) -> list[Entry]:
        """Return a page of messages, oldest first: the newest, or those before a number.

        Raises DatabaseUnavailable where memory does not hold the page.
        """
        recent = self._journal.memory.entries
        end = self._journal.memory.last + 1 if before is None else before
        page = [entry for entry in recent if entry.seq < end and isinstance(entry, Entry)]
        if len(page) >= count or end <= 1 or (recent and recent[0].seq == 1):
            return page[-count:]
        return (await self._read({"$lt": end}, -1, count))[::-1]

    async def get_messages_from(self, start: int, count: int = PAGE_LENGTH) -> list[Entry]:
        """Return the messages from a number on, oldest first. Raises DatabaseUnavailable."""
        return await self._read({"$gte": start}, 1, count)

    async def _read(self, where: dict[str, int], direction: int, count: int) -> list[Entry]:
        # Without the changes: thousands may lie between two messages.
        messages = {"seq": where, "of": {"$exists": False}}
        async with deadline():
            found = self._collection.find(messages).sort("seq", direction)
            documents = await found.limit(count).to_list(None)
        return [Entry.from_document(document) for document in documents]

    def _repeated(self, user: Identity, nonce: str | None) -> Entry | Change | None:
        return self._journal.memory.find(entry_key(user.user_id, nonce)) if nonce else None

    async def _change(
        self, user: Identity, of: int, nonce: str | None, msg: str, state: str
    ) -> Entry | Change:
        # First the message, then the log: whoever hears of the change reads it changed, and a
        # second attempt after a failure in between does no harm.
        update = {"$set": {"msg": msg, "state": state}}
        async with deadline():
            # A deleted message has no text; one that comes late must not bring it back. (Not by
            # its state: NX-27017 0.8.1 finds no document without a field to be unlike anything.)
            await self._collection.update_one({"seq": of, "msg": {"$ne": ""}}, update)
        return await self._journal.append(user.login, user.user_id, "", nonce, of)


def is_changeable(message: Entry | None, user: Identity) -> bool:
    """Tell whether this is the user's own message, and not for too long."""
    return (
        message is not None
        and message.user_id == user.user_id
        and message.state != DELETED
        and message.time > now() - CHANGEABLE_FOR
    )
