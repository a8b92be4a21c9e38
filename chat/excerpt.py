"""Excerpts of found messages: the part around the words, with the words marked."""

from typing import NamedTuple

from chat.words import bare, parts

LENGTH = 300  # characters of an excerpt
LEAD = 60  # characters before the first word that was found


class Piece(NamedTuple):
    """A part of a text: a word that was found, or other text."""

    text: str
    is_found: bool


def excerpt(text: str, words: list[str]) -> list[Piece]:
    """Return the part of a text around the first of the words, in pieces."""
    wanted = {bare(part) for word in words for part in parts(word)}
    all_parts = list(parts(text))
    found = [bare(part) in wanted for part in all_parts]
    start, end = _cut(text, sum(map(len, all_parts[: found.index(True)])) if any(found) else 0)
    pieces = [Piece(part, bare(part) in wanted) for part in parts(text[start:end])]
    gap = Piece("…", False)
    return [gap] * (start > 0) + pieces + [gap] * (end < len(text))


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
