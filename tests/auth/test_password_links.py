"""Links with which somebody sets a new password."""

import asyncio
import re
import time

import pytest

from auth.models import DAY
from tests.support.accounts import (
    COMMON,
    FILL,
    PASSWORD_CHANGE,
    SAME,
    delete_account,
    log_in,
    refused,
    signed_in_as,
)
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.people import NEW_PASSWORD, PASSWORD, Person

INVALID = "This link can't be used. Please ask for a new one."


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    """A chat with a moderator."""
    return await open_house(MODERATORS=("alice", "mona"))


async def link_for(alice: Person, login: str) -> str:
    """Make a link, and return its token."""
    response = await alice.post("/person", {"login": login, "action": "password"})
    assert response.status == 200
    found = re.search(r"/password\?link=([\w-]+)", await response.text())
    assert found is not None
    return found[1]


def new(token: str, password: str = NEW_PASSWORD) -> dict[str, str]:
    """Return the form that sets a password."""
    return {"link": token, "password": password, "password2": password}


async def is_refused(house: House, token: str) -> None:
    """Assert that a link does not set a password."""
    stranger = await house.visitor()
    response = await stranger.get(f"/password?link={token}")
    assert response.status == 403
    assert 'name="password"' not in await response.text()
    await refused(stranger, "/password", new(token), 403, INVALID)


async def test_a_link_sets_a_password_once_and_ends_all_sessions(
    house: House, alice: Person, bob: Person
) -> None:
    socket = await bob.connect()
    token = await link_for(alice, "bob")
    assert await signed_in_as(bob) == "bob"
    visitor = await house.visitor()
    assert "<bdi>bob</bdi>" in await visitor.page(f"/password?link={token}")
    response = await visitor.post("/password", new(token))
    assert (response.status, response.headers["Location"]) == (303, "/")
    assert await signed_in_as(visitor) == "bob"
    assert await socket.close_code() == 4401
    assert await signed_in_as(bob) is None
    assert (await bob.log_in("bob", PASSWORD)).status == 401
    assert (await bob.log_in("bob", NEW_PASSWORD)).status == 303
    await is_refused(house, token)


@pytest.mark.parametrize("way", ["expired", "guessed", "banned", "deleted", "an invitation"])
async def test_a_link_that_no_longer_holds_is_refused_in_one_way(
    house: House, alice: Person, bob: Person, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await link_for(alice, "bob")
    if way == "expired":
        now = time.time()
        monkeypatch.setattr("auth.links.time.time", lambda: now + DAY)
    elif way == "guessed":
        token = "A" * 32
    elif way == "banned":
        await alice.post("/person", {"login": "bob", "action": "ban"})
    elif way == "deleted":
        await delete_account(bob)
    else:
        form = {"action": "invite", "uses": "1", "days": "1"}
        page = await (await alice.post("/people", form)).text()
        token = page.partition("invitation=")[2].partition('"')[0]
    await is_refused(house, token)


async def test_fifty_at_once_set_one_password(
    house: House, alice: Person, bob: Person, many_hashes: None
) -> None:
    token = await link_for(alice, "bob")
    visitors = [await house.visitor() for _ in range(50)]
    responses = await asyncio.gather(
        *(
            visitor.post("/password", new(token, f"the password {number}"))
            for number, visitor in enumerate(visitors)
        )
    )
    statuses = [response.status for response in responses]
    assert sorted(statuses) == [303] + [403] * 49
    winner = statuses.index(303)
    assert (await (await house.visitor()).log_in("bob", f"the password {winner}")).status == 303


async def test_a_new_password_however_it_was_set_ends_all_links(
    house: House, alice: Person, bob: Person
) -> None:
    first, second = await link_for(alice, "bob"), await link_for(alice, "bob")
    assert (await (await house.visitor()).post("/password", new(first))).status == 303
    await is_refused(house, second)
    third = await link_for(alice, "bob")
    assert (await bob.log_in("bob", NEW_PASSWORD)).status == 303
    form = PASSWORD_CHANGE | {"old": NEW_PASSWORD, "password": PASSWORD, "password2": PASSWORD}
    assert (await bob.post("/account", form)).status == 303
    await is_refused(house, third)


@pytest.mark.parametrize(
    ("changes", "field", "error"),
    [
        ({"password": ""}, "password", FILL),
        ({"password2": "something else"}, "password", SAME),
        ({"password": "bob@example.com", "password2": "bob@example.com"}, "password", COMMON),
    ],
)
async def test_a_password_that_is_refused_does_not_use_the_link_up(
    house: House, alice: Person, bob: Person, changes: dict[str, str], field: str, error: str
) -> None:
    token = await link_for(alice, "bob")
    visitor = await house.visitor()
    page = await refused(visitor, "/password", new(token) | changes, 400, error)
    assert page.error_field == field
    assert page.value("link") == token
    assert (await visitor.post("/password", new(token))).status == 303


@pytest.mark.parametrize("way", ["dismissed", "banned"])
async def test_a_link_ends_with_the_rights_of_whoever_made_it(
    house: House, alice: Person, bob: Person, clock: Clock, way: str
) -> None:
    carol = await house.sign_in("carol")
    await alice.post("/person", {"login": "carol", "action": "appoint"})
    clock.now += 5
    token = await link_for(carol, "bob")
    await alice.post("/person", {"login": "carol", "action": "dismiss"})
    if way == "banned":
        await alice.post("/person", {"login": "carol", "action": "ban"})
    await is_refused(house, token)
    for action in ("unban", "appoint"):  # which brings back nothing
        assert (await alice.post("/person", {"login": "carol", "action": action})).status == 303
    await is_refused(house, token)


async def test_a_link_made_for_a_member_does_not_give_a_moderator_s_rights(
    house: House, alice: Person, bob: Person, open_house: OpenHouse
) -> None:
    token = await link_for(alice, "bob")
    await alice.post("/person", {"login": "bob", "action": "appoint"})
    await is_refused(house, token)
    await alice.post("/person", {"login": "bob", "action": "dismiss"})
    token = await link_for(alice, "bob")
    await is_refused(await open_house(MODERATORS=("alice", "bob")), token)


async def test_in_a_browser_of_somebody_else_the_link_signs_in_the_one_it_is_for(
    house: House, alice: Person, bob: Person
) -> None:
    carol, token = await house.sign_in("carol"), await link_for(alice, "bob")
    elsewhere = await log_in(house, "carol")
    assert (await carol.post("/password", new(token))).status == 303
    assert await signed_in_as(carol) == "bob"
    assert await signed_in_as(elsewhere) == "carol"


@pytest.mark.parametrize(
    ("who", "login", "status", "error"),
    [
        ("bob", "bob", 403, "Only a moderator may do this"),
        ("alice", "mona", 400,
         "Only the operator can do this for a moderator, with a command (see the README)"),
        ("alice", "alice", 400, "You can't do this to yourself"),
        ("alice", "nobody", 404, "Nobody has this login"),
    ],
)  # fmt: skip
async def test_a_link_is_not_made_for_everybody(
    house: House, who: str, login: str, status: int, error: str
) -> None:
    people = {name: await house.sign_in(name) for name in ("alice", "bob", "mona")}
    await refused(people[who], "/person", {"login": login, "action": "password"}, status, error)
