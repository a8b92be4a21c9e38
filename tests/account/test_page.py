"""The page of one's own account."""

import re

import pytest

from tests.support.pages import told
from tests.support.people import Person


async def test_the_menu_leads_to_the_account(alice: Person) -> None:
    menu = (await alice.page()).partition('id="menu"')[2].partition("</header>")[0]
    assert re.search('href="/account">.*?<strong>alice</strong>.*?>Account</span>', menu, re.DOTALL)
    assert "Account of alice" in await alice.page("/account")


@pytest.mark.parametrize("query", ["?done=password", "?done=session", "?done_at=9999999999"])
async def test_no_link_can_claim_that_something_was_done(alice: Person, query: str) -> None:
    assert told(await alice.page(f"/account{query}")) is None
