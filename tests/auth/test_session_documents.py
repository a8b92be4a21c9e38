"""The documents of sessions: what is stored, when they count, and who hears of their end."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any
from unittest.mock import MagicMock

import pytest

from auth import sessions
from auth.sessions import Identity, Sessions
from server.background import background
from server.relay import Relay
from settings import SESSION_COLLECTION, USER_COLLECTION
from storage.database import Database, DatabaseUnavailable, Document, MotorDatabase
from tests.simulation import virtual_time
from tests.support.clocks import Clock
from tests.support.waiting import PATIENCE, until

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECONDS = int(START.timestamp())


class Calendar(datetime):
    """A calendar that stands still until it is put forward."""

    passed = timedelta(0)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        assert tz is UTC
        return START + cls.passed


@pytest.fixture(autouse=True)
def calendar(monkeypatch: pytest.MonkeyPatch) -> type[Calendar]:
    """The calendar that sessions go by."""
    monkeypatch.setattr(Calendar, "passed", timedelta(0))
    monkeypatch.setattr(sessions, "datetime", Calendar)
    return Calendar


@pytest.fixture
def known(db: MotorDatabase) -> Sessions:
    """The sessions of that database."""
    return Sessions(Database(db), Relay())


@pytest.fixture
def ended(known: Sessions) -> list[str]:
    """What those who listen have heard of."""
    ended: list[str] = []
    known._relay.listen("ended", ended.extend)
    return ended


async def new_user(db: MotorDatabase, login: str) -> str:
    """Store an account with nothing but a login; return its id."""
    return str((await db[USER_COLLECTION].insert_one({"login": login})).inserted_id)


async def test_a_new_session_is_stored_with_all_that_is_known_of_it(
    db: MotorDatabase, known: Sessions
) -> None:
    identity = await known.create("u1", "alice", "Lynx " * 100)
    assert (identity.user_id, identity.login) == ("u1", "alice")
    assert len(identity.session_id) == 32  # 24 random bytes
    assert await db[SESSION_COLLECTION].find({}).to_list(None) == [
        {
            "_id": identity.session_id,
            "user_id": "u1",
            "login": "alice",
            "created": START,
            "seen": SECONDS,
            "agent": ("Lynx " * 100)[:200],
            "expires": START + timedelta(days=14),
        }
    ]


async def test_a_session_is_its_users_by_the_login_they_have_now(
    db: MotorDatabase, known: Sessions
) -> None:
    users = [await new_user(db, login) for login in ("alice", "bob", "carol")]
    made = [await known.create(user_id, "before", "") for user_id in (*users, users[0], "nobody")]
    await db[USER_COLLECTION].update_one({"login": "carol"}, {"$set": {"banned": True}})
    found = await asyncio.gather(*(known.identify(each.session_id) for each in made))
    alice, bob, _, again, _ = made
    assert found == [
        Identity(users[0], alice.session_id, "alice"),
        Identity(users[1], bob.session_id, "bob"),
        None,
        Identity(users[0], again.session_id, "alice"),
        None,
    ]
    assert [known.has_ended(each.session_id) for each in made] == [False, False, True, False, True]


@pytest.mark.parametrize(("seconds", "is_valid"), [(-1, True), (0, False)])
async def test_a_session_is_valid_for_two_weeks_to_the_second(
    db: MotorDatabase, known: Sessions, calendar: type[Calendar], seconds: int, is_valid: bool
) -> None:
    identity = await known.create(await new_user(db, "alice"), "alice", "")
    calendar.passed = timedelta(days=14, seconds=seconds)
    assert await known.identify(identity.session_id) == (identity if is_valid else None)


async def test_seen_is_written_when_it_is_more_than_ten_minutes_old(
    db: MotorDatabase, known: Sessions, calendar: type[Calendar], clock: Clock
) -> None:
    user_id = await new_user(db, "alice")
    early, late, unused = [await known.create(user_id, "alice", "") for _ in range(3)]

    async def seen_after(seconds: int) -> list[int]:
        calendar.passed = timedelta(seconds=seconds)
        clock.now += 100
        for used in (early, late):
            await known.identify(used.session_id)
        documents = {d["_id"]: d["seen"] async for d in db[SESSION_COLLECTION].find({})}
        return [documents[each.session_id] - SECONDS for each in (early, late, unused)]

    assert await seen_after(600) == [0, 0, 0]
    assert await seen_after(601) == [601, 601, 0]
    assert await seen_after(1200) == [601, 601, 0]


async def test_what_ends_is_deleted_and_heard_of(
    db: MotorDatabase, known: Sessions, ended: list[str]
) -> None:
    user_id = await new_user(db, "alice")
    made = [(await known.create(user_id, "alice", "")).session_id for _ in range(3)]
    assert not known.has_ended(made[0])
    await known.end(*made[:2])
    assert ended == made[:2]
    assert [known.has_ended(each) for each in made] == [True, True, False]
    assert await known.identify(made[0]) is None
    assert [d["_id"] async for d in db[SESSION_COLLECTION].find({})] == made[2:]


async def test_very_many_sessions_of_a_user_end_but_for_those_to_keep(
    db: MotorDatabase, known: Sessions, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "IDS_PER_QUERY", 2)
    made = [(await known.create("u1", "alice", "")).session_id for _ in range(6)]
    other = (await known.create("u2", "bob", "")).session_id
    await known.end_all("u1", keep=made[:1])
    assert sorted(ended) == sorted(made[1:])
    assert {d["_id"] async for d in db[SESSION_COLLECTION].find({})} == {made[0], other}
    await known.end_all("u1")
    assert [d["_id"] async for d in db[SESSION_COLLECTION].find({})] == [other]


async def test_open_sessions_are_looked_at_few_at_a_time_and_again_after_an_outage(
    db: MotorDatabase, known: Sessions, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "NOTICE_EVERY", 0)
    user_id = await new_user(db, "alice")
    made = sorted([(await known.create(user_id, "alice", "")).session_id for _ in range(60)])
    gone = made[3], made[40]
    await db[SESSION_COLLECTION].delete_many({"_id": {"$in": gone}})  # by another process
    find, asked = known.collection.find, []

    async def watched(where: Document, *arguments: Any, **options: Any) -> list[Document]:
        asked.append(list(where["_id"]["$in"]))
        if len(asked) == 2:
            raise DatabaseUnavailable
        return await find(where, *arguments, **options)

    def still_open() -> list[str]:
        return [each for each in made * 2 if each not in ended]  # somebody has two sockets

    monkeypatch.setattr(known.collection, "find", watched)

    async def have_ended() -> bool:
        return len(ended) == 2

    async with background(known.notice_ended(still_open)):
        await until(have_ended)
    left = [each for each in made if each != gone[0]]
    assert asked[:4] == [made[:25], made[25:50], made[50:], left[:25]]
    assert ended == [*gone]
    assert [known.has_ended(each) for each in made] == [each in gone for each in made]


@pytest.mark.parametrize("later", [0, 0.5, 2, 3.5, 4.5])
def test_the_end_of_a_session_that_has_just_opened_is_noticed_within_five_seconds_too(
    monkeypatch: pytest.MonkeyPatch, later: float
) -> None:
    known, gone, ended = Sessions(MagicMock(), Relay()), set[str](), list[str]()

    async def look(ids: Sequence[str]) -> list[str]:
        return [id_ for id_ in ids if id_ in gone]

    monkeypatch.setattr(known, "_ended_among", look)
    known._relay.listen("ended", ended.extend)

    async def noticed_after() -> float:
        open_sessions = [f"session {number:03}" for number in range(200)]
        async with background(known.notice_ended(lambda: open_sessions)):
            await asyncio.sleep(0.1)
            open_sessions.append("session new")  # in the middle of a round, and its id is the last
            await asyncio.sleep(later)
            gone.add("session new")  # by another process
            ended_at = asyncio.get_running_loop().time()
            while not ended:
                await asyncio.sleep(0.1)
            return asyncio.get_running_loop().time() - ended_at

    assert virtual_time.run(noticed_after()) < 5


async def test_an_open_session_is_noted_as_seen_and_ends_when_it_expires_or_its_account_has_gone(
    db: MotorDatabase,
    known: Sessions,
    ended: list[str],
    calendar: type[Calendar],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "NOTICE_EVERY", 0)
    alice = await known.create(await new_user(db, "alice"), "alice", "")
    nobody = await known.create("nobody", "nobody", "")
    open_sessions = {alice.session_id, nobody.session_id}

    async def has_ended(session_id: str) -> bool:
        open_sessions.difference_update(ended)
        return session_id in ended

    async def is_seen() -> bool:
        document = await db[SESSION_COLLECTION].find_one({"_id": alice.session_id})
        return document is not None and document["seen"] == SECONDS + 601

    async with background(known.notice_ended(lambda: open_sessions)):
        calendar.passed = timedelta(seconds=601)
        await until(is_seen)
        await until(partial(has_ended, nobody.session_id))
        assert not await has_ended(alice.session_id)
        calendar.passed = timedelta(days=14)
        await until(partial(has_ended, alice.session_id))


async def test_sessions_unseen_for_more_than_two_weeks_are_removed_however_many_there_are(
    db: MotorDatabase, known: Sessions, calendar: type[Calendar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "REMOVE_EVERY", 0)
    monkeypatch.setattr(sessions, "REMOVE_PAUSE", 0)
    monkeypatch.setattr(sessions, "IDS_PER_QUERY", 2)
    calendar.passed = timedelta(seconds=1)
    kept = (await known.create("u1", "alice", "")).session_id
    calendar.passed = timedelta(0)
    expired = {(await known.create("u1", "alice", "")).session_id for _ in range(5)}
    calendar.passed = timedelta(days=14, seconds=1)

    async def ids() -> set[str]:
        return {document["_id"] async for document in db[SESSION_COLLECTION].find({})}

    async def none_expired() -> bool:
        return not await ids() & expired

    async with background(known.remove_expired()):
        await until(none_expired)
    assert await ids() == {kept}


async def test_expired_sessions_are_removed_again_and_again_also_after_an_outage(
    known: Sessions, calendar: type[Calendar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "REMOVE_EVERY", 0)
    removed: list[datetime] = []
    is_enough = asyncio.Event()

    async def remove(time: datetime) -> None:
        removed.append(time)
        calendar.passed += timedelta(minutes=10)
        if len(removed) == 1:
            raise DatabaseUnavailable
        if len(removed) == 3:
            is_enough.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(known, "_remove_unseen_since", remove)
    async with background(known.remove_expired()), asyncio.timeout(PATIENCE):
        await is_enough.wait()
    assert [START - time for time in removed] == [
        timedelta(days=14) - timedelta(minutes=minutes) for minutes in (0, 10, 20)
    ]


async def test_a_new_session_ends_those_of_its_user_that_were_not_used_for_longest(
    db: MotorDatabase,
    known: Sessions,
    ended: list[str],
    calendar: type[Calendar],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "PER_USER", 3)
    made = []
    for minutes in range(0, 60, 15):
        calendar.passed = timedelta(minutes=minutes)
        made.append((await known.create("u1", "alice", "")).session_id)
        await known.create("u2", "bob", "")
        await db[SESSION_COLLECTION].update_one(  # it is in use all the time
            {"_id": made[0]}, {"$set": {"seen": SECONDS + 60 * minutes}}
        )
    assert made[1] in ended
    assert len(ended) == 2  # one of each
    stored = [d["_id"] async for d in db[SESSION_COLLECTION].find({"user_id": "u1"})]
    assert sorted(stored) == sorted([made[0], *made[2:]])


async def test_a_new_session_stays_even_if_all_others_are_of_a_clock_that_is_ahead(
    known: Sessions, ended: list[str], calendar: type[Calendar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "PER_USER", 2)
    calendar.passed = timedelta(minutes=2)
    made = [(await known.create("u1", "alice", "")).session_id for _ in range(2)]
    calendar.passed = timedelta(0)
    await known.create("u1", "alice", "")
    assert len(ended) == 1
    assert ended[0] in made


async def test_sessions_of_an_earlier_version_become_fewer_with_each_log_in(
    db: MotorDatabase,
    known: Sessions,
    ended: list[str],
    calendar: type[Calendar],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "IDS_PER_QUERY", 5)
    made = [(await known.create("u1", "alice", "")).session_id for _ in range(12)]
    calendar.passed = timedelta(minutes=1)
    monkeypatch.setattr(sessions, "PER_USER", 3)
    counts = []
    for _ in range(4):
        newest = (await known.create("u1", "alice", "")).session_id
        counts.append(await db[SESSION_COLLECTION].count_documents({}))
        assert newest not in ended
    assert counts == [8, 4, 3, 3]
    assert set(made) <= set(ended)


async def test_a_hundred_log_ins_are_open_at_a_time(db: MotorDatabase, known: Sessions) -> None:
    for _ in range(105):
        await known.create("u1", "alice", "")
    assert await db[SESSION_COLLECTION].count_documents({}) == 100
