"""How often somebody may guess a password, or create an account."""

import asyncio

import pytest

from auth import passwords
from tests.support.accounts import JSON, REGISTRATION, from_address
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.pages import FormPage
from tests.support.people import PASSWORD, WRONG, Person


async def test_five_wrong_passwords_lock_the_account_for_this_address_only(
    open_house: OpenHouse, clock: Clock
) -> None:
    house = await open_house(TRUSTED_PROXIES=1)
    await house.sign_in("alice")
    await house.sign_in("bob")
    person = await house.visitor(headers=from_address("203.0.113.1"))
    for name in ("alice", "ALICE", "alice@example.com", "ａlice", "alice"):
        assert (await person.log_in(name, WRONG)).status == 401

    response = await person.log_in("alice")
    page = await FormPage.read(response)
    assert response.status == 429
    assert 290 <= int(response.headers["Retry-After"]) <= 301
    assert (page.error_field, page.error) == ("password", "Too many attempts, please wait")
    assert page.value("login") == "alice"
    answer = await person.post("/login", {"login": "alice", "password": PASSWORD}, headers=JSON)
    assert answer.status == 429
    assert await answer.json() == {"error": "Too many attempts, please wait"}

    assert (await person.log_in("bob")).status == 303
    elsewhere = await house.visitor(headers=from_address("203.0.113.2"))
    assert (await elsewhere.log_in("alice")).status == 303
    clock.now += 300
    assert (await person.log_in("alice")).status == 303


async def test_an_unknown_login_is_locked_like_a_known_one(visitor: Person, clock: Clock) -> None:
    statuses = [
        (await visitor.log_in(name, WRONG)).status
        for name in ("carol", "CAROL", "ｃａｒｏｌ", "carol", "Carol", "carol")
    ]
    assert statuses == [401] * 5 + [429]


async def test_guesses_in_parallel_are_counted_before_they_are_hashed(
    house: House, quick_hashes: None, clock: Clock
) -> None:
    await house.sign_in("alice")
    visitor = await house.visitor()
    responses = await asyncio.gather(*(visitor.log_in("alice", WRONG) for _ in range(30)))
    assert sorted(response.status for response in responses) == [401] * 5 + [429] * 25


async def test_an_address_may_fail_twenty_times_over_all_accounts(
    open_house: OpenHouse, quick_hashes: None, clock: Clock
) -> None:
    house = await open_house(TRUSTED_PROXIES=1)
    await house.sign_in("alice")
    person = await house.visitor(headers=from_address("203.0.113.1"))
    for number in range(20):
        assert (await person.log_in(f"user{number}", WRONG)).status == 401
    assert (await person.log_in("alice")).status == 429
    elsewhere = await house.visitor(headers=from_address("203.0.113.2"))
    assert (await elsewhere.log_in("alice")).status == 303
    clock.now += 300
    assert (await person.log_in("alice")).status == 303


async def test_an_account_may_be_guessed_at_fifty_times_from_all_addresses(
    open_house: OpenHouse, quick_hashes: None, clock: Clock
) -> None:
    house = await open_house(TRUSTED_PROXIES=1)
    await house.sign_in("alice")
    visitor = await house.visitor()
    form = {"login": "alice", "password": WRONG}
    statuses = [
        (await visitor.post("/login", form, headers=from_address(f"203.0.113.{n // 5}"))).status
        for n in range(51)
    ]
    assert statuses == [401] * 50 + [429]


async def test_logins_that_turn_out_well_count_for_nothing(
    house: House, quick_hashes: None, clock: Clock
) -> None:
    await house.sign_in("alice")
    alice = await house.visitor()
    assert {(await alice.log_in("alice")).status for _ in range(25)} == {303}
    assert (await alice.log_in("alice", WRONG)).status == 401


async def test_an_attempt_that_was_never_checked_counts_for_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    await house.sign_in("alice")
    alice = await house.visitor()
    with monkeypatch.context() as patch:
        patch.setattr(passwords, "MAX_WAITING", 0)
        assert {(await alice.log_in("alice")).status for _ in range(25)} == {503}
    assert (await alice.log_in("alice")).status == 303


async def test_an_address_may_register_so_often_in_an_hour(
    open_house: OpenHouse, clock: Clock
) -> None:
    house = await open_house(REGISTRATIONS_PER_HOUR=2, TRUSTED_PROXIES=1)
    visitor = await house.visitor(headers=from_address("203.0.113.1"))
    assert (await visitor.register("x")).status == 400  # not counted: nothing was to be hashed
    assert (await visitor.register("alice")).status == 303
    assert (await visitor.register("alice")).status == 409  # counted, or logins could be listed
    form = REGISTRATION
    response = await visitor.post("/signin", form)
    page = await FormPage.read(response)
    assert response.status == 429
    assert 3500 <= int(response.headers["Retry-After"]) <= 3601
    assert (page.error_field, page.error) == (None, "Too many new accounts from here, please wait")
    assert page.value("email") == "bob@example.com"
    answer = await visitor.post("/signin", form, headers=JSON)
    assert answer.status == 429
    assert await answer.json() == {"error": "Too many new accounts from here, please wait"}

    elsewhere = await house.visitor(headers=from_address("203.0.113.2"))
    assert (await elsewhere.register("carol")).status == 303
    clock.now += 3600
    assert (await visitor.register("bob")).status == 303


@pytest.mark.parametrize(("proxies", "status"), [(0, 429), (1, 429), (2, 303)])
async def test_a_made_up_address_gets_nobody_around_a_limit(
    open_house: OpenHouse, proxies: int, status: int
) -> None:
    house = await open_house(REGISTRATIONS_PER_HOUR=1, TRUSTED_PROXIES=proxies)
    visitor = await house.visitor()
    for login, made_up in (("alice", "198.51.100.1"), ("bob", "198.51.100.2")):
        form = {**REGISTRATION, "login": login, "email": f"{login}@example.com"}
        # The last hop is what the nearest proxy saw.
        hops = from_address(f"{made_up}, 203.0.113.1")
        response = await visitor.post("/signin", form, headers=hops)
    assert response.status == status
