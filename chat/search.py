"""The search page: finds messages by words."""

import asyncio
import unicodedata
from itertools import groupby
from typing import Any

import aiohttp_jinja2
from aiohttp import web

from auth.sessions import IDENTITY
from chat.entry import MessageEntry
from chat.excerpt import excerpt, is_of_word
from chat.models import TOO_FAST
from chat.views import read_seq
from database import CALL_TIMEOUT, Collection, DatabaseUnavailable, deadline
from forms import FormError, database_away, error_response, too_busy
from limits import Busy, Pace

PAGE_LENGTH = 20  # messages
QUERY_LENGTH = 100  # characters
QUERY_WORDS = 10
QUEUE = 8  # searches that may wait
PER_SECOND, AT_ONCE = 1, 10  # searches of one person


class Finder:
    """Searches messages, one search at a time: each blocks the embedded database."""

    def __init__(self, messages: Collection) -> None:
        self.pace = Pace(PER_SECOND, AT_ONCE)  # by person
        self._messages = messages
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def find(self, words: list[str], before: int | None = None) -> list[MessageEntry]:
        """Return the newest messages that contain all the words, one more than a page shows.

        Raises Busy, DatabaseUnavailable.
        """
        # Quoted words are all required and never operators. MongoDB matches at least one of them as
        # a whole word, the others also inside words.
        search: dict[str, Any] = {"$text": {"$search": " ".join(f'"{word}"' for word in words)}}
        if before is not None:
            search["seq"] = {"$lt": before}
        found = self._messages.find(search).sort("seq", -1).limit(PAGE_LENGTH + 1)
        if self._waiting > QUEUE:
            raise Busy
        self._waiting += 1
        try:
            async with deadline(), self._turn:
                documents = await found.max_time_ms(CALL_TIMEOUT * 1000).to_list(None)
        finally:
            self._waiting -= 1
        return [MessageEntry.from_document(document) for document in documents]


FINDER = web.AppKey("finder", Finder)


class Search(web.View):
    """The page: a form, and what was found."""

    async def get(self) -> web.Response:
        """Show the newest messages that contain the words, or those before a number."""
        query = " ".join(self.request.query.getall("q", []))
        before = read_seq(self.request, "before")
        context: dict[str, Any] = {"query": query, "query_length": QUERY_LENGTH}
        try:
            if query:
                context |= await self.find(query, before)
        except FormError as error:
            return error_response(self.request, "chat/search.html", context, error)
        return aiohttp_jinja2.render_template("chat/search.html", self.request, context)

    head = get

    async def find(self, query: str, before: int | None) -> dict[str, Any]:
        """Return what the page shows of the messages that were found. Raises FormError."""
        words, finder = read_words(query), self.request.app[FINDER]
        if wait := finder.pace.take(self.request[IDENTITY].user_id):
            raise FormError(429, TOO_FAST, "q", wait)
        try:
            entries = await finder.find(words, before)
        except Busy:
            raise too_busy("q") from None
        except DatabaseUnavailable:
            raise database_away("q") from None
        shown = entries[:PAGE_LENGTH]
        return {
            "results": [(entry, excerpt(entry.msg, words)) for entry in shown],
            "older": shown[-1].seq if len(entries) > PAGE_LENGTH else None,
            "is_first": before is None,
        }


def read_words(query: str) -> list[str]:
    """Return the words of a query; a word is letters, digits and `_`. Raises FormError."""
    query = unicodedata.normalize("NFC", query)
    # MongoDB treats a_b as one word, so it must stay one here.
    runs = groupby(query, lambda character: character == "_" or is_of_word(character))
    texts = dict.fromkeys("".join(run) for is_word, run in runs if is_word)
    words = [text for text in texts if any(map(str.isalnum, text))]
    if len(query) > QUERY_LENGTH or len(words) > QUERY_WORDS:
        text = f"Please search for at most {QUERY_WORDS} words, {QUERY_LENGTH} characters"
        raise FormError(400, text, "q")
    if not words:
        raise FormError(400, "Please write a word to search for", "q")
    return words
