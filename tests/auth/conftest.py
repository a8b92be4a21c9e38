"""A hasher that takes more at once, for tests that guess passwords."""

import pytest


@pytest.fixture
def many_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a thousand passwords wait to be hashed, for tests with hundreds of them."""
    monkeypatch.setattr("auth.passwords.MAX_WAITING", 1000)
