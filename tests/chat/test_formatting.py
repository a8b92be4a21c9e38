"""How the server shows texts before the scripts do, with the characters that a copy has."""

import re
from html import unescape

import pytest

from chat.emoji import is_only_emoji
from chat.formatting import LONGEST, QUOTED_LINES, drawn_parts, formatted


def elements(html: str) -> list[str]:
    """Return the elements, each as `name text`, without the signs that only a copy has."""
    shown = re.sub(r'<span class="copy-only" aria-hidden="true">.*?</span>', "", html, flags=re.S)
    found = re.findall(r"<(strong|em|code|span)\b[^>]*>([^<]*)(?=<)", shown)
    return [f"{name} {unescape(text)}" for name, text in found]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**bold**, *italic* and _slanted_.", ["strong bold", "em italic", "em slanted"]),
        ("`a < b` and (`c`)", ["code a < b", "code c"]),
        ("``` one line ```", ["code  one line "]),
        ("```python\nif a:\n    *b*\n```\nso", ["code ", "span python"]),
        ("```pythön\n```", ["code pythön"]),  # only such words name a language in rich_text.js
        ("```pythoné\nif a```", ["code pythoné\nif a"]),
        ("नी`a` e\u0301`b` ❤\ufe0f`c` “`d`” -`e`", ["code d", "code e"]),
        ("*two\nlines* **a* _b*", []),
        ("2*3*4 snake_case __init__ _private *args f(*a, **b) C:\\_new\\ \\*a* *.py *a*.py", []),
        ("it`s what`s ``not`` (`) a`", []),
        ("https://a.example/_a_/*b* **a, b.**", ["strong a, b."]),
        ('<b>*a* & "b"</b> \'', []),
        ("*<b>* **<i>&**", []),
        ("**a <b> & c**", ["strong a <b> & c"]),
    ],
)
def test_a_text_is_formatted_with_all_its_characters(text: str, shown: list[str]) -> None:
    html = str(formatted(text))
    assert elements(html) == shown
    assert unescape(re.sub(r"<[^>]*>", "", html)) == text


@pytest.mark.parametrize(
    "part",
    ["`", "``` ", "*", "_", "**", " *a", " **a ", " _a", "*a ", " `a", "\n", "> ", "🎉", "```a\n"],
)
def test_the_most_hostile_text_is_formatted_in_no_time(part: str) -> None:
    for start in ("", " *a", "```", "```a\n", "`", "🎉"):
        text = (start + part * LONGEST)[:LONGEST]
        is_only_emoji(text * 100)  # not linear, this would take minutes: no test's deadline
        assert unescape(re.sub(r"<[^>]*>", "", str(formatted(text)))) == text


@pytest.mark.parametrize("line", ["> bob #1: *a*\n", "> a\n", "> bob #1: a\n\n"])
def test_a_message_of_a_thousand_quotes_shows_the_first_as_quotes(line: str) -> None:
    text = line * 1000
    quotes = [part.text for part in drawn_parts(text) if part.is_quote]
    assert "".join(quotes).count("\n") == QUOTED_LINES
    assert text.replace("\n", "").startswith("".join(quotes).replace("\n", ""))
    assert "".join(part.text for part in drawn_parts(text)) == text
