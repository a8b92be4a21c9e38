"""Logins: in which scripts they may be written, and which of them look alike.

After Unicode's Technical Standard 39, with its data as confusable-homoglyphs has it.
"""

import unicodedata
from functools import cache

from confusable_homoglyphs import categories, confusables

from pages.forms import BadInput

LENGTHS = range(3, 33)  # characters
SHORTEST_IDEOGRAPHIC = 2  # such as 王伟
OTHER_CHARACTERS = set("0123456789_.-")

# Those in everyday use (UAX 31, table 5). With a Cyrillic "а" among Latin letters a login could
# imitate another; only these are written together (UTS 39, 5.1), and none of them with Latin.
SCRIPTS = {
    *("ARABIC", "ARMENIAN", "BENGALI", "CYRILLIC", "DEVANAGARI", "ETHIOPIC", "GEORGIAN", "GREEK"),
    *("GUJARATI", "GURMUKHI", "HEBREW", "KANNADA", "KHMER", "LAO", "LATIN", "MALAYALAM"),
    *("MYANMAR", "ORIYA", "SINHALA", "TAMIL", "TELUGU", "THAANA", "THAI", "TIBETAN"),
}
IDEOGRAPHIC = ({"HAN", "HIRAGANA", "KATAKANA"}, {"HAN", "BOPOMOFO"}, {"HAN", "HANGUL"})
LONG_VOWEL = "ー"  # of kana; Unicode counts it for no script

# Marks after a letter: vowels and accents. More would be written over other lines.
MOST_MARKS = 2
MOST_MARKS_OF = {"KHMER": 4, "MYANMAR": 4, "TIBETAN": 4}
# Letters and marks that show nothing, and strokes through a letter: a login with them looks like
# one without, or like one with a letter that has its stroke, such as ø.
MISLEADING = {
    *"\u034f\u115f\u1160\u17b4\u17b5\u0334\u0335\u0336\u0337\u0338",
    *map(chr, range(0x180B, 0x1810)),
    *map(chr, range(0xFE00, 0xFE10)),
    *map(chr, range(0xE0100, 0xE01F0)),
}
DOT, DOTTED = "\u0307", set("ijіј")  # on these a second dot shows nothing


def check_login(login: str) -> str:
    """Return a new login, normalized. Raises BadInput."""
    login = unicodedata.normalize("NFKC", login)
    if not _is_login(login):
        raise BadInput("login", "A login has 3 to 32 letters of one script, digits, or _ . -")
    return login


def skeleton(login: str) -> str:
    """Return what logins that look alike have in common (UTS 39, 4).

    Letters are looked up as they are written, because small letters may differ where capitals are
    alike. Of letters that look like one together only `rn` is known, like `m`.
    """
    prototypes = _prototypes()
    characters = unicodedata.normalize("NFKC", login)
    alike = "".join(prototypes.get(character, character) for character in characters)
    return alike.casefold().replace("rn", "m")


def _is_login(login: str) -> bool:
    if not SHORTEST_IDEOGRAPHIC <= len(login) < LENGTHS.stop:
        return False
    scripts: set[str] = set()
    marks = most_marks = 0  # after one letter
    for position, character in enumerate(login):
        kind, script = unicodedata.category(character)[0], categories.alias(character)
        marks = marks + 1 if kind == "M" else 0
        most_marks = max(most_marks, marks)
        if character in MISLEADING or (character == DOT and login[position - 1] in DOTTED):
            return False
        if character in OTHER_CHARACTERS or character == LONG_VOWEL:
            continue
        if kind not in "LM" or (kind == "M" and position == 0):
            return False
        if not (kind == "M" and script == "INHERITED"):  # as accents are
            scripts.add(script)
    if most_marks > max((MOST_MARKS_OF.get(s, MOST_MARKS) for s in scripts), default=0):
        return False
    if any(scripts and scripts <= together for together in IDEOGRAPHIC):
        return True
    is_one_script = len(scripts) <= 1 and scripts <= SCRIPTS and LONG_VOWEL not in login
    return is_one_script and len(login) in LENGTHS


@cache
def _prototypes() -> dict[str, str]:
    """Return the prototype of each character that looks like another one.

    The library lists pairs, in both directions. Of a group that looks alike, the prototype is the
    one with the most pairs; it has none itself.
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
