"""Finds messages by words, in steps so short that nobody notices them.

The embedded database runs one statement at a time, and its text index takes about 3 µs for each
message that has the words, even if only the newest are asked for: 3 s if that is a million. So a
search reads the newest messages first, where frequent words fill a page at once. Then it estimates
how frequent each word is, and asks the text index for rare ones only. That index has whole words,
and knows nothing of those in scripts without spaces.

A database elsewhere, such as MongoDB, works on several queries at once, but each takes its time on
the way. So it is asked in few, long steps: a search waits for eight answers at most, one after
another, because Atlas' free clusters carry out no more than 100 operations a second.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import repeat
from typing import NamedTuple

from aiohttp import web

from chat.entry import MessageEntry
from chat.message_index import MESSAGE_SEQ, messages_before
from chat.recent import Recent
from search.words import bare, indexed_parts, is_spaced, pattern, undirected, whole
from security.limits import Busy, Limit, Turns
from storage.database import Collection, Document, deadline

PAGE_LENGTH = 20  # messages
PIECE = 20  # messages to look at before others go on; 0.1 ms
PIECE_TEXT = 40_000  # characters of them, unless it is one message; up to 6 ms
NEWEST = 2000  # messages to read, if SEARCH_FOR is enough, before the text index is asked
QUERY_TEXT = 2_000_000  # characters that a query may have, by the length of those before
SAMPLE_FOR = 60  # seconds
RARE = 10_000  # a word in at most so many messages is rare; the text index takes 30 ms for it
SEARCH_FOR = 0.4  # seconds; then the page shows what was found, and offers to go on
QUEUE = 8  # people whose searches may wait; one of each, together, take less than CALL_TIMEOUT
SEARCHES = 10, 10  # of one person, in so many seconds


class Pace(NamedTuple):
    """In which steps a database is read."""

    steps: Iterable[int]  # messages in each query; begun anew when the text index is asked
    sample: tuple[int, ...]  # messages in each query, evenly spread, for how frequent a word is
    at_once: int  # searches, and queries of a sample
    splits_words: bool  # whether the text index has the parts of foo_bar


# The embedded database takes 3 ms for 50 messages, and SEARCH_FOR ends a search.
EMBEDDED = Pace(steps=repeat(50), sample=(50,) * 20, at_once=1, splits_words=True)
ELSEWHERE = Pace(steps=(100, 900, 1000), sample=(125,) * 8, at_once=4, splits_words=False)


class Found(NamedTuple):
    """A page of found messages."""

    entries: list[MessageEntry]  # newest first
    older: int | None  # continue before this number; None at the beginning of the log
    scanned: int | None  # messages read before the text index was asked; None if it was not


class Page:
    """What a search has found so far."""

    def __init__(self, words: list[str], before: int) -> None:
        self.older: int | None = before  # what comes before this number is not read yet
        self.read = self._text = 0  # messages, and their characters
        self.scanned: int | None = None  # as in Found
        self._patterns = [pattern(word) for word in words]
        self._entries: list[MessageEntry] = []  # one more than a page, if there are more

    @property
    def wants_more(self) -> bool:
        """Whether there may be more messages, and place for them."""
        return self.older is not None and len(self._entries) <= PAGE_LENGTH

    def next_query(self, most: int) -> int:
        """Return how many messages to read next: fewer if they are long."""
        return max(1, min(most, QUERY_TEXT * self.read // self._text)) if self._text else most

    def add(self, documents: list[Document]) -> None:
        """Add those messages that have all the words."""
        for message, text in messages_in(documents):
            self._text += len(text)
            if all(each.search(text) for each in self._patterns):
                self._entries.append(message)
        self.read += len(documents)
        self.older = documents[-1]["seq"]

    def found(self) -> Found:
        """Return the page."""
        if len(self._entries) > PAGE_LENGTH:
            last = self._entries[PAGE_LENGTH - 1].seq
            return Found(self._entries[:PAGE_LENGTH], last, self.scanned)
        return Found(self._entries, self.older, self.scanned)


class Sample(NamedTuple):
    """Messages from one part of the log."""

    texts: list[str]  # bare
    share: float  # of the entries there that are messages


class Finder:
    """Searches messages, at a database's pace, and in rotation if several people search."""

    def __init__(self, messages: Collection, recent: Recent, pace: Pace) -> None:
        self.limit = Limit(*SEARCHES)  # by person
        self._messages = messages
        self._recent = recent
        self._pace = pace
        self._turns = Turns(at_once=1, waiting=QUEUE)  # by person
        self._turn = asyncio.Semaphore(pace.at_once)
        self._waiting = 0  # searches, those under way included; of each person at most one
        self._samples: dict[int, Sample] = {}  # by the number of the part of the log
        self._sampled_at = -float("inf")  # the loop's time
        self._sampling = asyncio.Lock()

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
        for step in self._pace.steps:
            if not page.wants_more or page.read >= NEWEST or clock() >= give_up_at:
                break
            await self._add_to(page, page.next_query(step))
        if page.wants_more:
            text_search = await self._query_for_rare(words)
            page.scanned = page.read if text_search else None
            for step in self._pace.steps:
                most = page.next_query(step)
                await self._add_to(page, most, text_search)  # once even if the time is up
                if not page.wants_more or clock() >= give_up_at:
                    break
        return page.found()

    async def _add_to(self, page: Page, count: int, text_search: Document | None = None) -> None:
        """Read the next messages for a page, or only those found."""
        documents = await self._read(page.older, count, text_search)
        async for piece in in_pieces(documents):
            page.add(piece)
        if len(documents) < count:
            page.older = None  # these were the last

    async def _read(
        self, before: int | None, count: int, text_search: Document | None = None
    ) -> list[Document]:
        """Return the last messages before a number, newest first, or only those found."""
        where = {**messages_before(before or 0), **(text_search or {})}
        return await self._messages.find(where, sort=(MESSAGE_SEQ, -1), limit=count)

    async def _query_for_rare(self, words: list[str]) -> Document:
        """Return the part of a query that asks the text index for those words that are rare."""
        words = [word for word in words if is_spaced(word)]
        if self._recent.last > RARE:
            samples = await self._take_samples()
            texts = [text for sample in samples for text in sample.texts]
            shares = sum(sample.share for sample in samples)
            message_count = self._recent.last * shares / len(samples)
            most = RARE / max(message_count, RARE) * len(texts)
            words = [word for word in words if await self._count(word, texts) <= most]
        # Quoted words are all required and never operators.
        search = " ".join(f'"{word}"' for word in words)
        return {"$text": {"$search": search}} if words else {}

    async def _take_samples(self) -> list[Sample]:
        """Return samples; those that came before a search was given up are not asked for again."""
        async with self._sampling:
            now = asyncio.get_running_loop().time()
            if now > self._sampled_at + SAMPLE_FOR:
                self._samples, self._sampled_at = {}, now
            parts = [part for part in range(len(self._pace.sample)) if part not in self._samples]
            for start in range(0, len(parts), self._pace.at_once):
                await asyncio.gather(*map(self._sample, parts[start : start + self._pace.at_once]))
            return list(self._samples.values())

    async def _sample(self, part: int) -> None:
        end = self._recent.last * (part + 1) // len(self._pace.sample) + 1
        documents = await self._read(end, self._pace.sample[part])
        texts: list[str] = []
        async for piece in in_pieces(documents):
            texts += [text for _, text in messages_in(piece)]
        share = len(documents) / (end - documents[-1]["seq"]) if documents else 0.0
        self._samples[part] = Sample(texts, share)

    async def _count(self, word: str, texts: list[str]) -> int:
        """Return how many of the texts have a word, or the rarest part that the index has of it."""
        counts = []
        for part in set(indexed_parts(word)) if self._pace.splits_words else [bare(word)]:
            found = whole(part).search
            counts.append(sum(1 for text in texts if part in text and found(text)))
            await asyncio.sleep(0)  # let others go on
        return min(counts)


FINDER = web.AppKey("finder", Finder)


def messages_in(documents: Iterable[Document]) -> Iterator[tuple[MessageEntry, str]]:
    """Yield messages, with their bare texts, in which nothing separates the letters of a word."""
    for document in documents:
        message = MessageEntry.from_document(document)
        yield message, bare(undirected(message.msg))


async def in_pieces(documents: list[Document]) -> AsyncIterator[list[Document]]:
    """Yield documents a few at a time, and let others go on after each piece."""
    piece: list[Document] = []
    room = PIECE_TEXT
    for document in documents:
        length = len(str(document.get("msg", "")))
        if piece and (len(piece) == PIECE or length > room):
            yield piece
            await asyncio.sleep(0)
            piece, room = [], PIECE_TEXT
        piece.append(document)
        room -= length
    if piece:
        yield piece
        await asyncio.sleep(0)
