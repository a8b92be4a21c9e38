"""Read marks: how far each user has read, stored with the user so that all devices agree."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import islice

from aiohttp import web
from bson import ObjectId
from pymongo import UpdateOne

from server.background import background, for_ever, paced
from server.relay import RELAY, Relay, check_numbers, check_texts
from settings import USER_COLLECTION
from storage.database import DATABASE, Collection, DatabaseUnavailable
from storage.lookup import Lookup

STORE_EVERY = 6  # seconds
MARKS_PER_CALL = 20  # the embedded database takes 3 ms for these


class ReadMarks:
    """Keeps marks in memory and stores many at a time, because marks move all the time.

    A mark is the number of the last entry of the log that a user has read, 0 for none.
    """

    def __init__(self, users: Collection, relay: Relay) -> None:
        self._users = users
        self._relay = relay
        self._latest: dict[str, int] = {}  # by user, of those that moved in any process
        self._moved: dict[str, int] = {}  # by user, in this process, not stored yet
        self._stored = Lookup(self._fetch)
        relay.listen("read", self.hear)

    async def get(self, user_id: str) -> int:
        """Return a user's mark. Raises DatabaseUnavailable."""
        stored = await self._stored.get(user_id) or 0
        return max(self._latest.get(user_id, 0), stored)

    def move(self, user_id: str, seq: int) -> bool:
        """Move a user's mark forwards, and tell it; return False if it is known to be as far."""
        if seq <= max(self._latest.get(user_id, 0), self._stored.cached(user_id) or 0):
            return False
        self._moved[user_id] = seq
        self._relay.tell_all("read", (user_id, seq))
        return True

    def hear(self, mark: tuple[str, int]) -> None:
        """Note a mark that moved, perhaps in another process. Raises TypeError, ValueError."""
        user_id, seq = mark
        check_texts(user_id)
        check_numbers(seq)
        self._latest[user_id] = max(seq, self._latest.get(user_id, 0))

    async def run(self) -> None:
        """Store the marks that moved, for ever."""
        while True:
            async for user_ids in paced(list(self._moved), MARKS_PER_CALL, STORE_EVERY):
                with suppress(DatabaseUnavailable):  # the next round stores them
                    await self._store(user_ids)

    async def store(self) -> None:
        """Store the marks that moved. Raises DatabaseUnavailable."""
        while self._moved:
            await self._store(list(islice(self._moved, MARKS_PER_CALL)))

    async def _store(self, user_ids: Sequence[str]) -> None:
        some = {user_id: self._moved[user_id] for user_id in user_ids}
        updates = [
            UpdateOne({"_id": ObjectId(user_id)}, {"$max": {"read": seq}})
            for user_id, seq in some.items()
        ]
        await self._users.update_each(updates)
        for user_id, seq in some.items():
            if self._moved[user_id] == seq:  # it may have moved on meanwhile
                del self._moved[user_id]

    async def _fetch(self, user_ids: list[str]) -> dict[str, int]:
        ids = [ObjectId(user_id) for user_id in user_ids]
        users = await self._users.find({"_id": {"$in": ids}}, ["read"])
        return {str(user["_id"]): user.get("read", 0) for user in users}


READ_MARKS = web.AppKey("read_marks", ReadMarks)


async def read_marks_ctx(app: web.Application) -> AsyncIterator[None]:
    """Keep the marks while the application runs, and store the last of them at its end."""
    app[READ_MARKS] = marks = ReadMarks(app[DATABASE][USER_COLLECTION], app[RELAY])
    async with background(for_ever(marks.run)):
        yield
    with suppress(DatabaseUnavailable):
        await marks.store()
