"""Cleaning: what of a text becomes the text of a message.

To count the characters that are left, static/js/writing/counter.js does the same.
"""

import re
import unicodedata

from chat.refused import Refused

NOTHING_WRITTEN = "Please write something"

UNWANTED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
# Marks of a direction keep "C++" readable within Hebrew or Arabic. So do embeddings, overrides and
# isolates, but where they are left open they can make a text read as a different one (Trojan
# Source, CVE-2021-42574).
END_OF_EMBEDDING, END_OF_ISOLATE = "\u202c", "\u2069"
ENDS = {
    **dict.fromkeys("\u202a\u202b\u202d\u202e", END_OF_EMBEDDING),
    **dict.fromkeys("\u2066\u2067\u2068", END_OF_ISOLATE),
}
DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069\n]")
BIDI_CONTROLS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
SURROGATES = re.compile("[\ud800-\udfff]")
# \x0b is a line break within a paragraph that is copied from a word processor or slides.
NEWLINES = re.compile("\r\n|[\x0b\x0c\r\x85\u2028\u2029]")

# Marks after a letter: more would be written over other lines. Hebrew has up to five. The letters
# that Tibetan stacks are marks, too, but each is as high as the text has room for.
MOST_MARKS = 5
CATEGORIES = "".join(map(unicodedata.category, map(chr, range(0x20000))))  # two letters each


def _of_category(pattern: str) -> str:
    return "".join(chr(found.start() // 2) for found in re.finditer(pattern, CATEGORIES))


# Beyond are Han, and planes without any other.
MARKS = "\U000e0100-\U000e01ef" + re.sub("[\u0f8d-\u0fbc]", "", _of_category("M[ne]"))
# A mark after one of these is on the same letter: they show nothing and have no width.
JOINERS = "\U000e0001\U000e0020-\U000e007f" + _of_category("Cf")
# The look ahead is only to pass over all else quickly: with characters beyond U+FFFF in its set, a
# text of 10,000 letters took 6 ms, and takes 0.2 ms.
BASIC_MARKS = "".join(mark for mark in MARKS if "\u0300" <= mark <= "\uffff")
SURPLUS_MARKS = re.compile(
    f"(?=[{BASIC_MARKS}]|[\U00010000-\U0001efff\U000e0100-\U000e01ef])"
    f"((?:[{MARKS}][{JOINERS}]*){{{MOST_MARKS}}})[{MARKS}][{MARKS}{JOINERS}]*"
)

# What shows nothing and is no space: Default_Ignorable_Code_Point of Unicode (where category Cf
# does not have it), the blanks of Braille, of music and of hieroglyphs.
BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)


def clean(text: str, length: int, *, may_be_blank: bool = False) -> str:
    """Return the text of a message without control characters and towers of marks.

    Raises Refused, also if it has more code points than `length`. A text in which nothing can be
    seen is "" if it `may_be_blank`, and refused otherwise.
    """
    text = UNWANTED.sub("", NEWLINES.sub("\n", text))
    if not text.isascii():  # most messages are, and have neither marks nor directions
        text = _without_open_directions(SURPLUS_MARKS.sub(r"\1", text))
    text = text.strip("\n")
    if not any(map(_is_visible, text)):
        if may_be_blank:
            return ""
        raise Refused("invalid", NOTHING_WRITTEN)
    if len(text) > length:
        raise Refused("too_long", f"A message has at most {length} characters")
    if not _is_unicode(text):
        raise Refused("invalid", "The message has broken characters. Please remove them.")
    return text


def _without_open_directions(text: str) -> str:
    """Return a text without embeddings, overrides and isolates that do not end in their line."""
    unpaired: set[int] = set()
    open_: list[int] = []
    for match in DIRECTIONS.finditer(text):
        at, sign = match.start(), match[0]
        if sign in ENDS:
            open_.append(at)
            unpaired.add(at)
        elif sign == "\n":
            open_.clear()
        else:
            while sign == END_OF_ISOLATE and open_ and ENDS[text[open_[-1]]] != sign:
                open_.pop()  # an isolate ends what is open in it
            if open_ and ENDS[text[open_[-1]]] == sign:
                unpaired.remove(open_.pop())
            else:
                unpaired.add(at)
    return "".join(sign for at, sign in enumerate(text) if at not in unpaired) if unpaired else text


def _is_visible(character: str) -> bool:
    is_blank = character.isspace() or BLANK.match(character)
    return not is_blank and unicodedata.category(character) != "Cf"


def _is_unicode(text: str) -> bool:
    # JSON can contain half a surrogate pair, which neither databases nor browsers accept.
    return SURROGATES.search(text) is None
