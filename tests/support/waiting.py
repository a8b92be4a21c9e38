"""How long a test waits, and how it waits for what tells no event."""

import asyncio
import inspect
from collections.abc import Callable

PATIENCE = 10  # seconds until what should have come counts as missing
START_PATIENCE = 30  # seconds, for a process or a database to start, to end or to come back
CROWD_PATIENCE = 30  # seconds, for what a thousand sockets do


async def until(is_so: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until something holds; `is_so` may be a coroutine function."""
    async with asyncio.timeout(within):
        while not (await found if inspect.isawaitable(found := is_so()) else found):
            await asyncio.sleep(0.01)
