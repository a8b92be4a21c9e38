"""Deleting one's own account."""

import asyncio
from typing import Any

import pytest

from chat.entry import DELETED_USER
from chat.models import MESSAGES
from server.relay import RELAY
from settings import MESSAGE_COLLECTION
from storage.database import Collection, DatabaseUnavailable
from tests.support.accounts import accounts, delete_account, downloaded, log_in, signed_in_as
from tests.support.house import House, OpenHouse
from tests.support.pages import FormPage, HistoryPage
from tests.support.people import WRONG, Person
from tests.support.sessions import held_by, present, stored_sessions
from tests.support.waiting import PATIENCE


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
    assert await accounts(house) == await stored_sessions(house) == []


async def test_the_login_of_a_deleted_account_is_free_for_somebody_else(
    house: House, alice: Person
) -> None:
    await alice.post("/", {"msg": "hi"})
    await delete_account(alice)
    namesake = await house.sign_in("alice")
    assert await authors_of(namesake) == [DELETED_USER]
    assert await downloaded(namesake) == []


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


async def test_a_deletion_that_broke_off_can_be_tried_again(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Any:
        raise DatabaseUnavailable
        yield

    with monkeypatch.context() as patch:
        patch.setattr(house.app[MESSAGES], "_with_keys", away)
        assert (await delete_account(alice)).status == 503
    assert (await alice.log_in("alice")).status == 303
    assert (await delete_account(alice)).status == 303
    assert await accounts(house) == []
