"""The lock of a data folder, held as by another chat."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held_lock(data: Path) -> Iterator[None]:
    """Hold the lock of a data folder, as another chat would."""
    data.mkdir()
    with open(data / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
