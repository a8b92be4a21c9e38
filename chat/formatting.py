"""Shows the text of a message as rich_text.js does, as far as that changes the room it takes.

So nothing moves when the scripts come, and without them a text is easier to read. Signs whose
meaning takes more rules than there are here stay in sight until the scripts come.
"""

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

from chat.rich_text import BLOCK, Part, parts

CODE_BLOCK = re.compile(r"```([a-zA-Z][a-zA-Z0-9_+#-]*(?=\n))?(\n?)(.*?)(\n?```\n?)", re.DOTALL)
# Code begins after a space or punctuation, and emphasis after a space; emphasis ends before these,
# with no other sign in it.
SPAN = re.compile(
    r"(?<![^\s!-/:-@\[\]^{-~“„«])`(?!\*?\)[^`])(?P<code>[^`\n]+)`(?!`)"
    r"|(?<!\S)(?P<sign>\*\*|\*|_)(?P<text>[^\W_](?:[^*_`\\\n]*[^\s*_`\\({[\"'])?)(?P=sign)"
    r"(?=[\s,;:!?)]|\.(?![\w*])|$)"
)
ELEMENTS = {"**": "strong", "*": "em", "_": "em"}
# The usual ones; emoji.js knows all of them.
PICTURE = (
    r"(?:[\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7f0\U0001f900-\U0001faff"
    r"\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u2614\u2615\u2648-\u2653\u26a1\u26aa\u26ab\u26bd"
    r"\u26be\u26c4\u26c5\u26d4\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757"
    r"\u2795-\u2797\u2b1b\u2b1c\u2b50\u2b55][\ufe0f\U0001f3fb-\U0001f3ff]?"
    r"|[\u203c-\u3299]\ufe0f|[\u261d\u26f9\u270c\u270d][\U0001f3fb-\U0001f3ff])"
)
REGION = r"[\U0001f1e6-\U0001f1ff]"
EMOJI = (
    rf"(?:{PICTURE}(?:\u200d{PICTURE})*[\U000e0020-\U000e007f]*"
    rf"|{REGION}{REGION}|[0-9#*]\ufe0f\u20e3)"
)
ONLY_EMOJI = re.compile(rf"(?:{EMOJI}\s*){{1,6}}")

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
    """Return a text, without quotes, as HTML that has exactly its characters."""
    if len(text) > LONGEST:
        return escape(text)
    pieces, end = [], 0
    for block in BLOCK.finditer(text):
        pieces += [_spans(text[end : block.start()]), _code_block(block[0])]
        end = block.end()
    return Markup("".join([*pieces, _spans(text[end:])]))


def is_only_emoji(text: str) -> bool:
    """Return whether a text is a few emoji and nothing else, which are shown large."""
    return ONLY_EMOJI.fullmatch(text) is not None


def _spans(text: str) -> str:
    pieces, end = [], 0
    for span in SPAN.finditer(text):
        pieces += [escape(text[end : span.start()]), _span(span)]
        end = span.end()
    return "".join([*pieces, escape(text[end:])])


def _span(span: re.Match[str]) -> str:
    if span["code"]:
        return f'<code class="code">{SIGNS["`"]}{escape(span["code"])}{SIGNS["`"]}</code>'
    name, sign = ELEMENTS[span["sign"]], SIGNS[span["sign"]]
    return f"<{name}>{sign}{escape(span['text'])}{sign}</{name}>"


def _code_block(text: str) -> str:
    found = CODE_BLOCK.fullmatch(text)
    if not found:  # it is a quote
        return escape(text)
    language, opening, code, closing = found.groups(default="")
    shown = f'<span class="code__language">{language}</span>' if language else ""
    shown += _copy_only(opening) if opening else ""
    return (
        f'<code class="code code--block" tabindex="0">{_copy_only("```")}{shown}'
        f"{escape(code)}{_copy_only(closing)}</code>"
    )


def _copy_only(signs: str) -> str:
    return f'<span class="copy-only" aria-hidden="true">{escape(signs)}</span>'


SIGNS = {sign: _copy_only(sign) for sign in ("`", *ELEMENTS)}
