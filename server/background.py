"""Background tasks that run for the length of a block, in steps that nobody notices."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from math import ceil
from typing import Any, TypeVar

T = TypeVar("T")


@asynccontextmanager
async def background(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines until the end of the block; then cancel each, and wait until it has ended."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def paced(items: Sequence[T], at_once: int, seconds: float) -> AsyncIterator[Sequence[T]]:
    """Yield all items, at most `at_once` of them at a time, evenly over so many seconds.

    What is done for each of a thousand people in one go would hold up what they say.
    """
    steps = max(1, ceil(len(items) / at_once))
    for step in range(steps):
        yield items[step * at_once : (step + 1) * at_once]
        await asyncio.sleep(seconds / steps)
