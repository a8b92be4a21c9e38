"""Lookup: caches values by id for some seconds, and joins look-ups into few queries."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

FRESH_FOR = 5  # seconds a value is used before it is looked up again
KEPT_FOR = 20  # seconds a value is kept; longer than a fetch with its three calls can take
IDS_PER_QUERY = 1000

T = TypeVar("T")


class Lookup(Generic[T]):
    """Looks values up by id. A thousand browsers that come back at once cause a few queries."""

    def __init__(self, fetch: Callable[[list[str]], Awaitable[Mapping[str, T]]]) -> None:
        """Set up; `fetch` returns the value of each id that has one, and may raise anything."""
        self._fetch = fetch
        self._known: dict[str, tuple[float, T | None]] = {}  # time and value; None: there is none
        self._wanted: dict[str, asyncio.Future[T | None]] = {}  # for the next query
        self._querying: asyncio.Task[None] | None = None

    async def get(self, id_: str) -> T | None:
        """Return a value that is at most FRESH_FOR seconds old. Raises whatever `fetch` raises."""
        known_at, value = self._known.get(id_, (-FRESH_FOR, None))
        if known_at + FRESH_FOR > time.monotonic():
            return value
        future = self._wanted.get(id_)
        if future is None:
            future = self._wanted[id_] = asyncio.get_running_loop().create_future()
            if self._querying is None:
                self._querying = asyncio.create_task(self._query())
        return await asyncio.shield(future)

    def put(self, id_: str, value: T | None) -> None:
        """Set a value, None if it no longer exists. A query that began before does not undo it."""
        self._known[id_] = (time.monotonic(), value)

    def cached(self, id_: str) -> T | None:
        """Return the value last known, however old, without a query."""
        return self._known.get(id_, (0, None))[1]

    def is_missing(self, id_: str) -> bool:
        """Return whether the id is known to have no value."""
        return id_ in self._known and self._known[id_][1] is None

    async def _query(self) -> None:
        """Answer everybody who waits; those who ask meanwhile are answered by the next query."""
        try:
            while self._wanted:
                wanted, self._wanted = self._wanted, {}
                ids = list(wanted)
                for start in range(0, len(ids), IDS_PER_QUERY):
                    chunk = ids[start : start + IDS_PER_QUERY]
                    await self._answer({id_: wanted[id_] for id_ in chunk})
        finally:
            self._querying = None

    async def _answer(self, wanted: dict[str, asyncio.Future[T | None]]) -> None:
        asked_at = time.monotonic()
        self._known = {
            id_: known for id_, known in self._known.items() if known[0] > asked_at - KEPT_FOR
        }
        try:
            found = await self._fetch(list(wanted))
        except Exception as error:  # whatever it is; otherwise the callers would wait for ever
            for future in wanted.values():
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # if nobody waits any more, asyncio would log it
            return
        for id_, future in wanted.items():
            known_at, _ = self._known.get(id_, (0, None))
            if known_at < asked_at:
                self._known[id_] = (asked_at, found.get(id_))
            if not future.done():
                future.set_result(self._known[id_][1])
