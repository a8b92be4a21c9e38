"""Quick hashes, for tests that guess passwords."""

import pytest

from auth import passwords


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost next to nothing, for tests with hundreds of them."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "PARAMETERS", "$argon2id$v=19$m=64,t=2,p=1$")
    monkeypatch.setattr(passwords, "MAX_WAITING", 1000)
    # Not cached, or later tests would compare their passwords with a quick one.
    monkeypatch.setattr(passwords, "_dummy_hash", passwords._dummy_hash.__wrapped__)
