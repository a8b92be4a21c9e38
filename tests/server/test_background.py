"""What runs by itself, in steps."""

import asyncio
from types import SimpleNamespace

import pytest

from server import background


@pytest.mark.parametrize(
    ("count", "steps"),
    [(0, [[]]), (1, [[0]]), (3, [[0, 1, 2]]), (4, [[0, 1, 2], [3]])],
)
async def test_many_things_are_done_in_even_steps(
    monkeypatch: pytest.MonkeyPatch, count: int, steps: list[list[int]]
) -> None:
    done: list[object] = []

    async def sleep(seconds: float) -> None:
        done.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(background, "asyncio", SimpleNamespace(sleep=sleep))
    async for some in background.paced(range(count), 3, 6):
        done.append(list(some))
    pause = 6 / len(steps)
    assert done == [each for step in steps for each in (step, pause)]
