"""What pages call the room and the people, whatever they are called, and what errors say."""

import html
import json
import re

import pytest

from auth.links import Links
from settings import LINK_COLLECTION
from storage.database import DATABASE
from tests.support.house import OpenHouse
from tests.support.people import Person, registration

NAMES = ["The attic", '<b>"R&D"</b> {{ 7 * 7 }}', "غرفة الفريق", "部屋 ' \\ </title>"]


def text_of(page: str) -> str:
    """Return what a page's main part says."""
    [main] = re.findall(r"<main.*?</main>", page, re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", main)).split())


@pytest.mark.parametrize("name", NAMES)
async def test_pages_for_strangers_say_which_room_and_who_invites(
    open_house: OpenHouse, name: str
) -> None:
    house = await open_house(ROOM_NAME=name, REGISTRATION="invite", MODERATORS=())
    visitor = await house.visitor()
    assert f"In {name}" in text_of(await visitor.page("/signin"))
    assert f"Log in to {name}" in text_of(await visitor.page("/login"))
    alice = await house.visitor()
    await alice.register("alice")
    assert f"In {name}" in text_of(await visitor.page("/signin", 403))
    assert f"In {name}" in text_of(await visitor.page("/password?link=none", 403))
    links = Links(house.app[DATABASE])

    path = await links.create_invitation(None, days=1, uses=1)  # by the operator's command
    page = await visitor.page(path)
    assert f"You are invited to {name}." in text_of(page)
    [title] = re.findall(r"<title>(.*)</title>", page)
    assert html.unescape(title) == f"Create account · {name}"
    assert "<" not in title

    form = {"action": "invite", "uses": "1", "days": "1"}
    answer = await (await alice.post("/people", form)).text()
    [path] = re.findall(r"/signin\?invitation=[\w-]+", answer)
    assert f"alice invites you to {name}." in text_of(await visitor.page(path))
    bad = registration("bob", invitation=path.partition("=")[2], password2="another")
    answer = await (await visitor.post("/signin", bad)).text()
    assert f"alice invites you to {name}." in text_of(answer)

    # A database that the tutorial wrote may hold any login.
    by = {"$set": {"by": NAMES[1]}}
    await house.app[DATABASE][LINK_COLLECTION].update_one({"by": "alice"}, by)
    page = await visitor.page(path)
    assert f"{NAMES[1]} invites you to {name}." in text_of(page)
    assert "<b>&#34;R&amp;D&#34;</b>" not in page

    form = {"action": "password", "login": "bob"}
    assert (await visitor.register("bob", invitation=path.partition("=")[2])).status == 303
    answer = await (await alice.post("/person", form)).text()
    [path] = re.findall(r"/password\?link=[\w-]+", answer)
    page = await (await house.visitor()).page(path)
    assert f"For the account of bob in {name}." in text_of(page)


async def test_the_first_of_the_room_is_told_so_also_after_a_mistake(open_house: OpenHouse) -> None:
    house = await open_house(MODERATORS=())
    visitor = await house.visitor()
    answer = await visitor.post("/signin", registration("alice", password2="another"))
    assert "you will be the room's moderator" in text_of(await answer.text())


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("name", NAMES)
async def test_the_manifest_has_the_room_s_name(
    open_house: OpenHouse, name: str, debug: bool
) -> None:
    house = await open_house(ROOM_NAME=name, DEBUG=debug)
    visitor = await house.visitor()
    [address] = re.findall(r'rel="manifest" href="([^"]+)"', await visitor.page("/login"))
    manifest = json.loads(await visitor.page(address))
    assert (manifest["name"], manifest["short_name"]) == (name, name)
    assert manifest["start_url"] == "/"


@pytest.mark.parametrize(
    ("method", "path", "heading"),
    [
        ("GET", "/nothing-here", "Not found"),
        ("GET", "/static/nothing.js", "Not found"),
        ("PUT", "/login", "That did not work"),
        ("GET", "/message/99", "Not found"),
    ],
)
async def test_an_error_page_is_headed_by_words_rather_than_a_number(
    alice: Person, method: str, path: str, heading: str
) -> None:
    page = await (await alice.client.request(method, path)).text()
    assert f"<title>{heading} · Chat</title>" in page
    assert not re.search(r"\b[45]\d\d\b", text_of(page))
