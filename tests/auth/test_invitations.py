"""Who may create an account: everybody, the invited, or nobody; and whose the room is."""

import asyncio
import re
import time

import pytest

from auth.links import Links
from auth.models import DAY
from settings import LINK_COLLECTION, USER_COLLECTION
from storage.database import DATABASE
from tests.support.accounts import (
    accounts,
    delete_account,
    finish_departures,
    log_in,
    refused,
    signed_in_as,
)
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.people import Person, registration

INVALID = "This invitation can't be used. Please ask for a new one."
NOT_INVITED = "You need an invitation to create an account here. Please ask a moderator for one."
CLOSED = "Nobody can create an account here any more."


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    """A chat for the invited, whose moderator is alice."""
    house = await open_house(REGISTRATION="invite", MODERATORS=())
    assert (await (await house.visitor()).register("alice")).status == 303
    return house


@pytest.fixture
async def alice(house: House) -> Person:
    """The first of the room, in another browser."""
    return await log_in(house, "alice")


def invitation(uses: int = 1, days: int = 7) -> dict[str, str]:
    """Return the form for a new invitation."""
    return {"action": "invite", "uses": str(uses), "days": str(days)}


async def invite(alice: Person, uses: int = 1, days: int = 7) -> str:
    """Make an invitation, and return its token."""
    response = await alice.post("/people", invitation(uses, days))
    assert response.status == 200
    page = await response.text()
    assert response.headers["Cache-Control"] == "no-store"
    found = re.search(r'value="(http://127.0.0.1:\d+)/signin\?invitation=([\w-]+)"', page)
    assert found is not None
    return found[2]


async def register(house: House, login: str, token: str) -> int:
    """Return the status of a registration with an invitation."""
    return (await (await house.visitor()).register(login, invitation=token)).status


async def is_refused(house: House, token: str, error: str = INVALID) -> None:
    """Assert that nobody can create an account with an invitation, by page or script."""
    stranger, count = await house.visitor(), len(await accounts(house))
    response = await stranger.get(f"/signin?invitation={token}")
    page = await response.text()
    assert response.status == 403
    assert error.replace("'", "&#39;") in page
    assert "<form" not in page
    form = registration("mallory", invitation=token)
    await refused(stranger, "/signin", form, 403, error)
    assert len(await accounts(house)) == count


async def test_an_invitation_lets_as_many_register_as_it_says(house: House, alice: Person) -> None:
    token = await invite(alice, uses=2)
    visitor = await house.visitor()
    page = await visitor.page(f"/signin?invitation={token}")
    assert f'name="invitation" value="{token}"' in page
    assert (await visitor.register("bob", invitation=token)).status == 303
    assert await signed_in_as(visitor) == "bob"
    assert await register(house, "carol", token) == 303
    await is_refused(house, token)


async def test_without_an_invitation_nobody_registers(house: House) -> None:
    await is_refused(house, "", NOT_INVITED)
    page = await (await house.visitor()).page("/login")
    assert "Create account" not in page


async def test_a_closed_room_takes_nobody(open_house: OpenHouse, alice: Person) -> None:
    token = await invite(alice)
    closed = await open_house(REGISTRATION="closed", MODERATORS=())
    await is_refused(closed, token, CLOSED)
    await is_refused(closed, "", CLOSED)
    assert "Nobody can create an account" in await (await log_in(closed, "alice")).page("/people")


@pytest.mark.parametrize("mode", ["open", "invite", "closed"])
async def test_the_first_account_may_register_and_moderates(
    open_house: OpenHouse, mode: str
) -> None:
    house = await open_house(REGISTRATION=mode, MODERATORS=())
    alice = await house.visitor()
    assert "Create account" in await alice.page("/login")
    assert "moderator" in await alice.page("/signin")
    assert (await alice.register("alice")).status == 303
    assert "data-moderator" in await alice.page()
    second = await house.visitor()
    if mode == "open":
        assert "moderator" not in await second.page("/signin")
        assert (await second.register("bob")).status == 303
        assert "data-moderator" not in await second.page()
    else:
        assert (await second.register("bob")).status == 403


async def test_where_a_setting_names_moderators_the_first_account_is_none(
    open_house: OpenHouse,
) -> None:
    house = await open_house(REGISTRATION="invite", MODERATORS=("mona",))
    alice = await house.sign_in("alice")
    assert "data-moderator" not in await alice.page()


async def test_of_fifty_who_register_at_once_in_an_empty_room_one_is_the_first(
    open_house: OpenHouse, many_hashes: None
) -> None:
    house = await open_house(REGISTRATION="invite", MODERATORS=())
    visitors = [await house.visitor() for _ in range(50)]
    responses = await asyncio.gather(
        *(visitor.register(f"visitor{number}") for number, visitor in enumerate(visitors))
    )
    assert sorted(response.status for response in responses)[0] == 303
    assert {response.status for response in responses} <= {303, 403, 409}
    [account] = await accounts(house)
    assert account["moderator"]


async def test_a_room_that_everybody_has_left_is_not_a_stranger_s(open_house: OpenHouse) -> None:
    house = await open_house(REGISTRATION="invite")
    alice = await house.sign_in("alice")
    await alice.write("for us only")
    await delete_account(alice)
    await finish_departures(house)
    assert await accounts(house) == []
    await is_refused(house, "", NOT_INVITED)


async def test_fifty_at_once_use_an_invitation_no_more_often_than_it_says(
    house: House, alice: Person, many_hashes: None
) -> None:
    token = await invite(alice, uses=3)
    statuses = await asyncio.gather(
        *(register(house, f"visitor{number}", token) for number in range(50))
    )
    assert sorted(statuses) == [303] * 3 + [403] * 47
    assert len(await accounts(house)) == 4


@pytest.fixture(params=["open", "invite"])
async def office(request: pytest.FixtureRequest, open_house: OpenHouse) -> House:
    """A chat where one address may create three accounts an hour; alice's is one of them."""
    mode: str = request.param
    house = await open_house(REGISTRATION=mode, REGISTRATIONS_PER_HOUR=3, MODERATORS=())
    assert (await (await house.visitor()).register("alice")).status == 303
    return house


@pytest.mark.usefixtures("many_hashes", "clock")
@pytest.mark.parametrize("at_once", [True, False])
async def test_an_invitation_for_twenty_lets_twenty_colleagues_behind_one_address_in(
    office: House, at_once: bool
) -> None:
    token = await invite(await log_in(office, "alice"), uses=20)
    people = [register(office, f"colleague{number}", token) for number in range(20)]
    if at_once:
        assert await asyncio.gather(*people) == [303] * 20
    else:
        assert [await person for person in people] == [303] * 20


@pytest.mark.usefixtures("many_hashes", "clock")
async def test_colleagues_who_choose_a_login_that_is_taken_do_not_keep_others_out(
    office: House,
) -> None:
    token = await invite(await log_in(office, "alice"), uses=10)
    for number in range(10):
        assert await register(office, "alice", token) == 409
        assert await register(office, f"colleague{number}", token) == 303


@pytest.mark.usefixtures("many_hashes", "clock")
async def test_an_invitation_does_not_tell_quickly_who_has_an_account(office: House) -> None:
    alice = await log_in(office, "alice")
    token, other = await invite(alice, uses=20), await invite(alice)
    visitor = await office.visitor()
    names = [("alice", "b@b"), ("bob", "alice@example.com"), ("AL1CE", "c@c"), ("bob", "d@d")]
    statuses = [
        (await visitor.register(login, email=email, invitation=token)).status
        for login, email in names
    ]
    assert statuses == [409, 409, 409, 429]
    assert await register(office, "carol", other) == 303  # another invitation is not affected


@pytest.mark.usefixtures("many_hashes", "clock")
async def test_without_a_valid_invitation_an_address_is_limited_as_before(
    open_house: OpenHouse,
) -> None:
    house = await open_house(REGISTRATIONS_PER_HOUR=3, MODERATORS=())
    assert (await (await house.visitor()).register("alice")).status == 303
    token = await invite(await log_in(house, "alice"))
    assert await register(house, "bob", token) == 303
    tokens = [token, "guessed" * 5, "", token]  # the first is used up by now
    statuses = [await register(house, f"visitor{n}", each) for n, each in enumerate(tokens)]
    assert statuses == [303, 303, 429, 429]


@pytest.mark.parametrize("way", ["expired", "taken back", "guessed", "banned", "dismissed"])
async def test_an_invitation_that_no_longer_holds_is_refused_in_one_way(
    house: House, alice: Person, way: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = await (await house.visitor()).register("bob", invitation=await invite(alice))
    assert bob.status == 303
    moderator = await log_in(house, "bob")
    await alice.post("/person", {"login": "bob", "action": "appoint"})
    clock.now += 5
    token = await invite(moderator)
    assert (await (await house.visitor()).get(f"/signin?invitation={token}")).status == 200
    if way == "expired":
        now = time.time()
        monkeypatch.setattr("auth.links.time.time", lambda: now + 7 * DAY)
    elif way == "taken back":
        page = await alice.page("/people")
        assert "Made by <bdi>bob</bdi>; 1 more can use it" in page
        link = re.search(r'name="link" value="(\w+)"', page)
        assert link is not None
        assert (await alice.post("/people", {"action": "revoke", "link": link[1]})).status == 303
        assert "Made by <bdi>bob</bdi>" not in await alice.page("/people")
    elif way == "guessed":
        token = "A" * 32
    else:
        await alice.post("/person", {"login": "bob", "action": "dismiss"})
        if way == "banned":
            await alice.post("/person", {"login": "bob", "action": "ban"})
    await is_refused(house, token)


async def test_a_ban_takes_back_the_invitation_that_let_somebody_in_with_one_press(
    house: House, alice: Person
) -> None:
    await invite(alice, uses=9)
    token = await invite(alice, uses=20)
    kept = await invite(alice, uses=2)
    assert await register(house, "bob", token) == 303
    page = await alice.page("/person?login=bob")
    chosen = re.findall(
        r'name="(invitation-\d+)" value="(\w+)" checked>(.*?)</label>', page, re.DOTALL
    )
    [(name, link, text)] = chosen
    assert "by which bob came" in text
    assert "19 more can use it" in text
    assert page.count('type="checkbox" name="invitation-') == 3
    form = {"login": "bob", "action": "ban", name: link}
    assert (await alice.post("/person", form)).status == 303
    await is_refused(house, token)
    assert await register(house, "carol", kept) == 303


async def test_the_page_of_somebody_banned_takes_invitations_back(
    house: House, alice: Person
) -> None:
    token = await invite(alice, uses=20)
    assert await register(house, "bob", token) == 303
    await alice.post("/person", {"login": "bob", "action": "ban"})
    assert await register(house, "carol", token) == 303
    page = await alice.page("/person?login=bob")
    form = dict(re.findall(r'name="(invitation-\d+)" value="(\w+)" checked>', page))
    await alice.post("/person", form | {"login": "bob", "action": "revoke"})
    await is_refused(house, token)
    assert "invitation-" not in await alice.page("/person?login=bob")


async def test_where_nobody_needs_an_invitation_a_ban_says_nothing_of_them(
    open_house: OpenHouse, house: House, alice: Person
) -> None:
    assert await register(house, "bob", await invite(alice, uses=2)) == 303
    closed = await open_house(REGISTRATION="closed", MODERATORS=())
    page = await (await log_in(closed, "alice")).page("/person?login=bob")
    assert "Ban bob" in page
    assert "invitation" not in page


async def test_with_thirty_invitations_a_ban_still_shows_the_one_that_counts_and_where_others_are(
    house: House, alice: Person
) -> None:
    token = await invite(alice, uses=2, days=365)
    assert await register(house, "bob", token) == 303
    for _ in range(30):
        await invite(alice)
    page = await alice.page("/person?login=bob")
    assert "Further open invitations are on the page" in page
    form = dict(re.findall(r'name="(invitation-\d+)" value="(\w+)"', page))
    ban = {"login": "bob", "action": "ban", "also_remove": "yes"}
    assert (await alice.post("/person", form | ban)).status == 303
    await is_refused(house, token)


async def test_a_registration_that_fails_does_not_use_the_invitation_up(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await invite(alice)
    assert await register(house, "alice", token) == 409
    assert await register(house, "b", token) == 400
    with monkeypatch.context() as busy:
        busy.setattr("auth.passwords.MAX_WAITING", 0)
        assert await register(house, "bob", token) == 503
    assert await register(house, "bob", token) == 303


async def test_the_database_has_no_token(house: House, alice: Person) -> None:
    token = await invite(alice)
    stored = await house.database[LINK_COLLECTION].find({}).to_list(None)
    assert token not in str(stored)
    assert (stored[0]["by"], stored[0]["uses"]) == ("alice", 1)


async def test_whoever_is_signed_in_does_not_use_an_invitation_up(
    house: House, alice: Person
) -> None:
    token = await invite(alice)
    response = await alice.get(f"/signin?invitation={token}")
    assert (response.status, response.headers["Location"]) == (303, "/")
    assert await register(house, "bob", token) == 303


@pytest.mark.parametrize(
    ("name", "number", "most"),
    [*(("uses", uses, 1000) for uses in ("", "0", "-1", "1001", "1e3", "٣", "9" * 400)),
     ("days", "366", 365)],
)  # fmt: skip
async def test_an_invitation_has_bounds(alice: Person, name: str, number: str, most: int) -> None:
    error = f"Please enter a number from 1 to {most}"
    page = await refused(alice, "/people", invitation() | {name: number}, 400, error)
    assert page.error_field == name


async def test_only_moderators_invite(house: House, alice: Person) -> None:
    bob = await house.visitor()
    token = await invite(alice, uses=2)
    await bob.register("bob", invitation=token)
    for form in (invitation(), {"action": "revoke", "link": "x"}):
        await refused(bob, "/people", form, 403, "Only a moderator may do this")
    assert "Invitations" not in await bob.page("/people")
    assert await register(house, "carol", token) == 303


async def test_a_moderator_who_was_just_banned_by_command_can_do_nothing_that_lasts(
    house: House, alice: Person, clock: Clock
) -> None:
    bob = await house.visitor()
    await bob.register("bob", invitation=await invite(alice))
    users = house.database[USER_COLLECTION]
    await users.update_one({"login": "bob"}, {"$set": {"moderator": True}})
    moderator = await log_in(house, "bob")
    assert "data-moderator" in await moderator.page()
    token = await invite(moderator)
    await users.update_one({"login": "bob"}, {"$set": {"banned": True}})
    await is_refused(house, token)
    error = "Only a moderator may do this"
    for path, form in (
        ("/people", invitation()),
        ("/person", {"login": "alice", "action": "dismiss"}),
    ):
        await refused(moderator, path, form, 403, error)


async def test_however_many_links_there_are_invitations_are_listed(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.links.MOST_LISTED", 2)
    await register(house, "bob", await invite(alice))
    for _ in range(3):
        await alice.post("/person", {"login": "bob", "action": "password"})
    await invite(alice)
    assert "Made by <bdi>alice</bdi>" in await alice.page("/people")


async def test_expired_links_are_removed(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await invite(alice, days=1)
    now = time.time()
    monkeypatch.setattr("auth.links.time.time", lambda: now + DAY + 1)
    links = Links(house.app[DATABASE])
    assert await links.invitations() == []
    await links.create_invitation(None, days=1, uses=1)
    assert len(await house.database[LINK_COLLECTION].find({}).to_list(None)) == 1
