"""Deleting one's own account."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from auth.sessions import SESSIONS
from chat.departures import DEPARTURES
from chat.entry import DELETED_USER
from chat.journal import JOURNAL
from chat.writings import WRITINGS
from server.relay import RELAY
from settings import MESSAGE_COLLECTION, USER_COLLECTION
from storage.database import Collection, DatabaseUnavailable
from tests.support.accounts import (
    accounts,
    delete_account,
    downloaded,
    finish_departures,
    log_in,
    signed_in_as,
)
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.pages import FormPage, HistoryPage
from tests.support.people import WRONG, Person
from tests.support.sessions import held_by, present, stored_sessions
from tests.support.waiting import PATIENCE, until


async def authors_of(person: Person) -> list[str]:
    """Return who said what the chat's page shows."""
    page = await person.page()
    return [line.user for line in HistoryPage(page).lines]


async def test_a_deleted_account_leaves_what_it_said_without_its_name(
    open_house: OpenHouse,
) -> None:
    house = await open_house()
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    for person in (alice, bob, alice):
        await person.post("/", {"msg": "hi"})
    response = await delete_account(alice)
    assert (response.status, response.headers["Location"]) == (303, "/login")
    assert await authors_of(bob) == [DELETED_USER, "bob", DELETED_USER]
    resumed = await bob.connect(since=0)
    frames = [await resumed.next("message") for _ in range(3)]
    assert [frame["user"] for frame in frames] == [DELETED_USER, "bob", DELETED_USER]
    restarted = await open_house()
    assert await authors_of(await log_in(restarted, "bob")) == [DELETED_USER, "bob", DELETED_USER]


async def test_a_deleted_account_is_signed_out_everywhere(house: House, alice: Person) -> None:
    other = await log_in(house, "alice")
    cookies, socket = [held_by(alice), held_by(other)], await other.connect()
    await delete_account(alice)
    assert await socket.close_code() == 4401
    for cookie in cookies:
        assert await signed_in_as(await present(house, cookie)) is None
    assert (await other.log_in("alice")).status == 401
    assert (await other.log_in("alice@example.com")).status == 401
    assert await stored_sessions(house) == []
    await finish_departures(house)
    assert await accounts(house) == []


async def test_the_login_of_a_deleted_account_is_free_once_nobody_can_speak_in_its_name(
    house: House, alice: Person
) -> None:
    await alice.post("/", {"msg": "hi"})
    await delete_account(alice)
    early = await house.visitor()
    for login, email in (("alice", "new@x"), ("new", "alice@example.com"), ("aIice", "new@x")):
        assert (await early.register(login, email=email)).status == 409
    await finish_departures(house)
    namesake = await house.sign_in("alice")
    assert await authors_of(namesake) == [DELETED_USER]
    assert await downloaded(namesake) == []


async def test_a_process_that_was_away_during_a_deletion_forgets_the_name_too(
    house: House, open_house: OpenHouse, alice: Person, bob: Person
) -> None:
    elsewhere = await open_house()  # which does not look for deletions meanwhile
    for person in (alice, bob):
        await person.post("/", {"msg": "hi"})
    reader = await present(elsewhere, held_by(bob))

    async def has_read() -> bool:
        return await authors_of(reader) == ["alice", "bob"]

    await until(has_read)
    await delete_account(alice)
    await finish_departures(house)
    await finish_departures(elsewhere)
    assert await authors_of(reader) == [DELETED_USER, "bob"]


async def test_nobody_can_be_called_deleted_user(house: House) -> None:
    assert (await (await house.visitor()).register(DELETED_USER)).status == 400


@pytest.mark.parametrize(
    ("password", "status", "error"),
    [("", 400, "Please enter your password"), (WRONG, 401, "Wrong password")],
)
async def test_an_account_is_not_deleted_without_its_password(
    alice: Person, password: str, status: int, error: str
) -> None:
    response = await delete_account(alice, password)
    page = await FormPage.read(response)
    assert (response.status, page.error, page.error_field) == (status, error, "confirm")
    assert page.marked == ["confirm"]
    assert await signed_in_as(alice) == "alice"


async def test_a_message_saved_during_account_deletion_is_anonymized(
    house: House, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserting, has_ended = asyncio.Event(), asyncio.Event()

    insert_in_order = Collection.insert_in_order

    async def slowly(*what: Any) -> None:
        inserting.set()
        await has_ended.wait()
        await insert_in_order(*what)

    monkeypatch.setattr(Collection, "insert_in_order", slowly)
    house.app[RELAY].listen("ended", lambda _: has_ended.set())
    socket = await alice.connect()
    await socket.say("the last word")
    async with asyncio.timeout(PATIENCE):
        await inserting.wait()
        assert (await delete_account(alice)).status == 303
    [document] = await house.database[MESSAGE_COLLECTION].find({}).to_list(None)
    assert document["user"] == DELETED_USER
    assert await authors_of(bob) == [DELETED_USER]


@pytest.mark.parametrize("step", [(SESSIONS, "end_all"), (WRITINGS, "anonymize")])
@pytest.mark.parametrize("fault", ["the database is away", "it takes too long"])
async def test_a_deletion_that_broke_off_is_finished_by_another_process(
    open_house: OpenHouse,
    monkeypatch: pytest.MonkeyPatch,
    step: tuple[web.AppKey[Any], str],
    fault: str,
) -> None:
    house = await open_house()
    alice = await house.sign_in("alice")
    await alice.write("hi")

    async def fail(_: str) -> None:
        if fault == "it takes too long":
            await asyncio.Event().wait()
        raise DatabaseUnavailable

    key, method = step
    monkeypatch.setattr(house.app[key], method, fail)
    monkeypatch.setattr("chat.departures.ANSWER_WITHIN", 0.1)
    assert (await delete_account(alice)).status == 303
    assert (await alice.log_in("alice")).status == 401
    another = await open_house()
    await finish_departures(another)
    assert await accounts(another) == await stored_sessions(another) == []
    assert await authors_of(await another.sign_in("bob")) == [DELETED_USER]


async def test_a_deletion_that_takes_long_goes_on_after_its_answer(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, end_all = asyncio.Event(), house.app[SESSIONS].end_all

    async def slowly(user_id: str) -> None:
        await may_end.wait()
        await end_all(user_id)

    monkeypatch.setattr(house.app[SESSIONS], "end_all", slowly)
    monkeypatch.setattr("chat.departures.ANSWER_WITHIN", 0)
    socket = await (await log_in(house, "alice")).connect()
    assert (await delete_account(alice)).status == 303
    may_end.set()
    assert await socket.close_code() == 4401
    await until(lambda: not house.app[DEPARTURES]._begun)


async def test_a_deletion_that_is_under_way_ends_with_the_chat_before_its_database_does(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    end_all = house.app[SESSIONS].end_all

    async def for_ever(_: str) -> None:
        while True:
            await end_all("nobody")

    monkeypatch.setattr(house.app[SESSIONS], "end_all", for_ever)
    monkeypatch.setattr("chat.departures.ANSWER_WITHIN", 0)
    assert (await delete_account(alice)).status == 303
    await house.close()
    await house.server.close()
    await until(lambda: not house.app[DEPARTURES]._begun)
    assert [record.getMessage() for record in caplog.records] == []


async def test_what_is_said_elsewhere_before_a_deletion_is_noticed_loses_its_name(
    open_house: OpenHouse, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.sessions.NOTICE_EVERY", 3600)
    here, elsewhere = await open_house(), await open_house()
    alice, bob = await here.sign_in("alice"), await here.sign_in("bob")
    await alice.write("before")
    late = await present(elsewhere, held_by(alice))
    socket, reader = await late.connect(), await present(elsewhere, held_by(bob))
    assert (await delete_account(alice)).status == 303
    await late.write("by a form")
    await late.post("/message/1", {"msg": "edited", "action": "edit"})
    await socket.said("by a socket")
    await until(lambda: here.app[JOURNAL].recent.last == elsewhere.app[JOURNAL].recent.last == 4)
    assert (await (await here.visitor()).register("alice")).status == 409
    await elsewhere.app[DEPARTURES].finish()  # which is too early to delete the account
    clock.now += 6
    assert await signed_in_as(late) is None
    await finish_departures(here)
    assert [user["login"] for user in await accounts(here)] == ["bob"]
    documents = await here.database[MESSAGE_COLLECTION].find({}).to_list(None)
    assert {document["user"] for document in documents} == {DELETED_USER}
    for person in (bob, reader):
        assert await authors_of(person) == [DELETED_USER] * 3


async def test_a_form_finished_after_a_deletion_elsewhere_is_refused(
    open_house: OpenHouse, clock: Clock
) -> None:
    here, elsewhere = await open_house(), await open_house()
    alice = await here.sign_in("alice")
    late, begun, gone = await present(elsewhere, held_by(alice)), asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"msg="
        begun.set()
        await gone.wait()
        yield b"late"

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    posting = asyncio.create_task(late.post("/", slowly(), headers=form))
    await begun.wait()
    await (await late.get("/account")).read()  # so that the server has read who is posting
    await delete_account(alice)
    clock.now += 6
    gone.set()
    assert (await posting).status == 401
    assert elsewhere.app[JOURNAL].recent.last == 0


async def test_a_process_that_stood_still_stores_nothing_of_an_account_that_is_gone(
    open_house: OpenHouse, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.sessions.NOTICE_EVERY", 3600)
    here, elsewhere = await open_house(), await open_house()
    alice = await here.sign_in("alice")
    socket = await (await present(elsewhere, held_by(alice))).connect()
    await delete_account(alice)
    await finish_departures(here)
    clock.now += 60
    await socket.say("late")
    assert await socket.close_code() == 4401
    assert elsewhere.app[JOURNAL].recent.last == 0


async def test_somebody_who_has_just_become_a_moderator_stays(house: House, alice: Person) -> None:
    await signed_in_as(alice)
    users = house.database[USER_COLLECTION]
    await users.update_one({"login": "alice"}, {"$set": {"moderator": True}})
    assert (await delete_account(alice)).status == 403
    assert (await alice.log_in("alice")).status == 303
