"""Where the page opens for somebody who has left off, and what it says is unread."""

import json
import re
from html import unescape

import pytest

from chat.journal import JOURNAL
from chat.models import PAGE_LENGTH
from chat.read_marks import READ_MARKS
from chat.recent import RECENT_LENGTH
from tests.support.accounts import user_id_of
from tests.support.house import House
from tests.support.log import change, say
from tests.support.pages import HistoryPage
from tests.support.people import Person


async def fill(house: House, *texts: str, user: str = "carol") -> None:
    """Let somebody who has no account write messages."""
    for text in texts:
        await say(house.app[JOURNAL], user, text)


async def mark(house: House, login: str) -> int:
    """Return how far somebody has read."""
    return await house.app[READ_MARKS].get(await user_id_of(house, login))


async def read_up_to(house: House, login: str, seq: int) -> None:
    """Let somebody have read up to a message."""
    house.app[READ_MARKS].move(await user_id_of(house, login), seq)


def numbers(page: str) -> list[int]:
    """Return which messages a page shows."""
    return [line.seq for line in HistoryPage(page).lines]


def attribute(page: str, name: str) -> str:
    """Return an attribute of the log, "" where it has none."""
    found = re.search(rf"""data-{name}=(["'])(.*?)\1""", page)
    return unescape(found[2]) if found else ""


def seen(page: str) -> list[str]:
    """Return what the image reports that a page without scripts has."""
    return re.findall(r'<img src="/read/(\d+)"', page)


def has_line_before(page: str) -> list[str]:
    """Return the messages that follow the line "New"."""
    return re.findall(r'class="log__new"[^>]*>New</p>\s*<article[^>]* data-seq="(\d+)"', page)


LINES = [f"line {number}" for number in range(1, 201)]


async def test_whoever_has_more_unread_than_a_page_begins_at_the_first(
    house: House, alice: Person
) -> None:
    await fill(house, *LINES)
    assert numbers(await alice.page())[-1] == 200  # nothing is unread to a new member
    for read, shown in ((20, range(1, 71)), (100, range(76, 151)), (149, range(125, 200))):
        await read_up_to(house, "alice", read)
        page = await alice.page()
        assert numbers(page) == list(shown)
        assert has_line_before(page) == [str(read + 1)]
        assert attribute(page, "unread") == str(200 - read)
        assert attribute(page, "last") == "200"
        assert 'id="composer"' in page
    await read_up_to(house, "alice", 150)
    page = await alice.page()
    assert numbers(page) == list(range(151, 201))
    assert has_line_before(page) == ["151"]


async def test_the_newest_are_one_link_away(house: House, alice: Person) -> None:
    await fill(house, *LINES)
    await read_up_to(house, "alice", 20)
    page = await alice.page()
    [address] = re.findall(r'href="([^"]*)">To the newest messages', page)
    newest = await alice.page(address)
    assert numbers(newest) == list(range(151, 201))
    assert (HistoryPage(newest).newer, has_line_before(newest)) == (None, [])
    assert attribute(newest, "unread") == "180"


async def test_own_and_deleted_messages_are_neither_counted_nor_the_first(
    house: House, alice: Person
) -> None:
    await fill(house, "known", *(f"gone {number}" for number in range(4)))
    await alice.write("mine")
    await fill(house, *LINES)
    for seq in range(2, 6):
        await change(house.app[JOURNAL], "carol", seq, "")
    await change(house.app[JOURNAL], "carol", 10, "an edit is no message")
    await read_up_to(house, "alice", 1)
    page = await alice.page()
    assert has_line_before(page) == ["7"]
    assert attribute(page, "unread") == "200"


async def test_where_only_own_and_deleted_ones_have_come_nothing_is_unread(
    house: House, alice: Person
) -> None:
    await fill(house, "known", *LINES[:60])
    for seq in range(2, 62):
        await change(house.app[JOURNAL], "carol", seq, "")
    await read_up_to(house, "alice", 1)
    page = await alice.page()
    assert (attribute(page, "unread"), has_line_before(page)) == ("0", [])
    assert numbers(page)[-1] == 61
    assert seen(page) == ["121"]


async def test_what_is_not_in_memory_is_not_counted_but_told(house: House, alice: Person) -> None:
    await fill(house, *(f"line {number}" for number in range(1, RECENT_LENGTH + 101)))
    await read_up_to(house, "alice", 30)
    page = await alice.page()
    assert numbers(page) == list(range(6, 81))
    assert has_line_before(page) == ["31"]
    assert attribute(page, "unread") == f"{RECENT_LENGTH}+"
    await read_up_to(house, "alice", 150)
    assert attribute(await alice.page(), "unread") == str(RECENT_LENGTH - 50)


async def test_a_mark_beyond_the_log_leaves_nothing_unread(house: House, alice: Person) -> None:
    await fill(house, "one")
    await read_up_to(house, "alice", 999)  # of the log before a backup was restored
    page = await alice.page()
    assert (numbers(page), attribute(page, "unread")) == ([1], "0")
    assert attribute(page, "read") == "1"  # so that the page counts what comes next


# Without scripts


async def test_without_scripts_each_page_reads_what_it_shows_if_nothing_before_it_is_unread(
    house: House, alice: Person
) -> None:
    await fill(house, *LINES)
    await read_up_to(house, "alice", 20)
    for other in ("/?around=150", "/?after=80", "/?before=200", "/?around=5", "/?before=1"):
        assert seen(await alice.page(other)) in ([], ["29"]), other
    address: str | None = "/"
    pages = 0
    while address:
        page = await alice.page(address)
        [seq] = seen(page)
        await alice.get(f"/read/{seq}")
        address = HistoryPage(page).newer
        assert await mark(house, "alice") == (numbers(page)[-1] if address else 200)
        pages += 1
    assert pages == 4
    assert numbers(await alice.page())[-1] == 200


async def test_whoever_posts_without_scripts_sees_it_and_has_read_what_the_page_showed(
    house: House, alice: Person
) -> None:
    await fill(house, *LINES)
    await read_up_to(house, "alice", 20)
    [last] = set(re.findall(r'name="last" value="(\d+)"', await alice.page()))
    response = await alice.post("/", {"msg": "an answer", "last": last})
    assert await mark(house, "alice") == int(last) == 70
    page = await alice.page(response.headers["Location"])
    assert HistoryPage(page).lines[-1].msg == "an answer"
    [last] = set(re.findall(r'name="last" value="(\d+)"', page))
    response = await alice.post("/", {"msg": "and another", "last": last})
    assert response.headers["Location"] == "/"
    assert await mark(house, "alice") == 201


async def test_an_answer_to_a_linked_message_does_not_read_what_is_between(
    house: House, alice: Person
) -> None:
    await fill(house, *LINES)
    await read_up_to(house, "alice", 20)
    [last] = set(re.findall(r'name="last" value="(\d+)"', await alice.page("/?around=150")))
    response = await alice.post("/", {"msg": "an answer", "last": last})
    assert await mark(house, "alice") == 20
    page = await alice.page(response.headers["Location"])
    assert HistoryPage(page).lines[-1].msg == "an answer"


# Mentions


@pytest.mark.parametrize(
    "text",
    [
        "@alice, look",
        "ask ＠Alice",
        "你好@alice的",
        "@bob,@carol,@alice",
        "> alice #3: so\nyes",
        "ＡＬＩＣＥ? @ＡＬＩＣＥ!",
        "@\u2068alice\u2069, look",
    ],
)
async def test_the_page_tells_of_what_may_mention_the_reader_further_down(
    house: House, alice: Person, text: str
) -> None:
    await fill(house, "known", *LINES[:100], text, "alice unnamed", "@ali", "@bob", *LINES[:20])
    await read_up_to(house, "alice", 1)
    told = json.loads(attribute(await alice.page(), "addressed"))
    assert [(each["seq"], each["user"], each["msg"]) for each in told] == [(102, "carol", text)]


async def test_a_name_is_found_in_capitals_of_which_two_small_letters_have_one(
    house: House, alice: Person
) -> None:
    sisyphus = await house.sign_in("Σίσυφος")
    await fill(house, "known", *LINES[:100], "@ΣΊΣΥΦΟΣ's turn", "@σίσυφος, look")
    await read_up_to(house, "Σίσυφος", 1)
    told = json.loads(attribute(await sisyphus.page(), "addressed"))
    assert [each["seq"] for each in told] == [102, 103]


async def test_the_page_tells_of_mentions_that_it_does_not_show_but_not_of_the_readers_own(
    house: House, alice: Person
) -> None:
    await fill(house, "known", "@alice here", *LINES[:100], *(f"@alice {n}" for n in range(30)))
    await alice.write("@alice, says alice")
    await read_up_to(house, "alice", 1)
    page = await alice.page()
    assert [each["seq"] for each in json.loads(attribute(page, "addressed"))] == list(
        range(103, 133)
    )
    assert "data-more-addressed" not in page
    newest = json.loads(attribute(await alice.page("/?newest="), "addressed"))
    assert [each["seq"] for each in newest] == [2]


@pytest.mark.parametrize(
    ("text", "told"),
    [("@alice 👍", 185), ("@alice " + "long " * 700, 5), ("@alice" + "\n<'\"&" * 1998, 1)],
    ids=["short", "long", "the longest"],
)
async def test_the_page_tells_of_no_more_mentions_than_it_can_carry(
    house: House, alice: Person, text: str, told: int
) -> None:
    await fill(house, "known", *LINES[:100], *[text] * 250)
    await read_up_to(house, "alice", 1)
    page = await alice.page()
    assert len(json.loads(attribute(page, "addressed"))) == told
    assert "data-more-addressed" in page
    assert len(page.partition("data-addressed")[2].partition("data-now")[0]) < 150_000


async def test_names_are_found_in_the_most_hostile_text_in_no_time(
    house: House, alice: Person
) -> None:
    hostile = ["@" * 2000, "@a" * 1000, "> " * 1000, "> a #" * 400, "@" + "ﷺ" * 1999]
    await fill(house, "known", *hostile, *LINES[: PAGE_LENGTH + 1])
    await read_up_to(house, "alice", 1)
    assert numbers(await alice.page())[:2] == [1, 2]
