"""What moderators do to the same people, or to one another, in the same moment."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from auth.models import User
from settings import USER_COLLECTION
from tests.support.accounts import accounts, delete_account, log_in, signed_in_as
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.waiting import PATIENCE


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    """A room whose first account is a moderator's."""
    return await open_house(MODERATORS=())


async def moderators(house: House, logins: Sequence[str]) -> list[Person]:
    """Return people with new accounts, who moderate."""
    people = [await house.sign_in(login) for login in logins]
    for login in logins[1:]:
        assert await act(people[0], "appoint", login) == 303
    return [await log_in(house, login) for login in logins]


async def act(person: Person, action: str, login: str) -> int:
    """Do something to an account, and return the status."""
    return (await person.post("/person", {"login": login, "action": action})).status


@asynccontextmanager
async def meeting(count: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Let so many decide what may be done, before any of them does it."""
    barrier, mark, arrived = asyncio.Barrier(count), User.mark, 0

    async def wait(*what: Any, **marks: Any) -> None:
        nonlocal arrived
        arrived += 1
        if arrived <= count:
            await barrier.wait()
        await mark(*what, **marks)

    with monkeypatch.context() as patch:
        patch.setattr(User, "mark", wait)
        async with asyncio.timeout(PATIENCE):
            yield


@pytest.mark.parametrize("logins", [("alice", "bob"), ("alice", "bob", "carol", "dave")], ids=len)
async def test_of_moderators_who_dismiss_one_another_at_once_one_is_left(
    house: House, logins: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = await moderators(house, logins)
    victims = [*logins[1:], logins[0]]
    async with meeting(len(logins), monkeypatch):
        statuses = await asyncio.gather(
            *(
                act(person, "dismiss", victim)
                for person, victim in zip(people, victims, strict=True)
            )
        )
    for status, victim in zip(statuses, victims, strict=True):
        user = await house.database[USER_COLLECTION].find_one({"login": victim}) or {}
        assert bool(user["moderator"]) is (status != 303)
        person = people[logins.index(victim)]
        assert await signed_in_as(person) == (None if status == 303 else victim)
    assert {*statuses} <= {303, 403}
    assert 403 in statuses
    stayed = victims[statuses.index(403)]
    newcomer = await house.sign_in("eve")
    assert await act(people[logins.index(stayed)], "ban", "eve") == 303
    assert await signed_in_as(newcomer) is None


async def test_nobody_is_a_moderator_and_banned_because_two_decided_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await moderators(house, ("alice", "bob"))
    await house.sign_in("carol")
    async with meeting(2, monkeypatch):
        statuses = await asyncio.gather(act(alice, "ban", "carol"), act(bob, "appoint", "carol"))
    assert sorted(statuses) == [303, 400]
    user = (await accounts(house))[-1]
    assert bool(user.get("banned")) is not bool(user.get("moderator"))


async def test_whoever_is_appointed_while_deleting_the_account_is_one_or_the_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    [alice] = await moderators(house, ("alice",))
    bob = await house.sign_in("bob")
    async with meeting(2, monkeypatch):
        appointed, deleted = await asyncio.gather(act(alice, "appoint", "bob"), delete_account(bob))
    assert (appointed, deleted.status) in ((303, 409), (404, 303))
    assert await signed_in_as(bob) == ("bob" if appointed == 303 else None)


async def test_a_ban_pressed_twice_at_once_is_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    [alice] = await moderators(house, ("alice",))
    await house.sign_in("bob")
    async with meeting(2, monkeypatch):
        statuses = await asyncio.gather(act(alice, "ban", "bob"), act(alice, "ban", "bob"))
    assert {*statuses} == {303}


async def test_a_right_counts_as_it_is_now_not_as_it_was_seconds_ago(house: House) -> None:
    alice, bob = await moderators(house, ("alice", "bob"))
    carol = await house.sign_in("carol")
    await house.sign_in("dave")
    for person in (bob, carol):
        await signed_in_as(person)
    users = house.database[USER_COLLECTION]  # as another process, which this one does not hear
    await users.update_one({"login": "bob"}, {"$set": {"moderator": False}})
    await users.update_one({"login": "carol"}, {"$set": {"moderator": True}})
    invitation = {"action": "invite", "uses": "1", "days": "1"}
    for action in ("ban", "unban", "remove", "revoke", "password", "appoint", "dismiss"):
        assert await act(bob, action, "dave") == 403
    for form in (invitation, {"action": "revoke", "link": "x"}):
        assert (await bob.post("/people", form)).status == 403
    assert (await bob.get("/person?login=dave")).status == 403
    assert (await carol.post("/people", invitation)).status == 200
    assert await act(carol, "ban", "dave") == 303
    assert await act(alice, "unban", "dave") == 303
