"""A command that has come far goes on when the database does not answer for some minutes."""

import asyncio

import pytest

from commands import persistence
from commands.persistence import persistently
from storage.database import DatabaseFails, DatabaseUnavailable


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "PAUSE", 0)


class Work:
    """Work that fails some times, and then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


async def test_it_is_repeated_until_it_succeeds_and_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await persistently(Work(*[DatabaseUnavailable("slow")] * 5)) == "done"
    said = "The database is away or slow (slow): trying for 10 minutes.\n"
    assert capsys.readouterr().err == said


async def test_nothing_is_said_of_one_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert await persistently(Work(DatabaseUnavailable("slow"))) == "done"
    assert capsys.readouterr().err == ""


async def test_a_refusal_is_not_repeated() -> None:
    work = Work(DatabaseFails("full"), DatabaseFails("full"))
    with pytest.raises(DatabaseFails):
        await persistently(work)
    assert len(work.errors) == 1


async def test_it_ends_when_nothing_has_succeeded_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "PATIENCE", -1)
    with pytest.raises(DatabaseUnavailable):
        await persistently(Work(*[DatabaseUnavailable("slow")] * 2))


async def test_a_failure_after_long_work_counts_as_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock)
    failing = Work(*[DatabaseUnavailable("failover")] * 2)

    async def long_work() -> str:
        nonlocal clock
        clock += 2 * persistence.PATIENCE
        return await failing()

    assert await persistently(long_work) == "done"
