"""/healthz asks the database seldom, however many ask it, and says what is wrong with it."""

import asyncio
from typing import Any

import pytest

from chat import health
from chat.health import HEALTH
from storage.database import Database, DatabaseFails, DatabaseUnavailable, MotorDatabase
from storage.probe import PROBE_COLLECTION, write_probe
from tests.support.house import House
from tests.support.people import Person


class Probes:
    """The probes that are written; each fails with `error`, if there is one."""

    def __init__(self, write: Any) -> None:
        self._write = write
        self.count = 0
        self.error: Exception | None = None

    async def __call__(self, db: Database) -> None:
        self.count += 1
        await self.fail(db)
        await self._write(db)

    async def fail(self, _: Database) -> None:
        if self.error:
            raise self.error


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Probes:
    probes = Probes(write_probe)
    monkeypatch.setattr(health, "write_probe", probes)
    return probes


async def state(visitor: Person) -> tuple[int, Any]:
    response = await visitor.get("/healthz")
    return response.status, await response.json()


async def test_many_who_ask_cause_one_write_and_one_document(
    house: House, visitor: Person, probes: Probes, db: MotorDatabase, monkeypatch: Any
) -> None:
    assert health.FRESH_FOR >= 1
    monkeypatch.setattr(health, "FRESH_FOR", 60)  # as on a quick machine
    ok = (200, {"status": "ok", "database": "ok"})
    assert await asyncio.gather(*(state(visitor) for _ in range(50))) == [ok] * 50
    assert await state(visitor) == ok
    assert probes.count == 1
    monkeypatch.setattr(health, "FRESH_FOR", 0)
    house.app[HEALTH]._fresh_until = 0
    assert await state(visitor) == ok
    assert probes.count == 2
    assert await db[PROBE_COLLECTION].count_documents({}) == 1


@pytest.mark.parametrize(
    ("error", "can_be_read", "said"),
    [
        (DatabaseFails("disk full"), True, "refuses writes"),
        (DatabaseFails("damaged"), False, "failing"),
        (DatabaseUnavailable("AutoReconnect"), False, "away"),
    ],
)
async def test_failures_are_not_asked_for_more_often_either(
    visitor: Person,
    probes: Probes,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    can_be_read: bool,
    said: str,
) -> None:
    assert health.FRESH_FOR >= 1
    monkeypatch.setattr(health, "FRESH_FOR", 60)  # as on a quick machine
    probes.error = error
    if not can_be_read:
        monkeypatch.setattr(health, "read_probe", probes.fail)
    for _ in range(20):
        assert await state(visitor) == (503, {"status": "away", "database": said})
    assert probes.count == 1


async def test_a_database_that_hangs_is_asked_once_and_answered_in_time(
    visitor: Person, probes: Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "ANSWER_WITHIN", 0.1)
    monkeypatch.setattr(health, "FRESH_FOR", 0)
    goes_on = asyncio.Event()

    async def hang(_: Database) -> None:
        await goes_on.wait()

    probes._write = hang
    for _ in range(3):
        assert (await state(visitor))[0] == 503
    assert probes.count == 1
    goes_on.set()
