"""Logins: in which scripts they may be written, and which of them look alike.

After Unicode's Technical Standard 39, with its data as confusable-homoglyphs has it.
"""

import unicodedata
from functools import cache

from confusable_homoglyphs import categories, confusables

from auth.spelling import fold

LENGTHS = range(3, 33)  # characters
SHORTEST_IDEOGRAPHIC = 2  # such as 王伟
OTHER_CHARACTERS = set("0123456789_.-")
SIGNS_AFTER_A_LETTER = 2  # vowels and accents; more would be written over other lines

# Those in everyday use (UAX 31, table 5). With a Cyrillic "а" among Latin letters a login could
# imitate another; only these are written together (UTS 39, 5.1), and none of them with Latin.
SCRIPTS = {
    *("ARABIC", "ARMENIAN", "BENGALI", "CYRILLIC", "DEVANAGARI", "ETHIOPIC", "GEORGIAN", "GREEK"),
    *("GUJARATI", "GURMUKHI", "HEBREW", "KANNADA", "KHMER", "LAO", "LATIN", "MALAYALAM"),
    *("MYANMAR", "ORIYA", "SINHALA", "TAMIL", "TELUGU", "THAANA", "THAI", "TIBETAN"),
}
IDEOGRAPHIC = ({"HAN", "HIRAGANA", "KATAKANA"}, {"HAN", "BOPOMOFO"}, {"HAN", "HANGUL"})
INVISIBLE = set("\u115f\u1160\u3164\uffa0")  # letters, by Unicode's data, that show nothing


class BadLogin(Exception):
    """The login has the wrong length or characters."""


def check_login(login: str) -> str:
    """Return a new login, normalized. Raises BadLogin, with the text for the page."""
    login = unicodedata.normalize("NFKC", login)
    if not _is_login(login):
        raise BadLogin("A login has 3 to 32 letters of one script, digits, or _ . -")
    return login


def skeleton(login: str) -> str:
    """Return what logins that look alike have in common (UTS 39, 4: without longer sequences)."""
    prototypes = _prototypes()
    # The digit 0 is like the letter O, whose case does not matter in a login.
    return "".join(prototypes.get(character, character) for character in fold(login)).casefold()


def _is_login(login: str) -> bool:
    letters = [character for character in login if character not in OTHER_CHARACTERS]
    signs = 0
    for position, character in enumerate(login):
        kind = unicodedata.category(character)[0]
        signs = signs + 1 if kind == "M" else 0
        is_letter = kind == "L" and character not in INVISIBLE
        is_sign = kind == "M" and position > 0 and signs <= SIGNS_AFTER_A_LETTER
        if not (is_letter or is_sign or character in OTHER_CHARACTERS):
            return False
    scripts = {categories.alias(letter) for letter in letters} - {"COMMON", "INHERITED"}
    if any(scripts and scripts <= together for together in IDEOGRAPHIC):
        return SHORTEST_IDEOGRAPHIC <= len(login) < LENGTHS.stop
    return len(login) in LENGTHS and len(scripts) <= 1 and scripts <= SCRIPTS


@cache
def _prototypes() -> dict[str, str]:
    """Return by character the one that it is written like; those that are their own are missing.

    The library's data names both directions: what many are written like has many others.
    """
    alike = {
        character: [other["c"] for other in others if len(other["c"]) == 1]
        for character, others in confusables.confusables_data.items()
        if len(character) == 1
    }
    prototypes = {}
    for character, others in alike.items():
        if others:
            best = max(others, key=lambda other: len(alike.get(other, ())))
            if (len(alike.get(best, ())), character) > (len(others), best):
                prototypes[character] = best
    return prototypes
