"""How sizes are written: the same cases are in tests/js."""

import json

import pytest

from pages.sizes import size_text
from settings import ROOT

CASES = json.loads((ROOT / "tests/js/cases/sizes.json").read_text())


@pytest.mark.parametrize(("size", "text"), CASES)
def test_a_size_has_two_or_three_digits_and_a_unit(size: int, text: str) -> None:
    assert size_text(size) == text
