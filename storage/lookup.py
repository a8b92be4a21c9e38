"""Lookup: caches values by id for some seconds, and joins look-ups into few queries."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

FRESH_FOR = 5  # seconds a value is used before it is looked up again
KEPT_FOR = 20  # seconds a value is kept; longer than a fetch with its three calls can take
IDS_PER_QUERY = 25  # the embedded database takes 2 ms for these, and 76 ms for a thousand
QUERY_PATIENCE = 0.5  # seconds; with it and a call's deadline, a page is answered within five

T = TypeVar("T")
Query = asyncio.Task[dict[str, T | None]]


class Lookup(Generic[T]):
    """Looks values up by id. A thousand browsers that come back at once cause a few queries."""

    def __init__(self, fetch: Callable[[list[str]], Awaitable[Mapping[str, T]]]) -> None:
        """Set up; `fetch` returns the value of each id that has one, and may raise anything."""
        self._fetch = fetch
        self._known: dict[str, tuple[float, T | None]] = {}  # time and value; None: there is none
        self._wanted: dict[str, None] = {}  # the ids for the next query
        self._next: Query[T] | None = None  # that query, until it begins
        self._last: Query[T] | None = None  # it, or the one before

    async def get(self, id_: str) -> T | None:
        """Return a value that is at most FRESH_FOR seconds old. Raises whatever `fetch` raises."""
        known_at, value = self._known.get(id_, (-FRESH_FOR, None))
        if known_at + FRESH_FOR > time.monotonic():
            return value
        self._wanted[id_] = None
        if self._next is None:
            self._next = self._last = asyncio.create_task(self._query(self._last))
            # Otherwise asyncio would log an error for which nobody waits any more.
            self._next.add_done_callback(lambda query: query.cancelled() or query.exception())
        return (await asyncio.shield(self._next))[id_]

    def put(self, id_: str, value: T | None) -> None:
        """Set a value, None if it no longer exists. A query that began before does not undo it."""
        self._known[id_] = (time.monotonic(), value)

    def cached(self, id_: str) -> T | None:
        """Return the value last known, however old, without a query."""
        return self._known.get(id_, (0, None))[1]

    def is_missing(self, id_: str) -> bool:
        """Return whether the id is known to have no value."""
        return id_ in self._known and self._known[id_][1] is None

    async def _query(self, before: "Query[T] | None") -> dict[str, T | None]:
        """Look up what is wanted by then, after the query before, unless that one stalls."""
        if before:
            await asyncio.wait([before], timeout=QUERY_PATIENCE)
        ids, self._wanted, self._next = list(self._wanted), {}, None
        asked_at = time.monotonic()
        self._known = {
            id_: known for id_, known in self._known.items() if known[0] > asked_at - KEPT_FOR
        }
        values: dict[str, T | None] = {}
        for start in range(0, len(ids), IDS_PER_QUERY):
            chunk = ids[start : start + IDS_PER_QUERY]
            found = await self._fetch(chunk)
            for id_ in chunk:
                known_at, _ = self._known.get(id_, (0, None))
                if known_at < asked_at:
                    self._known[id_] = (asked_at, found.get(id_))
                values[id_] = self._known[id_][1]
        return values
