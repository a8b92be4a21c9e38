"""Who belongs here and is not here, as the page asks for its list of people."""

from typing import Any

import pytest

from settings import USER_COLLECTION
from storage.database import Collection, Document
from tests.support.accounts import JSON, delete_account
from tests.support.databases import insert_all
from tests.support.house import House, OpenHouse
from tests.support.people import Person


async def absent(person: Person) -> Any:
    """Return what the server answers to a page."""
    response = await person.get("/people/absent", headers=JSON)
    assert response.status == 200
    return await response.json()


async def test_only_those_who_are_not_here_are_named(open_house: OpenHouse) -> None:
    house = await open_house(MODERATORS=("alice",))
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    for login in ("Carol", "Дима", "erin"):
        await house.sign_in(login)
    await delete_account(await house.sign_in("frank"))
    await alice.post("/person", {"login": "erin", "action": "ban"})
    assert await absent(bob) == {"names": ["alice", "bob", "Carol", "Дима"], "more": 0}
    await alice.connect()
    await bob.connect()
    for person in (alice, bob):  # a moderator sees the banned on the page of the people only
        assert await absent(person) == {"names": ["Carol", "Дима"], "more": 0}


def account(number: int, **marks: bool) -> dict[str, Any]:
    """Return an account that nobody uses."""
    login = f"{'banned' if marks else 'user'}{number:04}"
    return {**dict.fromkeys(("login", "login_key", "look", "email_key"), login), **marks}


@pytest.mark.parametrize(
    ("others", "banned", "more"), [(49, 0, 0), (51, 0, 1), (120, 20, 70), (5000, 0, 4950)]
)
async def test_of_many_the_first_are_named_and_the_others_counted(
    house: House, alice: Person, others: int, banned: int, more: int
) -> None:
    await alice.connect()
    accounts = [account(n) for n in range(others)] + [
        account(n, banned=True) for n in range(banned)
    ]
    await insert_all(house.database[USER_COLLECTION], accounts)
    names = [f"user{number:04}" for number in range(min(others, 50))]
    assert await absent(alice) == {"names": names, "more": more}


async def test_a_list_of_thousands_reads_no_more_accounts_than_one_of_hundreds(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    find = Collection.find

    async def count(collection: Collection, *where: Any, **options: Any) -> list[Document]:
        found = await find(collection, *where, **options)
        read.append(len(found))
        return found

    await insert_all(house.database[USER_COLLECTION], [account(n) for n in range(3000)])
    monkeypatch.setattr(Collection, "find", count)
    await absent(alice)
    # Beside the session and its account; others, who look what is new, find nothing.
    assert (max(read), sum(read)) == (150, 2 + 150)


async def test_the_absent_are_for_those_who_are_signed_in(house: House, alice: Person) -> None:
    stranger = await house.visitor()
    assert (await stranger.get("/people/absent", headers=JSON)).status == 401
    await alice.post("/signout")
    assert (await alice.get("/people/absent", headers=JSON)).status == 401


@pytest.mark.parametrize(
    ("registration", "login", "is_invited"),
    [("open", "alice", True), ("invite", "alice", True), ("closed", "alice", False),
     ("open", "bob", False)],
)  # fmt: skip
async def test_only_moderators_find_the_way_to_invite_beside_the_talk(
    open_house: OpenHouse, registration: str, login: str, is_invited: bool
) -> None:
    first = await open_house(MODERATORS=("alice",))
    await first.sign_in(login)
    house = await open_house(MODERATORS=("alice",), REGISTRATION=registration)
    person = await house.visitor()
    await person.log_in(login)
    page = await person.page()
    assert ('href="/people#invitations">Invite<' in page) is is_invited
    if is_invited:
        assert 'id="invitations"' in await person.page("/people")
