"""The search page: finds messages by words."""

import unicodedata
from typing import Any

import aiohttp_jinja2
from aiohttp import web

from auth.sessions import IDENTITY
from chat.models import TOO_FAST
from chat.rich_text import in_quotation_marks
from chat.views import read_seq
from pages.forms import FormError, Page, database_away, error_response, too_busy
from search.excerpt import excerpt
from search.finder import FINDER, NEWEST
from search.words import words_in
from security.limits import Busy
from storage.database import DatabaseUnavailable

QUERY_LENGTH = 100  # characters
QUERY_WORDS = 10


class Search(Page):
    """The page: a form, and what was found."""

    async def get(self) -> web.Response:
        """Show the newest messages that contain the words, or those before a number."""
        query = " ".join(self.request.query.getall("q", []))
        before = read_seq(self.request, "before")
        context: dict[str, Any] = {"query": query, "newest": NEWEST}
        try:
            if query:
                context |= await self.find(query, before)
        except FormError as error:
            return error_response(self.request, "chat/search.html", context, error)
        return aiohttp_jinja2.render_template("chat/search.html", self.request, context)

    async def find(self, query: str, before: int | None) -> dict[str, Any]:
        """Return what the page shows of the messages that were found. Raises FormError."""
        words, finder = read_words(query), self.request.app[FINDER]
        user_id = self.request[IDENTITY].user_id
        if wait := finder.limit.use_or_wait(user_id):
            raise FormError(429, TOO_FAST, "q", wait)
        try:
            found = await finder.find(user_id, words, before)
        except Busy:
            raise too_busy("q") from None
        except DatabaseUnavailable:
            raise database_away("q") from None
        texts = [in_quotation_marks(entry.msg) for entry in found.entries]
        pieces = [excerpt(text, words) for text in texts]
        return {
            "results": list(zip(found.entries, pieces, strict=True)),
            "older": found.older,
            "scanned": found.scanned,
            "is_first": before is None,
        }


def read_words(query: str) -> list[str]:
    """Return the words of a query. Raises FormError."""
    words = words_in(query)
    if len(unicodedata.normalize("NFC", query)) > QUERY_LENGTH or len(words) > QUERY_WORDS:
        text = f"Please search for at most {QUERY_WORDS} words, {QUERY_LENGTH} characters"
        raise FormError(400, f"{text}: a part of a long address is enough", "q")
    if not words:
        raise FormError(400, "Please write a word: signs and emoji can't be searched for", "q")
    return words
