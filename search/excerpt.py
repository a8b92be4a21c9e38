"""Excerpts of found messages: the part around the words, with the words marked."""

import unicodedata
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from search.words import bare, pattern

LENGTH = 300  # characters of an excerpt
LEAD = 60  # characters before the first word that was found


class Piece(NamedTuple):
    """A part of a text: a word that was found, or other text."""

    text: str
    is_found: bool


def excerpt(text: str, words: list[str]) -> list[Piece]:
    """Return the part of a text around the first of the words, in pieces."""
    text = unicodedata.normalize("NFC", text)
    spans = (match.span() for match in pattern(*words).finditer(bare(text)))
    first = next(spans, (0, 0))
    start, end = _cut(text, first[0])
    found = [first, *takewhile(lambda span: span[0] < end, spans)]
    return [piece for piece in _pieces(text, start, end, found) if piece.text]


def _pieces(text: str, start: int, end: int, found: list[tuple[int, int]]) -> Iterator[Piece]:
    yield Piece("…" if start else "", False)
    at = start
    for first, last in found:
        if at <= first and last <= end:
            yield Piece(text[at:first], False)
            yield Piece(text[first:last], True)
            at = last
    yield Piece(text[at:end], False)
    yield Piece("…" if end < len(text) else "", False)


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
