"""A database that answers, but refuses what is written: each form that a refusal can have."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from chat import health
from chat.hub import SIGNED_OUT
from chat.journal import JOURNAL
from server.logs import SeldomLogger
from server.metrics import METRICS
from settings import MESSAGE_COLLECTION, SESSION_COLLECTION, USER_COLLECTION, Settings
from storage import database
from storage.database import (
    ACKNOWLEDGED,
    CALL_TIMEOUT,
    Collection,
    Conflict,
    DatabaseFails,
    DatabaseUnavailable,
    Document,
)
from storage.remedies import MAJORITY, SEE_ROOM
from tests.support.commands import database_of, run
from tests.support.databases import database_at
from tests.support.house import House, OpenHouse
from tests.support.imitation import Imitation, ask, reach
from tests.support.log import say
from tests.support.people import PASSWORD, Person, registration
from tests.support.processes import Chat
from tests.support.sockets import Socket

Write = Callable[[Collection], Awaitable[object]]

SET = {"$set": {"n": 1}}
INSERTS: list[Write] = [
    lambda collection: collection.insert_one({"_id": 1}),
    lambda collection: collection.insert_in_order([{"_id": 1}, {"_id": 2}]),
]
OTHERS: list[Write] = [
    lambda collection: collection.update_one({"_id": 1}, SET),
    lambda collection: collection.update_many({"_id": 1}, SET),
    lambda collection: collection.update_each([UpdateOne({"_id": 1}, SET)]),
    lambda collection: collection.replace_one({"_id": 1}, {"_id": 1}),
    lambda collection: collection.delete_one({"_id": 1}),
    lambda collection: collection.delete_many({"_id": 1}),
]
COMMANDS = ("insert", "update", "delete")


def refused(code: int, **more: Any) -> Document:
    """Return a reply that refuses the first document, or update."""
    error = {"index": 0, "code": code, "errmsg": "s3cret", **more}
    return {"ok": 1.0, "n": 0, "nModified": 0, "writeErrors": [error]}


def failed(code: int, **more: Any) -> Document:
    """Return a reply that refuses the command."""
    return {"ok": 0.0, "code": code, "errmsg": "s3cret", **more}


def unconfirmed(code: int = 64) -> Document:
    """Return a reply that all is done, but that no majority of the members has it yet."""
    error = {"code": code, "codeName": "WriteConcernTimeout", "errmsg": "s3cret"}
    return {"ok": 1.0, "n": 1, "nModified": 1, "writeConcernError": error}


def answer(imitation: Imitation, reply: Document | None, *names: str) -> None:
    """Answer those commands, or all that write, with a reply; with None the server answers."""
    for name in names or COMMANDS:
        imitation.answers[name] = lambda body: reply


@pytest.mark.parametrize(
    ("reply", "error", "error_of_insert"),
    [
        (refused(11000), DatabaseFails, Conflict),
        (failed(11000), DatabaseFails, Conflict),
        # Also duplicates in servers of ten years ago, and to the driver; no server has them now.
        *((form(11001), DatabaseFails, None) for form in (refused, failed)),
        *((form(12582), DatabaseFails, None) for form in (refused, failed)),
        *((refused(code), DatabaseFails, None) for code in (8000, 121, 2, 10334, 65535)),
        *((failed(code), DatabaseFails, None) for code in (8000, 13, 20, 10334)),
        *((refused(code), DatabaseUnavailable, None) for code in (10107, 189, 112, 262, 50, 91)),
        (refused(449), DatabaseUnavailable, None),  # too much to do
        *((failed(code), DatabaseUnavailable, None) for code in (112, 262, 50, 64, 133, 402)),
        (failed(11600), DatabaseUnavailable, None),  # with which the driver looks for another
        *((unconfirmed(code), DatabaseUnavailable, None) for code in (64, 100, 91, 50)),
    ],
)  # fmt: skip
async def test_only_a_duplicate_is_a_conflict_and_what_passes_is_no_failure(
    imitation: Imitation,
    settings: Settings,
    reply: Document,
    error: type[Exception],
    error_of_insert: type[Exception] | None,
) -> None:
    answer(imitation, reply)
    async with database_at(imitation.address, settings.MONGO_DB_NAME) as db:
        for writes, expected in ((INSERTS, error_of_insert or error), (OTHERS, error)):
            for write in writes:
                with pytest.raises(expected) as raised:
                    await write(Collection(db["things"]))
                assert raised.type is expected
                assert "s3cret" not in str(raised.value)


async def test_a_duplicate_that_no_majority_has_yet_is_not_known_to_be_one(
    imitation: Imitation, settings: Settings
) -> None:
    answer(imitation, refused(11000) | unconfirmed())
    async with database_at(imitation.address, settings.MONGO_DB_NAME) as db:
        with pytest.raises(DatabaseUnavailable):
            await Collection(db["things"]).insert_in_order([{"_id": 1}])


async def test_a_server_without_a_majority_stops_waiting_before_the_call_ends(
    imitation: Imitation, settings: Settings
) -> None:
    async with database_at(imitation.address, settings.MONGO_DB_NAME) as db:
        for write in [*INSERTS[:1], *OTHERS]:
            await write(Collection(db["things"]))
        await INSERTS[1](Collection(db["others"]))
    concerns = [it.body["writeConcern"] for it in imitation.commands]
    assert concerns == [ACKNOWLEDGED] * (len(INSERTS) + len(OTHERS))
    assert 0 < ACKNOWLEDGED["wtimeout"] < 1000 * CALL_TIMEOUT  # in ms


@pytest.fixture
async def house(open_house: OpenHouse, imitation: Imitation) -> House:
    """A chat on the imitation."""
    return await open_house(MONGO_HOST=imitation.address)


async def unavailable(socket: Socket, nonce: str) -> None:
    """Say something that can't be stored now."""
    await socket.say("hello", nonce=nonce)
    error = await socket.next("error", "message")
    assert (error["type"], error.get("code"), error["nonce"]) == ("error", "unavailable", nonce)


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        (refused(8000), "code 8000"),
        (refused(8000, codeName="AtlasError"), "AtlasError, code 8000"),
        (failed(8000, codeName="AtlasError"), "AtlasError, code 8000"),
        (refused(121), "code 121"),
        (failed(13, codeName="Unauthorized"), "Unauthorized, code 13"),
    ],
)
async def test_a_refusal_costs_one_insert_and_is_told_once(
    house: House,
    alice: Person,
    imitation: Imitation,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    reply: Document,
    name: str,
) -> None:
    socket = await alice.connect()
    await socket.said("before")
    monkeypatch.setattr(database, "seldom", SeldomLogger(logging.getLogger("chat")))
    answer(imitation, reply, "insert")
    before = len(imitation.commands)
    await unavailable(socket, "n1")
    asked = [(it.name, it.body[it.name]) for it in imitation.commands[before:]]
    assert asked.count(("insert", MESSAGE_COLLECTION)) == 1
    # What the log has, and whether it has the key; and perhaps a look at what is new.
    assert asked.count(("find", MESSAGE_COLLECTION)) <= 3
    await unavailable(socket, "n2")
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("the database fails: ")
    assert name in line
    assert "s3cret" not in line
    number = house.app[METRICS].registry.get_sample_value
    assert number("chat_journal_conflicts_total") == 0
    imitation.answers.clear()
    await socket.say("hello", nonce="n1")
    assert (await socket.next("message"))["seq"] == 2


@pytest.mark.parametrize("is_whole", [False, True])
async def test_a_refused_message_takes_no_other_with_it(
    house: House, imitation: Imitation, is_whole: bool
) -> None:
    """A batch of which a rule of the database refuses three, by themselves or as a whole."""
    bad = {7, 8, 19}

    def answer_batch(body: Document) -> Document | None:
        documents = body["documents"]
        index = next((n for n, it in enumerate(documents) if it.get("msg") in map(str, bad)), None)
        if index is None:
            return None
        if is_whole:
            return failed(10334)
        if index:
            with reach(imitation.server) as server:
                ask(server, {**body, "documents": documents[:index]})
        return refused(121, index=index) | {"n": index}

    imitation.answers["insert"] = answer_batch
    journal, before = house.app[JOURNAL], imitation.count("insert")
    entries = await asyncio.gather(
        *(say(journal, "alice", str(number), f"n{number}") for number in range(20)),
        return_exceptions=True,
    )
    kept = [entry.seq for entry in entries if not isinstance(entry, BaseException)]
    assert kept == list(range(1, 18))
    assert {n for n, entry in enumerate(entries) if isinstance(entry, DatabaseUnavailable)} == bad
    assert imitation.count("insert") - before <= 20
    assert await house.database[MESSAGE_COLLECTION].distinct("seq") == kept


async def test_where_all_is_refused_each_message_is_sent_twice_at_most(
    house: House, imitation: Imitation
) -> None:
    """Not all that are left, again and again."""
    answer(imitation, refused(8000), "insert")
    imitation.commands.clear()
    journal = house.app[JOURNAL]
    messages = (say(journal, "alice", str(number)) for number in range(30))
    entries = await asyncio.gather(*messages, return_exceptions=True)
    assert all(isinstance(entry, DatabaseUnavailable) for entry in entries)
    sent = [it.body["documents"] for it in imitation.commands if it.name == "insert"]
    assert sum(map(len, sent)) <= 60


async def test_a_change_that_cannot_be_made_costs_little_and_is_made_when_it_can(
    house: House, alice: Person, imitation: Imitation
) -> None:
    """The log has the change, so whatever follows has to wait for it."""
    socket = await alice.connect()
    await socket.said("before")
    answer(imitation, refused(121), "update")
    imitation.commands.clear()
    await socket.send(type="edit", of=1, msg="after", nonce="n1")
    assert (await socket.next("error"))["nonce"] == "n1"
    await unavailable(socket, "n2")
    assert imitation.count("insert") <= 4
    assert imitation.count("update") <= 6
    imitation.answers.clear()
    assert (await socket.next("change"))["seq"] == 2
    await socket.say("hello", nonce="n2")
    assert (await socket.next("message"))["seq"] == 3


async def test_a_message_that_no_majority_has_is_shown_to_nobody_until_one_has(
    house: House, alice: Person, imitation: Imitation
) -> None:
    """And then once, however often it was sent meanwhile."""
    socket = await alice.connect()
    held: list[Document] = []

    def hold(body: Document) -> Document | None:
        if body["insert"] != MESSAGE_COLLECTION:
            return None
        held.extend(body["documents"])
        # The second time the first one is in the way, which no majority has either.
        return unconfirmed() | (refused(11000) if len(held) > 1 else {})

    imitation.answers["insert"] = hold
    await unavailable(socket, "n1")
    assert len(held) > 1
    assert "hello" not in await alice.page()
    imitation.answers.clear()
    with suppress(DuplicateKeyError):  # an attempt that was under way
        await house.database[MESSAGE_COLLECTION].insert_one(held[0])
    await socket.say("hello", nonce="n1")
    frame = await socket.next("message")
    assert (frame["seq"], frame["nonce"]) == (1, "n1")
    assert await socket.said("after") == 2
    assert (await alice.page()).count("hello") == 1


async def state(person: Person) -> str:
    """Return what /healthz says of the database."""
    response = await person.get("/healthz")
    said = await response.json()
    assert (response.status, said["status"]) in ((200, "ok"), (503, "away"))
    return str(said["database"])


@pytest.mark.parametrize("names", [COMMANDS, *((name,) for name in COMMANDS)])
@pytest.mark.parametrize("reply", [refused(8000), failed(8000), refused(11000)])
async def test_health_says_that_writes_are_refused_whichever_they_are(
    visitor: Person,
    imitation: Imitation,
    monkeypatch: pytest.MonkeyPatch,
    names: Sequence[str],
    reply: Document,
) -> None:
    monkeypatch.setattr(health, "FRESH_FOR", 0)
    is_lost_race = reply == refused(11000) and names == ("insert",)
    assert await state(visitor) == "ok"
    answer(imitation, reply, *names)
    assert await state(visitor) == ("ok" if is_lost_race else "refuses writes")
    answer(imitation, failed(8000), "find")
    assert await state(visitor) == ("ok" if is_lost_race else "failing")
    imitation.answers.clear()
    assert await state(visitor) == "ok"


@pytest.mark.parametrize("reply", [refused(8000), failed(8000), unconfirmed()])
async def test_every_form_says_that_the_database_is_away_and_does_nothing_by_halves(
    open_house: OpenHouse, imitation: Imitation, reply: Document
) -> None:
    house = await open_house(MONGO_HOST=imitation.address, MODERATORS=("alice",))
    alice, visitor = await house.sign_in("alice"), await house.visitor()
    await house.sign_in("bob")
    answer(imitation, reply)
    forms = [
        (visitor, "/signin", registration("carol")),
        (visitor, "/login", {"login": "bob", "password": PASSWORD}),
        (alice, "/", {"msg": "hello"}),
        (alice, "/person", {"login": "bob", "action": "ban"}),
        (alice, "/person", {"login": "bob", "action": "appoint"}),
    ]
    for person, path, form in forms:
        response = await person.post(path, form)
        assert response.status == 503, (path, form)
    imitation.answers.clear()
    users = house.database[USER_COLLECTION]
    assert await users.count_documents({}) == 2
    bob = await users.find_one({"login": "bob"}) or {}
    assert not bob.get("banned")
    assert not bob.get("moderator")
    assert (await visitor.register("carol")).status == 303


@pytest.mark.parametrize("reply", [refused(8000), unconfirmed()])
async def test_a_chat_that_starts_while_all_is_refused_or_not_confirmed_can_be_read(
    house: House, alice: Person, open_house: OpenHouse, imitation: Imitation, reply: Document
) -> None:
    await alice.write("before")
    jar = alice.client.session.cookie_jar
    await leave_unseen(house)
    answer(imitation, reply)
    another = await open_house(MONGO_HOST=imitation.address)
    reader = await another.visitor(cookie_jar=jar)
    assert "before" in await reader.page()


async def leave_unseen(house: House) -> None:
    """Let it be long ago that sessions and accounts were noted as seen."""
    for name in (SESSION_COLLECTION, USER_COLLECTION):
        await house.database[name].update_many({}, {"$set": {"seen": 0}})


async def test_who_signs_out_is_out_everywhere_though_nothing_can_be_noted(
    house: House, alice: Person, open_house: OpenHouse, imitation: Imitation
) -> None:
    """A full database takes no updates, but deletes; and no Redis tells the other process."""
    another = await open_house(MONGO_HOST=imitation.address)
    elsewhere = await another.visitor(cookie_jar=alice.client.session.cookie_jar)
    socket = await elsewhere.connect()
    await leave_unseen(house)
    answer(imitation, refused(8000), "update")
    assert (await alice.post("/signout")).status == 303
    assert await socket.close_code() == SIGNED_OUT


@pytest.mark.parametrize(
    ("reply", "finding"),
    [
        (refused(121), f"it refuses a write (WriteError, code 121): {SEE_ROOM}"),
        (unconfirmed(), f"WriteConcernTimeout, code 64: {MAJORITY}"),
    ],
)
async def test_check_names_the_refusal(
    house: House,
    imitation: Imitation,
    settings: Settings,
    folder: Path,
    reply: Document,
    finding: str,
) -> None:
    chat = Chat(folder, **database_of(replace(settings, MONGO_HOST=imitation.address)))
    answer(imitation, reply, "insert")
    status, output, _ = await run(chat, "check")
    assert status == 1
    assert f"wrong  database: {finding}\n" in output
