"""The page of one's own account."""

import re

import pytest

from settings import Size
from tests.support.house import House, OpenHouse
from tests.support.pages import told
from tests.support.people import Person
from tests.support.stored_files import add_for


async def test_the_menu_leads_to_the_account(alice: Person) -> None:
    menu = (await alice.page()).partition('id="menu"')[2].partition("</header>")[0]
    assert re.search('href="/account">.*?<strong>alice</strong>.*?>Account</span>', menu, re.DOTALL)
    assert "Account of alice" in await alice.page("/account")


@pytest.mark.parametrize("query", ["?done=password", "?done=session", "?done_at=9999999999"])
async def test_no_link_can_claim_that_something_was_done(alice: Person, query: str) -> None:
    assert told(await alice.page(f"/account{query}")) is None


async def test_the_page_tells_what_one_s_own_files_take(
    house: House, alice: Person, bob: Person
) -> None:
    await add_for(house, "bob", bytes(500_000))
    assert 'id="files"' not in await alice.page("/account")
    await add_for(house, "alice", bytes(1_200_000))
    assert "You have sent 1 file, 1.2 MB of 1 GB." in words(await alice.page("/account"))
    await add_for(house, "alice", bytes(12_000))
    assert "You have sent 2 files, 1.2 MB of 1 GB." in words(await alice.page("/account"))


async def test_without_a_limit_none_is_told(open_house: OpenHouse) -> None:
    house = await open_house(FILES_PER_USER=Size(0))
    alice = await house.sign_in("alice")
    await add_for(house, "alice", bytes(12_000))
    assert "You have sent 1 file, 12 kB." in words(await alice.page("/account"))


def words(page: str) -> str:
    """Return a page with one space between words."""
    return " ".join(page.split())
