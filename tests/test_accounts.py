"""Registering, logging in and signing out, and what is said when that can't be."""

import asyncio
import os

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

import database
import limits
from auth import passwords
from database import DB
from settings import USER_COLLECTION
from tests.support.accounts import (
    COMMON,
    EXISTS,
    FILL,
    JSON,
    REGISTRATION,
    SAME,
    accounts,
    from_address,
    signed_in_as,
)
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.pages import FormPage
from tests.support.people import PASSWORD, WRONG


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost next to nothing, for tests with hundreds of them."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "PARAMETERS", "$argon2id$v=19$m=64,t=2,p=1$")
    monkeypatch.setattr(passwords, "MAX_WAITING", 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that limits go by."""
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    return clock


async def test_who_registers_is_signed_in(house: House) -> None:
    alice = await house.visitor()
    response = await alice.register("alice")
    assert response.status == 303
    assert response.headers["Location"] == "/"
    assert await signed_in_as(alice) == "alice"


async def test_password_is_stored_as_an_argon2id_hash_only(house: House) -> None:
    await house.sign_in("alice")
    [user] = await accounts(house)
    assert user["password"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in str(user)
    assert user["created"].tzinfo is not None


@pytest.mark.parametrize(
    "name",
    ["Alice", "alice", "ALICE", "Ａｌｉｃｅ", " Alice ", "Alice@example.com", "aLICE@EXAMPLE.COM"],
)
async def test_login_takes_login_or_email_in_any_case(house: House, name: str) -> None:
    await house.sign_in("Alice")
    alice = await house.visitor()
    response = await alice.log_in(name)
    assert response.status == 303
    assert response.headers["Location"] == "/"
    assert await signed_in_as(alice) == "Alice"


async def test_login_refuses_the_password_of_somebody_else(house: House) -> None:
    await house.sign_in("alice")
    await (await house.visitor()).register("bob", password="the password of bob")
    person = await house.visitor()
    assert (await person.log_in("alice", "the password of bob")).status == 401
    assert await signed_in_as(person) is None


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_signs_out_is_nobody(house: House, method: str) -> None:
    alice = await house.sign_in("alice")
    response = await alice.client.request(method, "/signout", allow_redirects=False)
    assert response.status == 303
    assert response.headers["Location"] == "/login"
    assert await signed_in_as(alice) is None


async def test_nobody_can_sign_out_too(house: House) -> None:
    response = await (await house.visitor()).post("/signout")
    assert response.status == 303


@pytest.mark.parametrize("path", ["/login", "/signin"])
async def test_who_is_signed_in_is_sent_on_to_the_chat(house: House, path: str) -> None:
    alice = await house.sign_in("alice")
    response = await alice.get(path)
    assert response.status == 303
    assert response.headers["Location"] == "/"


@pytest.mark.parametrize(("path", "status"), [("/", 303), ("/?before=3", 303), ("/ws", 401)])
async def test_who_is_not_signed_in_sees_nothing(house: House, path: str, status: int) -> None:
    assert (await (await house.visitor()).get(path)).status == status


async def test_a_script_that_is_not_signed_in_is_told_so(house: House) -> None:
    response = await (await house.visitor()).get("/", headers=JSON)
    assert response.status == 401
    assert await response.json() == {"error": "Please log in first."}


BAD_LOGIN = "A login has 3 to 32 letters of one alphabet, digits, or _ . -"
BAD_EMAIL = "That is no e-mail address."


def both(password: str) -> dict[str, str]:
    """Return the fields of a password typed twice."""
    return {"password": password, "password2": password}


REFUSED_REGISTRATIONS: list[tuple[dict[str, str | None], int, str, str]] = [
    ({"login": None}, 400, "login", FILL),
    ({"login": ""}, 400, "login", FILL),
    ({"login": " \t"}, 400, "login", FILL),
    ({"email": None}, 400, "email", FILL),
    ({"password": None}, 400, "password", FILL),
    ({"password2": None}, 400, "password2", FILL),
    ({"password2": ""}, 400, "password2", FILL),
    ({"password2": "something else"}, 400, "password2", SAME),
    ({**both("seven77")}, 400, "password", "Password must have at least 8 characters"),
    ({**both("1" * 257)}, 400, "password", "Password must have at most 256 characters"),
    ({**both("password")}, 400, "password", COMMON),
    ({**both("PassWord")}, 400, "password", COMMON),
    ({**both("ｐａｓｓｗｏｒｄ")}, 400, "password", COMMON),
    ({**both("abababab")}, 400, "password", COMMON),
    ({**both("Bob@Example.com")}, 400, "password", COMMON),
    ({"login": "robert.1", **both("Robert.1")}, 400, "password", COMMON),
    ({"login": "ab"}, 400, "login", BAD_LOGIN),
    ({"login": "a" * 33}, 400, "login", BAD_LOGIN),
    ({"login": "a" * 20_000}, 400, "login", BAD_LOGIN),
    ({"login": "alicе"}, 400, "login", BAD_LOGIN),  # its last letter is Cyrillic
    ({"login": "Аlice"}, 400, "login", BAD_LOGIN),  # its first one is
    ({"login": "αβγδ"}, 400, "login", BAD_LOGIN),
    ({"login": "bob@example"}, 400, "login", BAD_LOGIN),
    ({"login": "bob＠example"}, 400, "login", BAD_LOGIN),
    ({"login": "bob smith"}, 400, "login", BAD_LOGIN),
    ({"login": "bob\nsmith"}, 400, "login", BAD_LOGIN),
    ({"login": "bob\x00"}, 400, "login", BAD_LOGIN),
    ({"login": "bob\u202e"}, 400, "login", BAD_LOGIN),
    ({"login": "bob\u200d"}, 400, "login", BAD_LOGIN),
    ({"login": "x) hi (admin"}, 400, "login", BAD_LOGIN),
    ({"login": "<b>bob</b>"}, 400, "login", BAD_LOGIN),
    ({"login": '"onfocus="alert(1)'}, 400, "login", BAD_LOGIN),
    ({"email": "bob"}, 400, "email", BAD_EMAIL),
    ({"email": "@"}, 400, "email", BAD_EMAIL),
    ({"email": "bob@a@b"}, 400, "email", BAD_EMAIL),
    ({"email": "b ob@example.com"}, 400, "email", BAD_EMAIL),
    ({"email": "bob\x00@example.com"}, 400, "email", BAD_EMAIL),
    ({"email": "bob\u202e@example.com"}, 400, "email", BAD_EMAIL),
    ({"email": "b" * 243 + "@example.com"}, 400, "email", BAD_EMAIL),
    ({"login": "alice"}, 409, "login", EXISTS),
    ({"login": "ALICE"}, 409, "login", EXISTS),
    ({"login": "ａｌｉｃｅ"}, 409, "login", EXISTS),
    ({"email": "alice@example.com"}, 409, "login", EXISTS),
    ({"email": "Alice@EXAMPLE.com"}, 409, "login", EXISTS),
]


@pytest.mark.parametrize(("changes", "status", "field", "error"), REFUSED_REGISTRATIONS)
async def test_a_refused_registration_keeps_what_was_typed_and_says_why(
    house: House, changes: dict[str, str | None], status: int, field: str, error: str
) -> None:
    await house.sign_in("alice")
    form = {k: v for k, v in (REGISTRATION | changes).items() if v is not None}
    visitor = await house.visitor()

    response = await visitor.post("/signin", form)
    page = await FormPage.read(response)
    assert response.status == status
    assert (page.error_field, page.error, page.marked) == (field, error, [field])
    for name in ("login", "email"):
        if "\x00" not in (typed := form.get(name, "")):  # HTML has none
            assert page.value(name) == typed
    assert page.value("password") is None
    assert page.value("password2") is None

    answer = await visitor.post("/signin", form, headers=JSON)
    assert answer.status == status
    assert await answer.json() == {"error": error}
    assert "Set-Cookie" not in response.headers
    assert len(await accounts(house)) == 1


@pytest.mark.parametrize(
    ("form", "status", "field", "error"),
    [
        ({}, 400, "login", FILL),
        ({"login": "", "password": PASSWORD}, 400, "login", FILL),
        ({"login": "  ", "password": PASSWORD}, 400, "login", FILL),
        ({"login": "alice"}, 400, "password", FILL),
        ({"login": "alice", "password": ""}, 400, "password", FILL),
        ({"login[$ne]": "", "password[$ne]": ""}, 400, "login", FILL),
        (
            {"login": "a" * 255, "password": PASSWORD},
            400,
            "login",
            "That is too long for a login or an address",
        ),
        ({"login": "alice", "password": WRONG}, 401, "password", "Wrong login or password"),
        ({"login": "alice", "password": PASSWORD + " "}, 401, "password", None),
        ({"login": "alice", "password": "p" * 30_000}, 401, "password", None),
        ({"login": "alice", "password": "\x00"}, 401, "password", None),
        ({"login": "nobody", "password": PASSWORD}, 401, "password", None),
        ({"login": "no\x00body", "password": PASSWORD}, 401, "password", None),
        ({"login": "nobody@example.com", "password": PASSWORD}, 401, "password", None),
        ({"login": "$ne", "password": PASSWORD}, 401, "password", None),
        ({"login": '{"$gt": ""}', "password": PASSWORD}, 401, "password", None),
        ({"login": '"><script>', "password": PASSWORD}, 401, "password", None),
    ],
)
async def test_a_refused_login_keeps_what_was_typed_and_says_why(
    house: House, form: dict[str, str], status: int, field: str, error: str | None
) -> None:
    await house.sign_in("alice")
    error = error or "Wrong login or password"
    visitor = await house.visitor()

    response = await visitor.post("/login", form)
    page = await FormPage.read(response)
    assert response.status == status
    assert (page.error_field, page.error, page.marked) == (field, error, [field])
    if "\x00" not in form.get("login", ""):
        assert page.value("login") == form.get("login", "")
    assert page.value("password") is None

    answer = await visitor.post("/login", form, headers=JSON)
    assert answer.status == status
    assert await answer.json() == {"error": error}
    assert "Set-Cookie" not in response.headers


async def test_a_password_never_comes_back_in_a_page(house: House) -> None:
    visitor = await house.visitor()
    for path in ("/login", "/signin"):
        response = await visitor.post(
            path, {**REGISTRATION, "login": "x", "password2": "Tr0ub4dor"}
        )
        page = await response.text()
        assert PASSWORD not in page
        assert "Tr0ub4dor" not in page


@pytest.mark.parametrize("path", ["/login", "/signin"])
async def test_too_many_passwords_at_once_are_put_off(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 0)
    visitor = await house.visitor()
    response = await visitor.post(path, REGISTRATION)
    page = await FormPage.read(response)
    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0
    assert page.error == "Too busy, please try again"
    assert page.value("login") == "bob"
    answer = await visitor.post(path, REGISTRATION, headers=JSON)
    assert (answer.status, await answer.json()) == (503, {"error": "Too busy, please try again"})


@pytest.mark.parametrize("path", ["/login", "/signin"])
async def test_a_database_that_is_away_is_said_in_the_form(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    visitor = await house.visitor()
    with monkeypatch.context() as patch:
        patch.setattr(database, "CALL_TIMEOUT", 0)
        response = await visitor.post(path, REGISTRATION)
        answer = await visitor.post(path, REGISTRATION, headers=JSON)
    page = await FormPage.read(response)
    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0
    assert page.error == "The database is away, please try again"
    assert page.value("login") == "bob"
    assert answer.status == 503
    assert await answer.json() == {"error": "The database is away, please try again"}


@pytest.mark.parametrize(
    ("login", "stored"),
    [
        ("bob", "bob"),
        ("B.o-b_1", "B.o-b_1"),
        ("123", "123"),
        ("x" * 32, "x" * 32),
        ("Zoë", "Zoë"),
        ("Zoe\u0308", "Zoë"),
        ("Straße", "Straße"),
        ("Žižek", "Žižek"),
        ("ａｌｉｃｅ", "alice"),
        ("  alice  ", "alice"),
        ("Алиса", "Алиса"),
        ("Ёж_1", "Ёж_1"),
        ("Ґанок", "Ґанок"),
        ("і" * 32, "і" * 32),
    ],
)
async def test_logins_are_latin_or_cyrillic(house: House, login: str, stored: str) -> None:
    person = await house.visitor()
    assert (await person.register(login, email="a@b")).status == 303
    assert await signed_in_as(person) == stored
    assert (await (await house.visitor()).log_in(login)).status == 303


@pytest.mark.parametrize(
    ("login", "variant"),
    [("zoë", "ZOE\u0308"), ("straße", "STRASSE"), ("алиса", "АЛИСА"), ("bob.1", "ｂｏｂ．１")],
)
async def test_variants_of_a_login_are_one_login(house: House, login: str, variant: str) -> None:
    assert (await (await house.visitor()).register(login, email="a@b")).status == 303
    assert (await (await house.visitor()).register(variant, email="c@d")).status == 409
    assert (await (await house.visitor()).log_in(variant)).status == 303


async def test_a_hundred_registrations_of_one_login_make_one_account(
    house: House, quick_hashes: None
) -> None:
    variants = ["alice", "ALICE", "Alice", "ａｌｉｃｅ", "ＡＬＩＣＥ", "aLiCe", "ａlice", "alicＥ"]
    visitor = await house.visitor()
    responses = await asyncio.gather(
        *(
            visitor.register(variants[number % len(variants)], email=f"{number}@example.com")
            for number in range(100)
        )
    )
    assert sorted(response.status for response in responses) == [303] + 99 * [409]
    [user] = await accounts(house)
    assert user["login_key"] == "alice"


async def test_many_registrations_of_one_address_make_one_account(
    house: House, quick_hashes: None
) -> None:
    visitor = await house.visitor()
    variants = ["me@example.com", "ME@example.com", "me@EXAMPLE.COM", "ｍe@example.com"]
    responses = await asyncio.gather(
        *(visitor.register(f"user{n}", email=variants[n % 4]) for n in range(40))
    )
    assert sorted(response.status for response in responses) == [303] + 39 * [409]
    assert len(await accounts(house)) == 1


@pytest.mark.parametrize(
    ("password", "typed"),
    [
        ("café au lait", "cafe\u0301 au lait"),
        (" spaces around ", " spaces around "),
        ("tab\tnul\x00newline\n", "tab\tnul\x00newline\n"),
        ("пароль из слов", "пароль из слов"),
        ("🔑🗝️🔒🔓 keys", "🔑🗝️🔒🔓 keys"),
        ("abc" + "d" * 253, "abc" + "d" * 253),
    ],
)
async def test_a_password_may_be_of_any_characters(house: House, password: str, typed: str) -> None:
    response = await (await house.visitor()).register("alice", password=password)
    assert response.status == 303
    assert (await (await house.visitor()).log_in("alice", typed)).status == 303
    assert (await (await house.visitor()).log_in("alice", typed[:-1])).status == 401


async def test_an_outdated_hash_is_replaced_at_the_next_login(house: House) -> None:
    await house.sign_in("alice")
    weak = Argon2id(salt=os.urandom(16), length=32, iterations=1, lanes=1, memory_cost=64)
    outdated = weak.derive_phc_encoded(PASSWORD.encode())
    await house.app[DB][USER_COLLECTION].update_one({}, {"$set": {"password": outdated}})

    alice = await house.visitor()
    assert (await alice.log_in("alice", WRONG)).status == 401
    assert (await accounts(house))[0]["password"] == outdated
    assert (await alice.log_in("alice")).status == 303
    [user] = await accounts(house)
    assert user["password"].startswith(passwords.PARAMETERS)

    assert (await alice.log_in("alice")).status == 303
    assert (await accounts(house))[0]["password"] == user["password"]


async def test_a_hash_of_today_stays(house: House) -> None:
    alice = await house.sign_in("alice")
    before = await accounts(house)
    assert (await alice.log_in("alice")).status == 303
    assert await accounts(house) == before


async def test_an_account_without_a_password_lets_nobody_in(house: House) -> None:
    await house.sign_in("alice")
    await house.app[DB][USER_COLLECTION].update_one({}, {"$set": {"password": None}})
    for password in (PASSWORD, "None", "null"):
        assert (await (await house.visitor()).log_in("alice", password)).status == 401


async def test_an_unknown_login_gets_the_answer_of_a_wrong_password(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.sign_in("alice")
    checked: list[str] = []
    verify = passwords._verify

    def count(secret: bytes, phc: str) -> bool:
        checked.append(phc.rpartition("$")[0].rpartition("$")[0])
        return verify(secret, phc)

    monkeypatch.setattr(passwords, "_verify", count)
    visitor = await house.visitor()
    known, unknown = await visitor.log_in("alice", WRONG), await visitor.log_in("carol", WRONG)
    assert known.status == unknown.status == 401
    assert (await known.text()).replace("alice", "carol") == await unknown.text()
    assert known.headers.keys() == unknown.headers.keys()
    # The same work for both: a quick "no" would tell which logins exist.
    assert len(checked) == 2
    assert checked[0] == checked[1]


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


async def test_an_unknown_login_is_locked_like_a_known_one(house: House, clock: Clock) -> None:
    visitor = await house.visitor()
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
