"""Words in texts and queries, compared without capitals and accents, as both databases do."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby


def is_of_word(character: str) -> bool:
    """Return whether both databases treat a character as part of a word."""
    return unicodedata.category(character)[0] in "LMN"


def parts(text: str) -> Iterator[str]:
    """Yield the words and what is between them."""
    return ("".join(run) for _, run in groupby(text, is_of_word))


def bare(text: str) -> str:
    """Return a text without capitals and accents."""
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFD", text.casefold())
    return "".join(letter for letter in letters if unicodedata.category(letter)[0] != "M")


def pattern(word: str) -> re.Pattern[str]:
    """Return a pattern that finds a word in bare texts, but not inside of another word."""
    return re.compile(rf"(?<![^\W_]){re.escape(bare(word))}(?![^\W_])")
