"""The chat's page: posting without scripts, and its history."""

import pytest

from chat.journal import JOURNAL
from tests.support.house import House, OpenHouse
from tests.support.people import Person


async def test_a_page_without_scripts_posts_once_however_often_it_is_clicked(
    house: House, alice: Person
) -> None:
    for _ in range(2):
        response = await alice.post("/", {"msg": "double click", "nonce": "n1"})
        assert (response.status, response.headers["Location"]) == (303, "/")
    assert (await alice.page()).count("double click") == 1
    assert house.app[JOURNAL].recent.last == 1


@pytest.mark.parametrize(
    ("form", "status", "text"),
    [
        ({"msg": ""}, 400, "Please write something"),
        ({}, 400, "Please write something"),
        ({"msg": "x" * 2001}, 400, "at most 2000 characters"),
        ({"msg": "hi", "nonce": "n" * 65}, 400, "nonce"),
    ],
)
async def test_a_posted_message_that_is_refused_comes_back(
    alice: Person, form: dict[str, str], status: int, text: str
) -> None:
    response = await alice.post("/", form)
    page = await response.text()
    assert response.status == status
    assert text in page
    assert form.get("msg", "") in page


async def test_posting_too_fast_is_a_429(open_house: OpenHouse) -> None:
    house = await open_house(MESSAGES_PER_SECOND=1)
    alice = await house.sign_in("alice")
    statuses = [(await alice.post("/", {"msg": f"{n}"})).status for n in range(5)]
    assert statuses == [303] * 4 + [429]


async def test_history_goes_back_page_by_page(alice: Person) -> None:
    await alice.talk(120)
    pages = [await (await alice.get(path)).text() for path in ("/", "/?before=71", "/?before=21")]
    assert [page.count(' data-seq="') for page in pages] == [50, 50, 20]
    assert "/?before=71" in pages[0]
    assert "/?before=21" in pages[1]
    assert "This is the beginning of the chat" in pages[2]


@pytest.mark.parametrize(
    ("query", "status"),
    [("before=1", 200), ("before=0", 200), ("before=999999", 200), ("before=x", 400),
     ("before=-5", 400), ("before=", 400), ("before=1&before=2", 400), ("before=" + "9" * 99, 400),
     ("unknown=x", 200)],
)  # fmt: skip
async def test_the_page_takes_any_query(alice: Person, query: str, status: int) -> None:
    await alice.talk(1)
    assert (await alice.get(f"/?{query}")).status == status


async def test_messages_are_shown_as_text(alice: Person) -> None:
    await alice.post("/", {"msg": "<script>alert(1)</script> & 'quotes\""})
    page = await alice.page()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#39;quotes&#34;" in page
