"""How processes prove to each other that they write the same database."""

import pytest

from storage.database import Database, MotorDatabase
from storage.peers import BELIEVED_FOR, FORGOTTEN_AFTER, PROCESS_COLLECTION, USED_FOR, Peers
from tests.support.clocks import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that all processes go by, which stands still until it is put forward."""
    clock = Clock(1000)
    monkeypatch.setattr("storage.peers._now", clock.monotonic)
    return clock


@pytest.fixture
def settle(clock: Clock, db: MotorDatabase) -> "Settle":
    """Make processes of one database that have written and read often enough."""
    return Settle(clock, db)


class Settle:
    """Processes that write the same database."""

    def __init__(self, clock: Clock, db: MotorDatabase) -> None:
        self.processes = Database(db)[PROCESS_COLLECTION]
        self.clock = clock

    def new(self, name: str) -> Peers:
        """Return a process that has not written or read anything."""
        return Peers(name, self.processes)

    async def rounds(self, *peers: Peers, count: int = 4) -> None:
        """Let processes renew their tokens some times, a second apart."""
        for _ in range(count):
            self.clock.now += 1
            for each in peers:
                await each.renew()


async def test_processes_of_one_database_believe_each_other_after_four_rounds(
    settle: Settle,
) -> None:
    one, two = settle.new("one"), settle.new("two")
    await settle.rounds(one, two)
    assert two.believe("one", one.token, 1)
    assert one.believe("two", two.token, 1)
    assert not one.is_stranger("two")


async def test_a_token_is_used_only_when_others_have_read_it(settle: Settle) -> None:
    one, two = settle.new("one"), settle.new("two")
    for number in range(1, 20):
        await settle.rounds(one, count=1)
        if number % 2:  # two reads half as often
            await two.renew()
        assert number < 6 or two.believe("one", one.token, number)


async def test_what_is_said_passes_once_and_in_order(settle: Settle) -> None:
    one, two = settle.new("one"), settle.new("two")
    await settle.rounds(one, two)
    passed = [number for number in (1, 1, 3, 2, 3, 4) if two.believe("one", one.token, number)]
    assert passed == [1, 3, 4]


async def test_the_tokens_that_a_process_finds_are_not_believed(settle: Settle) -> None:
    one, two = settle.new("one"), settle.new("two")
    await settle.rounds(one, two)
    said = [one.token]
    restarted = settle.new("restarted")  # on this database, or on a copy of it
    await restarted.renew()
    assert not restarted.believe("one", said[0], 1)
    await settle.rounds(one, restarted)
    assert not restarted.believe("one", said[0], 1)
    assert restarted.believe("one", one.token, 1)


async def test_a_token_is_believed_for_some_seconds_and_used_for_less(settle: Settle) -> None:
    one, two = settle.new("one"), settle.new("two")
    await settle.rounds(one, two)
    token = one.token
    settle.clock.now += USED_FOR - 2  # it was written two seconds ago
    assert not one.token
    assert two.believe("one", token, 1)
    settle.clock.now += BELIEVED_FOR
    assert not two.believe("one", token, 2)
    await two.renew()  # reads that it is still there
    assert not two.believe("one", token, 3)


async def test_nothing_of_a_backup_is_believed_when_it_is_restored_under_a_process(
    settle: Settle,
) -> None:
    one, two = settle.new("one"), settle.new("two")
    await settle.rounds(one, two)
    backup = await settle.processes.find({})
    token = one.token
    await settle.rounds(one, two, count=20)
    later = settle.new("later")  # has never seen the tokens of the backup
    await settle.rounds(later)
    await settle.processes.delete_many({})
    for document in backup:
        await settle.processes.insert_one(document)
    for each in (two, later):
        await settle.rounds(each)
        assert not each.believe("one", token, 1000)
        assert not each.believe("one", backup[0]["tokens"][-1], 1001)


async def test_a_process_that_is_not_in_the_database_is_a_stranger_once_it_has_been_read(
    settle: Settle,
) -> None:
    one = settle.new("one")
    assert not one.is_stranger("another")
    await settle.rounds(one)
    assert one.is_stranger("another")
    settle.clock.now += 5  # the database is away
    assert not one.is_stranger("another")


async def test_processes_that_have_ended_are_removed_and_come_back_if_they_have_not(
    settle: Settle,
) -> None:
    one, two = settle.new("one"), settle.new("two")
    await settle.rounds(one, two)
    for _ in range(FORGOTTEN_AFTER + 2):
        await settle.rounds(one, count=1)
    assert [each["_id"] for each in await settle.processes.find({})] == ["one"]
    await settle.rounds(two, one, count=4)
    assert one.believe("two", two.token, 1)
    assert two.believe("one", one.token, 1)


async def test_very_many_processes_that_have_ended_are_removed_whoever_is_read_first(
    settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.peers.MOST_PROCESSES", 3)
    for number in range(5):  # as after a night of starts that failed
        await settle.processes.insert_one({"_id": f"ended {number}", "tokens": ["old"]})
    one, two = settle.new("one"), settle.new("two")
    await settle.rounds(one, two, count=3 * (FORGOTTEN_AFTER + 2))
    assert two.believe("one", one.token, 1)
    assert {each["_id"] for each in await settle.processes.find({})} == {"one", "two"}
