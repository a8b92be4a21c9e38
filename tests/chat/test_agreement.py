"""The room, the pages, a replay and the database agree, whatever nonces say and whatever fails."""

import asyncio
import random
from typing import Any

import pytest

from search.finder import FINDER
from settings import MESSAGE_COLLECTION
from storage.database import Collection, DatabaseUnavailable
from tests.support.house import House, OpenHouse
from tests.support.pages import HistoryPage
from tests.support.people import Person
from tests.support.sessions import held_by, present
from tests.support.sockets import Socket
from tests.support.waiting import CROWD_PATIENCE, PATIENCE

NONCES = ("n1", "n2", "n3")  # few, so that they are used again for something else
OPERATIONS = 60
LAST = "the last word"

Texts = dict[int, str]  # by number


def show(texts: Texts, frame: dict[str, Any]) -> None:
    """Do with a frame what a page does."""
    if frame["type"] == "message":
        assert texts.setdefault(frame["seq"], frame["msg"]) == frame["msg"]
    elif frame["type"] == "change":
        texts[frame["of"]] = frame["msg"]


async def read_until_last(socket: Socket, count: int = 1) -> Texts:
    """Return what a page shows when it has got the last messages."""
    texts: Texts = {}
    while list(texts.values()).count(LAST) < count:
        frame = await socket.next()
        if frame.get("code") == "unavailable" and frame["nonce"].startswith(LAST):
            await socket.say(LAST, frame["nonce"])  # the machine is busy
        show(texts, frame)
    return texts


async def agreed(house: House, person: Person, rooms: list[Texts], lasts: int = 1) -> Texts:
    """Return the messages, which have to be the same everywhere."""
    messages = house.database[MESSAGE_COLLECTION]
    documents = await messages.find({}).sort("seq", 1).to_list(None)
    assert [document["seq"] for document in documents] == list(range(1, len(documents) + 1))
    assert not [document for document in documents if "text" in document]  # of changes
    stored = {d["seq"]: d["msg"] for d in documents if "of" not in d}
    for room in rooms:
        assert room == stored
    replay = await read_until_last(await person.connect(since=0), lasts)
    pages = [await person.page("/?after=0"), await person.page("/?before=1000000")]
    for page in map(HistoryPage, pages):
        shown = {line.seq: line.msg for line in page.lines}
        assert shown == {seq: stored[seq] for seq in shown}
    assert replay == stored
    for seq, text in stored.items():
        if text:
            found = await house.app[FINDER].find("", text.split(), None)
            assert seq in [entry.seq for entry in found.entries]
    return stored


async def do_anything(socket: Socket, dice: random.Random, number: int) -> None:
    """Say, edit or delete something, with a nonce that may have been used."""
    nonce, of = dice.choice(NONCES), dice.randint(1, 6)
    frame: dict[str, Any] = {"nonce": nonce, "of": of, "msg": f"text_{number}"}
    await socket.send(type=dice.choice(["message", "edit", "edit", "delete"]), **frame)


@pytest.fixture
async def houses(open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch) -> list[House]:
    """Two processes' chats with one database, which look for each other's entries all the time."""
    monkeypatch.setattr("chat.journal.POLL_EVERY", 0.05)
    monkeypatch.setattr("chat.journal.CHECK_EVERY", 0.05)
    return [await open_house(MESSAGES_PER_SECOND=0) for _ in range(2)]


@pytest.mark.parametrize("seed", range(8))
async def test_everything_agrees_whatever_nonces_are_used_again(
    houses: list[House], seed: int
) -> None:
    dice = random.Random(seed)
    here, there = houses
    sockets: list[Socket] = []
    for login in ("alice", "bob"):
        person = await here.sign_in(login)
        elsewhere = await present(there, held_by(person))
        sockets += [await each.connect() for each in (person, person, elsewhere)]
    rooms = [asyncio.create_task(read_until_last(socket, len(sockets))) for socket in sockets]
    for number in range(3):
        await sockets[number * 2].say(f"first_{number}")
    for number in range(OPERATIONS):
        await do_anything(dice.choice(sockets), dice, number)
        if dice.random() < 0.2:
            await asyncio.sleep(dice.random() / 50)
    for number, socket in enumerate(sockets):  # each is read in order, so this is handled last
        await socket.say(LAST, f"{LAST} {number}")
    async with asyncio.timeout(CROWD_PATIENCE):
        await agreed(here, person, list(await asyncio.gather(*rooms)), len(sockets))


async def test_a_nonce_of_another_change_is_refused_and_changes_nothing(
    house: House, alice: Person
) -> None:
    one, other, third = [await alice.connect() for _ in range(3)]
    room = asyncio.create_task(read_until_last(third))
    first, second = await one.said("first"), await one.said("second")
    await one.send(type="edit", of=first, msg="changed", nonce="dup")
    await one.next("change")
    await other.send(type="edit", of=second, msg="changed too", nonce="dup")
    error = await other.next("error")
    assert (error["code"], error["nonce"]) == ("invalid", "dup")
    await one.said(LAST)
    assert await agreed(house, alice, [await room]) == {
        first: "changed", second: "second", 4: LAST
    }  # fmt: skip


async def test_a_message_and_a_change_may_have_one_nonce(house: House, alice: Person) -> None:
    one, other = await alice.connect(), await alice.connect()
    seq = await one.said("I owe you 100")
    await asyncio.gather(
        one.say("hello", nonce="dup"),
        other.send(type="edit", of=seq, msg="I owe you 1", nonce="dup"),
    )
    frames = [await one.next("message", "change") for _ in range(2)]
    assert {frame["type"]: frame["nonce"] for frame in frames} == {
        "message": "dup",
        "change": "dup",
    }
    await one.said(LAST)
    assert (await agreed(house, alice, []))[seq] == "I owe you 1"


async def test_a_nonce_of_long_ago_is_remembered_by_the_database(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 2)
    socket = await alice.connect()
    first, second = await socket.said("first"), await socket.said("second")
    await socket.send(type="edit", of=first, msg="changed", nonce="dup")
    await socket.next("change")
    for number in range(3):
        await socket.said(f"more_{number}")
    await socket.send(type="edit", of=second, msg="changed too", nonce="dup")
    assert (await socket.next("error"))["code"] == "invalid"
    await socket.send(type="edit", of=first, msg="changed again", nonce="dup")
    assert (await socket.next("error"))["code"] == "invalid"
    await socket.send(type="edit", of=first, msg="changed", nonce="dup")
    assert (await socket.next("change"))["msg"] == "changed"


@pytest.mark.parametrize("is_deletion", [False, True])
async def test_a_change_that_was_stored_is_made_up_for_by_the_next_process(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, is_deletion: bool
) -> None:
    killed = await open_house()
    alice = await killed.sign_in("alice")
    socket = await alice.connect()
    seq = await socket.said("before")
    is_stored = asyncio.Event()

    async def die(*_: Any) -> None:
        is_stored.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(Collection, "update_one", die)
        if is_deletion:
            await socket.send(type="delete", of=seq)
        else:
            await socket.send(type="edit", of=seq, msg="after")
        async with asyncio.timeout(PATIENCE):
            await is_stored.wait()
    house = await open_house()
    again = await present(house, held_by(alice))
    page = HistoryPage(await again.page())
    assert [line.msg for line in page.lines] == ["" if is_deletion else "after"]
    resumed = await again.connect(since=seq)
    assert (await resumed.next("change"))["of"] == seq
    await resumed.said(LAST)
    await agreed(house, again, [])


async def test_a_change_whose_message_cannot_be_changed_yet_is_told_when_it_can(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = await alice.connect()
    seq = await socket.said("before")
    update, failures = Collection.update_one, 3

    async def fail(collection: Collection, *what: Any) -> Any:
        nonlocal failures
        failures -= 1
        if failures > 0:
            raise DatabaseUnavailable
        return await update(collection, *what)

    monkeypatch.setattr(Collection, "update_one", fail)
    await socket.send(type="edit", of=seq, msg="after", nonce="n1")
    assert (await socket.next("change", "error"))["type"] == "change"
    await socket.said(LAST)
    assert (await agreed(house, alice, []))[seq] == "after"
