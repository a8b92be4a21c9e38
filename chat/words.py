"""Words in texts and queries, compared as both databases do: without capitals and Latin accents."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby


def _without_accent(code: int) -> str:
    """Return a Latin letter without its one accent; SQLite's index removes no others."""
    letters = unicodedata.normalize("NFD", chr(code))
    return letters[0] if letters[0].isascii() and len(letters) == 2 else chr(code)


WITHOUT_ACCENT = {code: _without_accent(code) for code in range(0x80, 0x1F00)}


def is_of_word(character: str) -> bool:
    """Return whether a character can be part of a word."""
    return unicodedata.category(character)[0] in "LMN"


def parts(text: str) -> Iterator[str]:
    """Yield the words and what is between them."""
    return ("".join(run) for _, run in groupby(text, is_of_word))


def bare(text: str) -> str:
    """Return a text without capitals and Latin accents."""
    text = text.lower()
    return text if text.isascii() else unicodedata.normalize("NFC", text).translate(WITHOUT_ACCENT)


def pattern(word: str) -> re.Pattern[str]:
    """Return a pattern that finds a word in bare texts, but not inside of another word."""
    return re.compile(rf"(?<![^\W_]){re.escape(bare(word))}(?![^\W_])")


def indexed_parts(word: str) -> list[str]:
    """Return the parts of a word that SQLite's index has; it splits at `_` and some marks."""
    return re.findall(r"[^\W_]+", bare(word))
