"""Writings: what one person has written, to be downloaded, removed or made anonymous.

All of it is gone through in steps so short that others do not notice, however much there is.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiohttp import web

from auth.sessions import Identity
from chat.entry import DELETED, DELETED_USER, change_key, is_change, message_key
from chat.journal import Journal
from server.relay import Relay
from storage.database import Collection, Document

ENTRIES_PER_QUERY = 200
ENTRIES_PER_UPDATE = 50  # the embedded database takes 8 ms for these
REMOVED_AT_ONCE = 5  # messages; the embedded database takes 10 ms for these
REMOVAL_PAUSE = 1  # of the time that they took


class RemovalUnderWay(Exception):
    """What this user has said is being removed already."""


class Writings:
    """Reads and changes what a person has written, which it finds by the beginnings of keys."""

    def __init__(self, collection: Collection, journal: Journal, relay: Relay) -> None:
        self._collection = collection
        self._journal = journal
        self._relay = relay
        self._removals: set[str] = set()  # the users whose messages are being removed
        self._removal_turn = asyncio.Lock()  # so that several removals are felt as one
        relay.listen("anonymized", self.forget_name)

    async def messages(self, user_id: str) -> AsyncIterator[list[Document]]:
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


WRITINGS = web.AppKey("writings", Writings)
