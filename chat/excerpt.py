"""Excerpts of found messages: the part around the words, with the words marked."""

import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

LENGTH = 300  # characters of an excerpt
LEAD = 60  # characters before the first word that was found


class Piece(NamedTuple):
    """A part of a text: a word that was found, or other text."""

    text: str
    is_found: bool


def excerpt(text: str, words: list[str]) -> list[Piece]:
    """Return the part of a text around the first of the words, in pieces."""
    wanted = {_bare(part) for word in words for part in _parts(word)}
    parts = list(_parts(text))
    found = [_bare(part) in wanted for part in parts]
    start, end = _cut(text, sum(map(len, parts[: found.index(True)])) if any(found) else 0)
    pieces = [Piece(part, _bare(part) in wanted) for part in _parts(text[start:end])]
    gap = Piece("…", False)
    return [gap] * (start > 0) + pieces + [gap] * (end < len(text))


def is_of_word(character: str) -> bool:
    """Return whether both databases treat a character as part of a word."""
    return unicodedata.category(character)[0] in "LMN"


def _cut(text: str, at: int) -> tuple[int, int]:
    """Return the start and end of an excerpt that contains `at`, between words if possible."""
    if len(text) <= LENGTH:
        return 0, len(text)
    start = max(0, min(at - LEAD, len(text) - LENGTH))
    end = start + LENGTH
    if start:
        start = text.find(" ", start, at) + 1 or start
    if end < len(text):
        end = max(text.rfind(" ", end - LEAD, end), 0) or end
    return start, end


def _parts(text: str) -> Iterator[str]:
    """Yield the words and what is between them."""
    return ("".join(run) for _, run in groupby(text, is_of_word))


def _bare(word: str) -> str:
    """Return a word without capitals and accents, which is what the databases compare."""
    letters = unicodedata.normalize("NFD", word.casefold())
    return "".join(letter for letter in letters if unicodedata.category(letter)[0] != "M")
