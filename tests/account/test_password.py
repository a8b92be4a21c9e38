"""Changing the password."""

import pytest

from auth.passwords import HASHER
from auth.sessions import SESSIONS, Identity
from tests.support.accounts import (
    COMMON,
    FILL,
    PASSWORD_CHANGE,
    SAME,
    log_in,
    refused,
    signed_in_as,
)
from tests.support.house import House
from tests.support.pages import FormPage, told
from tests.support.people import NEW_PASSWORD, PASSWORD, WRONG, Person
from tests.support.sessions import held_by, present, stored_sessions


async def test_a_changed_password_replaces_the_old_one(house: House, alice: Person) -> None:
    response = await alice.post("/account", PASSWORD_CHANGE)
    assert (response.status, response.headers["Location"]) == (303, "/account")
    assert "Your password has been changed" in (told(await alice.page("/account")) or "")
    elsewhere = await house.visitor()
    assert (await elsewhere.log_in("alice", PASSWORD)).status == 401
    assert (await elsewhere.log_in("alice", NEW_PASSWORD)).status == 303


@pytest.mark.usefixtures("nobody_looks")
async def test_a_changed_password_ends_all_other_sessions(
    house: House, alice: Person, bob: Person
) -> None:
    others = [await log_in(house, "alice") for _ in range(2)]
    cookies = [held_by(other) for other in others]
    sockets = [await other.connect() for other in others]
    own, of_bob = await alice.connect(), await bob.connect()
    await alice.post("/account", PASSWORD_CHANGE)
    assert [await socket.close_code() for socket in sockets] == [4401, 4401]
    for cookie in cookies:
        assert await signed_in_as(await present(house, cookie)) is None
    assert await signed_in_as(alice) == "alice"
    for socket in (own, of_bob):
        await socket.say("still here")
        assert (await socket.next("message"))["msg"] == "still here"


async def test_a_log_in_under_way_with_the_old_password_comes_to_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, thief = await house.sign_in("alice"), await house.visitor()
    create = house.app[SESSIONS].create

    async def too_late(*whose: str) -> Identity:
        monkeypatch.undo()
        assert (await alice.post("/account", PASSWORD_CHANGE)).status == 303
        return await create(*whose)

    monkeypatch.setattr(house.app[SESSIONS], "create", too_late)
    assert (await thief.log_in("alice")).status == 401
    assert await signed_in_as(thief) is None
    assert len(await stored_sessions(house)) == 1


async def test_of_two_changes_of_the_password_at_once_only_the_first_counts(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = await log_in(house, "alice")
    hash_password = house.app[HASHER].hash

    async def too_late(password: str, name: str) -> str:
        monkeypatch.undo()
        assert (await alice.post("/account", PASSWORD_CHANGE)).status == 303
        return await hash_password(password, name)

    monkeypatch.setattr(house.app[HASHER], "hash", too_late)
    stolen = "the password of a thief"
    theirs = {**PASSWORD_CHANGE, "password": stolen, "password2": stolen}
    assert (await thief.post("/account", theirs)).status == 401
    assert await signed_in_as(alice) == "alice"
    assert await signed_in_as(thief) is None
    assert (await alice.log_in("alice", NEW_PASSWORD)).status == 303


SHORT = "Password must have at least 8 characters"
REFUSED_CHANGES: list[tuple[dict[str, str], int, str, str]] = [
    ({"old": ""}, 400, "old", FILL),
    ({"password": " "}, 400, "password", FILL),
    ({"password2": ""}, 400, "password", SAME),
    ({"password2": "something else"}, 400, "password", SAME),
    *(({"old": old}, 401, "old", "Wrong password") for old in (WRONG, "\x00", '"><script>')),
    *(
        ({"password": password, "password2": password}, 400, "password", error)
        for password, error in (
            ("seven77", SHORT), ("alice.b", SHORT), ("PassWord", COMMON),
            ("Alice@example.com", COMMON),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "status", "field", "error"), REFUSED_CHANGES)
async def test_a_refused_change_says_why_beside_the_field(
    house: House, alice: Person, changes: dict[str, str], status: int, field: str, error: str
) -> None:
    other = await log_in(house, "alice")
    page = await refused(alice, "/account", PASSWORD_CHANGE | changes, status, error)
    assert (page.error_field, page.marked) == (field, [field])
    assert page.value(field) is None
    assert await signed_in_as(other) == "alice"
    assert (await other.log_in("alice")).status == 303


@pytest.mark.parametrize(
    "form", [{**PASSWORD_CHANGE, "old": WRONG}, {"action": "delete", "confirm": WRONG}]
)
async def test_guesses_on_the_page_are_limited_apart_from_log_ins(
    house: House, alice: Person, form: dict[str, str]
) -> None:
    guesses = [await alice.post("/account", form) for _ in range(7)]
    assert sorted(guess.status for guess in guesses) == [401] * 5 + [429] * 2
    assert int(guesses[-1].headers["Retry-After"]) > 200
    assert (await FormPage.read(guesses[-1])).error == "Too many attempts, please wait"
    assert (await (await house.visitor()).log_in("alice")).status == 303


async def test_the_right_password_is_no_failed_attempt(alice: Person) -> None:
    again = PASSWORD_CHANGE | {"old": PASSWORD, "password": PASSWORD, "password2": PASSWORD}
    for _ in range(7):
        assert (await alice.post("/account", again)).status == 303
