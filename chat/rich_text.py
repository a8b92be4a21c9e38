"""Rich text as far as the server has to understand it: blocks, and whether @all is mentioned.

The rules are those of rich_text.js, which does all else; formatting.py does a part of it earlier.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

# A block of code, or quoted lines as in e-mails: the same as BLOCKS in rich_text.js.
BLOCK = re.compile(
    r"(?<![`\\])```(?![ \t\n]*`)(?P<language>[a-zA-Z][a-zA-Z0-9_+#-]*(?=\n))?(?P<block>(?s:.+?))"
    r"(?<!`)```(?!`)\n?"
    r"|(?<![^\n])(?P<quote>> [ \t]*[^ \t\n][^\n]*"
    r"(?:(?:\n>[ \t]*)*\n> [ \t]*[^ \t\n][^\n]*)*\n?)"
)
# One line of a quote: the same as QUOTED_LINE in rich_text.js.
QUOTED_LINE = re.compile(
    r"(?P<sign>> ?)(?P<inner>(?:> )*)"
    r"(?:(?P<user>[^\s\ufeff]{1,64}|deleted user) #(?P<seq>[0-9]{1,15})(?P<colon>: ?)(?! ?> ))?"
    r"(?P<rest>[^\n]*\n?)"
)
# Full-width punctuation, which ends an address: the same as WIDE in letters.js.
WIDE = (
    r"\u3000-\u3004\u3008-\u3020\u3030\u303d\ufe10-\ufe19\ufe30-\ufe6f"
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
CODE_OR_ADDRESS = re.compile(
    rf"(?<![`\\])`[^`\n]+`(?!`)|(?:[a-zA-Z]{{1,10}}://|[wW]{{3}}\.)[^\s{WIDE}]*"
)

# Letters of scripts without spaces between words, or whose words take particles, may stand beside a
# name: Thai, Lao, Tibetan, Burmese, Hangul, Khmer, kana, bopomofo and Han.
UNSPACED = (
    r"\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    r"\U00020000-\U000323af"
)
# Neither within a word, a mail address or a longer name, nor after a backslash. A mark of direction
# or an isolate may be before the name.
ALL = re.compile(
    rf"(?<![^\W_{UNSPACED}])(?<![^\W{UNSPACED}]\.)(?<![@\\])@[\u200e\u200f\u2066-\u2068]?all"
    rf"(?!_?[^\W_{UNSPACED}]|[.-]+\w|[\u0300-\u036f])"
)


class Part(NamedTuple):
    """A part of a message: quoted lines, or others."""

    text: str
    is_quote: bool


class QuotedLine(NamedTuple):
    """A line of a quote, which may name the message that it quotes, as in `> bob #12: hi`."""

    sign: str
    inner: str  # the signs of a quote in the quote
    user: str  # who is said to have written the message, "" if the line names none
    seq: str  # the message's number
    colon: str
    rest: str
    is_code: bool  # whether the rest is code, or begins or ends some


def parts(text: str) -> Iterator[Part]:
    """Yield the parts of a text; together they are the text."""
    end = 0
    for found in BLOCK.finditer(text):
        if found["quote"]:
            yield Part(text[end : found.start()], is_quote=False)
            yield Part(found[0], is_quote=True)
            end = found.end()
    yield Part(text[end:], is_quote=False)


def quoted_lines(text: str) -> Iterator[QuotedLine]:
    """Yield the lines of a quote; together they are its text."""
    is_code = False
    for found in QUOTED_LINE.finditer(text):
        sign, inner, user, seq, colon, rest = found.groups("")
        is_fence = rest.count("```") % 2 == 1
        if is_code:
            user, seq, colon, rest = "", "", "", found[0][len(sign + inner) :]
        yield QuotedLine(sign, inner, user, seq, colon, rest, is_code or is_fence)
        is_code ^= is_fence


def in_quotation_marks(text: str) -> str:
    """Return a text with quotation marks around what it quotes, as in “bob: hi” yes."""
    return "".join(_spoken(part.text) if part.is_quote else part.text for part in parts(text))


def _spoken(quote: str) -> str:
    lines = quoted_lines(quote)
    said = "".join(f"{line.user}{line.colon}{line.rest}" for line in lines)
    return f"“{said.rstrip()}” "


def mentions_all(text: str) -> bool:
    """Return whether a text mentions everybody, as in @all."""
    if "@" not in text and "＠" not in text:  # as in most messages, which need no more work
        return False
    plain = CODE_OR_ADDRESS.sub(" ", BLOCK.sub(" ", text))
    return ALL.search(unicodedata.normalize("NFKC", plain).lower()) is not None
