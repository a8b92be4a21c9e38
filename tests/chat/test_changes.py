"""Editing, deleting and typing notices, as sockets see them."""

from datetime import timedelta
from typing import Any

import pytest

from chat.entry import now
from chat.journal import JOURNAL
from chat.models import MOST_EDITS
from settings import MESSAGE_COLLECTION
from storage.database import Collection, Document
from tests.support.house import House, OpenHouse
from tests.support.log import change, say
from tests.support.pages import HistoryPage
from tests.support.people import Person
from tests.support.sessions import held_by, present
from tests.support.sockets import Socket

Frame = dict[str, Any]


async def stored(house: House, seq: int) -> dict[str, Any] | None:
    """Return what the database holds."""
    return await house.database[MESSAGE_COLLECTION].find_one({"seq": seq})


@pytest.mark.parametrize(
    ("frame", "state", "msg"),
    [({"type": "edit", "msg": "hello"}, "edited", "hello"), ({"type": "delete"}, "deleted", "")],
)
async def test_a_change_reaches_everybody_and_leaves_nothing_of_what_was_before(
    house: House, bob: Person, hers: Socket, his: Socket, frame: Frame, state: str, msg: str
) -> None:
    seq = await hers.said("helo, my secret")
    await hers.send(**frame, of=seq, nonce="c1")
    change = await his.next("change")
    assert change == await hers.next("change")
    assert change == {
        "type": "change", "seq": 2, "of": seq, "user": "alice", "state": state, "msg": msg,
        "nonce": "c1",
    }  # fmt: skip
    late = await bob.connect(since=0)
    assert (await late.next("hello"))["seq"] == 2
    message = await late.next("message")
    assert (message["msg"], message["state"]) == (msg, state)
    assert (await late.next("change")) == change
    documents = await house.database[MESSAGE_COLLECTION].find({}).to_list(None)
    assert "secret" not in str(documents)
    assert documents[0]["time"].tzinfo  # which an update must not spoil
    page = await bob.page()
    assert "secret" not in page
    assert f"message--{state}" in page
    assert 'data-last="2"' in page


@pytest.mark.parametrize("kind", ["edit", "delete"])
@pytest.mark.parametrize("case", ["another's", "too old", "gone", "not there", "itself a change"])
async def test_what_may_not_be_changed_is_left_alone(
    house: House, hers: Socket, his: Socket, monkeypatch: pytest.MonkeyPatch, kind: str, case: str
) -> None:
    seq = await hers.said("hello")
    who = his if case == "another's" else hers
    if case == "too old":
        monkeypatch.setattr("chat.models.CHANGEABLE_FOR", timedelta(0))
    elif case == "gone":
        await hers.send(type="delete", of=seq)
        await hers.next("change")
    elif case == "not there":
        seq = 999
    elif case == "itself a change":
        await hers.send(type="edit", of=seq, msg="hello")
        seq = (await hers.next("change"))["seq"]
    before = await stored(house, seq)
    await who.send(type=kind, of=seq, msg="something else", nonce="n9")
    error = await who.next("error", "change")
    assert (error["type"], error.get("code"), error["nonce"]) == ("error", "forbidden", "n9")
    assert await stored(house, seq) == before


async def test_an_edit_that_comes_after_the_deletion_does_not_bring_the_message_back(
    house: House, hers: Socket
) -> None:
    seq = await hers.said("hello")
    # Both were allowed when they were asked for; the log has the deletion first.
    await change(house.app[JOURNAL], "alice", seq, "")
    await change(house.app[JOURNAL], "alice", seq, "again")
    changes = [await hers.next("change") for _ in range(2)]
    assert [(frame["state"], frame["msg"]) for frame in changes] == [("deleted", "")] * 2
    document = await stored(house, seq)
    assert document is not None
    assert (document["state"], document["msg"]) == ("deleted", "")


@pytest.mark.parametrize(("minutes", "may_change"), [(14, True), (16, False), (60, False)])
async def test_a_message_may_be_changed_for_fifteen_minutes(
    house: House, hers: Socket, monkeypatch: pytest.MonkeyPatch, minutes: int, may_change: bool
) -> None:
    seq = await hers.said("hello")
    later = now() + timedelta(minutes=minutes)
    monkeypatch.setattr("chat.models.now", lambda: later)
    for frame in ({"type": "edit", "msg": "hi"}, {"type": "delete"}):
        await hers.send(**frame, of=seq)
        answer = await hers.next("change", "error")
        assert answer["type"] == ("change" if may_change else "error")


async def test_a_moderator_deletes_but_does_not_edit(open_house: OpenHouse) -> None:
    house = await open_house(MODERATORS=("Ålice",))
    alice, bob = await house.sign_in("ålice"), await house.sign_in("bob")
    hers, his = await alice.connect(), await bob.connect()
    seq = await his.said("spam")
    await hers.send(type="edit", of=seq, msg="ham", nonce="n1")
    assert (await hers.next("error"))["code"] == "forbidden"
    await hers.send(type="delete", of=seq, nonce="n2")
    change = await his.next("change")
    assert (change["user"], change["state"], change["msg"]) == ("ålice", "deleted", "")


@pytest.fixture
def few_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the chat keep few entries beside the log."""
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 5)


@pytest.mark.usefixtures("few_recent")
async def test_a_page_of_history_has_its_fifty_messages_also_between_changes(
    alice: Person, hers: Socket
) -> None:
    for number in range(60):
        seq = await hers.said(f"message {number}")
        await hers.send(type="edit", of=seq, msg=f"changed {number}")
        await hers.next("change")
    page = await alice.page()
    assert page.count('data-user="alice"') == 50 + 1  # and the log's own
    assert "changed 10<" in page
    assert "changed 9<" not in page
    assert "message " not in page.replace('class="message ', "")


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_page_takes_at_most_one_query_that_reads_what_it_shows(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, is_restarted: bool
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 60)
    monkeypatch.setattr("chat.journal.RECENT_LENGTH", 60)
    house = await open_house()
    alice, journal = await house.sign_in("alice"), house.app[JOURNAL]
    for number in range(70):
        seq = (await say(journal, "alice", f"number {number}")).seq
    for _ in range(100):
        await change(journal, "alice", seq, "changed all the time")
    if is_restarted:
        house = await open_house()
        alice = await present(house, held_by(alice))
    read: dict[str, list[int]] = {}
    find = Collection.find

    async def count(collection: Collection, *what: Any, **options: Any) -> list[Document]:
        documents = await find(collection, *what, **options)
        if collection.name == MESSAGE_COLLECTION and what[0].keys() != {"seq"}:  # the journal's
            read.setdefault(path, []).append(len(documents))
        return documents

    monkeypatch.setattr(Collection, "find", count)
    shown = {"/": 50, "/?before=171": 50, "/?before=40": 39, "/?after=0": 50, "/?after=60": 10}
    for path, count_shown in shown.items():
        assert len(HistoryPage(await alice.page(path)).lines) == count_shown
    assert "changed all the time" in await alice.page("/")
    assert read == {"/?before=40": [39], "/?after=0": [50]}  # the others are in memory


async def test_a_repeated_deletion_is_answered_though_the_message_is_gone(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 1)
    socket = await alice.connect()
    seq = await socket.said("hello")
    await socket.send(type="delete", of=seq, nonce="n1")
    first = await socket.next("change")
    await socket.said("more")
    await socket.send(type="delete", of=seq, nonce="n1")
    assert await socket.next("change", "error") == first
    await socket.send(type="delete", of=seq, nonce="n2")
    assert (await socket.next("error"))["code"] == "forbidden"


async def edit_often(socket: Socket, of: int, count: int, first: int = 0) -> list[Frame]:
    """Edit a message again and again, all at once; return the answers."""
    for number in range(first, first + count):
        await socket.send(type="edit", of=of, msg=f"edit {number}", nonce=f"edit {number}")
    return [await socket.next("change", "error") for _ in range(count)]


async def answer_to(socket: Socket, nonce: str) -> Frame:
    """Return the change that was asked for with a nonce, or why there is none."""
    while True:
        frame = await socket.next("change", "error")
        if frame["nonce"] == nonce:
            return frame


async def test_a_message_is_edited_fifty_times_and_then_only_deleted(
    house: House, alice: Person, hers: Socket
) -> None:
    seq = await hers.said("hello")
    answers = await edit_often(hers, seq, MOST_EDITS)
    assert [answer["type"] for answer in answers] == ["change"] * MOST_EDITS
    assert ">Save</button>" not in await alice.page(f"/message/{seq}")
    await hers.send(type="edit", of=seq, msg="once more", nonce="one more")
    refusal = await hers.next("error")
    assert (refusal["code"], refusal["nonce"]) == ("forbidden", "one more")
    assert refusal["text"] == "This message was edited 50 times; now it can only be deleted"
    assert await edit_often(hers, seq, 2, MOST_EDITS - 2) == [
        {**answer, "msg": answers[-1]["msg"]} for answer in answers[-2:]
    ]
    assert house.app[JOURNAL].recent.last == seq + MOST_EDITS
    await hers.send(type="delete", of=seq)
    assert (await hers.next("change"))["state"] == "deleted"


async def test_edits_on_many_sockets_at_once_are_counted_exactly(open_house: OpenHouse) -> None:
    house = await open_house(SOCKETS_PER_USER=0)
    alice = await house.sign_in("alice")
    hers = await alice.connect()
    seq = await hers.said("hello")
    await edit_often(hers, seq, MOST_EDITS - 5)
    sockets = [await alice.connect() for _ in range(20)]
    for number, socket in enumerate(sockets):
        await socket.send(type="edit", of=seq, msg=f"burst {number}", nonce=f"burst {number}")
    nonces = [f"burst {number}" for number in range(len(sockets))]
    answers = [
        await answer_to(socket, nonce) for socket, nonce in zip(sockets, nonces, strict=True)
    ]
    assert sorted(answer["type"] for answer in answers) == ["change"] * 5 + ["error"] * 15
    assert house.app[JOURNAL].recent.last == seq + MOST_EDITS
    document = await stored(house, seq)
    assert document is not None
    assert document["changes"] == MOST_EDITS


async def test_a_deletion_is_stored_once_however_many_moderators_ask_for_it(
    open_house: OpenHouse,
) -> None:
    house = await open_house(MODERATORS=("alice", "carol"))
    alice, bob, carol = [await house.sign_in(login) for login in ("alice", "bob", "carol")]
    his = await bob.connect()
    seq = await his.said("spam")
    sockets = [await person.connect() for person in (alice, alice, carol, carol)]
    for number, socket in enumerate(sockets):
        await socket.send(type="delete", of=seq, nonce=f"n{number}")
    answers = [await answer_to(socket, f"n{number}") for number, socket in enumerate(sockets)]
    assert sorted(answer["type"] for answer in answers) == ["change"] + ["error"] * 3
    assert house.app[JOURNAL].recent.last == seq + 1
