"""The journal under faults: whatever the database answers, one dense log, delivered once."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from chat import journal as journal_module
from chat.entry import Entry, MessageEntry, nonce_of, now
from chat.journal import Journal
from server.background import background
from server.metrics import Metrics
from server.relay import Relay
from storage.database import (
    ACKNOWLEDGED,
    Collection,
    Conflict,
    DatabaseFails,
    DatabaseUnavailable,
    Document,
    MotorCollection,
    deadline,
)
from tests.support.log import say
from tests.support.waiting import PATIENCE, until


class Faulty(Collection):
    """A collection whose inserts go wrong as a test wants; everything else is the real one."""

    def __init__(self, messages: MotorCollection) -> None:
        super().__init__(messages)
        self.before: Callable[[], None] = lambda: None

    async def insert_in_order(self, documents: list[Document]) -> None:
        self.before()
        await super().insert_in_order(documents)


class Process:
    """One process's journal, and what it delivered."""

    def __init__(self, messages: MotorCollection) -> None:
        relay = Relay()
        self.collection = Faulty(messages)
        self.journal = Journal(self.collection, relay, Metrics())
        self.delivered: list[Entry] = []
        relay.listen("stored", self.deliver)

    def deliver(self, entries: Sequence[Entry]) -> None:
        self.delivered.extend(entries)

    async def say(self, msg: str, nonce: str | None = None) -> Entry:
        return await say(self.journal, "alice", msg, nonce)

    def seqs(self) -> list[int]:
        return [entry.seq for entry in self.delivered]


@asynccontextmanager
async def running(messages: MotorCollection) -> AsyncIterator[Process]:
    process = Process(messages)
    await process.journal.open()
    async with background(process.journal.run()):
        yield process


async def stored(messages: MotorCollection) -> list[MessageEntry]:
    documents = await messages.find({}).sort("seq", 1).to_list(None)
    return [MessageEntry.from_document(document) for document in documents]


def fail(error: Exception, times: int = 1) -> Callable[[], None]:
    """Return what raises an error, the first few times."""
    left = iter(range(times))

    def raise_error() -> None:
        if next(left, None) is not None:
            raise error

    return raise_error


async def test_an_error_before_the_write_is_tried_again(messages: MotorCollection) -> None:
    async with running(messages) as process:
        process.collection.before = fail(DatabaseUnavailable("no answer"), times=3)
        assert (await process.say("patience")).seq == 1
        assert process.seqs() == [1]
    number = process.journal._metrics.registry.get_sample_value
    assert number("chat_journal_write_seconds_count") == 4
    assert number("chat_journal_conflicts_total") == 0


async def test_a_database_that_stays_away_is_unavailable_and_sending_again_is_harmless(
    messages: MotorCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "APPEND_TIMEOUT", 0.3)
    async with running(messages) as process:
        process.collection.before = fail(DatabaseUnavailable("away"), times=1000)
        with pytest.raises(DatabaseUnavailable):
            await process.say("hello", "n1")
        process.collection.before = lambda: None
        monkeypatch.setattr(journal_module, "APPEND_TIMEOUT", 5)
        entry, same = await asyncio.gather(process.say("hello", "n1"), process.say("hello", "n1"))
        assert entry == same
        assert process.delivered == [entry] == await stored(messages)


async def test_a_lost_race_is_counted_and_times_are_measured(messages: MotorCollection) -> None:
    async with running(messages) as process:
        await messages.insert_one(MessageEntry(1, "u2:n1", "bob", "u2", "hi", now())._asdict())
        began = asyncio.get_running_loop().time()
        assert (await process.say("second")).seq == 2
        took = asyncio.get_running_loop().time() - began
    number = process.journal._metrics.registry.get_sample_value
    assert number("chat_journal_conflicts_total") == 1
    assert number("chat_journal_write_seconds_count") == 2
    assert number("chat_journal_wait_seconds_count") == 1
    written, waited = (
        number(f"chat_journal_{name}_seconds_sum") or 0 for name in ("write", "wait")
    )
    assert 0 < written < waited < took


async def test_two_processes_keep_one_log_and_deliver_it_alike(
    messages: MotorCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "POLL_EVERY", 0.05)
    dice = random.Random(1)
    async with running(messages) as one, running(messages) as two:

        async def talk(name: str) -> None:
            for number in range(100):
                process = dice.choice((one, two))
                entry = await process.say(f"{name}{number}", f"{name}{number}")
                if dice.random() < 0.1:  # says it again, perhaps to the other
                    assert await dice.choice((one, two)).say("again", nonce_of(entry)) == entry

        await asyncio.gather(*(talk(name) for name in "abcdef"))
        await until(lambda: len(one.delivered) == len(two.delivered) == 600)
        assert one.delivered == two.delivered == await stored(messages)
        assert one.seqs() == list(range(1, 601))


async def test_a_repeat_of_long_ago_that_is_given_up_while_it_is_read_is_no_error(
    messages: MotorCollection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 1)
    async with running(messages) as process:
        await process.say("once", "n1")
        await process.say("and another")
        read = process.journal._find_stored

        async def read_too_late(key: str) -> Any:
            for draft in process.journal.waiting.values():
                draft.give_up()
            return await read(key)

        with monkeypatch.context() as patch:
            patch.setattr(process.journal, "_find_stored", read_too_late)
            with pytest.raises(DatabaseUnavailable):
                await process.say("again", "n1")
        assert isinstance(await process.say("again", "n1"), MessageEntry)
    assert not caplog.records


async def test_senders_wait_when_the_queue_is_full_and_nothing_is_dropped(
    messages: MotorCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "QUEUE_LIMIT", 3)
    monkeypatch.setattr(journal_module, "ENTRIES_PER_INSERT", 2)
    async with running(messages) as process:
        await asyncio.gather(*(process.say(f"m{n}") for n in range(50)))
        assert process.seqs() == list(range(1, 51))


async def test_drain_stores_what_waits_and_takes_no_more(messages: MotorCollection) -> None:
    async with running(messages) as process:
        waiting = [asyncio.create_task(process.say(f"m{n}")) for n in range(20)]
        await asyncio.sleep(0)  # they have begun
        await process.journal.drain(timeout=10)
        assert [(await task).seq for task in waiting] == list(range(1, 21))
        with pytest.raises(DatabaseUnavailable, match="the chat is ending"):
            await process.say("too late")


async def test_drain_gives_up_what_cannot_be_stored_in_time(messages: MotorCollection) -> None:
    async with running(messages) as process:
        process.collection.before = fail(DatabaseUnavailable("away"), times=1000)
        waiting = asyncio.create_task(process.say("hello"))
        await until(lambda: process.journal.waiting)
        async with asyncio.timeout(3):  # the draft itself is given up after 4.4
            await process.journal.drain(timeout=0.01)
        assert waiting.done()
        with pytest.raises(DatabaseUnavailable):
            await waiting


async def test_who_settles_waits_for_the_own_drafts_only(messages: MotorCollection) -> None:
    async with running(messages) as process:
        process.collection.before = fail(DatabaseUnavailable("away"), times=1000)
        journal = process.journal
        hers = [asyncio.create_task(say(journal, "alice", f"m{n}")) for n in range(2)]
        await until(lambda: len(journal.waiting) == 2)
        async with asyncio.timeout(PATIENCE):
            await journal.settle("bob")
        settled = asyncio.create_task(journal.settle("alice"))
        done, _ = await asyncio.wait([settled], timeout=0.05)
        assert not done
        process.collection.before = lambda: None
        async with asyncio.timeout(PATIENCE):
            await settled
            assert {(await task).seq for task in hers} == {1, 2}


async def test_an_entry_is_found_by_its_key_in_memory_and_of_long_ago(
    messages: MotorCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 1)
    async with running(messages) as process:
        entries = [await process.say(text) for text in ("long ago", "just now")]
        assert [await process.journal.find(entry.key) for entry in entries] == entries
        assert await process.journal.find("alice:never said") is None


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ({"ok": 1, "n": 1}, None),
        ({"ok": 1, "n": 0, "writeErrors": [{"index": 0, "code": 11000}]}, Conflict),
        ({"ok": 1, "n": 0, "writeErrors": [{"index": 0, "code": 8}]}, DatabaseFails),
        ({"ok": 1, "n": 1, "writeConcernError": {"code": 64}}, DatabaseUnavailable),
    ],
)
async def test_an_insert_is_ordered_and_has_to_be_acknowledged(
    reply: dict[str, Any], error: type[Exception] | None
) -> None:
    asked: list[Any] = []

    async def command(*words: str, **options: Any) -> dict[str, Any]:
        asked.append((words, options))
        return reply

    collection: Any = SimpleNamespace(name="log", database=SimpleNamespace(command=command))
    with pytest.raises(error) if error else nullcontext():
        await Collection(collection).insert_in_order([{"seq": 1}])
    concern = {"documents": [{"seq": 1}], "ordered": True, "writeConcern": ACKNOWLEDGED}
    assert asked == [(("insert", "log"), concern)]


async def test_a_call_that_takes_too_long_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.database.CALL_TIMEOUT", 0.01)
    with pytest.raises(DatabaseUnavailable):
        async with deadline():
            await asyncio.Event().wait()
