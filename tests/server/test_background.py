"""Background tasks: what becomes of one that fails or ends, and what they do in steps."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from server import background as background_module
from server.background import background, for_ever, paced


class Task:
    """What a background task does, once for each of its runs; after these it goes on for ever."""

    def __init__(self, *runs: Callable[[], object]) -> None:
        self._runs = list(runs)
        self.lasts = asyncio.Event()  # set in the last run
        self.was_cancelled = False

    async def run(self) -> None:
        if self._runs:
            self._runs.pop(0)()
            return
        self.lasts.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.was_cancelled = True


def fail() -> None:
    raise ValueError("unforeseen")


def run_out_of_memory() -> None:
    raise MemoryError


def be_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (fail, "Task.run failed, and is started again"),
        (run_out_of_memory, "Task.run failed, and is started again"),
        (be_cancelled, "Task.run was cancelled, and is started again"),
        (int, "Task.run has ended, and is started again"),
    ],
    ids=["an error", "no memory", "cancelled", "ended"],
)
async def test_a_task_that_does_not_last_is_logged_and_started_again(
    ends: Callable[[], object],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("server.background.AGAIN_AFTER", 0)
    task = Task(ends, ends)
    async with background(for_ever(lambda: task.run())), asyncio.timeout(10):
        await task.lasts.wait()
        assert [record.getMessage() for record in caplog.records] == [said, said]
    assert task.was_cancelled


async def test_a_group_of_tasks_that_fails_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.background.AGAIN_AFTER", 0)
    task = Task(fail, fail)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(task.run())

    async with background(for_ever(run)), asyncio.timeout(10):
        await task.lasts.wait()


@pytest.mark.parametrize(
    ("count", "steps"),
    [(0, []), (1, [[0]]), (3, [[0, 1, 2]]), (4, [[0, 1, 2], [3]])],
)
async def test_many_things_are_done_in_even_steps(
    monkeypatch: pytest.MonkeyPatch, count: int, steps: list[list[int]]
) -> None:
    done: list[object] = []

    async def sleep(seconds: float) -> None:
        done.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(background_module, "asyncio", SimpleNamespace(sleep=sleep))
    async for some in paced(range(count), 3, 6):
        done.append(list(some))
    pause = 6 / max(1, len(steps))
    assert done == ([each for step in steps for each in (step, pause)] or [pause])
