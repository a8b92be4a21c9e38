"""Pages of errors: what somebody has written without scripts stands in them, to be sent again."""

from typing import Any

import pytest

from auth.sessions import SESSIONS
from pages import forms
from pages.forms import limit_with_message
from settings import SETTINGS
from storage.database import PREPARING, READY, DatabaseUnavailable
from tests.support.house import House
from tests.support.pages import FormPage
from tests.support.people import Person
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


async def test_a_form_of_another_site_is_not_repeated(alice: Person) -> None:
    response = await alice.post("/", FIELDS, headers={"Origin": "https://elsewhere.example"})
    assert response.status == 403
    assert "half a sentence" not in await response.text()


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
