"""Background tasks that run for the length of a block, in steps that nobody notices."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from math import ceil
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

AGAIN_AFTER = 5  # seconds


@asynccontextmanager
async def background(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines until the end of the block; then cancel each, and wait until it has ended.

    The block does not notice if one fails: what has no end is wrapped in for_ever().
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def for_ever(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run what should have no end, again whenever it fails or ends, which is logged.

    The chat goes on meanwhile. To end with it would let one fault that comes again and again, such
    as in the removal of old sessions, take the room from everybody.
    """
    while True:
        coroutine = run()
        name = getattr(coroutine, "__qualname__", repr(coroutine))
        # A task of its own: before Python 3.13 a TaskGroup that fails leaves the task in which it
        # was opened as if it were cancelled.
        task = asyncio.create_task(coroutine)
        try:
            await task
            log.error("%s has ended, and is started again", name)
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if this is None or this.cancelling():
                raise
            log.error("%s was cancelled, and is started again", name)
        except Exception:
            log.exception("%s failed, and is started again", name)
        await asyncio.sleep(AGAIN_AFTER)


async def paced(items: Sequence[T], at_once: int, seconds: float) -> AsyncIterator[Sequence[T]]:
    """Yield all items, at most `at_once` of them at a time, evenly over so many seconds.

    What is done for each of a thousand people in one go would hold up what they say.
    """
    steps = ceil(len(items) / at_once)
    for step in range(steps):
        yield items[step * at_once : (step + 1) * at_once]
        await asyncio.sleep(seconds / steps)
    if not steps:
        await asyncio.sleep(seconds)
