"""What a search shows of a long message."""

import re
from collections.abc import Iterator

import pytest

from search.excerpt import LENGTH, excerpt


@pytest.mark.parametrize(
    ("before", "after", "begins", "ends"),
    [
        ("", "", "needle", "needle"),
        ("", " hay" * 400, "needle hay", "hay…"),
        ("hay " * 400, "", "…hay", "hay needle"),
        ("hay " * 400, " hay" * 400, "…hay", "hay…"),
        ("x" * 990 + " ", " " + "x" * 990, "…needle", "x…"),
        ("hay " * 10, " hay" * 400, "hay hay", "hay…"),
        ("hay\n" * 400, "", "…", "hay\nneedle"),
    ],
)
def test_a_long_message_is_cut_around_the_first_of_the_words(
    before: str, after: str, begins: str, ends: str
) -> None:
    text = f"{before}needle{after}"
    pieces = excerpt(text, ["needle"])
    shown = "".join(piece.text for piece in pieces)
    assert [piece.text for piece in pieces if piece.is_found] == ["needle"]
    assert shown.startswith(begins)
    assert shown.endswith(ends)
    assert len(shown) <= LENGTH + 2
    assert shown.strip("…") in text


def test_a_text_without_any_of_the_words_is_shown_from_its_beginning() -> None:
    assert "".join(piece.text for piece in excerpt("x" * 999, ["y"])) == "x" * LENGTH + "…"


def test_of_a_long_message_no_more_words_are_looked_for_than_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[int] = []

    class Pattern:
        def finditer(self, text: str) -> Iterator[re.Match[str]]:
            for found in re.finditer("needle", text):
                looked_at.append(found.start())
                yield found

    monkeypatch.setattr("search.excerpt.pattern", lambda *_: Pattern())
    pieces = excerpt("needle " * 1400, ["needle"])
    assert sum(piece.is_found for piece in pieces) == len(looked_at) - 1 == LENGTH // 7
