"""Logging in and signing out, and what is said when that can't be."""

import os
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from yarl import URL

from auth import passwords
from auth.models import DELETION, User
from settings import USER_COLLECTION
from tests.support.accounts import (
    FILL,
    JSON,
    PASSWORD_CHANGE,
    REGISTRATION,
    accounts,
    refused,
    signed_in_as,
)
from tests.support.house import House
from tests.support.people import PASSWORD, WRONG, Person, registration
from tests.support.sessions import held_by, present, stored_sessions
from tests.support.sockets import refusal_of


@pytest.mark.parametrize(
    "name",
    ["Alice", "alice", "ALICE", "Ａｌｉｃｅ", " Alice ", "Alice@example.com", "aLICE@EXAMPLE.COM"],
)
async def test_login_takes_login_or_email_in_any_case(house: House, name: str) -> None:
    await house.sign_in("Alice")
    alice = await house.visitor()
    response = await alice.log_in(name)
    assert (response.status, response.headers["Location"]) == (303, "/")
    assert await signed_in_as(alice) == "Alice"


async def test_login_refuses_the_password_of_somebody_else(house: House) -> None:
    await house.sign_in("alice")
    await (await house.visitor()).register("bob", password="the password of bob")
    person = await house.visitor()
    assert (await person.log_in("alice", "the password of bob")).status == 401
    assert await signed_in_as(person) is None


async def test_signing_out_without_a_session_redirects_to_log_in(visitor: Person) -> None:
    for response in (await visitor.post("/signout"), await visitor.get("/signout")):
        assert (response.status, response.headers["Location"]) == (303, "/login")


@pytest.mark.parametrize("path", ["/login", "/signin"])
async def test_who_is_signed_in_is_sent_on_to_the_chat(alice: Person, path: str) -> None:
    response = await alice.get(path)
    assert (response.status, response.headers["Location"]) == (303, "/")


PAGES = ["/", "/?before=3", "/message/1", "/search?q=word", "/account", "/account/messages.jsonl"]
ACTIONS = ["/people", "/person", "/account"]
WITH_TEXT = ["/", "/message/1"]  # whose text would be lost on the way over the page for log-in


@pytest.mark.parametrize(
    ("method", "path"), [*(("GET", path) for path in PAGES), *(("POST", path) for path in ACTIONS)]
)
async def test_who_is_not_signed_in_is_sent_to_log_in_or_as_a_script_told_to(
    alice: Person, visitor: Person, method: str, path: str
) -> None:
    await alice.write("hello")
    form = PASSWORD_CHANGE | {"action": "delete", "login": "alice"}
    options: dict[str, Any] = {"data": form if method == "POST" else None, "allow_redirects": False}
    response = await visitor.client.request(method, path, **options)
    log_in = URL(response.headers["Location"])
    assert (response.status, log_in.path) == (303, "/login")
    assert log_in.query.get("next", "/") == (path if method == "GET" else "/")
    answer = await visitor.client.request(method, path, **options, headers=JSON)
    assert (answer.status, await answer.json()) == (401, {"error": "Please log in first."})


@pytest.mark.parametrize("path", WITH_TEXT)
async def test_who_writes_without_being_signed_in_is_told_to_log_in_and_keeps_the_text(
    alice: Person, visitor: Person, path: str
) -> None:
    await alice.write("hello")
    options: dict[str, Any] = {"data": {"msg": "<a text>"}, "allow_redirects": False}
    response = await visitor.client.request("POST", path, **options)
    page = await response.text()
    assert (response.status, "&lt;a text&gt;</textarea>" in page) == (401, True)
    assert 'href="/login"' in page
    answer = await visitor.client.request("POST", path, **options, headers=JSON)
    assert (answer.status, await answer.json()) == (401, {"error": "Please log in first."})


async def test_who_is_not_signed_in_gets_no_socket(visitor: Person) -> None:
    assert (await visitor.get("/ws")).status == 401
    assert await refusal_of(visitor.connect()) == 401


WRONG_LOGINS = [
    {"login": "alice", "password": WRONG},
    *({"login": "alice", "password": p} for p in (PASSWORD + " ", "p" * 30_000, "\x00")),
    *({"login": login, "password": PASSWORD} for login in ("nobody", "no\x00body", "$ne",
      "nobody@example.com", '{"$gt": ""}', '"><script>')),
]  # fmt: skip
LONG = {"login": "a" * 255, "password": PASSWORD}


@pytest.mark.parametrize(
    ("form", "status", "field", "error"),
    [
        ({}, 400, "login", FILL),
        ({"login": "", "password": PASSWORD}, 400, "login", FILL),
        ({"login": "  ", "password": PASSWORD}, 400, "login", FILL),
        ({"login": "alice"}, 400, "password", FILL),
        ({"login": "alice", "password": ""}, 400, "password", FILL),
        ({"login[$ne]": "", "password[$ne]": ""}, 400, "login", FILL),
        (LONG, 400, "login", "A login or e-mail has at most 254 characters"),
        *((form, 401, "password", "Wrong login or password") for form in WRONG_LOGINS),
    ],
)
@pytest.mark.usefixtures("alice")
async def test_a_refused_login_keeps_what_was_typed_and_says_why(
    visitor: Person, form: dict[str, str], status: int, field: str, error: str
) -> None:
    page = await refused(visitor, "/login", form, status, error)
    assert (page.error_field, page.marked) == (field, [field])
    if "\x00" not in form.get("login", ""):
        assert page.value("login") == form.get("login", "")
    assert page.value("password") is None


async def test_a_password_never_comes_back_in_a_page(visitor: Person) -> None:
    for path in ("/login", "/signin"):
        response = await visitor.post(
            path, {**REGISTRATION, "login": "x", "password2": "Tr0ub4dor"}
        )
        page = await response.text()
        assert PASSWORD not in page
        assert "Tr0ub4dor" not in page


@pytest.mark.parametrize("path", ["/login", "/signin"])
@pytest.mark.parametrize(
    ("constant", "error"),
    [
        ("auth.passwords.MAX_WAITING", "Too busy, please try again"),
        (
            "storage.database.CALL_TIMEOUT",
            "The chat can't be used for the moment, please try again",
        ),
    ],
)
async def test_what_cannot_be_checked_now_is_put_off(
    visitor: Person, monkeypatch: pytest.MonkeyPatch, path: str, constant: str, error: str
) -> None:
    monkeypatch.setattr(constant, 0)
    page = await refused(visitor, path, REGISTRATION, 503, error)
    assert page.retry_after > 0
    assert page.value("login") == "bob"


@pytest.mark.parametrize("mark", [{"banned": True}, {"unfinished": DELETION}], ids=str)
async def test_a_log_in_during_a_ban_or_a_deletion_leaves_no_session(
    house: House, mark: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.sign_in("alice")
    before = await stored_sessions(house)
    check = User.check_user

    async def just_before(*what: Any) -> bool:
        is_right = await check(*what)
        await house.database[USER_COLLECTION].update_one({}, {"$set": mark})
        return is_right

    monkeypatch.setattr(User, "check_user", just_before)
    assert (await (await house.visitor()).log_in("alice")).status == 401
    assert await stored_sessions(house) == before


async def test_an_outdated_hash_is_replaced_at_the_next_login(house: House) -> None:
    await house.sign_in("alice")
    weak = Argon2id(salt=os.urandom(16), length=32, iterations=1, lanes=1, memory_cost=64)
    outdated = weak.derive_phc_encoded(PASSWORD.encode())
    await house.database[USER_COLLECTION].update_one({}, {"$set": {"password": outdated}})

    alice = await house.visitor()
    assert (await alice.log_in("alice", WRONG)).status == 401
    assert (await accounts(house))[0]["password"] == outdated
    assert (await alice.log_in("alice")).status == 303
    [user] = await accounts(house)
    assert user["password"].startswith(passwords.PARAMETERS)

    assert (await alice.log_in("alice")).status == 303
    assert (await accounts(house))[0]["password"] == user["password"]


@pytest.mark.parametrize(
    "parameters",
    ["m=2097152,t=2,p=1", "m=+2097152,t=2,p=1", "m=64,t=2147483647,p=1", "m=19456,t=2,p=255"],
)
async def test_a_hash_that_takes_too_much_is_never_checked_and_the_log_says_so(
    house: House, parameters: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await house.sign_in("alice")
    [user] = await accounts(house)
    heavy = re.sub("m=.*p=1", parameters, user["password"])
    await house.database[USER_COLLECTION].update_one({}, {"$set": {"password": heavy}})
    checked: list[str] = []

    def note(secret: bytes, phc: str) -> bool:
        checked.append(phc)
        return False

    monkeypatch.setattr(passwords, "_verify", note)
    assert (await (await house.visitor()).log_in("alice")).status == 401
    assert (await alice.post("/account", PASSWORD_CHANGE)).status == 401
    assert checked == [passwords._dummy_hash()] * 2  # so that it takes the usual time
    text = f"account {user['_id']}: its password's hash can't be used, set a new one"
    assert caplog.messages == [text] * 2


@pytest.mark.parametrize("parameters", ["m=0,t=2,p=1", "m=8,t=1,p=8", "m=64,t=0,p=1"])
async def test_a_hash_that_makes_no_sense_is_nobody_s_password(
    house: House, parameters: str
) -> None:
    await house.sign_in("alice")
    [user] = await accounts(house)
    senseless = re.sub("m=.*p=1", parameters, user["password"])
    await house.database[USER_COLLECTION].update_one({}, {"$set": {"password": senseless}})
    assert (await (await house.visitor()).log_in("alice")).status == 401


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


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/?around=900", "/?around=900"),
        ("/search?q=caf%C3%A9", "/search?q=caf%C3%A9"),
        ("/account", "/account"),
        ("", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/\t/evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\r\nSet-Cookie: a=b", "/"),
        ("/search?q=" + "%F0%9F%8F%A0" * 100, "/search?q=" + "%F0%9F%8F%A0" * 100),  # the longest
        ("/%2F/evil.example", "/%2F/evil.example"),  # a path that browsers leave as it is
        ("/.//evil.example", "/.//evil.example"),  # they take it for //evil.example of this host
        ("/x\\..\\evil.example", "/"),
        ("//evil.example/" + "x" * 3000, "/"),
        ("/" + "x" * 2001, "/"),
        ("/é", "/"),
        ("／／evil.example", "/"),
        (" //evil.example", "/"),
        ("?next=//evil.example", "/"),
    ],
)
async def test_a_log_in_leads_to_the_page_that_was_wanted_and_to_no_other_site(
    alice: Person, visitor: Person, wanted: str, reached: str
) -> None:
    form = {"login": "alice", "password": PASSWORD, "next": wanted}
    response = await visitor.post("/login", form)
    assert (response.status, response.headers["Location"]) == (303, reached)
    # So it does when another tab has logged in meanwhile.
    for path in ("/login", "/signin"):
        response = await alice.client.get(path, params={"next": wanted}, allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (303, reached)


async def test_a_new_account_leads_to_the_page_that_was_wanted_too(visitor: Person) -> None:
    page = await visitor.page("/login?next=/?around%3D900", 200)
    assert 'href="/signin?next=/?around%3D900"' in page
    page = await visitor.page("/signin?next=/?around%3D900", 200)
    assert 'name="next" value="/?around=900"' in page
    assert 'href="/login?next=/?around%3D900"' in page
    form = {**registration("carol"), "next": "/?around=900"}
    response = await visitor.post("/signin", form)
    assert (response.status, response.headers["Location"]) == (303, "/?around=900")


async def test_who_was_signed_out_elsewhere_is_told_so_at_the_log_in(
    house: House, alice: Person
) -> None:
    elsewhere = await present(house, held_by(alice))
    await alice.post("/signout")
    assert "You have been signed out" in await elsewhere.page("/login", 200)
    assert "You have been signed out" not in await alice.page("/login", 200)
