"""Read marks: how far each user has read, kept with the user, so that every device agrees."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import islice

from aiohttp import web
from bson import ObjectId
from pymongo import UpdateOne

from background import background
from database import DB, Collection, DatabaseUnavailable, deadline
from settings import USER_COLLECTION

STORE_EVERY = 6  # seconds; longer than a session is believed, which brings the stored mark
AT_ONCE = 100  # marks in one call of the database


class ReadMarks:
    """Remembers marks and stores them together, because every reader moves theirs all the time."""

    def __init__(self, users: Collection) -> None:
        self._users = users
        self._moved: dict[str, int] = {}  # by user, not stored yet
        self._stored: dict[str, int] = {}  # just now, so sessions may not know it yet

    def get(self, user_id: str) -> int:
        """Return a mark that was moved lately, else 0."""
        return self._moved.get(user_id, self._stored.get(user_id, 0))

    def mark(self, user_id: str, seq: int) -> bool:
        """Move a user's mark forwards; tell whether it was further back."""
        if seq <= self.get(user_id):
            return False
        self._moved[user_id] = seq
        return True

    async def run(self) -> None:
        """Store what was moved, for ever."""
        while True:
            await asyncio.sleep(STORE_EVERY)
            with suppress(DatabaseUnavailable):  # the next time, then
                await self.store()

    async def store(self) -> None:
        """Store what was moved. Raises DatabaseUnavailable."""
        self._stored = {}
        while self._moved:
            some = dict(islice(self._moved.items(), AT_ONCE))
            updates = [
                UpdateOne({"_id": ObjectId(user_id)}, {"$max": {"read": seq}})
                for user_id, seq in some.items()
            ]
            async with deadline():
                await self._users.bulk_write(updates, ordered=False)
            self._stored |= some
            for user_id, seq in some.items():
                if self._moved[user_id] == seq:  # it may have moved on meanwhile
                    del self._moved[user_id]


READ_MARKS = web.AppKey("read_marks", ReadMarks)


async def read_marks_ctx(app: web.Application) -> AsyncIterator[None]:
    """Keep the marks while the application runs, and store the last of them at its end."""
    app[READ_MARKS] = marks = ReadMarks(app[DB][USER_COLLECTION])
    async with background(marks.run()):
        yield
    with suppress(DatabaseUnavailable):
        await marks.store()
