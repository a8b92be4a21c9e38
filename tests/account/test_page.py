"""The page of one's own account."""

import pytest

from tests.support.pages import FormPage, told
from tests.support.people import Person


async def test_the_name_in_the_bar_leads_to_the_account(alice: Person) -> None:
    page = await alice.page()
    assert '<a class="bar__user" href="/account" aria-label="Account of alice">alice</a>' in page
    assert "Account of alice" in await alice.page("/account")


async def test_a_form_that_cannot_be_read_is_answered_with_the_page(alice: Person) -> None:
    page = await FormPage.read(await alice.post("/account", b"old=1&old=2", headers={
        "Content-Type": "application/x-www-form-urlencoded"
    }))  # fmt: skip
    assert (page.error, page.error_field) == ("The form has a field twice", None)


@pytest.mark.parametrize("query", ["?done=password", "?done=session", "?done_at=9999999999"])
async def test_no_link_can_claim_that_something_was_done(alice: Person, query: str) -> None:
    assert told(await alice.page(f"/account{query}")) is None
