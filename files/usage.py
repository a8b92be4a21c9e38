"""Usage: how much room files take, of each person and in all, and whether there is room for one."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from aiohttp import web

from pages.sizes import size_text
from server.relay import Relay, check_numbers, check_texts
from storage.database import Document

LAST = "~"  # after the id of any file


class OverQuota(Exception):
    """There is no room for a file; the text tells its sender why."""


class Sums:
    """How many files there are, and how many bytes they take, by their owners' ids."""

    def __init__(self) -> None:
        self.files, self.sizes = Counter[str](), Counter[str]()

    def add(self, user_id: str, size: int) -> None:
        """Add a file, or take one away if the size is negative."""
        self.files[user_id] += 1 if size > 0 else -1
        self.sizes[user_id] += size


class Usage:
    """Counts the files in memory: by what is told of each, and from time to time anew."""

    def __init__(self, per_user: int, in_all: int, relay: Relay) -> None:
        """Set up; the limits are in bytes, 0 for none."""
        self._per_user, self._in_all = per_user, in_all
        self._now = Sums()
        self._reserved = Counter[str]()  # bytes of files that are being stored
        # A count that is under way: its sums, the last file, and what is told of those after that.
        self._next, self._last = Sums(), LAST
        self._told: dict[str, tuple[str, int]] = {}
        self._counting = asyncio.Lock()
        self.is_counted = asyncio.Event()  # for the first time
        relay.listen("file", self.hear)

    @property
    def files(self) -> Counter[str]:
        """The number of files, by their owners' ids."""
        return self._now.files

    @property
    def sizes(self) -> Counter[str]:
        """The bytes of all files, by their owners' ids."""
        return self._now.sizes

    def hear(self, told: tuple[str, str, int]) -> None:
        """Note a file that is stored, or gone if the size is negative: (its id, owner's id, size).

        Raises TypeError, ValueError for anything else.
        """
        file_id, user_id, size = told
        check_texts(file_id, user_id)
        check_numbers(size)
        self._now.add(user_id, size)
        if file_id <= self._last:
            self._next.add(user_id, size)
        else:
            self._told[file_id] = user_id, size

    async def count(self, files: AsyncIterator[Document]) -> None:
        """Count all files anew, which corrects what was not told. Raises DatabaseUnavailable.

        `files` are their documents, in the order of `file_id`. Of a file that is told of before
        the count comes to it, that is true, and the document may be older.
        """
        async with self._counting:
            self._next, self._last, self._told = Sums(), "", {}
            async for document in files:
                self._last = document["file_id"]
                if self._last not in self._told:
                    self._next.add(document["user_id"], document["size"])
            for user_id, size in self._told.values():
                if size > 0:
                    self._next.add(user_id, size)
            self._now, self._last, self._told = self._next, LAST, {}
            self._next = Sums()
            self.is_counted.set()

    @contextmanager
    def reserved(self, user_id: str, size: int) -> Iterator[None]:
        """Keep room for a person's file during a block. Raises OverQuota if there is none."""
        own = self.sizes[user_id] + self._reserved[user_id]
        if self._per_user and own + size > self._per_user:
            raise OverQuota(
                f"Your files take {size_text(own)} already; with this one of {size_text(size)} "
                f"they would take more than the {size_text(self._per_user)} that each person has."
            )
        used = self.sizes.total() + self._reserved.total()
        if self._in_all and used + size > self._in_all:
            raise OverQuota(
                f"Everybody's files take {size_text(used)} already, and there is no room for this "
                f"one of {size_text(size)}."
            )
        self._reserved[user_id] += size
        try:
            yield
        finally:
            self._reserved[user_id] -= size


USAGE = web.AppKey("usage", Usage)
