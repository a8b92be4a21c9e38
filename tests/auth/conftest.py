"""Quick hashes and a clock, for tests that guess passwords."""

import pytest

import limits
from auth import passwords
from tests.support.clocks import Clock


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost next to nothing, for tests with hundreds of them."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "PARAMETERS", "$argon2id$v=19$m=64,t=2,p=1$")
    monkeypatch.setattr(passwords, "MAX_WAITING", 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that limits go by."""
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    return clock
