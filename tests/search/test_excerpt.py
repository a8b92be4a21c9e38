"""What a search shows of a long message."""

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
