"""What moderators may do to other people's accounts."""

import asyncio
import html
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from auth.logins import look
from chat import departures, writings
from chat.journal import JOURNAL, Journal
from chat.writings import REMOVED_AT_ONCE, WRITINGS, Writings
from settings import MESSAGE_COLLECTION, USER_COLLECTION
from storage.database import Collection, Document
from tests.support.accounts import (
    JSON,
    accounts,
    delete_account,
    finish_departures,
    log_in,
    refused,
    signed_in_as,
    user_id_of,
)
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.pages import FormPage
from tests.support.people import WRONG, Person
from tests.support.sessions import held_by, present
from tests.support.waiting import until


async def ban(moderator: Person, login: str, **options: Any) -> aiohttp.ClientResponse:
    """Ban a login."""
    return await moderator.post("/person", {"login": login, "action": "ban"}, **options)


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    """A chat with two moderators."""
    return await open_house(MODERATORS=("alice", "Carol"))


@pytest.mark.usefixtures("nobody_looks")
async def test_a_banned_user_is_signed_out_and_cannot_log_in(house: House) -> None:
    alice, bob = await house.sign_in("alice"), await house.sign_in("Bob")
    cookie, socket = held_by(bob), await bob.connect()
    response = await ban(alice, "bob")
    assert (response.status, response.headers["Location"]) == (303, "/person?login=Bob")
    assert await socket.close_code() == 4401
    assert await signed_in_as(await present(house, cookie)) is None
    page = await FormPage.read(refusal := await bob.log_in("bob"))
    assert (refusal.status, page.error) == (403, "This account has been banned")
    assert (await bob.log_in("bob", WRONG)).status == 401
    assert (await bob.register("bob", email="new@example.com")).status == 409
    assert (await bob.register("robert", email="Bob@example.com")).status == 409
    assert await signed_in_as(bob) is None
    assert (await ban(alice, "bob")).status == 303


async def test_the_page_asks_says_what_has_happened_and_undoes_it(
    alice: Person, bob: Person
) -> None:
    page = await (await alice.get("/person?login=bob")).text()
    assert "Ban bob</button>" in page
    await ban(alice, "bob")
    page = await (await alice.get("/person?login=bob")).text()
    assert "bob is banned" in page
    assert "Undo the ban</button>" in page
    assert (await alice.post("/person", {"login": "bob", "action": "unban"})).status == 303
    assert "Ban bob</button>" in await (await alice.get("/person?login=bob")).text()
    assert (await bob.log_in("bob")).status == 303
    assert (await bob.get("/person?login=alice")).status == 403


@pytest.mark.parametrize(
    ("who", "login", "status", "error"),
    [
        ("bob", "dave", 403, "Only a moderator may do this"),
        ("bob", "nobody", 403, "Only a moderator may do this"),
        ("alice", "nobody", 404, "Nobody has this login"),
        ("alice", "", 404, "Nobody has this login"),
        ("alice", "dave@example.com", 404, "Nobody has this login"),
        ("alice", '{"$gt": ""}', 404, "Nobody has this login"),
        ("alice", "<script>", 404, "Nobody has this login"),
        ("alice", "x" * 20_000, 404, "Nobody has this login"),
        ("alice", "ALICE", 400, "You can't do this to yourself"),
        ("alice", "carol", 400, "A moderator can't be banned"),
    ],
)
async def test_a_ban_that_is_not_allowed_is_refused(
    house: House, who: str, login: str, status: int, error: str
) -> None:
    people = {name: await house.sign_in(name) for name in ("alice", "bob", "carol", "dave")}
    response = await ban(people[who], login)
    assert response.status == status
    assert html.escape(error) in (await response.text()).replace("&#39;", "&#x27;")
    answer = await ban(people[who], login, headers=JSON)
    assert (answer.status, await answer.json()) == (status, {"error": error})
    for name, person in people.items():
        assert await signed_in_as(person) == name


async def test_a_moderator_s_login_never_becomes_free(alice: Person) -> None:
    response = await delete_account(alice)
    assert response.status == 403
    assert (await FormPage.read(response)).error == "A moderator's account can't be deleted"
    assert await signed_in_as(alice) == "alice"


@pytest.mark.parametrize("way_out", ["ban", "delete", "sign out"])
async def test_a_form_finished_after_a_ban_is_refused(
    house: House, alice: Person, bob: Person, way_out: str
) -> None:
    assert (await bob.get("/")).status == 200
    other = await log_in(house, "bob")
    begun, gone = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"msg="
        begun.set()
        await gone.wait()
        yield b"late"

    posting = asyncio.create_task(
        bob.post("/", slowly(), headers={"Content-Type": "application/x-www-form-urlencoded"})
    )
    await begun.wait()
    await (await alice.get("/")).read()  # so that the server has read who is posting
    if way_out == "ban":
        await ban(alice, "bob")
    elif way_out == "delete":
        await delete_account(other)
    else:
        await other.post("/account", {"action": "sign_out_everywhere"})
    gone.set()
    response = await posting
    assert response.status == 401
    assert "You have been signed out" in await response.text()
    assert house.app[JOURNAL].recent.last == 0


async def test_a_ban_can_remove_everything_that_was_said(
    alice: Person, bob: Person, house: House
) -> None:
    reader = await alice.connect()
    await bob.write(*(f"spam {number}" for number in range(30)))
    await alice.write("my own")
    await alice.post("/person", {"login": "bob", "action": "ban", "also_remove": "yes"})
    page = await alice.page()
    assert "spam" not in page
    assert "my own" in page
    deleted = [await reader.next("change") for _ in range(30)]
    assert {frame["state"] for frame in deleted} == {"deleted"}
    last = house.app[JOURNAL].recent.last
    await alice.post("/person", {"login": "bob", "action": "remove", "sure": "yes"})
    assert house.app[JOURNAL].recent.last == last == 61


@pytest.mark.parametrize("is_let_in_again", [False, True])
async def test_what_somebody_banned_says_before_another_process_notices_is_removed_too(
    open_house: OpenHouse, house: House, is_let_in_again: bool, clock: Clock
) -> None:
    alice, bob, elsewhere = (
        await house.sign_in("alice"),
        await house.sign_in("bob"),
        await open_house(),
    )
    late = await present(elsewhere, held_by(bob))
    await signed_in_as(late)
    await alice.post("/person", {"login": "bob", "action": "ban", "also_remove": "yes"})
    await late.write("late")
    if is_let_in_again:
        await alice.post("/person", {"login": "bob", "action": "unban"})
    await finish_departures(house)
    [said] = await house.database[MESSAGE_COLLECTION].find({"msg": {"$exists": True}}).to_list(None)
    assert said["msg"] == ("late" if is_let_in_again else "")
    users = await accounts(house)
    assert not any("unfinished" in user for user in users)


async def test_what_is_being_removed_or_is_removed_is_not_removed_again(
    alice: Person, bob: Person, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bob.write(*(f"spam {number}" for number in range(30)))
    await ban(alice, "bob")
    begun, may_go_on = asyncio.Event(), asyncio.Event()
    settle, form = Journal.settle, {"login": "bob", "action": "remove", "sure": "yes"}

    async def wait(journal: Journal, user_id: str) -> None:
        begun.set()
        await may_go_on.wait()
        await settle(journal, user_id)

    monkeypatch.setattr(Journal, "settle", wait)
    removing = asyncio.create_task(alice.post("/person", form))
    await begun.wait()
    for _ in range(3):
        error = "These messages are being removed already"
        await refused(alice, "/person", form, 409, error)
    may_go_on.set()
    assert (await removing).status == 303
    assert (await alice.post("/person", form)).status == 303
    assert house.app[JOURNAL].recent.last == 60


async def test_a_removal_under_way_keeps_no_other_account_from_being_finished(
    alice: Person, house: House
) -> None:
    for login in ("bob", "dave"):
        await house.sign_in(login)
        await alice.post("/person", {"login": login, "action": "ban", "also_remove": "yes"})
    house.app[WRITINGS]._removals.add(await user_id_of(house, "bob"))
    await finish_departures(house)
    unfinished = [user["login"] for user in await accounts(house) if "unfinished" in user]
    assert unfinished == ["bob"]


async def test_a_moderator_goes_on_while_messages_are_removed(
    alice: Person, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "ANSWER_WITHIN", 0.01)
    turn, logins = house.app[WRITINGS]._removal_turn, [f"spammer{n}" for n in range(6)]
    for login in logins:
        await (await house.sign_in(login)).write("buy this")
    form = {"action": "ban", "also_remove": "yes"}
    async with turn:  # as if there were very many
        answers = await asyncio.gather(
            *(alice.post("/person", form | {"login": login}) for login in logins)
        )
        assert [answer.status for answer in answers] == [303] * 6
        assert "buy this" in await alice.page()

    async def are_removed() -> bool:
        return "buy this" not in await alice.page()

    await until(are_removed)


async def test_what_somebody_says_who_was_let_in_again_is_not_removed(
    alice: Person, bob: Person, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bob.write("spam")
    journal, remove = house.app[JOURNAL], Writings._remove

    async def speak_meanwhile(*what: Any) -> None:
        user_id = await user_id_of(house, "bob")
        await journal.append(f"{user_id}:~last", "bob", user_id, {"msg": "said meanwhile"})
        await remove(*what)

    monkeypatch.setattr(Writings, "_remove", speak_meanwhile)
    monkeypatch.setattr(writings, "REMOVED_AT_ONCE", 1)
    await alice.post("/person", {"login": "bob", "action": "ban", "also_remove": "yes"})
    await alice.post("/person", {"login": "bob", "action": "unban"})
    await (await log_in(house, "bob")).write("said later")
    await ban(alice, "bob")  # and this time nothing is to be removed
    await finish_departures(house)
    page = await alice.page()
    assert "spam" not in page
    assert "said meanwhile" in page
    assert "said later" in page


async def test_two_processes_remove_each_message_once(open_house: OpenHouse) -> None:
    here, there = [await open_house(MODERATORS=("alice",)) for _ in range(2)]
    alice, bob = await here.sign_in("alice"), await here.sign_in("bob")
    await bob.write(*(f"spam {number}" for number in range(30)))
    await ban(alice, "bob")
    form = {"login": "bob", "action": "remove", "sure": "yes"}
    elsewhere = await present(there, held_by(alice))
    answers = await asyncio.gather(alice.post("/person", form), elsewhere.post("/person", form))
    assert [answer.status for answer in answers] == [303, 303]
    documents = await here.database[MESSAGE_COLLECTION].find({}).to_list(None)
    assert len(documents) == 60
    assert {document.get("msg") for document in documents} == {"", None}


async def test_removals_leave_the_database_to_others_after_each_short_step(
    alice: Person, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    insert = Collection.insert_in_order

    async def count(collection: Collection, documents: list[Document]) -> None:
        assert house.app[WRITINGS]._removal_turn.locked()
        steps.append(len(documents))
        await insert(collection, documents)

    for login in ("bob", "dave"):
        person = await house.sign_in(login)
        await person.write(*(f"spam {number}" for number in range(12)))
        await ban(alice, login)
    monkeypatch.setattr(Collection, "insert_in_order", count)
    forms = [{"login": login, "action": "remove", "sure": "yes"} for login in ("bob", "dave")]
    await asyncio.gather(*(alice.post("/person", form) for form in forms))
    assert sum(steps) == 24
    assert max(steps) <= REMOVED_AT_ONCE


async def test_what_somebody_said_stays_if_a_ban_does_not_say_otherwise(
    alice: Person, bob: Person
) -> None:
    await bob.write("kept")
    await ban(alice, "bob")
    assert "kept" in await alice.page()
    await alice.post("/person", {"login": "bob", "action": "remove", "sure": "yes"})
    assert "kept" not in await alice.page()


async def test_whoever_has_an_address_for_a_login_can_be_banned(
    alice: Person, house: House
) -> None:
    # The tutorial took any login, and no address.
    eve = {"login": "eve@home", "login_key": "eve@home", "look": look("eve@home"), "email_key": "x"}
    await house.database[USER_COLLECTION].insert_one({**eve, "email": None})
    assert (await ban(alice, "eve@home")).status == 303
    assert "eve@home is banned" in await alice.page("/person?login=eve@home")


async def test_a_moderator_whom_the_operator_has_banned_can_be_let_in_again(
    alice: Person, house: House
) -> None:
    carol = await house.sign_in("carol")
    await house.database[USER_COLLECTION].update_one({"login": "carol"}, {"$set": {"banned": True}})
    page = await alice.page("/person?login=carol")
    assert "Undo the ban" in page
    assert "Remove all messages" not in page
    error = "A moderator's messages can't be removed"
    await refused(
        alice, "/person", {"login": "carol", "action": "remove", "sure": "yes"}, 400, error
    )
    await alice.post("/person", {"login": "carol", "action": "unban"})
    assert (await carol.log_in("carol")).status == 303


async def test_a_moderator_names_another_and_takes_it_back(
    alice: Person, bob: Person, house: House, clock: Clock
) -> None:
    assert (await alice.post("/person", {"login": "bob", "action": "appoint"})).status == 303
    clock.now += 5
    assert "data-moderator" in await bob.page()
    assert (await ban(alice, "bob")).status == 400
    assert (await delete_account(bob)).status == 403
    socket = await bob.connect()
    assert "Make an ordinary member" in await alice.page("/person?login=bob")
    assert (await alice.post("/person", {"login": "bob", "action": "dismiss"})).status == 303
    assert await socket.close_code() == 4401
    assert (await bob.log_in("bob")).status == 303
    assert "data-moderator" not in await bob.page()


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"login": "bob"}, 400, "Please choose what to do"),
        ({"login": "bob", "action": "delete"}, 400, "Please choose what to do"),
        ({"login": "alice", "action": "dismiss"}, 400, "You can't do this to yourself"),
        ({"login": "carol", "action": "dismiss"}, 400,
         "The setting MODERATORS names this moderator"),
        ({"login": "bob", "action": "remove"}, 400, "Please ban the account first"),
        ({"login": "dave", "action": "remove"}, 400,
         "Please tick that all messages are to be removed, for ever"),
        ({"login": "dave", "action": "appoint"}, 400, "This account is banned"),
        ({"login": "dave", "action": "password"}, 400, "This account is banned"),
    ],
)  # fmt: skip
async def test_what_is_not_allowed_is_refused(
    house: House, form: dict[str, str], status: int, error: str
) -> None:
    people = {name: await house.sign_in(name) for name in ("alice", "bob", "carol", "dave")}
    await ban(people["alice"], "dave")
    await refused(people["alice"], "/person", form, status, error)


async def test_the_page_offers_what_can_be_done(house: House) -> None:
    people = {name: await house.sign_in(name) for name in ("alice", "bob", "carol")}
    page = await people["alice"].page("/person?login=bob")
    for text in ("Make a link", "Make a moderator", "Ban bob", "Also remove all messages"):
        assert text in page
    assert "This is you" in await people["alice"].page("/person?login=Alice")
    assert "The setting MODERATORS names carol" in await people["alice"].page("/person?login=carol")
    assert "Nobody has this login" in await people["alice"].page("/person?login=x", 404)
    assert "Only a moderator" in await people["bob"].page("/person?login=alice", 403)
