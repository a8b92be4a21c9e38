"""A folder for a chat's data."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: the path of the database's socket may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="chat", ignore_cleanup_errors=True) as name:
        yield Path(name)
