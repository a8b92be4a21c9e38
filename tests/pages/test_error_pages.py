"""Pages of errors: what somebody has written without scripts stands in them, to be sent again."""

from typing import Any

import pytest
from markupsafe import escape

from auth.sessions import SESSIONS
from pages import forms
from pages.forms import limit_with_message
from settings import SETTINGS
from storage.database import PREPARING, READY, DatabaseUnavailable
from tests.support.house import House
from tests.support.pages import FormPage
from tests.support.people import PASSWORD, Person
from tests.support.raw_requests import ask

TEXT = "a < b &\n  “half a sentence” 😀"
FIELDS = {"msg": TEXT, "nonce": "n1", "user": "alice"}
SHOWN = ">\na &lt; b &amp;\n  “half a sentence” 😀</textarea>"
PATHS = ("/", "/message/1")


async def fail(*_: object) -> Any:
    raise DatabaseUnavailable


async def break_down(*_: object) -> Any:
    raise RuntimeError("a fault")


async def assert_kept(person: Person, path: str, status: int) -> None:
    """Assert that a form is refused with a page that repeats it, without doing it."""
    response = await person.post(path, FIELDS | {"action": "edit"})
    page = await response.text()
    assert response.status == status, page
    assert SHOWN in page
    form = await FormPage.read(response)
    assert form.value("nonce") == "n1"


@pytest.mark.parametrize("path", PATHS)
async def test_a_text_of_somebody_who_is_signed_out_can_be_sent_after_a_log_in(
    house: House, alice: Person, path: str
) -> None:
    await alice.write("said before")
    await alice.post("/signout")
    await assert_kept(alice, path, 401)
    stranger = await house.visitor()
    await assert_kept(stranger, path, 401)
    assert (await alice.log_in("alice")).status == 303
    assert (await alice.post(path, FIELDS | {"action": "edit"})).status == 303
    assert "“half a sentence”" in await alice.page()


@pytest.mark.parametrize("path", PATHS)
async def test_a_text_survives_a_sign_out_while_its_form_arrives(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    identify, calls = house.app[SESSIONS].identify, 0

    async def only_once(session_id: str) -> Any:
        nonlocal calls
        calls += 1
        return await identify(session_id) if calls == 1 else None

    monkeypatch.setattr(house.app[SESSIONS], "identify", only_once)
    await assert_kept(alice, path, 401)


@pytest.mark.parametrize("path", PATHS)
async def test_a_text_survives_a_database_that_is_away(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(house.app[SESSIONS], "identify", fail)
    await assert_kept(alice, path, 503)
    monkeypatch.undo()
    house.app[READY].clear()
    for is_preparing in (False, True):
        if is_preparing:
            house.app[PREPARING].set()
        await assert_kept(alice, path, 503)
    house.app[PREPARING].clear()
    house.app[READY].set()


async def test_a_text_survives_a_fault_of_the_server(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.models.Message.save", break_down)
    await assert_kept(alice, "/", 500)


async def test_a_text_survives_that_its_message_does_not_exist(alice: Person) -> None:
    await assert_kept(alice, "/message/99", 404)


@pytest.mark.parametrize("path", [*PATHS, "/nowhere"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_of_another_site_is_not_repeated(
    house: House, alice: Person, path: str, headers: dict[str, str]
) -> None:
    for person in (alice, await house.visitor()):
        response = await person.post(path, FIELDS, headers=headers)
        assert response.status == 403
        assert "half a sentence" not in await response.text()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        b"msg=half%FF+a+sentence",
        b"msg=half+a%ED%A0%80+sentence",  # half a surrogate pair
        b"msg=half+a+sentence&nonce=\xe9",
        b"msg=half+a+sentence&nonce=n&nonce=n",
    ],
)
async def test_what_can_be_read_of_a_form_that_cannot_be_taken_comes_back(
    house: House, alice: Person, path: str, body: bytes
) -> None:
    await alice.write("said before")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await alice.post(path, body, headers=headers)
    assert response.status == 400
    assert ">\nhalf a sentence</textarea>" in await response.text()
    await alice.post("/signout")
    response = await alice.post(path, body, headers=headers)
    assert response.status == 401
    assert ">\nhalf a sentence</textarea>" in await response.text()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "text",
    [
        "\n\nthird line",
        "one\r\ntwo\rthree",
        "</textarea><script>alert(1)</script>",
        "&amp; {{ 7 * 7 }}",
        "שלום \u202e(",
        "a\0b",
    ],
)
async def test_a_repeated_text_is_the_one_that_was_posted_and_nothing_else(
    house: House, path: str, text: str
) -> None:
    stranger = await house.visitor()
    fields = {"msg": text, "action": 'a"b', "nonce": "<n>", "user": "'u'"}
    response = await stranger.post(path, fields)
    page = await response.text()
    assert response.headers["Cache-Control"] == "no-store"
    assert f">\n{escape(text)}</textarea>" in page  # the parser drops the first line break
    form = await FormPage.read(response)
    for name in ("action", "nonce", "user"):
        assert form.value(name) == fields[name]


@pytest.mark.parametrize("path", PATHS)
async def test_a_script_that_asks_for_json_gets_no_text_back(house: House, path: str) -> None:
    stranger = await house.visitor()
    response = await stranger.post(path, FIELDS, headers={"Accept": "application/json"})
    assert (response.status, await response.json()) == (401, {"error": "Please log in first."})


async def test_a_deletion_can_be_asked_for_again(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alice.write("a mistake")
    deletion = {"action": "delete", "nonce": "n2"}
    monkeypatch.setattr("chat.models.Message.delete", break_down)
    for status in (500, 401):
        if status == 401:
            await alice.post("/signout")
        response = await alice.post("/message/1", deletion)
        assert response.status == status
        form = await FormPage.read(response)
        assert {name: form.value(name) for name in form.inputs} == deletion
    monkeypatch.undo()
    await alice.log_in("alice")
    assert (await alice.post("/message/1", deletion)).status == 303
    assert "a mistake" not in await alice.page()
    missing = await FormPage.read(await alice.post("/message/99", deletion))
    assert missing.inputs == {}
    account = {"action": "delete", "confirm": PASSWORD}
    monkeypatch.setattr(house.app[SESSIONS], "identify", fail)
    response = await alice.post("/account", account)
    assert response.status == 503
    assert (await FormPage.read(response)).inputs == {}


STRANGERS_FORMS: dict[str, dict[str, str]] = {
    "/login": {"login": "Zoë <b>", "next": "/?around=7"},
    "/signin": {"login": "Zoë", "email": "zoë@exämple.org", "invitation": "abc", "next": "/search"},
    "/password": {"login": "Zoë", "link": "abc"},
}


@pytest.mark.parametrize("path", STRANGERS_FORMS)
async def test_what_a_stranger_has_typed_is_repeated_but_no_password(
    house: House, visitor: Person, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def assert_repeated(status: int, error: str, password: str = PASSWORD) -> None:
        secrets = {"password": password, "password2": "another one"}
        response = await visitor.post(path, STRANGERS_FORMS[path] | secrets)
        page = await response.text()
        assert response.status == status, page
        assert password not in page
        assert "another one" not in page
        form = await FormPage.read(response)
        assert form.error == error
        kept = {name: form.value(name) for name in form.inputs if name not in secrets}
        assert kept == STRANGERS_FORMS[path]
        assert {"password"} <= form.inputs.keys()

    if path != "/password":  # which asks for a link that can be used
        await assert_repeated(413, "That is too much to send at once", "x" * forms.BODY_LIMIT)
    house.app[READY].clear()
    await assert_repeated(503, "The chat can't be used for the moment. Please try again soon.")
    house.app[PREPARING].set()
    await assert_repeated(503, "The chat is being prepared, which may take some minutes.")
    house.app[PREPARING].clear()
    house.app[READY].set()
    for view in ("Login", "SignIn", "SetPassword"):
        monkeypatch.setattr(f"auth.views.{view}.act", break_down)
    await assert_repeated(500, "Something went wrong. The error was logged; please try again.")
    form = STRANGERS_FORMS[path]
    elsewhere = await visitor.post(path, form, headers={"Origin": "https://elsewhere.example"})
    assert elsewhere.status == 403
    assert "Zoë" not in await elsewhere.text()


@pytest.mark.parametrize("path", PATHS)
async def test_what_has_arrived_of_a_form_that_stalls_or_is_too_large_comes_back(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    limit = limit_with_message(house.app[SETTINGS])
    response = await alice.post(path, FIELDS | {"msg": "😀" * (limit // 10)})
    page = await response.text()
    assert response.status == 413
    assert page.count("😀") == (limit - len("msg=")) // len("%F0%9F%98%80")
    monkeypatch.setattr(forms, "READ_TIMEOUT", 0.05)
    cookie = "; ".join(f"{it.key}={it.value}" for it in alice.client.session.cookie_jar)
    for body in (b"nonce=n1&msg=half+a+sentence", b"nonce=n1&msg=half+a+sentence%F0%9F%98%8"):
        answer = await ask(
            house,
            f"Cookie: {cookie}",
            "Content-Type: application/x-www-form-urlencoded",
            "Content-Length: 1000",
            method="POST",
            path=path,
            body=body,
        )
        assert answer.status == 408
        assert ">\nhalf a sentence</textarea>" in answer.body.decode()
