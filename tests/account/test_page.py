"""The page of one's own account."""

import pytest

from tests.support.accounts import JSON, PASSWORD_CHANGE
from tests.support.pages import FormPage, told
from tests.support.people import Person


@pytest.mark.parametrize("path", ["/account", "/account/messages.jsonl"])
async def test_an_account_is_for_who_is_signed_in(visitor: Person, path: str) -> None:
    assert (await visitor.get(path)).headers["Location"] == "/login"
    assert (await visitor.get(path, headers=JSON)).status == 401


@pytest.mark.parametrize("path", ["password", "session", "signout", "delete"])
async def test_nobody_changes_an_account(visitor: Person, path: str) -> None:
    assert (await visitor.post(f"/account/{path}", PASSWORD_CHANGE)).headers["Location"] == "/login"


async def test_the_name_in_the_bar_leads_to_the_account(alice: Person) -> None:
    page = await alice.page()
    assert '<a class="bar__user" href="/account" aria-label="Account of alice">alice</a>' in page
    assert "Account of alice" in await alice.page("/account")


async def test_a_form_that_cannot_be_read_is_answered_with_the_page(alice: Person) -> None:
    page = await FormPage.read(await alice.post("/account/password", b"old=1&old=2", headers={
        "Content-Type": "application/x-www-form-urlencoded"
    }))  # fmt: skip
    assert (page.error, page.error_field) == ("The form has a field twice", None)


@pytest.mark.parametrize("query", ["?done=password", "?done=session", "?done_at=9999999999"])
async def test_no_link_can_claim_that_something_was_done(alice: Person, query: str) -> None:
    assert told(await alice.page(f"/account{query}")) is None
