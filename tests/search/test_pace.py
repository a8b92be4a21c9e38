"""In how many steps a search reads a database, and what the page says of them."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chat.entry import now
from search.finder import ELSEWHERE, EMBEDDED, FINDER, NEWEST, PAGE_LENGTH, Finder, Pace, in_pieces
from settings import MESSAGE_COLLECTION
from storage.database import Collection, Document, MotorDatabase, deadline
from tests.support.house import House, OpenHouse
from tests.support.imitation import Imitation
from tests.support.pages import Finds
from tests.support.people import Person
from tests.support.waiting import PATIENCE

LENGTH = 3000  # messages
MOST_ROUNDS = 8
NEEDLES = (500, 50, 5)


def text_of(seq: int) -> str:
    """Return the text of a message."""
    return " ".join(["always 3", ("even", "odd")[seq % 2], *["needle 3€"] * (seq in NEEDLES)])


class Reads:
    """What the searches of a chat read."""

    def __init__(self, messages: Collection) -> None:
        """Set up; `messages` is the finder's collection."""
        self._messages = messages
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.limits: list[int] = []  # of each query
        self.searches: list[str] = []  # what the text index was asked for
        self.scanned = 0  # messages that came before the index was asked, but for samples
        self.rounds = 0  # answers that were waited for, one after another
        self.under_way = self.most_under_way = 0

    async def find(self, where: Document, *, limit: int, **options: Any) -> list[Document]:
        """Ask the collection."""
        self.rounds += not self.under_way
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        self.limits.append(limit)
        try:
            found = await self._messages.find(where, limit=limit, **options)
        finally:
            self.under_way -= 1
        if "$text" in where:
            self.searches.append(where["$text"]["$search"])
        elif limit not in ELSEWHERE.sample:
            self.scanned += len(found)
        return found


OpenLibrary = Callable[[Pace], Any]


@pytest.fixture
def open_library(
    open_house: OpenHouse,
    db: MotorDatabase,
    imitation: Imitation,
    monkeypatch: pytest.MonkeyPatch,
) -> OpenLibrary:
    """Start a chat with a long log on the imitation; return it, Alice, and what searches read."""

    async def start(pace: Pace) -> tuple[House, Person, Reads]:
        monkeypatch.setattr("app.ELSEWHERE", pace)
        monkeypatch.setattr("search.finder.SEARCHES", (0, 10))
        monkeypatch.setattr("search.finder.RARE", LENGTH // 10)
        monkeypatch.setattr("storage.database.CALL_TIMEOUT", PATIENCE)  # steps count here, not time
        for start in range(1, LENGTH + 1, 1000):
            await db[MESSAGE_COLLECTION].insert_many(
                {"seq": seq, "message_seq": seq, "key": f"x:{seq}", "user": "x", "user_id": "x",
                 "time": now(), "msg": text_of(seq)}
                for seq in range(start, start + 1000)
            )  # fmt: skip
        house = await open_house(MONGO_HOST=imitation.address)
        alice = await house.sign_in("alice")
        reads = Reads(house.app[FINDER]._messages)
        monkeypatch.setattr(house.app[FINDER], "_messages", reads)
        return house, alice, reads

    return start


def said(page: str) -> str:
    """Return what the page says of where beginnings of words were looked for."""
    [text] = re.findall(r"beginnings of words(.*?)\.", page)
    return str(text).strip()


@pytest.mark.parametrize("delay", [0, 0.08, 0.18])
async def test_a_search_in_a_database_elsewhere_waits_for_eight_answers_at_most(
    open_library: OpenLibrary, imitation: Imitation, delay: float
) -> None:
    """And ends with an answer, which says how many messages were read."""
    _, alice, reads = await open_library(ELSEWHERE)
    imitation.delay = delay
    for path, found in [
        ("/search?q=always", PAGE_LENGTH), ("/search?q=needle", 3), ("/search?q=never", 0),
        ("/search?q=even+odd", 0), ("/search?q=even+always", PAGE_LENGTH),
        ("/search?q=needle&before=50", 1), ("/search?q=needle&before=2500", 3),
    ]:  # fmt: skip
        reads.clear()
        page = await alice.page(path)
        assert len(Finds(page).links) == found, path
        assert reads.rounds <= MOST_ROUNDS, path
        assert reads.most_under_way <= ELSEWHERE.at_once
        kind = "next" if "before" in path else "newest"
        expected = f"in the {kind} {reads.scanned:,} messages" if reads.searches else ""
        assert said(page) == expected, path
    assert imitation.count("getMore") == 0


async def test_the_page_says_beforehand_what_a_search_reads(alice: Person) -> None:
    assert said(await alice.page("/search")) == f"in about the newest {NEWEST:,} messages"


async def test_the_embedded_database_is_read_in_short_steps_one_after_another(
    open_library: OpenLibrary, open_house: OpenHouse, folder: Path
) -> None:
    """Because a step holds up everybody."""
    _, alice, reads = await open_library(EMBEDDED)
    for query in ("always", "needle", "never", "even+odd"):
        await alice.page(f"/search?q={query}")
    assert set(reads.limits) == {50}
    assert reads.most_under_way == 1
    embedded = await open_house(MONGO_HOST="", MONGO_DB_NAME="", DATA_DIR=folder)
    assert embedded.app[FINDER]._pace is EMBEDDED


async def test_samples_that_came_before_a_search_was_given_up_are_kept(
    open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, alice, reads = await open_library(ELSEWHERE)
    finder, given_up = house.app[FINDER], asyncio.timeout(None)
    take = Finder._sample

    @asynccontextmanager
    async def until_given_up() -> AsyncIterator[None]:
        async with deadline(), given_up:
            yield

    async def sample(part: int) -> None:
        if part >= ELSEWHERE.at_once:
            given_up.reschedule(asyncio.get_running_loop().time())
            await asyncio.Event().wait()
        await take(finder, part)

    with monkeypatch.context() as patch:
        patch.setattr(finder, "_sample", sample)
        patch.setattr("search.finder.deadline", until_given_up)
        assert (await alice.get("/search?q=needle")).status == 503
    reads.clear()
    assert len(Finds(await alice.page("/search?q=needle")).links) == 3
    assert reads.limits.count(ELSEWHERE.sample[0]) == len(ELSEWHERE.sample) - ELSEWHERE.at_once


@pytest.mark.parametrize(
    ("pace", "searches"), [(EMBEDDED, []), (ELSEWHERE, ['"3€"'])], ids=["embedded", "elsewhere"]
)
async def test_the_text_index_is_asked_for_what_is_rare_in_it(
    open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch, pace: Pace, searches: list[str]
) -> None:
    """MongoDB's has `3€`; the embedded database's has 3, which is in every message."""
    monkeypatch.setattr("search.finder.SEARCH_FOR", PATIENCE)
    _, alice, reads = await open_library(pace)
    page = Finds(await alice.page("/search?q=3€"))
    assert page.links == [f"/?around={seq}#m{seq}" for seq in NEEDLES]
    assert list(dict.fromkeys(reads.searches)) == searches


async def test_fewer_messages_are_read_at_once_if_they_are_long(
    open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand of 10,000 characters would take a process 40 MB, and the database its time."""
    monkeypatch.setattr("search.finder.QUERY_TEXT", 200 * len(text_of(1)))
    _, alice, reads = await open_library(ELSEWHERE)
    page = await alice.page("/search?q=needle")
    assert len(Finds(page).links) == len(NEEDLES)
    assert 100 < max(reads.limits) <= 205  # "even" has a letter more than "odd"
    assert said(page) == f"in the newest {reads.scanned} messages"


async def test_searches_in_a_database_elsewhere_do_not_wait_for_one_another(
    open_library: OpenLibrary,
) -> None:
    house, alice, _ = await open_library(ELSEWHERE)
    finder = house.app[FINDER]
    async with finder._turn:
        assert len(Finds(await alice.page("/search?q=needle")).links) == 3


async def test_others_go_on_after_a_few_messages_and_fewer_if_they_are_long() -> None:
    async def pieces(*lengths: int) -> list[int]:
        documents = [{"msg": "x" * length} for length in lengths]
        return [len(piece) async for piece in in_pieces(documents)]

    assert await pieces() == []
    assert await pieces(*[10] * 45) == [20, 20, 5]
    assert await pieces(*[10_000] * 9) == [4, 4, 1]
    assert await pieces(50_000, 10, 40_000, 20_000, 20_000, 1) == [1, 1, 1, 2, 1]
    assert await anext(in_pieces([{"seq": 1}]))  # one of the tutorial's without a text
