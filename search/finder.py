"""Finds messages by words, in steps so short that nobody notices them.

The embedded database runs one statement at a time, and its text index takes about 3 µs for each
message that has the words, even if only the newest are asked for: 3 s if that is a million. So a
search reads the newest messages first, where frequent words fill a page at once. Then it estimates
how frequent each word is, and asks the text index for rare ones only. That index has whole words,
and knows nothing of those in scripts without spaces.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from aiohttp import web

from chat.entry import MessageEntry
from chat.message_index import MESSAGE_SEQ, messages_before
from chat.recent import Recent
from search.words import bare, indexed_parts, is_spaced, pattern, whole
from security.limits import Busy, Limit, Turns
from storage.database import Collection, Document, deadline

PAGE_LENGTH = 20  # messages
MESSAGES_PER_QUERY = 50  # the embedded database takes 3 ms for these
NEWEST = 2000  # messages to read, if SEARCH_FOR is enough, before the text index is asked
SAMPLES = 20  # queries, evenly spread over the log, that tell how frequent a word is
SAMPLE_FOR = 60  # seconds
RARE = 10_000  # a word in at most so many messages is rare; the text index takes 30 ms for it
SEARCH_FOR = 0.4  # seconds; then the page shows what was found, and offers to go on
QUEUE = 8  # people whose searches may wait; one of each, together, take less than CALL_TIMEOUT
SEARCHES = 10, 10  # of one person, in so many seconds


class Found(NamedTuple):
    """A page of found messages."""

    entries: list[MessageEntry]  # newest first
    older: int | None  # continue before this number; None at the beginning of the log


class Page:
    """What a search has found so far."""

    def __init__(self, words: list[str], before: int) -> None:
        self.older: int | None = before  # what comes before this number is not read yet
        self.read = 0  # messages
        self._patterns = [pattern(word) for word in words]
        self._entries: list[MessageEntry] = []  # one more than a page, if there are more

    @property
    def wants_more(self) -> bool:
        """Whether there may be more messages, and place for them."""
        return self.older is not None and len(self._entries) <= PAGE_LENGTH

    def add(self, documents: list[Document]) -> None:
        """Add those messages that have all the words; fewer than were asked for are the last."""
        for message, text in messages_in(documents):
            if all(each.search(text) for each in self._patterns):
                self._entries.append(message)
        self.read += len(documents)
        self.older = documents[-1]["seq"] if len(documents) == MESSAGES_PER_QUERY else None

    def found(self) -> Found:
        """Return the page."""
        if len(self._entries) > PAGE_LENGTH:
            return Found(self._entries[:PAGE_LENGTH], self._entries[PAGE_LENGTH - 1].seq)
        return Found(self._entries, self.older)


class Finder:
    """Searches messages, one search at a time, and in rotation if several people search."""

    def __init__(self, messages: Collection, recent: Recent) -> None:
        self.limit = Limit(*SEARCHES)  # by person
        self._messages = messages
        self._recent = recent
        self._turns = Turns(at_once=1, waiting=QUEUE)  # by person
        self._turn = asyncio.Lock()
        self._waiting = 0  # searches, the one under way included; of each person at most one
        self._sample: list[str] = []  # bare texts of messages from all parts of the log
        self._message_count = 0.0  # of the whole log, estimated from the sample
        self._sampled_at = -float("inf")  # the loop's time

    async def find(self, user_id: str, words: list[str], before: int | None = None) -> Found:
        """Return the newest messages that contain all the words, perhaps before a number.

        Raises Busy, DatabaseUnavailable.
        """
        async with deadline(), self._turns.turn(user_id):
            if self._waiting > QUEUE:
                raise Busy
            self._waiting += 1
            try:
                async with self._turn:
                    return await self._find(words, before)
            finally:
                self._waiting -= 1

    async def _find(self, words: list[str], before: int | None) -> Found:
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + SEARCH_FOR
        page = Page(words, self._recent.last + 1 if before is None else before)
        while page.wants_more and page.read < NEWEST and clock() < give_up_at:
            page.add(await self._read(page.older))
        if page.wants_more:
            text_search = await self._query_for_rare(words)
            page.add(await self._read(page.older, text_search))  # even if the time is up
            while page.wants_more and clock() < give_up_at:
                page.add(await self._read(page.older, text_search))
        return page.found()

    async def _read(
        self, before: int | None, text_search: Document | None = None
    ) -> list[Document]:
        """Return the last messages before a number, newest first, or only those found."""
        where = {**messages_before(before or 0), **(text_search or {})}
        return await self._messages.find(where, sort=(MESSAGE_SEQ, -1), limit=MESSAGES_PER_QUERY)

    async def _query_for_rare(self, words: list[str]) -> Document:
        """Return the part of a query that asks the text index for those words that are rare."""
        words = [word for word in words if is_spaced(word)]
        if self._recent.last > RARE:
            await self._take_sample()
            most = RARE / max(self._message_count, RARE) * len(self._sample)
            words = [word for word in words if await self._count(word) <= most]
        # Quoted words are all required and never operators.
        search = " ".join(f'"{word}"' for word in words)
        return {"$text": {"$search": search}} if words else {}

    async def _take_sample(self) -> None:
        now = asyncio.get_running_loop().time()
        if now > self._sampled_at + SAMPLE_FOR:
            sample: list[str] = []
            shares = 0.0  # of the entries there that are messages
            for number in range(1, SAMPLES + 1):
                end = self._recent.last * number // SAMPLES + 1
                if documents := await self._read(end):
                    sample += [text for _, text in messages_in(documents)]
                    shares += len(documents) / (end - documents[-1]["seq"])
            self._sample, self._sampled_at = sample, now
            self._message_count = self._recent.last * shares / SAMPLES

    async def _count(self, word: str) -> int:
        """Return how many messages of the sample have the rarest part of a word."""
        counts = []
        for part in set(indexed_parts(word)):
            found = whole(part).search
            counts.append(sum(1 for text in self._sample if part in text and found(text)))
            await asyncio.sleep(0)  # let others go on
        return min(counts)


FINDER = web.AppKey("finder", Finder)


def messages_in(documents: Iterable[Document]) -> Iterator[tuple[MessageEntry, str]]:
    """Yield messages, with their bare texts."""
    for document in documents:
        message = MessageEntry.from_document(document)
        yield message, bare(message.msg)
