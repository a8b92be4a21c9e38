"""`make check` starts no other process than the tests themselves."""

import asyncio
import os

import pytest


def test_a_test_that_is_not_marked_cannot_start_a_process() -> None:
    with pytest.raises(RuntimeError, match="A test starts a process"):
        os.posix_spawn("/bin/true", ["true"], {})
    with pytest.raises(RuntimeError, match="A test starts a process"):
        asyncio.run(start("true"))


async def start(program: str) -> None:
    await asyncio.create_subprocess_exec(program)


def test_a_test_with_a_database_is_marked(mongo: str, request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("processes") is not None
