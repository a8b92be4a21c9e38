"""Formats the text of a message before the scripts come: code, bold and italics.

Then nothing moves when rich_text.js formats it again, and without scripts it is easier to read.
Only the clear cases are formatted: what rich_text.js needs more rules for, and what takes no room,
such as links and mentions, stays plain text until the scripts come.
"""

import re
from collections.abc import Callable, Iterator

from markupsafe import Markup, escape

from chat.rich_text import BLOCK, Part, parts

# Code begins after a space or punctuation, and emphasis after a space; emphasis ends before these,
# with no other sign in it.
SPAN = re.compile(
    r"(?<![^\s!-/:-@\[\]^{-~“„«])`(?!\*?\)[^`])(?P<code>[^`\n]+)`(?!`)"
    r"|(?<!\S)(?P<sign>\*\*|\*|_)(?P<text>[^\W_](?:[^*_`\\\n]*[^\s*_`\\({[\"'])?)(?P=sign)"
    r"(?=[\s,;:!?)]|\.(?![\w*])|$)"
)
ELEMENTS = {"**": "strong", "*": "em", "_": "em"}

QUOTED_LINES = 40  # of a message, shown as quotes; each takes time, and a long message is folded
LONGEST = 2500  # characters; a longer text is folded, so what is in it moves nothing else


def drawn_parts(text: str) -> Iterator[Part]:
    """Yield the parts of a text; what it quotes beyond QUOTED_LINES are parts like others."""
    left = QUOTED_LINES
    for part in parts(text):
        if part.is_quote and left:
            lines = part.text.splitlines(keepends=True)
            yield Part("".join(lines[:left]), is_quote=True)
            yield Part("".join(lines[left:]), is_quote=False)
            left = max(0, left - len(lines))
        else:
            yield Part(part.text, is_quote=False)


def formatted(text: str) -> Markup:
    """Return a text as HTML that has exactly its characters; what it quotes stays plain."""
    if len(text) > LONGEST:
        return escape(text)
    return Markup(_replaced(BLOCK, text, _block, _spans))


def _replaced(
    pattern: re.Pattern[str],
    text: str,
    inside: Callable[[re.Match[str]], str],
    between: Callable[[str], str],
) -> str:
    """Return a text with all that a pattern matches replaced, and also what is between that."""
    pieces, end = [], 0
    for found in pattern.finditer(text):
        pieces += [between(text[end : found.start()]), inside(found)]
        end = found.end()
    return "".join([*pieces, between(text[end:])])


def _block(block: re.Match[str]) -> str:
    whole, code, language = block[0], block["block"], block["language"] or ""
    if not code:  # it is a quote
        return escape(whole)
    opening = "\n" if code.startswith("\n") else ""
    code = code.removeprefix("\n").removesuffix("\n")
    closing = whole[len("```" + language + opening + code) :]
    shown = f'<span class="code__language">{language}</span>' if language else ""
    hidden = _copy_only(opening) if opening else ""
    return (
        f'<code class="code code--block" tabindex="0">{_copy_only("```")}{shown}{hidden}'
        f"{escape(code)}{_copy_only(closing)}</code>"
    )


def _spans(text: str) -> str:
    return _replaced(SPAN, text, _span, escape)


def _span(span: re.Match[str]) -> str:
    if span["code"]:
        return f'<code class="code">{SIGNS["`"]}{escape(span["code"])}{SIGNS["`"]}</code>'
    name, sign = ELEMENTS[span["sign"]], SIGNS[span["sign"]]
    return f"<{name}>{sign}{escape(span['text'])}{sign}</{name}>"


def _copy_only(signs: str) -> str:
    return f'<span class="copy-only" aria-hidden="true">{signs}</span>'


SIGNS = {sign: _copy_only(sign) for sign in ("`", *ELEMENTS)}
