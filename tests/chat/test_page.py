"""The chat's page: posting without scripts, and its history."""

import asyncio
import re
from collections.abc import Sequence

import pytest

from chat.journal import JOURNAL
from tests.support.house import House
from tests.support.log import say
from tests.support.pages import HistoryPage
from tests.support.people import Person


async def test_a_page_without_scripts_posts_once_however_often_it_is_clicked(
    house: House, alice: Person
) -> None:
    for _ in range(2):
        response = await alice.post("/", {"msg": "double click", "nonce": "n1"})
        assert (response.status, response.headers["Location"]) == (303, "/")
    assert (await alice.page()).count("double click") == 1
    assert house.app[JOURNAL].recent.last == 1


async def test_a_script_that_posts_learns_the_number_of_its_message(alice: Person) -> None:
    for msg, seq in (("one", 1), ("two", 2), ("two", 2)):
        form = {"msg": msg, "nonce": msg}
        response = await alice.post("/", form, headers={"Accept": "application/json"})
        assert (response.status, await response.json()) == (200, {"seq": seq})


@pytest.mark.parametrize(
    ("form", "status", "text"),
    [
        ({"msg": ""}, 400, "Please write something"),
        ({}, 400, "Please write something"),
        ({"msg": "x" * 10_001}, 400, "at most 10000 characters"),
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


async def test_messages_are_shown_as_text(alice: Person) -> None:
    await alice.post("/", {"msg": "<script>alert(1)</script> & 'quotes\""})
    page = await alice.page()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#39;quotes&#34;" in page


# A query, which messages of 130 it shows, and where its links to older and newer ones lead.
HISTORY: list[tuple[str, Sequence[int], str | None, str | None]] = [
    ("", range(81, 131), "/?before=81", None),
    ("before=999", range(81, 131), "/?before=81", None),
    ("before=71", range(21, 71), "/?before=21", "/?after=70"),
    ("before=35", range(1, 35), None, "/?after=34"),
    ("before=2", [1], None, "/?after=1"),
    ("before=1", [], None, None),
    ("before=0", [], None, None),
    ("after=0", range(1, 51), None, "/?after=50"),
    ("after=10", range(11, 61), "/?before=11", "/?after=60"),
    ("after=80", range(81, 131), "/?before=81", None),
    ("after=84", range(85, 131), "/?before=85", None),
    ("around=0", range(1, 26), None, "/?after=25"),
    ("around=1", range(1, 26), None, "/?after=25"),
    ("around=60", range(35, 85), "/?before=35", "/?after=84"),
    ("around=130", range(105, 131), "/?before=105", None),
    ("around=999", range(106, 131), "/?before=106", None),
]


async def test_each_page_of_history_has_links_to_what_there_is_before_and_after_it(
    house: House, alice: Person
) -> None:
    journal = house.app[JOURNAL]
    await asyncio.gather(*(say(journal, "bob", f"message {n}") for n in range(1, 131)))
    for query, shown, older, newer in HISTORY:
        text = await alice.page(f"/?{query}")
        page = HistoryPage(text)
        assert [line.seq for line in page.lines] == list(shown), query
        assert (page.older, page.newer) == (older, newer), query
        assert 'data-last="130"' in text, query
        assert ("Back to the newest messages" in text) is bool(query), query
        is_room = not query or query.startswith("around")  # the others are only to be read
        assert ('id="composer"' in text) is is_room, query
        targets = re.findall(r'message--target" data-seq="(\d+)"', text)
        assert targets == [str(seq) for seq in shown if query == f"around={seq}"], query


async def test_a_place_at_which_there_is_no_message_says_so(house: House, alice: Person) -> None:
    await alice.write("one", "two")
    await alice.post("/message/1", {"action": "edit", "msg": "ONE"})
    for place in (0, 3, 4, 999_999_999_999_999):  # 3 is the edit
        page = await alice.page(f"/?around={place}")
        assert f"There is no message {place}." in page
        assert "ONE" in page
    for place in (1, 2):
        assert "There is no message" not in await alice.page(f"/?around={place}")


async def test_after_the_last_message_comes_the_chat_itself(house: House, alice: Person) -> None:
    await alice.write("one", "two")
    await alice.post("/message/2", {"action": "delete"})
    assert house.app[JOURNAL].recent.last == 3  # the deletion, which no page shows
    assert HistoryPage(await alice.page("/?around=1")).newer is None
    response = await alice.get("/?after=2")
    assert (response.status, response.headers["Location"]) == (303, "/")


@pytest.mark.parametrize("name", ["before", "around", "after"])
async def test_a_place_that_is_no_number_is_refused_with_a_reason(alice: Person, name: str) -> None:
    for value in ("", "x", "-1", "1.5", "9" * 16, "1&before=2&around=2&after=2"):
        page = await alice.page(f"/?{name}={value}", status=400)
        assert f"?{name}= takes one whole number." in page, value
