"""Message: the talk, as views see it."""

from auth.sessions import Identity
from chat.entry import Entry
from chat.journal import Journal
from database import Database, deadline
from settings import MESSAGE_COLLECTION

PAGE_LENGTH = 50  # messages


class Message:
    """Saves and reads messages."""

    def __init__(self, db: Database, journal: Journal) -> None:
        self._db = db
        self._journal = journal

    async def save(self, user: Identity, msg: str, nonce: str | None = None) -> Entry:
        """Store a message and show it to everybody; return its entry. Raises Unavailable."""
        return await self._journal.append(user.login, user.user_id, msg, nonce)

    async def get_messages(self, before: int | None = None) -> list[Entry]:
        """Return a page of messages, oldest first: the newest, or those before a number.

        Raises DatabaseUnavailable where memory does not hold the page.
        """
        end = self._journal.last + 1 if before is None else before
        recent = [entry for entry in self._journal.recent if entry.seq < end][-PAGE_LENGTH:]
        if len(recent) == PAGE_LENGTH or (recent and recent[0].seq == 1) or end <= 1:
            return recent
        async with deadline():
            page = (
                self._db[MESSAGE_COLLECTION]
                .find({"seq": {"$lt": end}})
                .sort("seq", -1)
                .limit(PAGE_LENGTH)
            )
            documents = await page.to_list(None)
        return [Entry.from_document(document) for document in reversed(documents)]
