"""The journal step by step: what it stores and reads, when it tries again, and whom it answers."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from bson import ObjectId

from chat import journal as journal_module
from chat.changes import make_changes
from chat.entry import ChangeEntry, Entry, MessageEntry, digest_of, now
from chat.journal import BATCH_DELAY, RETRY_PAUSE, Draft, Journal
from chat.message_index import messages_from
from server.background import background
from server.metrics import Metrics
from server.relay import Relay
from storage.database import Collection, DatabaseUnavailable, Document, MotorCollection

START = now()


class Enough(Exception):
    """Ends a loop that has been watched for long enough."""


@pytest.fixture
async def journal(messages: MotorCollection) -> Journal:
    """A journal that has not read anything."""
    return Journal(Collection(messages), Relay(), Metrics())


@pytest.fixture
def delivered(journal: Journal) -> list[Entry]:
    """What the journal has delivered."""
    delivered: list[Entry] = []
    journal._relay.listen("stored", delivered.extend)
    return delivered


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that the journal makes, which take no time."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    parts = SimpleNamespace(**{**vars(asyncio), "sleep": sleep})
    monkeypatch.setattr(journal_module, "asyncio", parts)
    return pauses


def message(seq: int, msg: str = "before", **more: Any) -> Document:
    """Return the document of a message."""
    entry = MessageEntry(seq, f"u1:n{seq}", "alice", "u1", msg, START)
    fields = {name: value for name, value in entry._asdict().items() if value is not None}
    return {"_id": ObjectId(), "message_seq": seq, **fields, **more}


def change(seq: int, of: int, **more: Any) -> Document:
    """Return the document of a change."""
    key = f"change:u2:n{seq}"
    fields = {"seq": seq, "message_seq": 0, "key": key, "user": "bob", "user_id": "u2", "of": of}
    return {"_id": ObjectId(), **fields, "time": START, **more}


def edit(seq: int, of: int, text: str) -> Document:
    """Return the document of a change that its message does not show yet."""
    return change(seq, of, text=text, state="edited")


def wait(journal: Journal, key: str) -> Draft:
    """Let a draft wait, as append() does."""
    loop = asyncio.get_running_loop()
    draft = Draft(key, "carol", "u3", {"msg": "hi"}, loop.create_future(), loop.time())
    journal.waiting[key] = draft
    return draft


async def stored(messages: MotorCollection) -> list[tuple[int, str]]:
    """Return the numbers and the keys that are in the log."""
    documents = await messages.find({}).sort("seq", 1).to_list(None)
    return [(document["seq"], document["key"]) for document in documents]


async def test_a_message_is_stored_with_all_that_is_known_of_it(
    messages: MotorCollection, journal: Journal, delivered: list[Entry]
) -> None:
    async with background(journal.run()):
        entry = await journal.append("u1:n1", "alice", "u1", {"msg": "hi"})
    assert isinstance(entry, MessageEntry)
    assert START <= entry.time <= now()
    digest = digest_of({"msg": "hi"})
    assert entry == MessageEntry(1, "u1:n1", "alice", "u1", "hi", entry.time, digest=digest)
    assert delivered == [entry]
    assert journal.waiting == {}
    [document] = await messages.find({}).to_list(None)
    assert isinstance(document.pop("_id"), ObjectId)
    assert document == {
        "seq": 1, "message_seq": 1, "key": "u1:n1", "user": "alice", "user_id": "u1",
        "time": entry.time, "digest": digest, "msg": "hi",
    }  # fmt: skip


async def test_only_the_end_of_the_log_is_read_at_the_start(
    messages: MotorCollection, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RECENT_LENGTH", 3)
    await messages.insert_many([message(seq) for seq in (2, 5, 1, 4, 3)])
    await journal.open()
    assert [entry.seq for entry in journal.recent.entries] == [3, 4, 5]


async def test_a_key_that_comes_again_is_stored_once(
    messages: MotorCollection, journal: Journal
) -> None:
    async def append(key: str) -> Entry:
        return await journal.append(key, "alice", "u1", {"msg": "hi"})

    async with background(journal.run()):
        first, again, other = await asyncio.gather(*map(append, ("u1:n1", "u1:n1", "u1:n2")))
        assert first == again == await append("u1:n1") == await journal.find("u1:n1")
    assert await stored(messages) == [(1, "u1:n1"), (2, "u1:n2")]
    assert other.seq == 2


async def test_of_each_batch_the_longest_wait_is_measured(journal: Journal) -> None:
    drafts = [wait(journal, f"u3:n{n}") for n in range(3)]
    for draft, seconds in zip(drafts, (100, 1000, 10), strict=True):
        draft.queued_at -= seconds
    await journal._store(drafts)
    number = journal._metrics.registry.get_sample_value
    assert number("chat_journal_wait_seconds_count") == 1
    assert 1000 <= (number("chat_journal_wait_seconds_sum") or 0) < 1100


async def test_who_leaves_does_not_take_away_what_others_wait_for(journal: Journal) -> None:
    draft = wait(journal, "u3:n1")
    senders = [asyncio.create_task(journal.find("u3:n1")) for _ in range(2)]
    await asyncio.sleep(0)
    senders[0].cancel()
    await asyncio.sleep(0)
    entry = MessageEntry(1, "u3:n1", "carol", "u3", "hi", START)
    draft.answer.set_result(entry)
    assert await senders[1] == entry


async def test_what_is_given_up_waits_no_more(journal: Journal) -> None:
    sender = asyncio.create_task(journal.append("u1:n1", "alice", "u1", {"msg": "hi"}))
    await asyncio.sleep(0)
    [draft] = journal.waiting.values()
    for _ in range(2):
        draft.give_up()
    with pytest.raises(DatabaseUnavailable, match="not confirmed"):
        await sender
    assert journal.waiting == {}


async def test_what_has_waited_too_long_is_given_up_and_the_log_is_read_now_and_then(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"CHECK_EVERY": 0.5, "APPEND_TIMEOUT": 1.5, "POLL_EVERY": 2}.items():
        monkeypatch.setattr(journal_module, name, seconds)
    seconds, given_up, polled = 100.0, [], []
    for queued_at in (100, 101):
        wait(journal, f"u3:{queued_at}").queued_at = queued_at

    async def sleep(pause: float) -> None:
        nonlocal seconds
        given_up.append(sum(draft.answer.done() for draft in journal.waiting.values()))
        polled.append(journal._is_poll_due)
        journal._is_poll_due = False
        seconds += pause
        if seconds > 104.5:
            raise Enough

    loop = SimpleNamespace(time=lambda: seconds)
    parts = SimpleNamespace(get_running_loop=lambda: loop, sleep=sleep)
    monkeypatch.setattr(journal_module, "asyncio", parts)
    with pytest.raises(Enough):
        await journal._expire_and_poll()
    assert given_up == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]  # at 100, 100.5, 101 …
    assert polled == [False] * 4 + [True] + [False] * 3 + [True, False]


async def test_drafts_are_stored_some_at_a_time(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ENTRIES_PER_INSERT", 2)
    sizes: list[int] = []

    insert_in_order = Collection.insert_in_order

    async def insert(collection: Collection, documents: list[Document]) -> None:
        sizes.append(len(documents))
        await insert_in_order(collection, documents)

    monkeypatch.setattr(Collection, "insert_in_order", insert)
    drafts = [wait(journal, f"u3:n{number}") for number in range(6)]
    drafts[1].give_up()
    journal._work.set()
    async with background(journal._write()):
        await asyncio.wait([draft.answer for draft in drafts])
    assert sizes == [2, 2, 1]


async def test_after_an_outage_the_journal_pauses_and_goes_on(
    journal: Journal, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0

    async def catch_up() -> None:
        nonlocal reads
        reads += 1
        journal._is_poll_due = True
        journal._work.set()
        if reads == 2:
            raise Enough  # which is an error like any other
        if reads == 3:
            await asyncio.Event().wait()
        raise DatabaseUnavailable

    monkeypatch.setattr(journal, "_catch_up", catch_up)
    journal._is_poll_due = True
    journal._work.set()
    async with background(journal._write()):
        while reads < 3:
            await asyncio.sleep(0)
    assert pauses == [BATCH_DELAY, RETRY_PAUSE, BATCH_DELAY, BATCH_DELAY]


async def test_drafts_that_the_journal_fails_with_are_given_up_and_the_next_are_stored(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal_module, "ENTRIES_PER_INSERT", 2)
    store, fails = journal._store, iter([True, True])

    async def fail_twice(drafts: list[Draft]) -> None:
        if next(fails, False):
            raise ValueError("what nobody thought of")
        await store(drafts)

    monkeypatch.setattr(journal, "_store", fail_twice)
    drafts = [wait(journal, f"u3:n{number}") for number in range(5)]
    journal._work.set()
    async with background(journal._write()):
        assert (await drafts[4].answer).seq == 1
    for draft in drafts[:4]:
        assert isinstance(draft.answer.exception(), DatabaseUnavailable)
    assert [record.message for record in caplog.records] == ["the journal failed, and goes on"]


async def test_after_another_process_took_the_numbers_the_next_are_tried_at_once(
    messages: MotorCollection, journal: Journal, delivered: list[Entry], pauses: list[float]
) -> None:
    await messages.insert_many([message(1), message(2)])
    drafts = [wait(journal, key) for key in ("u3:n1", "u3:n2")]
    await journal._store(drafts)
    assert [(await draft.answer).seq for draft in drafts] == [3, 4]
    assert await stored(messages) == [(e.seq, e.key) for e in delivered]
    assert [entry.seq for entry in delivered] == [1, 2, 3, 4]
    assert pauses == []


@pytest.mark.parametrize(("is_stored", "number_of_pauses"), [(False, 2), (True, 0)])
async def test_after_an_error_there_is_a_pause_unless_all_is_stored(
    messages: MotorCollection, journal: Journal, delivered: list[Entry], pauses: list[float],
    monkeypatch: pytest.MonkeyPatch, is_stored: bool, number_of_pauses: int,
) -> None:  # fmt: skip
    errors = iter([DatabaseUnavailable(), DatabaseUnavailable()])

    insert_in_order = Collection.insert_in_order

    async def insert(collection: Collection, documents: list[Document]) -> None:
        error = next(errors, None)
        if is_stored or not error:
            await insert_in_order(collection, documents)
        if error:
            raise error

    monkeypatch.setattr(Collection, "insert_in_order", insert)
    drafts = [wait(journal, key) for key in ("u3:n1", "u3:n2")]
    await journal._store(drafts)
    assert [await draft.answer for draft in drafts] == delivered
    assert await stored(messages) == [(1, "u3:n1"), (2, "u3:n2")]
    assert pauses == [RETRY_PAUSE] * number_of_pauses


async def test_a_repeat_of_long_ago_is_answered_and_the_next_are_stored_at_once(
    messages: MotorCollection,
    journal: Journal,
    pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_module, "RECENT_LENGTH", 1)
    await messages.insert_many([message(1), message(2)])
    await journal.open()
    drafts = [wait(journal, key) for key in ("u1:n1", "u3:n1")]
    await journal._store(drafts)
    assert await drafts[0].answer == MessageEntry.from_document(message(1))
    assert (await drafts[1].answer).seq == 3
    assert pauses == []


@pytest.mark.parametrize(("seq", "is_answered"), [(1, True), (2, True), (3, False)])
async def test_a_repeat_is_answered_only_with_what_is_delivered(
    messages: MotorCollection, journal: Journal, seq: int, is_answered: bool
) -> None:
    await messages.insert_many([message(1), message(2)])
    await journal.open()
    await messages.insert_one(message(3))
    draft = wait(journal, f"u1:n{seq}")
    await journal._answer_repeat(draft)
    assert draft.answer.done() is is_answered


async def test_what_others_stored_is_read_in_order_however_much_it_is(
    messages: MotorCollection, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ENTRIES_PER_INSERT", 2)
    batches: list[list[int]] = []
    journal._relay.listen(
        "stored", lambda entries: batches.append([entry.seq for entry in entries])
    )
    await messages.drop_indexes()  # which would bring them in order without being asked
    await messages.insert_many([message(seq) for seq in (4, 2, 5, 1, 3)])
    await journal._catch_up()
    await journal._catch_up()
    assert batches == [[1, 2], [3, 4], [5]]
    assert [entry.seq for entry in journal.recent.entries] == [1, 2, 3, 4, 5]


async def test_changes_are_delivered_with_the_text_of_their_message_which_is_changed(
    messages: MotorCollection, journal: Journal, delivered: list[Entry]
) -> None:
    documents = [
        message(1), edit(2, 1, "second"), message(3), edit(4, 1, "fourth"), edit(5, 3, "fifth"),
        change(6, 3), edit(7, 99, "of nothing"),
    ]  # fmt: skip
    await messages.insert_many(documents)
    await journal._catch_up()

    def changed(seq: int, of: int, msg: str, changes: int = 1) -> ChangeEntry:
        document = message(of, msg, state="edited", changes=changes)
        return ChangeEntry.from_documents(change(seq, of), document)

    assert delivered == [
        MessageEntry.from_document(documents[0]),
        changed(2, 1, "second"),
        MessageEntry.from_document(documents[2]),
        changed(4, 1, "fourth", changes=2),
        changed(5, 3, "fifth"),
        changed(6, 3, "fifth"),
        ChangeEntry.from_documents(change(7, 99), None),
    ]
    assert await messages.find({}).sort("seq", 1).to_list(None) == [
        {**documents[0], "msg": "fourth", "state": "edited", "changed": 4, "changes": 2},
        {**change(2, 1), "_id": documents[1]["_id"]},
        {**documents[2], "msg": "fifth", "state": "edited", "changed": 5, "changes": 1},
        {**change(4, 1), "_id": documents[3]["_id"]},
        {**change(5, 3), "_id": documents[4]["_id"]},
        documents[5],
        {**change(7, 99), "_id": documents[6]["_id"]},
    ]


async def test_what_an_earlier_version_stores_is_in_the_index_of_messages_before_it_is_delivered(
    messages: MotorCollection, journal: Journal
) -> None:
    heard, read, changed = (
        {name: value for name, value in document.items() if name != "message_seq"}
        for document in (message(1), message(2), edit(3, 1, "after"))
    )
    index = Collection(messages)
    await messages.insert_many([heard, read, changed])
    journal.hear_entries([heard])
    await journal._deliver_heard()
    await journal._catch_up()
    found = await index.find(messages_from(1), sort=("message_seq", 1))
    assert [document["seq"] for document in found] == [1, 2]
    assert (await index.find_one({"seq": 3}) or {})["message_seq"] == 0


async def test_different_messages_are_changed_at_once_and_no_failure_leaves_one_half_changed(
    messages: MotorCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await messages.insert_many([message(1), message(2)])
    both = asyncio.Event()
    find_one = Collection.find_one

    async def find(collection: Collection, where: Document) -> Document | None:
        if where == {"seq": 1}:
            await both.wait()
            raise DatabaseUnavailable
        both.set()
        for _ in range(10):
            await asyncio.sleep(0)
        return await find_one(collection, where)

    monkeypatch.setattr(Collection, "find_one", find)
    with pytest.raises(DatabaseUnavailable):
        await make_changes(Collection(messages), [edit(3, 1, "after"), edit(4, 2, "after")])
    stored = messages.find({}, sort=[("seq", 1)])
    assert [document["msg"] async for document in stored] == ["before", "after"]


@pytest.mark.parametrize(
    ("before", "is_changed"),
    [
        ({"msg": "before"}, True),
        ({"msg": "before", "changed": 4}, True),
        ({"msg": "after", "changed": 5}, False),
        ({"msg": "after all", "changed": 6}, False),
        ({"msg": "", "state": "deleted", "changed": 4}, False),
        ({"msg": "", "state": "deleted"}, False),
    ],
)
async def test_a_message_is_changed_unless_it_is_ahead_or_deleted(
    messages: MotorCollection, before: Document, is_changed: bool
) -> None:
    document = message(1, **before)
    await messages.insert_many([document, message(2)])
    after = {**document, "msg": "after", "state": "edited", "changed": 5, "changes": 1}
    found = await make_changes(Collection(messages), [edit(5, 1, "after")])
    assert found == {5: after if is_changed else document}
    assert await messages.find_one({"seq": 1}) == found[5]
    assert (await messages.find_one({"seq": 2}) or {})["msg"] == "before"


@pytest.mark.parametrize("is_there", [False, True])
async def test_a_message_that_somebody_removes_or_changes_meanwhile_is_left_as_it_is(
    messages: MotorCollection, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    before = message(1)
    meanwhile = [{**before, "msg": "changed later", "changed": 6}] if is_there else []
    find_one, read = Collection.find_one, iter([before])

    async def find(collection: Collection, where: Document) -> Document | None:
        return next(read, None) or await find_one(collection, where)

    monkeypatch.setattr(Collection, "find_one", find)
    for document in meanwhile:
        await messages.insert_one(document)
    found = await make_changes(Collection(messages), [edit(5, 1, "after")])
    assert list(found.values()) == meanwhile == await messages.find({}).to_list(None)
