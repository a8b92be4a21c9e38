"""How much `make soak` does beyond `make test`, and what a long test costs the chat."""

import asyncio
import ctypes
import gc
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import pytest

from storage.database import MotorDatabase
from tests.support.kernel import open_files, resident

IS_SOAK = "SOAK" in os.environ
MEGABYTE = 2**20


def size(soak: int, test: int) -> int:
    """Return how much of something to do."""
    return soak if IS_SOAK else test


# What random input is made from. Each test that uses it shows it in its name, and FUZZ_SEED=…
# repeats it. In `make test` it is always the same, because the workers have to agree on the names.
SEED = int(os.environ.get("FUZZ_SEED", random.randrange(2**32) if IS_SOAK else 1))


class Usage(NamedTuple):
    """What a process with a chat takes at one moment."""

    memory: int  # bytes
    files: int
    tasks: int
    lines: Counter[str]  # of the log, by level
    database: int  # bytes

    @property
    def cells(self) -> list[str]:
        """The figures as people read them."""
        lines = ", ".join(f"{count} {level}" for level, count in sorted(self.lines.items()))
        megabytes = [f"{size / MEGABYTE:.1f} MB" for size in (self.memory, self.database)]
        return [megabytes[0], str(self.files), str(self.tasks), lines or "none", megabytes[1]]

    def check_after(self, before: "Usage", memory: int) -> None:
        """Check that nothing is left since `before`, but `memory` bytes at most."""
        assert self.tasks <= before.tasks
        assert self.files <= before.files + 10  # connections to the database
        assert self.memory - before.memory < memory


Measure = Callable[[str, MotorDatabase], Awaitable[Usage]]  # the fixture of tests/load


async def usage(database: MotorDatabase, caplog: pytest.LogCaptureFixture) -> Usage:
    """Measure what this process takes, with the chat that runs in it."""
    gc.collect()  # also reports tasks whose exceptions nobody has asked for
    # What glibc keeps for later use would look like a leak after requests of very odd sizes.
    ctypes.CDLL(None).malloc_trim(0)
    await asyncio.sleep(0)
    return Usage(
        resident(os.getpid()),
        open_files(os.getpid()),
        len(asyncio.all_tasks()),
        # Without what aiohttp's test server logs of each request.
        Counter(r.levelname for r in caplog.records if r.name != "aiohttp.access"),
        (await database.command("dbstats"))["storageSize"],
    )


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
