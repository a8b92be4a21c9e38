"""The empty room: whose it is, and how others come in."""

import re

import pytest

from auth.links import Links
from storage.database import DATABASE, Collection
from tests.support.house import House, OpenHouse
from tests.support.people import Person

ADDRESS = "Others can create an account at"


def introduction(page: str) -> str:
    """Return what an empty room says of itself, "" if it is not empty."""
    found = re.search(r'<span class="log__empty">(.*?)\n</span>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", "", found[1]).split()) if found else ""


async def invited(house: House, login: str) -> Person:
    """Return somebody who has come by an invitation of the operator."""
    link = await Links(house.app[DATABASE]).create_invitation(None, days=1, uses=1)
    person = await house.visitor()
    await person.register(login, invitation=link.partition("=")[2])
    return person


@pytest.mark.parametrize("registration", ["open", "invite"])
async def test_the_first_of_a_room_is_told_how_others_come_in_and_they_whose_it_is(
    open_house: OpenHouse, registration: str
) -> None:
    name = "<b>R&D</b>"
    house = await open_house(MODERATORS=(), ROOM_NAME=name, REGISTRATION=registration)
    alice = await house.sign_in("alice")
    bob = await invited(house, "bob")
    theirs = introduction(await bob.page())
    assert "Welcome to &lt;b&gt;R&amp;D&lt;/b&gt; alice moderates this room." in theirs
    page = await alice.page()
    assert "You moderate this room. Nobody has said anything yet." in introduction(page)
    assert "alice moderates" not in page
    if registration == "open":
        assert f"{ADDRESS} {house.url}" in introduction(page)
        assert f"{ADDRESS} {house.url}" in theirs
    else:
        assert '<a href="/people#invitations">Invite them</a>' in page
        assert "Invite" not in theirs
        assert "Say hello" in theirs
    await bob.write("hello")
    page = await alice.page()
    assert introduction(page) == ""
    assert "hello" in page


async def test_a_room_that_is_closed_says_so_to_its_moderator(open_house: OpenHouse) -> None:
    house = await open_house(MODERATORS=(), REGISTRATION="closed")
    alice = await house.sign_in("alice")
    assert "REGISTRATION" in introduction(await alice.page())


async def test_a_moderator_whom_the_settings_name_is_told_only_with_an_account(
    open_house: OpenHouse,
) -> None:
    house = await open_house(MODERATORS=("the.owner",))
    bob = await house.sign_in("bob")  # the first, and no moderator
    assert "the.owner" not in await bob.page()  # whoever registered it would moderate
    owner = await house.sign_in("the.owner")
    assert "the.owner moderates this room." in introduction(await bob.page())
    assert "You moderate this room." in introduction(await owner.page())


async def test_a_room_that_is_not_empty_looks_for_no_moderator(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alice.write("hello")
    looked: list[str] = []
    find_one = Collection.find_one

    async def note(collection: Collection, *where: object) -> object:
        looked.append(collection.name)
        return await find_one(collection, *where)  # type: ignore[arg-type]

    monkeypatch.setattr(Collection, "find_one", note)
    assert introduction(await alice.page()) == ""
    assert looked == []
