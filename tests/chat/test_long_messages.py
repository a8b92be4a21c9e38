"""Long messages: what each limit that depends on MESSAGE_LENGTH lets in, and what memory holds."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from chat import wire
from chat.entry import EDITED, ChangeEntry, Entry, MessageEntry
from chat.journal import ENTRIES_PER_INSERT, JOURNAL, TEXT_PER_INSERT, Draft, in_batches
from chat.read_marks import READ_MARKS
from chat.recent import Recent
from chat.sized_cache import OVERHEAD, SizedCache
from pages.forms import BODY_LIMIT
from settings import MESSAGE_COLLECTION
from storage.database import Collection, DatabaseUnavailable, Document
from tests.support.accounts import user_id_of
from tests.support.house import OpenHouse
from tests.support.log import say
from tests.support.pages import HistoryPage
from tests.support.people import Person
from tests.support.sockets import Socket
from tests.support.waiting import until

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
WIDE = "👍"  # four bytes in UTF-8, twelve in a form, and in JSON as ASCII


@pytest.mark.parametrize(
    "msg",
    [
        "😀" * 3000,
        WIDE * 10_000,
        "e\u0301" * 5000,
        "\r\n".join("x" * 5000),
        '"\\' * 5000,
        "한" * 10_000,
    ],
    ids=["3,000 emoji", "10,000 emoji", "marks", "line breaks", "escapes", "Korean"],
)
async def test_a_form_and_a_frame_have_room_for_the_longest_message(
    alice: Person, hers: Socket, msg: str
) -> None:
    response = await alice.post("/", {"msg": msg, "nonce": "n1"})
    assert response.status == 303
    stored = msg.replace("\r\n", "\n")
    assert (await hers.next("message"))["msg"] == stored
    await hers.say(msg, nonce="n2")  # json.dumps() writes ASCII
    assert (await hers.next("message"))["msg"] == stored
    response = await alice.post("/message/1", {"action": "edit", "msg": msg[:-1] + "!"})
    assert response.status == 303
    assert (await hers.next("change"))["msg"] == stored[:-1] + "!"


@pytest.mark.parametrize("path", ["/", "/message/1"])
async def test_one_character_too_many_comes_back_whole_with_what_is_wrong(
    alice: Person, path: str
) -> None:
    await alice.write("as it was")
    msg = WIDE * 10_001
    response = await alice.post(path, {"msg": msg, "action": "edit"})
    page = await response.text()
    assert response.status == 400
    assert "A message has at most 10000 characters" in page
    assert f">\n{msg}</textarea>" in page


async def test_the_length_is_a_setting(open_house: OpenHouse) -> None:
    house = await open_house(MESSAGE_LENGTH=100)
    alice = await house.sign_in("alice")
    assert 'data-max-length="100"' in await alice.page()
    assert (await alice.post("/", {"msg": "é" * 100})).status == 303
    response = await alice.post("/", {"msg": "é" * 101})
    assert "A message has at most 100 characters" in await response.text()
    socket = await alice.connect()
    await socket.say("é" * 101)
    assert (await socket.next("error"))["code"] == "too_long"


@pytest.mark.parametrize("path", ["/login", "/account", "/people", "/read/1"])
async def test_forms_without_a_message_stay_small(alice: Person, path: str) -> None:
    response = await alice.post(path, {"msg": "x" * BODY_LIMIT})
    assert response.status in (413, 204)  # the mark reads no body


async def test_an_earlier_message_is_shown_whole_where_the_limit_is_lower_now(
    open_house: OpenHouse,
) -> None:
    house = await open_house()
    await (await house.sign_in("alice")).write("y" * 10_000)
    await house.server.close()
    bob = await (await open_house(MESSAGE_LENGTH=100)).sign_in("bob")
    assert "y" * 10_000 in await bob.page()


async def test_twenty_of_the_longest_at_once_cut_off_nobody_who_stalls_for_a_moment(
    open_house: OpenHouse,
) -> None:
    house = await open_house(MESSAGES_PER_SECOND=5)
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    hers, his = await alice.connect(), await bob.connect()
    connection: Any = his.ws._response.connection
    connection.transport.pause_reading()
    for number in range(20):
        await hers.say(WIDE * 9_998 + f"{number:02}", nonce=f"{number}")
        await hers.next("message")
    connection.transport.resume_reading()
    said = [(await his.next("message"))["msg"][-2:] for _ in range(20)]
    assert said == [f"{number:02}" for number in range(20)]


async def test_a_replay_of_long_messages_is_cut_short_and_not_made_in_full(
    alice: Person, hers: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        await hers.say(WIDE * 9_998 + f"{number:02}")  # 40 kB
        await hers.next("message")
    made: list[Entry] = []
    entry_frames = wire.entry_frames

    def make(entry: Entry) -> wire.Frames:
        made.append(entry)
        return entry_frames(entry)

    monkeypatch.setattr(wire, "entry_frames", make)
    assert (await (await alice.connect(since=0)).next("hello"))["truncated"] is True
    assert len(made) == 5  # more than 192 KiB
    resumed = await alice.connect(since=9)
    assert (await resumed.next("hello"))["truncated"] is False
    assert [(await resumed.next("message"))["seq"] for _ in range(3)] == [10, 11, 12]


async def test_a_page_of_long_messages_is_complete_though_memory_has_not_all(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_TEXT", 50_000)
    house = await open_house()
    alice = await house.sign_in("alice")
    socket = await alice.connect()
    for number in range(12):
        await socket.said("z" * 9_998 + f"{number:02}")
    lines = HistoryPage(await alice.page()).lines
    assert [line.msg[-2:] for line in lines] == [f"{number:02}" for number in range(12)]
    assert len(house.app[JOURNAL].recent.entries) == 5


@pytest.mark.parametrize("query", ["?around=3", "?after=2", "?before=12", "?around=6"])
async def test_no_page_of_long_messages_leaves_out_those_that_are_not_in_memory(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_TEXT", 50_000)
    alice = await (await open_house()).sign_in("alice")
    socket = await alice.connect()
    for _ in range(12):
        await socket.said("z" * 10_000)
    seqs = [line.seq for line in HistoryPage(await alice.page(f"/{query}")).lines]
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    assert len(seqs) == (10 if "after" in query else 11 if "before" in query else 12)


async def test_long_messages_that_are_not_in_memory_are_unread_too(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_TEXT", 50_000)
    house = await open_house()
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    socket = await alice.connect()
    for _ in range(12):
        await socket.said("z" * 10_000)
    house.app[READ_MARKS].move(await user_id_of(house, "bob"), 2)
    page = await bob.page()
    assert 'data-unread="5+" data-first-unread="3"' in page
    assert HistoryPage(page).lines[2].seq == 3


async def test_a_start_that_fills_memory_to_the_brim_knows_that_there_is_more(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.journal.READ_FIRST", 4)
    for module in ("chat.recent", "chat.journal"):
        monkeypatch.setattr(f"{module}.RECENT_TEXT", 80_000)
        monkeypatch.setattr(f"{module}.RECENT_LENGTH", 20)
    house = await open_house()
    socket = await (await house.sign_in("alice")).connect()
    for _ in range(12):
        await socket.said("z" * 10_000)
    for number in range(20):  # so that all recent entries are short
        await socket.send(type="edit", of=1, msg=f"{number}")
        await socket.next("change")
    await house.server.close()
    page = await (await (await open_house()).sign_in("bob")).page()
    assert [line.seq for line in HistoryPage(page).lines] == list(range(1, 13))


async def test_a_start_reads_no_more_text_at_once_than_memory_has_room_for(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.journal.READ_FIRST", 4)
    for module in ("chat.recent", "chat.journal"):
        monkeypatch.setattr(f"{module}.RECENT_TEXT", 80_000)
    house = await open_house()
    alice = await house.sign_in("alice")
    socket = await alice.connect()
    for number in range(12):
        await socket.said("z" * 9_998 + f"{number:02}")
    await socket.send(type="edit", of=12, msg="y" * 10_000)
    await socket.next("change")
    await house.server.close()

    lengths: list[int] = []
    find = Collection.find

    async def noted(self: Collection, *query: Any, **options: Any) -> list[Document]:
        documents = await find(self, *query, **options)
        if self.name == MESSAGE_COLLECTION:
            lengths.append(sum(len(document.get("msg", "")) for document in documents))
        return documents

    monkeypatch.setattr(Collection, "find", noted)
    again = await open_house()
    assert max(lengths) <= 80_000
    assert again.app[JOURNAL].recent.last == 13
    lines = HistoryPage(await (await again.sign_in("bob")).page()).lines
    assert [line.msg[-2:] for line in lines] == [*(f"{number:02}" for number in range(11)), "yy"]


@pytest.mark.parametrize("length", [7_900, 8_000, 8_100])  # ten of them have room, or just not
@pytest.mark.parametrize("is_restarted", [False, True], ids=["running", "restarted"])
async def test_pages_have_each_message_whether_memory_has_it_or_not(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, length: int, is_restarted: bool
) -> None:
    for module in ("chat.recent", "chat.journal"):
        monkeypatch.setattr(f"{module}.RECENT_TEXT", 80_000)
    house = await open_house()
    for _ in range(20):
        await say(house.app[JOURNAL], "carol", "z" * length)
    if is_restarted:
        await house.server.close()
        house = await open_house()
    alice = await house.sign_in("alice")
    for address, first in (("/", 1), ("/?after=2", 3), ("/?around=5", 1), ("/?before=21", 1)):
        numbers = [line.seq for line in HistoryPage(await alice.page(address)).lines]
        assert numbers == list(range(first, 21)), address
    house.app[READ_MARKS].move(await user_id_of(house, "alice"), 5)
    page = await alice.page()
    assert 'data-unread="10+"' in page or 'data-unread="9+"' in page
    assert 'data-first-unread="6"' in page


async def test_entries_of_others_that_take_too_long_are_read_in_smaller_steps(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.journal.POLL_EVERY", 0.1)
    house = await open_house()
    find = Collection.find

    async def slow(self: Collection, *query: Any, **options: Any) -> list[Document]:
        if self.name == MESSAGE_COLLECTION and options.get("limit", 0) > 10:
            raise DatabaseUnavailable("too much for one call")
        return await find(self, *query, **options)

    monkeypatch.setattr(Collection, "find", slow)
    documents = [
        {"seq": seq, "message_seq": seq, "key": f"b:{seq}", "user": "bob", "user_id": "b"}
        | {"msg": "from elsewhere", "time": NOON}
        for seq in range(1, 31)
    ]
    await house.database[MESSAGE_COLLECTION].insert_many(documents)
    await until(lambda: house.app[JOURNAL].recent.last == 30)


def message(seq: int, msg: str) -> MessageEntry:
    return MessageEntry(seq, f"a:{seq}", "alice", "a", msg, NOON)


def test_memory_keeps_as_many_of_the_last_entries_as_have_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_TEXT", 100)
    recent, messages = Recent(), [message(seq, "x" * 30) for seq in range(1, 6)]
    for each in messages:
        recent.add(each)
    assert list(recent.entries) == recent.messages(None, 3) == messages[2:]
    assert recent.messages(None, 4) is None  # the database has them
    assert recent.messages_from(2, 9) is None
    assert recent.messages_from(3, 9) == messages[2:]
    assert recent.messages_after(1) == (messages[2:], False)
    assert recent.messages_after(2) == (messages[2:], True)
    assert recent.find("a:2") is None
    edited = messages[4]._replace(msg="y" * 90, state=EDITED)
    change = ChangeEntry(6, "change:a:1", "alice", "a", edited)
    recent.add(change)  # the message, and the change, which has its text, too
    assert list(recent.entries) == [change]
    assert recent.after(5) == [change]
    assert recent.after(4) is None
    recent.add(message(7, "z" * 101))  # imported; longer than anybody may write
    assert (list(recent.entries), recent.last) == ([], 7)
    assert recent.after(7) == []
    assert recent.after(6) is None
    recent.add(message(8, "short"))
    assert recent.after(7) == [message(8, "short")]


def test_an_edit_that_lengthens_a_message_makes_others_leave_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_TEXT", 100)
    recent, messages = Recent(), [message(seq, "x") for seq in range(1, 4)]
    for each in messages:
        recent.add(each)
    for seq in range(4, 10):
        edited = messages[1]._replace(msg="y" * 60, state=EDITED)
        recent.add(ChangeEntry(seq, f"change:a:{seq}", "alice", "a", edited))
        assert sum(map(len, map(text_of, recent.entries))) <= 100
    for seq in (1, 3):
        edited = messages[seq - 1]._replace(msg="y" * 30, state=EDITED)
        recent.add(ChangeEntry(9 + seq, f"change:a:{9 + seq}", "alice", "a", edited))
    assert recent.messages(None, 3) is None  # 120 characters
    assert recent.messages(None, 2) is not None


def text_of(entry: Entry) -> str:
    return entry.message.msg if isinstance(entry, ChangeEntry) else entry.msg


def test_a_cache_keeps_the_values_that_were_asked_for_last() -> None:
    made: list[int] = []

    def make(size: int) -> bytes:
        made.append(size)
        return bytes(size)

    cache = SizedCache(make, len, room=100 + 4 * OVERHEAD)
    for size in (30, 40, 20, 30, 50, 30, 40):  # 50 takes the place of 40, and 40 that of 20
        assert len(cache.get(size)) == size
        assert cache.size <= 100 + 4 * OVERHEAD
    assert made == [30, 40, 20, 50, 40]
    assert len(cache.get(10 * OVERHEAD)) == 10 * OVERHEAD  # has no room at all
    assert cache.size == 0


def test_the_frames_and_pages_of_a_thousand_long_messages_do_not_stay() -> None:
    for seq in range(1000):
        wire.entry_frames(message(seq, "é" * 10_000))
    assert wire._of_messages.size <= wire.CACHED


async def test_drafts_are_stored_and_handed_over_in_batches_that_have_a_limit() -> None:
    def drafts(*lengths: int) -> list[Draft]:
        answer: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        return [Draft("k", "alice", "a", {"msg": "x" * size}, answer, 0.0) for size in lengths]

    def sizes(*lengths: int) -> list[list[int]]:
        return [[draft.length for draft in batch] for batch in in_batches(drafts(*lengths))]

    half = TEXT_PER_INSERT // 2
    assert sizes() == []
    assert sizes(half, half, 1) == [[half, half], [1]]
    assert sizes(3 * half, 1, half, half) == [[3 * half], [1, half], [half]]
    assert list(map(len, sizes(*[1] * (2 * ENTRIES_PER_INSERT + 1)))) == [
        ENTRIES_PER_INSERT,
        ENTRIES_PER_INSERT,
        1,
    ]
