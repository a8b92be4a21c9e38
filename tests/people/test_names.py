"""The names that a page completes what is typed after @ with."""

from typing import Any

import pytest

from settings import USER_COLLECTION
from tests.support.accounts import JSON, delete_account
from tests.support.databases import insert_all
from tests.support.house import House, OpenHouse
from tests.support.people import Person


async def names(person: Person, begin: str = "") -> Any:
    """Return what the server answers to a page."""
    response = await person.get("/people/names", params={"begin": begin}, headers=JSON)
    assert response.status == 200
    return await response.json()


async def test_everybody_with_an_account_is_named_by_the_beginning(
    house: House, alice: Person
) -> None:
    for login in ("bob", "Bobby", "Борис", "王伟", "Ａnna"):
        await house.sign_in(login)
    for begin, found in [
        ("", ["alice", "Anna", "bob", "Bobby", "Борис", "王伟"]),
        ("BO", ["bob", "Bobby"]),
        ("bobb", ["Bobby"]),
        ("бО", ["Борис"]),
        ("王", ["王伟"]),
        ("ａN", ["Anna"]),
        ("ob", []),
        ("alice@", []),
    ]:
        assert await names(alice, begin) == {"names": found, "more": False}


async def test_nobody_who_is_banned_or_has_left_is_named(open_house: OpenHouse) -> None:
    house = await open_house(MODERATORS=("alice",))
    alice = await house.sign_in("alice")
    await house.sign_in("carol")
    await delete_account(await house.sign_in("dave"))
    await alice.post("/person", {"login": "carol", "action": "ban"})
    assert await names(alice) == {"names": ["alice"], "more": False}
    await alice.post("/person", {"login": "carol", "action": "unban"})
    assert (await names(alice))["names"] == ["alice", "carol"]


async def test_an_answer_is_as_long_in_a_room_of_thousands(house: House, alice: Person) -> None:
    def account(number: int, **marks: bool) -> dict[str, Any]:
        login = f"{'banned' if marks else 'user'}{number:04}"
        keys = dict.fromkeys(("login", "login_key", "look", "email_key"), login)
        return {**keys, **marks}

    accounts = [account(n) for n in range(5000)] + [account(n, banned=True) for n in range(200)]
    await insert_all(house.database[USER_COLLECTION], accounts)
    assert await names(alice, "user") == {
        "names": [f"user{number:04}" for number in range(20)],
        "more": True,
    }
    assert await names(alice, "user012") == {
        "names": [f"user{number:04}" for number in range(120, 130)],
        "more": False,
    }
    assert await names(alice, "banned") == {"names": [], "more": True}


@pytest.mark.parametrize(
    "begin", ["%00", "%ED%A0%80", "%F4%8F%BF%BF", '{"$gt":""}', ".*", "x" * 5000, "%E2%80%AE"]
)
async def test_any_beginning_is_answered(alice: Person, begin: str) -> None:
    response = await alice.get(f"/people/names?begin={begin}")
    assert (response.status, await response.json()) == (200, {"names": [], "more": False})


async def test_names_are_for_those_who_are_signed_in(house: House, alice: Person) -> None:
    stranger = await house.visitor()
    assert (await stranger.get("/people/names", headers=JSON)).status == 401
    assert (await stranger.get("/people/names")).headers["Location"].startswith("/login")
    await alice.post("/signout")
    assert (await alice.get("/people/names", headers=JSON)).status == 401
