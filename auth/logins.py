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

# What pages show where a name is, or beside one, and @all: nobody may be called that.
WORDS_OF_PAGES = (
    *("deleted user", "several people", "the operator", "operator"),
    *("moderator", "banned", "you", "all"),
)

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
INVISIBLE = {  # letters and marks that show nothing: a login with them looks like one without
    *"\u034f\u115f\u1160\u17b4\u17b5",
    *map(chr, range(0x180B, 0x1810)),
    *map(chr, range(0xFE00, 0xFE10)),
    *map(chr, range(0xE0100, 0xE01F0)),
}
OVERLAY = 1  # Unicode's class of strokes through a letter: with one, an o looks like ø
LEFT_TO_RIGHT = "\u200e"
DOT, DOTTED = "\u0307", set("ijіј")  # on these a second dot shows nothing

LOOK_VERSION = "2:"  # to be raised when look() gives something else for a login than before
# What Unicode's data lacks, each with its prototype: kana of the same strokes, letters that fonts
# draw in the same way (the Arabic ones in the middle of a word), a dash, a letter that looks like
# two.
ALSO_ALIKE = {
    **dict(zip("うかきせもやりゝ", "ウカキセモヤリヽ", strict=True)),
    **dict(zip("ӏꙆωꞍƅȷㄧ-", "llwчbj一ー", strict=True)),
    **dict(zip("\u08bc\u06a7\u08bb\u08bd", "\u0641\u0641\u06a2\u0646", strict=True)),
    **{"w": "vv", "W": "VV"},
}
# Sequences, each with what looks the same: Latin letters; vowels as Unicode says they should not be
# written, and as they should ("Vowel Letters" in its chapters 12, 13 and 16); below a Khmer letter,
# da and ta are one sign.
SEQUENCES = (
    "rn m cl d ाे ो ाै ौ ाॅ ॉ ाॆ ॊ अॅ ॲ उु ऊ ੳੋ ਓ ાે ો ાૈ ૌ ાૅ ૉ ଏୗ ଐ ଓୗ ଔ அா ஆ ఎు ఘ "
    "ಒೌ ಔ ಒೕ ಓ අා ආ අැ ඇ අෑ ඈ උෟ ඌ ඏෟ ඐ එ් ඒ එෙ ඓ ඔෟ ඖ ເເ ແ េា ោ េី ើ អា ឤ ្ដ ្ត"
)
L_AS_I = str.maketrans("l1I", "iii")
WITHOUT_L = dict.fromkeys(L_AS_I)


def check_login(login: str) -> str:
    """Return a new login, normalized. Raises BadInput."""
    login = unicodedata.normalize("NFKC", login)
    if not _is_login(login):
        raise BadInput("login", "A login has 3 to 32 letters of one script, digits, or _ . -")
    # In small letters, too: All looks like AII, but is all in another case.
    if {_bare(login), _bare(login.lower())} & set(map(_bare, WORDS_OF_PAGES)):
        raise BadInput("login", "The chat itself uses this word, please choose another login")
    return login


def look(login: str) -> str:
    """Return what logins that look alike have in common, as accounts store it.

    That is the skeleton (UTS 39, 4) of the login in any case. Letters are looked up as they are
    written, because small letters may differ where capitals are alike, and then as small ones.
    But an I that looks like l counts as i among capitals, and an i at the beginning, where people
    write a capital, as l: so ALlCE looks like alice, and lgor like igor.
    """
    return _with_sequences(_skeleton(login))


def are_alike(login: str, other: str) -> bool:
    """Return whether logins look alike as they are written, or one like the other in another case.

    So C1ara looks like clara, although its look is another one: Clara does not look like Dara.
    """
    mine, theirs = ({look(each), _in_any_case(_skeleton(each))} for each in (login, other))
    return bool(mine & theirs)


def looks_to_compare(login: str) -> set[str]:
    """Return the looks that logins may have which are alike to this one."""
    skeleton = _skeleton(login)
    plain = _in_any_case(skeleton)
    return {plain, _with_sequences(skeleton), _with_sequences(skeleton.casefold())}


def _skeleton(login: str) -> str:
    visible = "".join(c for c in login if c not in INVISIBLE and unicodedata.category(c) != "Cf")
    skeleton = _prototype_of(visible)
    return skeleton.translate(L_AS_I) if visible.translate(WITHOUT_L).isupper() else skeleton


def _with_sequences(skeleton: str) -> str:
    for sequence, prototype in _sequences():
        skeleton = skeleton.replace(sequence, prototype)
    return _in_any_case(skeleton)


def _in_any_case(skeleton: str) -> str:
    skeleton = _with_sorted_marks(_prototype_of(skeleton.casefold()))
    return LOOK_VERSION + ("l" + skeleton[1:] if skeleton.startswith("i") else skeleton)


def _is_login(login: str) -> bool:
    if not SHORTEST_IDEOGRAPHIC <= len(login) < LENGTHS.stop:
        return False
    scripts: set[str] = set()
    marks = most_marks = 0  # after one letter
    for position, character in enumerate(login):
        kind, script = unicodedata.category(character)[0], categories.alias(character)
        marks = marks + 1 if kind == "M" else 0
        most_marks = max(most_marks, marks)
        if character in INVISIBLE or unicodedata.combining(character) == OVERLAY:
            return False
        if "SMALL CAPITAL" in unicodedata.name(character, ""):  # of phonetics, no alphabet's
            return False
        if character == DOT and login[position - 1] in DOTTED:
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


def _bare(login: str) -> str:
    """Return the look of a login without what may stand between its words."""
    words = "".join(c for c in login if c.isalnum() or unicodedata.category(c)[0] == "M")
    return look(words).replace(LONG_VOWEL, "")  # a Latin letter that looks like a dash is one


def _prototype_of(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text).translate(_prototypes())
    return unicodedata.normalize("NFKD", decomposed)


def _with_sorted_marks(text: str) -> str:
    """Return a text with the marks of each letter in one order, each of them once.

    Readers don't notice their order, and fonts draw a mark that is repeated in the same place.
    """
    result, marks = "", set[str]()
    for character in text:
        if unicodedata.category(character)[0] == "M":
            marks.add(character)
        else:
            result, marks = result + "".join(sorted(marks)) + character, set()
        if result.endswith(("i", "j")):
            marks.discard(DOT)  # they have one already
    return result + "".join(sorted(marks))


@cache
def _prototypes() -> dict[int, str]:
    """Return the prototype of each character that looks like another one, or like several.

    The library lists pairs, in both directions. Of a group that looks alike, the prototype is the
    one with the most pairs, or that of several characters; it has none itself.
    """
    # The library leaves a mark of direction on both sides of what is written from right to left.
    alike = {
        character.strip(LEFT_TO_RIGHT): [other["c"].strip(LEFT_TO_RIGHT) for other in others]
        for character, others in confusables.confusables_data.items()
    }
    prototypes = dict[str, str]()
    for character, others in alike.items():
        if len(character) == 1 and others:
            best = max(others, key=lambda other: (len(other), len(alike[other])))
            if len(best) > 1 or (len(alike[best]), character) > (len(others), best):
                prototypes[character] = best
    for character, other in ALSO_ALIKE.items():
        prototypes[character] = prototypes.get(other, other)
    del prototypes["m"]  # it is rn there, and the other way round in SEQUENCES
    return str.maketrans(prototypes)


@cache
def _sequences() -> list[tuple[str, str]]:
    """Return the sequences that look alike as they are in a skeleton."""
    alike = [_prototype_of(text) for text in SEQUENCES.split()]
    return list(zip(alike[::2], alike[1::2], strict=True))
