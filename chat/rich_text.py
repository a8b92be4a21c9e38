"""Rich text as far as the server has to understand it: quotes, and whether @all is mentioned.

The rules are those of rich_text.js, without what only matters for showing a text. So @all mentions
nobody in code, in a quote, in an address, within a word or after a backslash.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

ALL = "all"  # the name that mentions everybody

# A block of code, or quoted lines as in e-mails: the same as BLOCKS in rich_text.js.
BLOCK = re.compile(
    r"(?<![`\\])```(?!`)(?s:.+?)(?<!`)```(?!`)\n?"
    r"|(?<![^\n])(?P<quote>> [ \t]*[^ \t\n][^\n]*"
    r"(?:(?:\n>[ \t]*)*\n> [ \t]*[^ \t\n][^\n]*)*\n?)"
)

# Letters of scripts without spaces between words, or whose words take particles: the blocks of
# Thai, Lao, Tibetan, Myanmar, Hangul, Khmer, Han, kana and bopomofo.
UNSPACED = (
    r"\u0e00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u19e0-\u19ff\u2e80-\u2fdf\u3005-\u3007"
    r"\u3021-\u302f\u3031-\u303c\u3041-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\ua960-\ua97f\ua9e0-\ua9ff\uaa60-\uaa7f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\uffa0-\uffdc"
    r"\U0001aff0-\U0001b16f\U00020000-\U000323af"
)
WIDE = (  # full-width punctuation, and small or vertical forms of it
    r"\u3000-\u3004\u3008-\u3020\u3030\u303d\ufe10-\ufe19\ufe30-\ufe6f"
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
INVISIBLE = r"\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"


CATEGORIES = [unicodedata.category(chr(code)) for code in range(0x20000)]  # then there are only Han


def _of(*categories: str) -> str:
    """Return all characters of some of Unicode's categories, as a part of a pattern's set."""
    codes = [code for code, category in enumerate(CATEGORIES) if category in categories]
    runs = [list(run) for _, run in groupby(enumerate(codes), lambda pair: pair[1] - pair[0])]
    return "".join(rf"\U{run[0][1]:08x}-\U{run[-1][1]:08x}" for run in runs)


MARKS = _of("Mn", "Mc", "Me") + r"\U000e0100-\U000e01ef"
SPACE = r"\s\ufeff"
BEFORE = SPACE + WIDE + _of("Ps", "Pi", "So")
AFTER = SPACE + _of("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "So")
ALNUM = r"[^\W_]"
BEFORE_LINK = rf"(?:(?<![\w{MARKS}.@/-])|(?<=[{UNSPACED}]))"
BEFORE_NAME = rf"(?:(?<![\w{MARKS}.@\\-])|(?<=[{UNSPACED}]))"


def _emphasized(sign: str) -> str:
    return (
        rf"(?=@?{ALNUM})(?:[^{sign}\n]|(?<={ALNUM})[{sign}](?={ALNUM}))*"
        rf"(?<![{SPACE}{sign}\\])"
    )


LITERAL = "|".join(
    [rf"{sign}{_emphasized(sign[-1])}\\?{sign}" for sign in (r"\*\\?\*", r"\*", "_")]
    + [r"`[^`\n]*[^`\n\\]\\?`"]
)
SPAN = re.compile(
    r"(?P<code>(?<![`\\])`[^`\n]+`(?!`))"
    rf"|(?<![^{BEFORE}{UNSPACED}])\*\*(?P<bold>{_emphasized('*')})\*\*(?![^{AFTER}{UNSPACED}])(?!\*)"
    rf"|(?<![^{BEFORE}])\*(?P<italic>{_emphasized('*')})\*(?![^{AFTER}])(?!\*)"
    rf"|(?<![^{BEFORE}])_(?P<slanted>{_emphasized('_')})_(?![^{AFTER}])(?!_)"
    rf"|(?P<literal>(?<![^\n])\\(?=> )|(?<![^{BEFORE}])\\(?:{LITERAL})(?![^{AFTER}]))"
    rf"|(?P<url>(?:(?<![^\W_])|(?<=[{UNSPACED}]))"
    rf"(?:[Hh][Tt][Tt][Pp][Ss]?://|{BEFORE_LINK}[Ww]{{3}}\.(?=(?:{ALNUM}|-)+\.{ALNUM}))"
    rf"(?:[!#-;=?-_a-~]|[^{SPACE}\x00-\x7f{_of('Ps', 'Pe', 'Pi')}»”{WIDE}{INVISIBLE}])+)"
    rf"|(?P<mail>{BEFORE_LINK}[0-9A-Za-z_][0-9A-Za-z_.+-]*@(?:[A-Za-z\d][A-Za-z\d-]*\.)+[A-Za-z]{{2,63}}"
    rf"(?:(?![\w@-])|(?=[{UNSPACED}]))(?!:[^{SPACE}]))"
    rf"|{BEFORE_NAME}[@＠](?P<name>[\w{MARKS}.-]+)"
)
SIGNS = re.compile(r"^[\\*_`]+|[\\*_`]+$")
LETTER = rf"(?![{_of('Nl', 'No')}])[^\W\d_]"
SEAM = re.compile(rf"(?<=[{UNSPACED}])(?={LETTER})|(?=[{UNSPACED}])(?={LETTER})")


def mentions_all(text: str) -> bool:
    """Return whether a text mentions everybody, as in @all."""
    has_it_somewhere = f"@{ALL}" in _fold(text)  # as few messages have
    return has_it_somewhere and any(map(_is_all, _names(text)))


def _names(text: str) -> Iterator[str]:
    """Return what stands after an @ that may mention somebody."""
    end = 0
    for block in BLOCK.finditer(text):
        yield from _names_in_line(text[end : block.start()])
        end = block.end()
    yield from _names_in_line(text[end:])


def _names_in_line(text: str) -> Iterator[str]:
    for span in SPAN.finditer(text):
        match span.lastgroup:
            case "name":
                yield span["name"]
            case "bold" | "italic" | "slanted":
                yield from _names(span[span.lastgroup])
            case "literal":
                yield from _names(SIGNS.sub("", span["literal"]))


def _is_all(name: str) -> bool:
    """Return whether a name is @all's, or begins with it and then something that ends it.

    That is what ends the sentence, or letters of a script without spaces.
    """
    seams = [seam.start() for seam in SEAM.finditer(name[: 4 * len(ALL)])]
    beginnings = [name.rstrip(".-"), *(name[:end] for end in seams)]
    return any(_fold(each) == ALL for each in (name, *beginnings))


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).lower()
