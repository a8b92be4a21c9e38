"""A hasher that takes more at once, for tests that guess passwords."""

from functools import partial

import pytest

from security.limits import Turns


@pytest.fixture
def many_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a thousand passwords wait to be hashed, however long, for tests with hundreds of them."""
    monkeypatch.setattr("auth.passwords.MAX_WAITING", 1000)
    monkeypatch.setattr("auth.passwords.Turns", partial(Turns, patience=60))
    monkeypatch.setattr("storage.database.CALL_TIMEOUT", 30)
