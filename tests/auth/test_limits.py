"""How often somebody may guess a password, or create an account."""

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace

import pytest

from auth import passwords
from auth.attempts import LIMITS, AttemptLimits
from server.relay import Relay
from tests.support.accounts import (
    PASSWORD_CHANGE,
    REGISTRATION,
    from_address,
    refused,
    user_id_of,
)
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.people import PASSWORD, WRONG, Person, registration

FLOOD = 200  # log-ins at once


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    """A chat behind one proxy, where Alice has an account."""
    house = await open_house(TRUSTED_PROXIES=1)
    await house.sign_in("alice")
    return house


@pytest.fixture
async def here(house: House) -> Person:
    """Somebody who is not signed in, at an address."""
    return await house.visitor(headers=from_address("203.0.113.1"))


async def statuses(person: Person, logins: Iterable[str]) -> list[int]:
    """Log in with a wrong password, once for each login."""
    return [(await person.log_in(login, WRONG)).status for login in logins]


@pytest.mark.usefixtures("many_hashes")
@pytest.mark.parametrize(
    "logins",
    [("alice", "ALICE", "Alice", "ａlice", "alice"), [f"user{n}" for n in range(20)]],
    ids=["five for one name", "twenty for any names"],
)
async def test_wrong_passwords_lock_this_address_for_five_minutes(
    house: House, here: Person, clock: Clock, logins: list[str]
) -> None:
    assert await statuses(here, logins) == [401] * len(logins)
    form = {"login": "alice", "password": PASSWORD}
    page = await refused(here, "/login", form, 429, "Too many attempts, please wait")
    assert 290 <= page.retry_after <= 301
    assert (page.error_field, page.value("login")) == ("password", "alice")
    elsewhere = await house.visitor(headers=from_address("203.0.113.2"))
    assert (await elsewhere.log_in("alice")).status == 303
    clock.now += 300
    assert (await here.log_in("alice")).status == 303


async def test_one_account_that_is_locked_locks_no_other(
    house: House, here: Person, clock: Clock
) -> None:
    await house.sign_in("bob")
    assert await statuses(here, ["alice"] * 6) == [401] * 5 + [429]
    assert (await here.log_in("bob")).status == 303


async def test_an_unknown_login_is_locked_like_a_known_one(here: Person, clock: Clock) -> None:
    spellings = ("carol", "CAROL", "ｃａｒｏｌ", "carol", "Carol", "carol")
    assert await statuses(here, spellings) == [401] * 5 + [429]


async def test_guesses_in_parallel_are_counted_before_they_are_hashed(
    here: Person, many_hashes: None, clock: Clock
) -> None:
    responses = await asyncio.gather(*(here.log_in("alice", WRONG) for _ in range(30)))
    assert sorted(response.status for response in responses) == [401] * 5 + [429] * 25


async def guess_everywhere(visitor: Person, login: str) -> list[int]:
    """Guess fifty-one times from eleven addresses, and return the answers' statuses."""
    form = {"login": login, "password": WRONG}
    return [
        (await visitor.post("/login", form, headers=from_address(f"198.51.100.{n // 5}"))).status
        for n in range(51)
    ]


@pytest.mark.parametrize("name", ["alice", "alice@example.com", "nobody"])
async def test_a_name_may_be_guessed_at_fifty_times_from_all_addresses(
    visitor: Person, many_hashes: None, clock: Clock, name: str
) -> None:
    assert await guess_everywhere(visitor, name) == [401] * 50 + [429]


@pytest.mark.parametrize("name", ["alice", "alice@example.com"])
async def test_guesses_of_others_lock_nobody_out_who_has_logged_in_from_here(
    house: House, visitor: Person, here: Person, many_hashes: None, clock: Clock, name: str
) -> None:
    assert (await here.log_in("alice")).status == 303
    assert await guess_everywhere(visitor, name) == [401] * 50 + [429]
    elsewhere = await house.visitor(headers=from_address("203.0.113.2"))
    assert (await elsewhere.log_in(name)).status == 429
    again = await house.visitor(headers=from_address("203.0.113.1"))
    assert (await again.log_in(name)).status == 303


@pytest.mark.usefixtures("many_hashes")
@pytest.mark.parametrize(
    "mistaken",
    [["alice"] * 5, ["alice@example.com", "ALICE"] * 5, [f"user{n}" for n in range(20)]],
    ids=["her login", "her names", "any names"],
)
async def test_mistakes_of_neighbours_lock_nobody_out_who_has_logged_in_from_their_address(
    house: House, here: Person, clock: Clock, mistaken: list[str]
) -> None:
    assert (await here.log_in("alice")).status == 303
    neighbour = await house.visitor(headers=from_address("203.0.113.1"))
    assert await statuses(neighbour, mistaken) == [401] * len(mistaken)
    for name in ("alice", "Alice@example.com"):
        again = await house.visitor(headers=from_address("203.0.113.1"))
        assert (await again.log_in(name)).status == 303


@pytest.mark.usefixtures("many_hashes")
async def test_mistakes_of_neighbours_do_not_lock_the_forms_of_the_account_page(
    house: House, here: Person, clock: Clock
) -> None:
    await here.register("bob")
    neighbour = await house.visitor(headers=from_address("203.0.113.1"))
    assert await statuses(neighbour, [f"user{n}" for n in range(21)]) == [401] * 20 + [429]
    assert (await here.post("/account", PASSWORD_CHANGE)).status == 303


def guesses_in_an_hour(clock: Clock, names: list[str], *, known: bool) -> int:
    """Return how many passwords a guesser at one address can try, at names known there or not."""
    limits = AttemptLimits(0, Relay())
    for name in names if known else ():
        limits.remember(name, "203.0.113.1")
    guesses = 0
    for _ in range(60):
        for name in names:
            while not limits.use_or_wait(limits.log_in_attempt(name, "203.0.113.1")):
                guesses += 1
        clock.now += 60
    return guesses


@pytest.mark.parametrize(("count", "most"), [(1, 60), (3, 180), (50, 240)])
def test_a_guesser_gets_no_more_guesses_in_an_hour_at_names_known_at_the_address(
    clock: Clock, count: int, most: int
) -> None:
    names = [f"user{number}" for number in range(count)]
    assert guesses_in_an_hour(clock, names, known=False) == most
    assert guesses_in_an_hour(clock, names, known=True) == most


async def test_guesses_of_others_do_not_lock_the_forms_of_the_account_page(
    house: House, visitor: Person, many_hashes: None, clock: Clock
) -> None:
    bob = await house.visitor(headers=from_address("203.0.113.1"))
    await bob.register("bob")
    user_id = await user_id_of(house, "bob")
    # Also by names that the counter of the page might have.
    for name in ("bob", user_id, f"account page {user_id}", f"user {user_id}"):
        await guess_everywhere(visitor, name)
    assert (await bob.post("/account", PASSWORD_CHANGE)).status == 303


async def test_no_answer_tells_which_names_belong_to_one_account(
    here: Person, many_hashes: None, clock: Clock
) -> None:
    assert await statuses(here, ["alice"] * 6) == [401] * 5 + [429]
    names = ["alice@example.com", "bob@example.com"]  # hers, and nobody's
    assert [await statuses(here, [name] * 2) for name in names] == [[401, 401]] * 2


async def test_a_wrong_password_is_answered_at_a_multiple_of_fifty_milliseconds(
    here: Person, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    slept: list[float] = []
    times = iter([10.0, 10.063, 20.0, 20.012])  # when the check begins and ends

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    loop = SimpleNamespace(time=lambda: next(times))
    patched = SimpleNamespace(get_running_loop=lambda: loop, sleep=sleep)
    monkeypatch.setattr("auth.attempts.asyncio", patched)
    for name in ("alice", "nobody"):
        assert (await here.log_in(name, WRONG)).status == 401
    assert slept == [pytest.approx(0.037), pytest.approx(0.038)]


async def test_long_made_up_names_are_not_kept(
    house: House, visitor: Person, many_hashes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = house.app[LIMITS]._limits
    monkeypatch.setattr(passwords, "MAX_WAITING", 0)
    for number in range(20):
        assert (await visitor.log_in("ﷺ" * 250 + str(number), WRONG)).status == 503
    limits.pop("registration")
    assert not any(limit._uses for limit in limits.values())
    monkeypatch.undo()
    assert (await visitor.log_in("ﷺ" * 250, WRONG)).status == 401
    keys = [key for limit in limits.values() for key in limit._uses]
    assert [len(key) for key in keys if isinstance(key, bytes)] == [16, 16, 16]


async def test_a_busy_chat_looks_up_no_name(
    visitor: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_up(*_: object) -> None:
        raise AssertionError("the name was looked up")

    monkeypatch.setattr(passwords, "MAX_WAITING", 0)
    monkeypatch.setattr("auth.models.User.find", look_up)
    assert (await visitor.log_in("alice")).status == 503


async def test_others_are_answered_before_the_end_of_a_flood_of_log_ins(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 0)
    body = "login=alice&password=guessed"
    type_ = "application/x-www-form-urlencoded"
    head = f"HTTP/1.1\r\nHost: 127.0.0.1:{house.server.port}\r\n"
    log_in = f"{head}Content-Type: {type_}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    requests = [f"POST /login {log_in}"] * FLOOD + [f"GET /static/css/base.css {head}\r\n"]
    streams = [
        await asyncio.open_connection(house.server.host, house.server.port) for _ in requests
    ]
    answers: list[bytes] = []

    async def answer(reader: asyncio.StreamReader) -> None:
        answers.append(await reader.readline())

    for request, (_, writer) in zip(requests, streams, strict=True):
        writer.write(request.encode())
    await asyncio.gather(*(answer(reader) for reader, _ in streams))
    for _, writer in streams:
        writer.close()
    busy, served = b"HTTP/1.1 503 Service Unavailable\r\n", b"HTTP/1.1 200 OK\r\n"
    assert sorted(answers) == [served] + [busy] * FLOOD
    assert answers.index(served) < FLOOD / 2


async def test_successful_log_ins_do_not_count(
    here: Person, many_hashes: None, clock: Clock
) -> None:
    assert {(await here.log_in("alice")).status for _ in range(25)} == {303}
    assert (await here.log_in("alice", WRONG)).status == 401


async def test_registrations_are_limited_per_address_and_hour(
    open_house: OpenHouse, clock: Clock
) -> None:
    house = await open_house(REGISTRATIONS_PER_HOUR=2, TRUSTED_PROXIES=1)
    visitor = await house.visitor(headers=from_address("203.0.113.1"))
    assert (await visitor.register("x")).status == 400  # not counted: nothing was to be hashed
    assert (await visitor.register("alice")).status == 303
    assert (await visitor.register("alice")).status == 409  # counted, or logins could be listed
    error = "Too many new accounts from here, please wait"
    page = await refused(visitor, "/signin", REGISTRATION, 429, error)
    assert 3500 <= page.retry_after <= 3601
    assert (page.error_field, page.value("email")) == (None, "bob@example.com")

    elsewhere = await house.visitor(headers=from_address("203.0.113.2"))
    assert (await elsewhere.register("carol")).status == 303
    clock.now += 3600
    assert (await visitor.register("bob")).status == 303


@pytest.mark.parametrize(("proxies", "status"), [(0, 429), (1, 429), (2, 303)])
async def test_a_forged_x_forwarded_for_does_not_bypass_limits(
    open_house: OpenHouse, proxies: int, status: int
) -> None:
    house = await open_house(REGISTRATIONS_PER_HOUR=1, TRUSTED_PROXIES=proxies)
    visitor = await house.visitor()
    for login, made_up in (("alice", "198.51.100.1"), ("bob", "198.51.100.2")):
        # The last hop is what the nearest proxy saw.
        hops = from_address(f"{made_up}, 203.0.113.1")
        response = await visitor.post("/signin", registration(login), headers=hops)
    assert response.status == status


def test_what_another_process_allowed_counts_even_if_it_is_one_too_many(clock: Clock) -> None:
    limits = AttemptLimits(1, Relay())
    attempt = limits.registration_attempt("203.0.113.1")
    for _ in range(2):
        limits.hear_attempt(("taken", attempt))
        clock.now += 1800
    assert limits.use_or_wait(attempt) == pytest.approx(1800)
