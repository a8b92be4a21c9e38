"""Shows the text of a message as rich_text.js does, as far as that changes the room it takes.

So nothing moves when the scripts come, and without them a text is easier to read. Signs whose
meaning takes more rules than there are here stay in sight until the scripts come.
"""

import re

from markupsafe import Markup, escape

from chat.rich_text import BLOCK

CODE_BLOCK = re.compile(r"```([a-zA-Z][\w+#-]*(?=\n))?(\n?)(.*?)(\n?```\n?)", re.DOTALL)
# Emphasis stands between spaces or before punctuation, with no other sign in it.
SPAN = re.compile(
    r"(?<![\w`\\])`(?!\*?\)[^`])(?P<code>[^`\n]+)`(?!`)"
    r"|(?<!\S)(?P<sign>\*\*|\*|_)(?P<text>[^\W_](?:[^*_`\\\n]*[^\s*_`\\({[\"'])?)(?P=sign)"
    r"(?=[\s,;:!?)]|\.(?![\w*])|$)"
)
ELEMENTS = {"**": "strong", "*": "em", "_": "em"}
# The usual ones; message.js knows all of them.
EMOJI = (
    r"[\U0001f1e6-\U0001f1ff\U0001f337-\U0001f37c\U0001f37e-\U0001f393\U0001f440"
    r"\U0001f442-\U0001f4fc\U0001f5fb-\U0001f64f\U0001f680-\U0001f6c5\U0001f90c-\U0001f93a"
    r"\U0001f947-\U0001f9ff]|[\u2600-\u27bf]\ufe0f"
)
ONLY_EMOJI = re.compile(rf"(?:(?:{EMOJI})[\U0001f3fb-\U0001f3ff]?[\u200d\s]*){{1,6}}")

LONGEST = 2500  # characters; a longer text is folded, so what is in it moves nothing else


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
