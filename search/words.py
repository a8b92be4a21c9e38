"""Words in texts and queries, compared as both databases do: without capitals and Latin accents.

A word ends where it ends for MongoDB's text index, which has `foo_bar`, `3€` and `צה״ל` as one word
each: a part of one is not in it. SQLite's index has the parts, and finds those that follow each
other. So such a word, asked for as a phrase, is found in both.
"""

import re
import unicodedata
from itertools import chain, groupby

from chat.cleaning import BIDI_CONTROLS

SHORTEST_PART = 3  # characters; shorter ones have to be whole words, because many begin with two
# Thai, Lao, Burmese, Khmer, but not the signs ฿ and ៛; kana, Han and Hangul. (Korean has spaces,
# but joins what belongs to a word to it.)
UNSPACED = re.compile(
    "[\u0e00-\u0e3e\u0e40-\u0eff\u1000-\u109f\u1780-\u17da\u17dc-\u17ff"
    "\u3040-\u30ff\uff66-\uff9d\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
# The signs between two such characters, or around them.
SIGNS = rf"[^\w{UNSPACED.pattern[1:]}+"
SIGNS_OF_UNSPACED = re.compile(
    rf"(?<={UNSPACED.pattern}){SIGNS}(?={UNSPACED.pattern})|^{SIGNS}|{SIGNS}$"
)
# What ends a word, unless it is a letter, digit or mark. It is what MongoDB's tokenizer takes from
# Unicode 8.0 (src/mongo/db/fts/unicode/gen_delimiter_list.py): White_Space, Dash, Hyphen,
# Quotation_Mark, Terminal_Punctuation, Pattern_Syntax and STerm. Added are control characters, and
# the signs of ancient scripts.
SEPARATOR = re.compile(
    r"[\x00-^`{-\xa7\xa9-\xae\xb0\xb1\xb6\xbb-\xf7\u037e\u0387\u0589\u058a\u05be\u05c3\u060c\u061b"
    r"\u061e\u061f\u06d4\u0700-\u070a\u070c\u07f8\u07f9\u0830-\u085e\u0964\u0965\u0e5a\u0e5b\u0f08"
    r"\u0f0d-\u0f12\u104a\u104b\u1361-\u1368\u1400\u166e-\u1680\u16eb-\u17d6\u17da\u1802-\u1806"
    r"\u1808\u1809\u1944\u1945\u1aa8-\u1aab\u1b5a\u1b5b\u1b5d-\u1b5f\u1c3b-\u1c7f\u2000-\u200a"
    r"\u2010-\u2029\u202f-\u203e\u2041-\u2053\u2055-\u205f\u207b\u208b\u2190-\u245f\u2500-\u2bff"
    r"\u2e00-\u2e7f\u3000-\u3003\u3008-\u3030\u30a0-\u30fb\ua4fe-\ua60f\ua6f3-\ua6f7\ua876-\ua8cf"
    r"\ua92f\ua9c7-\ua9c9\uaa5d-\uaa5f\uaadf-\uaaf1\uabeb\ufd3e\ufd3f\ufe31\ufe32\ufe41-\ufe46"
    r"\ufe50-\ufe58\ufe63\uff01\uff02\uff07\uff0c-\uff0e\uff1a\uff1b\uff1f\uff61-\uff65"
    r"\U00010000-\U0001cfff]"
)
DIRECTION = re.compile(f"[{BIDI_CONTROLS}]")
UNSEEN = "\u200b\u2060\ufeff"  # what is copied from elsewhere may begin or end with them
BEGINNING, END = r"(?<![^\W_])", r"(?![^\W_])"  # of a word


def _without_accent(code: int) -> str:
    """Return a Latin letter without its one accent; SQLite's index removes no others."""
    letters = unicodedata.normalize("NFD", chr(code))
    return letters[0] if letters[0].isascii() and len(letters) == 2 else chr(code)


WITHOUT_ACCENT = {code: _without_accent(code) for code in range(0x80, 0x1F00)}


def words_in(query: str) -> list[str]:
    """Return the words of a query in NFC, each once; a word has a letter or a digit."""
    runs = ("".join(run) for is_word, run in groupby(undirected(query), _is_of_word) if is_word)
    words = dict.fromkeys(chain.from_iterable(map(_words_in_run, runs)))
    return [word for word in words if any(map(str.isalnum, word))]


def undirected(text: str) -> str:
    """Return a text without the controls of its direction, which may be anywhere in a word."""
    return text if text.isascii() else DIRECTION.sub("", text)


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
    """Return the parts of a word that SQLite's index has; it splits at signs and some marks."""
    return re.findall(r"[^\W_]+", bare(word))


def _words_in_run(run: str) -> list[str]:
    run = unicodedata.normalize("NFC", run)
    if is_spaced(run):
        return [run.strip(UNSEEN)]
    return SIGNS_OF_UNSPACED.split(run)  # no index is asked for it, so the signs do not matter


def _is_of_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or not SEPARATOR.match(character)


def _pattern(word: str) -> str:
    word = re.escape(bare(word))
    if not is_spaced(word):
        return word
    end = rf"(?:{END}|(?={UNSPACED.pattern}))" if len(word) < SHORTEST_PART else ""
    return rf"(?:{BEGINNING}|(?<={UNSPACED.pattern})){word}{end}"
