"""A database that the tutorial wrote."""

import asyncio
from datetime import UTC, datetime

import pytest

from auth import passwords
from auth.logins import LOOK_VERSION, look
from auth.passwords import HASHER, Hasher
from auth.spelling import fold
from chat.journal import JOURNAL
from chat.migrate import migrate
from settings import MESSAGE_COLLECTION, USER_COLLECTION
from storage.database import DATABASE, MotorDatabase
from tests.support.house import OpenHouse
from tests.support.imitation import Imitation
from tests.support.pages import HistoryPage
from tests.support.people import PASSWORD, Person
from tests.support.sessions import held_by, present

# Not a whole second, which NX-27017 0.8.1 writes, and sorts, in another way.
HALF_PAST_TWO = datetime(2016, 3, 1, 12, 0, 2, 500_000, tzinfo=UTC)


@pytest.fixture
async def db(db: MotorDatabase) -> MotorDatabase:
    """A database that was filled as the tutorial did it, its races and all."""
    await db[MESSAGE_COLLECTION].insert_many(
        [
            {"user": "bob", "msg": "second", "time": HALF_PAST_TWO},
            {"user": "alice", "msg": "<b>1st</b>", "time": datetime(2016, 3, 1, 12, tzinfo=UTC)},
            {"user": "alice", "msg": "third", "time": datetime(2016, 3, 1, 12, 0, 3, tzinfo=UTC)},
            {"user": "alice", "msg": "of no time"},
        ]
    )
    await db[USER_COLLECTION].insert_many(
        [
            {"login": "alice", "email": "alice@example.com", "password": PASSWORD},
            {"login": "Алёна", "email": "alena@example.com", "password": "short"},
            {"login": "Alice", "email": "other@example.com", "password": PASSWORD},
            {"login": "nobody"},
        ]
    )
    return db


async def test_what_the_tutorial_wrote_is_migrated(
    db: MotorDatabase, open_house: OpenHouse
) -> None:
    house = await open_house()
    messages = await db[MESSAGE_COLLECTION].find({}).sort("seq", 1).to_list(None)
    assert [(m["seq"], m["msg"]) for m in messages] == [
        (1, "of no time"),
        (2, "<b>1st</b>"),
        (3, "second"),
        (4, "third"),
    ]
    users = await db[USER_COLLECTION].find({}).to_list(None)
    assert all(
        u["password"] is None or u["password"].startswith(passwords.PARAMETERS) for u in users
    )
    for name, password in (
        ("ALICE", PASSWORD),
        ("алёна", "short"),
        ("other@example.com", PASSWORD),
    ):
        person = await house.visitor()
        assert (await person.log_in(name, password)).status == 303
    assert (await (await house.visitor()).log_in("nobody", "None")).status == 401
    page = await person.page()
    assert "T12:00:00.000Z" in page
    assert "&lt;b&gt;1st&lt;/b&gt;" in page
    socket = await person.connect(since=3)
    await socket.next("hello")
    assert (await socket.next("message"))["msg"] == "third"
    await socket.say("fourth")
    assert (await socket.next("message"))["seq"] == 5


async def test_to_migrate_twice_or_after_an_interruption_changes_nothing(
    db: MotorDatabase, open_house: OpenHouse
) -> None:
    messages = db[MESSAGE_COLLECTION]
    # As if a first attempt had been killed after one update.
    await messages.update_one({"msg": "second"}, {"$set": {"seq": 3, "key": "old", "user_id": ""}})
    for _ in range(2):
        house = await open_house()
        await house.server.close()
        documents = await messages.find({}).sort("seq", 1).to_list(None)
        assert [d["seq"] for d in documents] == [1, 2, 3, 4]


async def may_moderate(person: Person) -> bool:
    return "data-moderator" in await person.page()


async def test_two_accounts_of_the_tutorial_with_one_login_become_two_logins(
    db: MotorDatabase, open_house: OpenHouse, caplog: pytest.LogCaptureFixture
) -> None:
    users = db[USER_COLLECTION]
    await users.delete_many({})
    logins = ["bob", "Bob", "bob-2", "bob"]
    await users.insert_many(
        [
            {"login": login, "email": f"{number}@example.com", "password": PASSWORD}
            for number, login in enumerate(logins, 1)
        ]
    )
    house = await open_house(MODERATORS=("bob",))
    stored = await users.find({}).sort("email", 1).to_list(None)
    assert sorted(user["login"] for user in stored) == ["Bob-3", "bob", "bob-2", "bob-4"]
    assert "another user has the login, so it is bob-4 now" in caplog.text
    people = {}
    for number in range(1, 5):
        person = people[number] = await house.visitor()
        assert (await person.log_in(f"{number}@example.com")).status == 303
    # The rights of a moderator are the first one's, and a ban of the second is its own.
    assert [await may_moderate(person) for person in people.values()] == [True, *[False] * 3]
    assert (await people[1].post("/person", {"login": "bob-4", "action": "ban"})).status == 303
    assert (await people[4].get("/")).status == 303
    for number in (1, 2, 3):
        assert (await people[number].get("/")).status == 200


async def test_accounts_that_look_alike_already_keep_their_logins(
    db: MotorDatabase, open_house: OpenHouse
) -> None:
    users = db[USER_COLLECTION]
    await users.delete_many({})
    house = await open_house()
    assert (await (await house.visitor()).register("soso", email="a@b")).status == 303
    await house.server.close()
    # As an earlier version stored accounts, which let Cyrillic look-alikes in, and had no index
    # of them: in MongoDB a unique index lets only one document go without the field.
    await users.drop_index("look_1")
    await users.update_many({}, {"$unset": {"look": ""}})
    other = {"login": "ѕоѕо", "login_key": "ѕоѕо", "email_key": "c@d", "password": None}
    await users.insert_one(other)
    house = await open_house()
    assert (await (await house.visitor()).log_in("soso")).status == 303
    assert sorted(user["login"] for user in await users.find({}).to_list(None)) == ["soso", "ѕоѕо"]
    assert (await (await house.visitor()).register("s0s0", email="e@f")).status == 409


async def test_the_pages_have_what_an_earlier_version_wrote(
    db: MotorDatabase, open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.migrate.ENTRIES_AT_ONCE", 7)
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 1)
    house = await open_house()
    alice = await house.sign_in("erin")
    await alice.write(*(f"number {number}" for number in range(20)))
    await alice.post("/message/5", {"action": "edit", "msg": "edited"})
    await house.server.close()
    messages = db[MESSAGE_COLLECTION]
    # As if an earlier version had run until now, and a start of this one had been killed since.
    await messages.update_many({"seq": {"$gt": 4}}, {"$unset": {"message_seq": ""}})
    again = await present(await open_house(), held_by(alice))
    page = HistoryPage(await again.page("/?before=100"))
    assert [line.seq for line in page.lines] == list(range(1, 25))
    documents = await messages.find({}).sort("seq", 1).to_list(None)
    assert [document["message_seq"] for document in documents] == [*range(1, 25), 0]


async def test_an_old_log_is_indexed_in_few_calls_where_each_is_quick(
    db: MotorDatabase,
    imitation: Imitation,
    open_house: OpenHouse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await db[MESSAGE_COLLECTION].delete_many({})
    entry = {"user": "bob", "user_id": "", "msg": "old", "time": HALF_PAST_TWO}
    entries = [entry | {"seq": seq, "key": f"b:{seq}"} for seq in range(1, 1001)]
    await db[MESSAGE_COLLECTION].insert_many(entries)
    monkeypatch.setattr("chat.migrate.ENTRIES_AT_ONCE", 10)
    monkeypatch.setattr("storage.batches.QUICK", 1e9)

    house = await open_house(MONGO_HOST=imitation.address)
    indexed = [it for it in imitation.commands if it.body.get("update") == MESSAGE_COLLECTION]
    sizes = [len(it.body["updates"]) for it in indexed]
    assert sizes == [10, 20, 40, 80, 160, 320, 370]
    assert house.app[JOURNAL].recent.last == 1000
    documents = await db[MESSAGE_COLLECTION].find({}).sort("seq", 1).to_list(None)
    assert [document["message_seq"] for document in documents] == list(range(1, 1001))


async def store_account(db: MotorDatabase, login: str, look: str) -> None:
    """Store an account as an earlier version did, with its notion of what the login looks like."""
    phc = await Hasher().hash(PASSWORD, login)
    keys = {"login_key": fold(login), "email_key": f"{login}@x", "look": look}
    await db[USER_COLLECTION].insert_one({"login": login, "password": phc, **keys})


async def looks(db: MotorDatabase) -> dict[str, str]:
    """Return what each login looks like, as it is stored."""
    return {user["login"]: user["look"] for user in await db[USER_COLLECTION].find({}).to_list()}


async def test_what_logins_look_like_is_noted_anew_and_everybody_keeps_theirs(
    db: MotorDatabase, open_house: OpenHouse
) -> None:
    await db[USER_COLLECTION].delete_many({})
    house = await open_house()
    old = {"josé": "josé", "јоѕе\u0301": "jose\u0301", "owner": "owner", "ovvner": "ovvner"}
    for login, noted in old.items():
        await store_account(db, login, noted)
    for _ in range(2):
        await house.server.close()
        house = await open_house()
        for login in old:
            assert (await (await house.visitor()).log_in(login)).status == 303
        for login in ("j0sé", "0wner", "0vvner"):
            assert (await (await house.visitor()).register(login, email="a@b")).status == 409
    assert set(await looks(db)) == set(old)


async def test_a_look_alike_is_refused_though_the_older_of_two_accounts_is_gone(
    db: MotorDatabase, open_house: OpenHouse
) -> None:
    await db[USER_COLLECTION].delete_many({})
    for login in ("owner", "ovvner"):
        await store_account(db, login, login)
    house = await open_house()
    await db[USER_COLLECTION].delete_one({"login": "owner"})
    assert (await (await house.visitor()).register("owner", email="a@b")).status == 409


async def test_an_account_that_an_old_process_stores_during_a_deploy_is_noted_at_the_next_start(
    db: MotorDatabase, open_house: OpenHouse
) -> None:
    await db[USER_COLLECTION].delete_many({})
    house = await open_house()
    await house.sign_in("owner")
    for login, noted in (("ovvner", "ovvner"), ("zoe", "zoe"), ("1st", "lst"), ("王", "王")):
        await store_account(db, login, noted)
        await house.server.close()
        house = await open_house()
        assert (await looks(db))[login].startswith(LOOK_VERSION)
    assert (await (await house.visitor()).log_in("ovvner")).status == 303


async def test_several_processes_may_note_at_once_what_logins_look_like(
    db: MotorDatabase, open_house: OpenHouse
) -> None:
    await db[USER_COLLECTION].delete_many({})
    house = await open_house()
    database = house.app[DATABASE]
    for number in range(20):
        await store_account(db, f"owner{number}", f"owner{number}")
        await store_account(db, f"ovvner{number}", f"ovvner{number}")
    await asyncio.gather(*(migrate(database, house.app[HASHER]) for _ in range(4)))
    stored = await looks(db)
    for number in range(20):
        assert stored[f"owner{number}"] == look(f"ovvner{number}")
        assert stored[f"ovvner{number}"].startswith(f"{look(f'ovvner{number}')} #")
