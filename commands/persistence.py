"""Persistence: a command that has come far does not give up at the first call that fails."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from commands.progress import say
from storage.database import DatabaseFails, DatabaseUnavailable

T = TypeVar("T")

PATIENCE = 600  # seconds; a failover takes less than one minute, a restart of a server a few
PAUSE = 1  # seconds


async def persistently(work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work` returns; repeat it until the database answers, for PATIENCE at most.

    So `work` has to do no harm if it is done twice: perhaps only the reply was lost.
    Raises DatabaseFails at once, because that is an answer; DatabaseUnavailable.
    """
    clock = asyncio.get_running_loop().time
    failures, gives_up_at = 0, 0.0
    while True:
        began_at = clock()
        try:
            return await work()
        except DatabaseFails:
            raise
        except DatabaseUnavailable as error:
            # After an attempt that took very long, as an index does, the time begins anew.
            if not failures or clock() > began_at + PATIENCE:
                failures, gives_up_at = 0, clock() + PATIENCE
            failures += 1
            if failures == 2:  # the first may only have been too much at once
                minutes = PATIENCE // 60
                say(f"The database is away or slow ({error}): trying for {minutes} minutes.")
            if clock() > gives_up_at:
                raise
        await asyncio.sleep(PAUSE)
