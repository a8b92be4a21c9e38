"""Accounts: forms and sentences about them, and who is signed in."""

import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from chat.departures import DEPARTURES
from settings import USER_COLLECTION
from tests.support.house import House
from tests.support.pages import FormPage
from tests.support.people import NEW_PASSWORD, PASSWORD, Person, registration
from tests.support.site import ChatSite

JSON = {"Accept": "application/json"}
REGISTRATION = registration("bob")
FILL, SAME, EXISTS = "Please fill all fields", "Passwords must be the same", "User exists"
PASSWORD_CHANGE = {
    "action": "change_password",
    "old": PASSWORD,
    "password": NEW_PASSWORD,
    "password2": NEW_PASSWORD,
}
COMMON = "This password is too common, please choose another"


@asynccontextmanager
async def signed_in(
    door: str, login: str, path: str = "/signin", tls: ssl.SSLContext | bool = True
) -> AsyncIterator[aiohttp.ClientSession]:
    """Register an account, or at `/login` log in to it, and yield its browser."""
    jar, connector = aiohttp.CookieJar(unsafe=True), aiohttp.TCPConnector(limit=0, ssl=tls)
    async with aiohttp.ClientSession(door, cookie_jar=jar, connector=connector) as session:
        form = registration(login)
        async with session.post(path, data=form, allow_redirects=False) as response:
            assert response.status == 303, await response.text()
        yield session


async def log_in(house: House, login: str, **options: Any) -> Person:
    """Return somebody signed in to an account that is there, in a browser of its own."""
    person = await house.visitor(**options)
    assert (await person.log_in(login)).status == 303
    return person


async def user_id_of(house: House, login: str) -> str:
    """Return the id of an account."""
    user = await house.database[USER_COLLECTION].find_one({"login": login})
    assert user is not None
    return str(user["_id"])


async def delete_account(person: Person, password: str = PASSWORD) -> aiohttp.ClientResponse:
    """Delete a person's account by the form on its page."""
    return await person.post("/account", {"action": "delete", "confirm": password})


async def finish_departures(house: House | ChatSite) -> None:
    """Finish deletions and removals, as a process does when no other one has an old identity."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chat.departures.SETTLED_AFTER", 0)
        await house.app[DEPARTURES].finish()


def from_address(address: str) -> dict[str, str]:
    """Return the header with which a proxy tells whom it speaks for."""
    return {"X-Forwarded-For": address}


async def accounts(house: House) -> list[dict[str, Any]]:
    """Return every account there is."""
    found: list[dict[str, Any]] = await house.database[USER_COLLECTION].find({}).to_list(None)
    return found


async def signed_in_as(person: Person) -> str | None:
    """Return the login that the chat's page greets, None if it sends the person to log in."""
    response = await person.get("/")
    if response.status == 303:
        assert response.headers["Location"] == "/login"
        return None
    greeting = re.search(r'aria-label="Menu of (.*?)"', await response.text())
    assert greeting is not None
    return greeting[1]


async def downloaded(person: Person) -> list[dict[str, Any]]:
    """Return what a person downloads."""
    response = await person.get("/account/messages.jsonl")
    assert response.status == 200
    assert response.headers["Content-Disposition"] == 'attachment; filename="messages.jsonl"'
    text = await response.text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


async def refused(person: Person, path: str, form: Any, status: int, error: str) -> FormPage:
    """Post a form that is refused, as a page and as a script do, and return the page."""
    response = await person.post(path, form)
    page = await FormPage.read(response)
    assert (response.status, page.error) == (status, error)
    assert "Set-Cookie" not in response.headers
    answer = await person.post(path, form, headers=JSON)
    assert (answer.status, await answer.json()) == (status, {"error": error})
    return page
