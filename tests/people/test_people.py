"""The page of the people: who belongs here, who is here, and when others were seen."""

import re
import time

import pytest

from auth.models import DAY
from settings import USER_COLLECTION
from tests.support.accounts import delete_account
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.stored_files import add_for


async def shown(person: Person, path: str = "/people") -> dict[str, str]:
    """Return what the page says of each login."""
    rows = re.findall(r'<li class="row">.*?</li>', await person.page(path), re.DOTALL)
    texts = [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in rows]
    return {text.partition(" ")[0]: text.partition(" ")[2] for text in texts}


def today() -> str:
    """Return today as the page writes it."""
    return time.strftime("%-d %b %Y", time.gmtime())


async def test_everybody_sees_who_belongs_here_and_who_is_here(
    house: House, alice: Person, bob: Person
) -> None:
    carol = await house.sign_in("Carol")
    await delete_account(carol)
    await bob.connect()
    assert await shown(alice) == {"alice": f"you last seen {today()}", "bob": "here now"}


async def test_when_somebody_was_seen_is_told_by_the_day(
    house: House, alice: Person, bob: Person, clock: Clock
) -> None:
    users = house.database[USER_COLLECTION]
    await users.update_one({"login": "bob"}, {"$set": {"seen": 1_700_000_000}})
    await users.update_one({"login": "alice"}, {"$unset": {"seen": ""}})
    assert (await shown(alice))["bob"] == "last seen 14 Nov 2023"
    clock.now += 6
    assert (await shown(bob))["bob"] == f"you last seen {today()}"
    stored = (await users.find_one({"login": "bob"}) or {})["seen"]
    assert time.time() - DAY < stored <= time.time()
    assert (await shown(alice))["alice"].startswith("you last seen")


async def test_only_moderators_see_the_banned_and_what_they_can_do(open_house: OpenHouse) -> None:
    house = await open_house(MODERATORS=("alice",))
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    await house.sign_in("carol")
    await alice.post("/person", {"login": "carol", "action": "ban"})
    assert (await shown(alice))["carol"] == f"banned last seen {today()} Manage"
    assert (await shown(alice))["alice"] == f"you, moderator last seen {today()}"
    assert list(await shown(bob)) == ["alice", "bob"]
    assert "Manage" not in await bob.page("/people")
    assert "@example.com" not in await alice.page("/people")


async def test_moderators_see_what_everybody_s_files_take(open_house: OpenHouse) -> None:
    house = await open_house(MODERATORS=("alice",))
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    assert "All people together have sent" not in await alice.page("/people")
    for login, size in (("alice", 2000), ("bob", 300_000), ("bob", 1_000_000)):
        await add_for(house, login, bytes(size))
    assert await shown(alice) == {
        "alice": f"you, moderator last seen {today()} 1 file, 2.0 kB",
        "bob": f"last seen {today()} 2 files, 1.3 MB Manage",
    }
    page = " ".join((await alice.page("/people")).split())
    assert "All people together have sent 3 files, 1.3 MB of 20 GB." in page
    assert not re.search("file|MB", "".join((await shown(bob)).values()))
    assert "All people together have sent" not in await bob.page("/people")


async def test_many_people_are_on_several_pages(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("people.views.PAGE_LENGTH", 2)
    for login in ("eve", "bob", "Дима", "carol"):
        await house.sign_in(login)
    path, seen = "/people", []
    while True:
        seen += list(await shown(alice, path))
        link = re.search(r'id="more" href="([^"]+)"', await alice.page(path))
        if not link:
            break
        path = link[1]
    assert seen == ["alice", "bob", "carol", "eve", "Дима"]


@pytest.mark.parametrize("after", ["", "zzz", "%00", '{"$gt":1}', "x" * 5000])
async def test_any_value_of_after_is_answered_with_a_page(alice: Person, after: str) -> None:
    assert (await alice.get(f"/people?after={after}")).status == 200
