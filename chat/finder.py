"""Finds messages by words, in steps so short that nobody who talks notices them.

The embedded database runs one statement at a time, and its text index takes about 3 µs for each
message that has the words, even if only the newest are asked for: 2 s if that is a million. So a
search reads the newest messages first, where frequent words fill a page at once. Then it estimates
how frequent each word is, and asks the text index for rare ones only.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from aiohttp import web

from chat.entry import MessageEntry, is_change
from chat.recent import Recent
from chat.words import bare, pattern
from database import CALL_TIMEOUT, Collection, Document, deadline
from limits import Busy, Pace

PAGE_LENGTH = 20  # messages
ENTRIES_PER_QUERY = 50  # the embedded database takes 3 ms for these
NEWEST = 500  # entries to read before the text index is asked
SAMPLES = 20  # queries, evenly spread over the log, that tell how frequent a word is
RARE = 10_000  # messages in which a rare word is, at most; the text index takes 30 ms for these
SEARCH_FOR = 1  # seconds; then the page shows what was found, and offers to search further back
QUEUE = 8  # searches that may wait
PER_SECOND, AT_ONCE = 1, 10  # searches of one person


class Found(NamedTuple):
    """A page of found messages."""

    entries: list[MessageEntry]  # newest first
    older: int | None  # search on before this number; None if nothing is left to search


class Finder:
    """Searches messages, one search at a time."""

    def __init__(self, messages: Collection, recent: Recent) -> None:
        self.pace = Pace(PER_SECOND, AT_ONCE)  # by person
        self._messages = messages
        self._recent = recent
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def find(self, words: list[str], before: int | None = None) -> Found:
        """Return the newest messages that contain all the words, perhaps before a number.

        Raises Busy, DatabaseUnavailable.
        """
        if self._waiting > QUEUE:
            raise Busy
        self._waiting += 1
        try:
            async with deadline(), self._turn:
                return await self._find(words, before or self._recent.last + 1)
        finally:
            self._waiting -= 1

    async def _find(self, words: list[str], before: int) -> Found:
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + SEARCH_FOR
        patterns = [pattern(word) for word in words]
        text_search: Document = {}
        entries: list[MessageEntry] = []
        older: int | None = before
        seen = 0
        while older and len(entries) <= PAGE_LENGTH:
            if seen == NEWEST:
                text_search = await self._search_for_rare(words)
            documents = await self._read(older, text_search)
            for message, text in messages_in(documents):
                if all(word.search(text) for word in patterns):
                    entries.append(message)
            seen += len(documents)
            older = documents[-1]["seq"] if len(documents) == ENTRIES_PER_QUERY else None
            if clock() > give_up_at:
                break
        if len(entries) > PAGE_LENGTH:
            older = entries[PAGE_LENGTH - 1].seq
        return Found(entries[:PAGE_LENGTH], older)

    async def _read(self, before: int, text_search: Document) -> list[Document]:
        """Return the last entries before a number, newest first."""
        found = self._messages.find({"seq": {"$lt": before}, **text_search}).sort("seq", -1)
        return await found.limit(ENTRIES_PER_QUERY).max_time_ms(CALL_TIMEOUT * 1000).to_list(None)

    async def _search_for_rare(self, words: list[str]) -> Document:
        """Return the part of a query that asks the text index for those words that are rare."""
        last = self._recent.last
        counts: Counter[str] = Counter()
        if last > RARE:
            patterns = {word: pattern(word) for word in words}
            for sample in range(1, SAMPLES + 1):
                documents = await self._read(last * sample // SAMPLES + 1, {})
                for _, text in messages_in(documents):
                    counts.update(word for word in words if patterns[word].search(text))
        few = RARE * SAMPLES * ENTRIES_PER_QUERY / (last + 1)
        # Quoted words are all required and never operators.
        rare = " ".join(f'"{word}"' for word in words if counts[word] <= few)
        return {"$text": {"$search": rare}} if rare else {}


FINDER = web.AppKey("finder", Finder)


def messages_in(documents: Iterable[Document]) -> Iterator[tuple[MessageEntry, str]]:
    """Yield the messages among entries, with their bare texts."""
    for document in documents:
        if not is_change(document):
            message = MessageEntry.from_document(document)
            yield message, bare(message.msg)
