"""Batches grow while the database is quick, and shrink when it is slow or does not answer."""

import pytest

from storage import batches
from storage.batches import Batches
from storage.database import DatabaseUnavailable

ALWAYS, NEVER = -1, 1e9  # seconds that every call, and that no call, takes longer than


@pytest.mark.parametrize(
    ("quick", "slow", "sizes"),
    [
        (NEVER, NEVER, [3, 6, 10, 10]),
        (ALWAYS, NEVER, [3, 3, 3, 3]),
        (ALWAYS, ALWAYS, [3, 1, 1, 1]),
    ],
)
async def test_their_size_follows_the_time_that_they_take(
    monkeypatch: pytest.MonkeyPatch, quick: float, slow: float, sizes: list[int]
) -> None:
    monkeypatch.setattr(batches, "QUICK", quick)
    monkeypatch.setattr(batches, "SLOW", slow)
    some = Batches(3, 10)

    async def size(count: int) -> int:
        return count

    assert [await some.call(size) for _ in sizes] == sizes


async def test_what_was_not_answered_is_tried_with_fewer() -> None:
    some, tried = Batches(5, 10), []

    async def refuse(count: int) -> None:
        tried.append(count)
        raise DatabaseUnavailable("too slow")

    for _ in range(4):
        with pytest.raises(DatabaseUnavailable):
            await some.call(refuse)
    assert tried == [5, 2, 1, 1]
