"""Words in texts and queries, compared as both databases do: without capitals and Latin accents."""

import re
import unicodedata

SHORTEST_PART = 3  # characters; shorter ones have to be whole words, because many begin with two
# Thai, Lao, Burmese, Khmer; kana, Han and Hangul. (Korean has spaces, but joins what belongs to a
# word to it.)
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u3040-\u30ff\uff66-\uff9d\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
BEGINNING, END = r"(?<![^\W_])", r"(?![^\W_])"  # of a word


def _without_accent(code: int) -> str:
    """Return a Latin letter without its one accent; SQLite's index removes no others."""
    letters = unicodedata.normalize("NFD", chr(code))
    return letters[0] if letters[0].isascii() and len(letters) == 2 else chr(code)


WITHOUT_ACCENT = {code: _without_accent(code) for code in range(0x80, 0x1F00)}


def bare(text: str) -> str:
    """Return a text in NFC without capitals and Latin accents, each character in its place."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFC", text)
    lower = text.lower()
    if len(lower) != len(text):  # as of İ, which becomes i and a dot above
        lower = "".join(character.lower()[0] for character in text)
    return lower.translate(WITHOUT_ACCENT)


def pattern(*words: str) -> re.Pattern[str]:
    """Return a pattern that finds words in bare texts.

    It also finds what begins with a word, unless that is short, and a word within a text of a
    script that has no spaces.
    """
    return re.compile("|".join(map(_pattern, sorted(words, key=len, reverse=True))))


def whole(word: str) -> re.Pattern[str]:
    """Return a pattern that finds a word in bare texts, but not as a part of another word."""
    return re.compile(rf"{BEGINNING}{re.escape(bare(word))}{END}")


def is_spaced(word: str) -> bool:
    """Return whether a word's script puts spaces between words, so that the text index has it."""
    return not UNSPACED.search(word)


def indexed_parts(word: str) -> list[str]:
    """Return the parts of a word that SQLite's index has; it splits at `_` and some marks."""
    return re.findall(r"[^\W_]+", bare(word))


def _pattern(word: str) -> str:
    word = re.escape(bare(word))
    if not is_spaced(word):
        return word
    end = rf"(?:{END}|(?={UNSPACED.pattern}))" if len(word) < SHORTEST_PART else ""
    return rf"(?:{BEGINNING}|(?<={UNSPACED.pattern})){word}{end}"
