"""What comes with a nonce that was used: the same is harmless, something else is refused."""

import asyncio
from typing import Any

import pytest
from markupsafe import escape

from chat.entry import ChangeEntry, MessageEntry, digest_of, is_repeated_by, now
from chat.journal import JOURNAL
from settings import MESSAGE_COLLECTION
from tests.support.house import House, OpenHouse
from tests.support.pages import FormPage, HistoryPage
from tests.support.people import Person
from tests.support.sessions import held_by, present
from tests.support.sockets import Socket

NONCE_USED = "This was mixed up with something that you have sent before. Please send it again."

Frame = dict[str, Any]


async def answer(socket: Socket, frame: Frame) -> Frame:
    """Send a frame and return what its sender gets."""
    await socket.send(**frame)
    while True:
        reply = await socket.next("message", "change", "error")
        if reply["nonce"] == frame["nonce"]:
            return reply


MESSAGE = {"type": "message", "msg": "the first", "nonce": "n"}
EDIT = {"type": "edit", "of": 1, "msg": "changed", "nonce": "n"}
DELETION = {"type": "delete", "of": 1, "nonce": "n"}


@pytest.mark.parametrize("is_remembered", [True, False])
@pytest.mark.parametrize(
    ("first", "other"),
    [
        (MESSAGE, {**MESSAGE, "msg": "a second"}),
        (MESSAGE, {**MESSAGE, "msg": "The first"}),
        (MESSAGE, {**MESSAGE, "msg": "the first "}),
        (EDIT, {**EDIT, "msg": "changed again"}),
        (EDIT, {**EDIT, "of": 2}),
        (EDIT, DELETION),
        (DELETION, EDIT),
        (DELETION, {**DELETION, "of": 2}),
    ],
)
async def test_something_else_with_a_used_nonce_is_refused_and_the_same_is_not(
    house: House,
    alice: Person,
    monkeypatch: pytest.MonkeyPatch,
    first: Frame,
    other: Frame,
    is_remembered: bool,
) -> None:
    if not is_remembered:
        monkeypatch.setattr("chat.recent.RECENT_LENGTH", 2)
    socket = await alice.connect()
    await socket.said("one")
    await socket.said("two")
    stored = await answer(socket, first)
    for number in range(3):
        await socket.said(f"more {number}")
    last = house.app[JOURNAL].recent.last
    error = await answer(socket, other)
    assert (error["type"], error["code"], error["text"]) == ("error", "invalid", NONCE_USED)
    assert (await answer(socket, first))["seq"] == stored["seq"]
    assert house.app[JOURNAL].recent.last == last


@pytest.mark.parametrize("then", [EDIT, DELETION])
async def test_both_are_told_apart_after_the_text_was_replaced(alice: Person, then: Frame) -> None:
    socket = await alice.connect()
    said = await answer(socket, MESSAGE)
    await answer(socket, {**then, "nonce": "later"})
    assert (await answer(socket, {**MESSAGE, "msg": "a second"}))["type"] == "error"
    assert (await answer(socket, MESSAGE))["seq"] == said["seq"]


async def test_an_earlier_edit_is_told_from_another_after_a_later_one(alice: Person) -> None:
    socket = await alice.connect()
    await socket.said("one")
    changed = await answer(socket, EDIT)
    await answer(socket, {**EDIT, "msg": "changed again", "nonce": "later"})
    assert (await answer(socket, {**EDIT, "msg": "changed again"}))["type"] == "error"
    assert (await answer(socket, EDIT))["seq"] == changed["seq"]


async def test_two_texts_at_the_same_time_are_not_both_answered_with_success(
    open_house: OpenHouse,
) -> None:
    here, there = [await open_house() for _ in range(2)]
    alice = await here.sign_in("alice")
    elsewhere = await present(there, held_by(alice))
    answers = await asyncio.gather(
        alice.post("/", {"msg": "one", "nonce": "n"}),
        elsewhere.post("/", {"msg": "two", "nonce": "n"}),
    )
    assert sorted(answer.status for answer in answers) == [303, 400]
    assert len(HistoryPage(await alice.page()).lines) == 1


@pytest.mark.parametrize(
    ("path", "first", "other"),
    [
        ("/", {"msg": "the first"}, {"msg": "a <second>"}),
        ("/", {"msg": "C++ is nice"}, {"msg": "C++ isn't"}),
        ("/message/1", {"action": "edit", "msg": "the first"}, {"action": "edit", "msg": "a 2nd"}),
    ],
)
async def test_a_form_with_another_text_keeps_it_and_gets_a_new_nonce(
    alice: Person, path: str, first: dict[str, str], other: dict[str, str]
) -> None:
    await alice.write("one")
    assert (await alice.post(path, first | {"nonce": "n"})).status == 303
    response = await alice.post(path, other | {"nonce": "n"})
    page = await FormPage.read(response)
    assert (response.status, page.error) == (400, NONCE_USED)
    assert page.value("nonce") not in ("n", None)
    assert f">\n{escape(other['msg'])}</textarea>" in await response.text()
    again = await alice.post(path, other | {"nonce": page.value("nonce") or ""})
    assert again.status == 303
    assert other["msg"] in [line.msg for line in HistoryPage(await alice.page()).lines]


@pytest.mark.parametrize("nonce", ["n" * 65, "a\nb", "\0"])
@pytest.mark.parametrize("path", ["/", "/message/1"])
async def test_a_form_with_a_nonce_that_cannot_be_gets_a_new_one(
    alice: Person, path: str, nonce: str
) -> None:
    await alice.write("one")
    form = {"msg": "two", "action": "edit"}
    response = await alice.post(path, form | {"nonce": nonce})
    page = await FormPage.read(response)
    assert page.error == "The nonce must be text of 1 to 64 printable characters"
    assert f'name="nonce" value="{nonce}"' not in await response.text()
    again = await alice.post(path, form | {"nonce": page.value("nonce") or ""})
    assert again.status == 303


async def test_a_form_that_deletes_with_the_nonce_of_an_edit_is_refused(alice: Person) -> None:
    await alice.write("one")
    edit = {"action": "edit", "msg": "changed", "nonce": "n"}
    assert (await alice.post("/message/1", edit)).status == 303
    deletion = {"action": "delete", "nonce": "n"}
    assert (await alice.post("/message/1", deletion)).status == 400
    assert [line.msg for line in HistoryPage(await alice.page()).lines] == ["changed"]


@pytest.mark.parametrize("has_digests", [True, False])
async def test_a_process_that_started_later_tells_them_apart_too(
    open_house: OpenHouse, has_digests: bool
) -> None:
    here = await open_house()
    alice = await here.sign_in("alice")
    await alice.write("one")
    sent = [("/", {"msg": "two"}), ("/message/1", {"msg": "2", "action": "edit"})]
    for path, fields in sent:
        assert (await alice.post(path, fields | {"nonce": "n"})).status == 303
    if not has_digests:  # an earlier version has stored them
        await here.database[MESSAGE_COLLECTION].update_many({}, {"$unset": {"digest": ""}})
    elsewhere = await present(await open_house(), held_by(alice))
    for path, fields in sent:
        assert (await elsewhere.post(path, fields | {"nonce": "n"})).status == 303
    others = [(path, fields | {"msg": "3", "nonce": "n"}) for path, fields in sent]
    statuses = [(await elsewhere.post(path, fields)).status for path, fields in others]
    assert statuses == [400, 400 if has_digests else 303]
    lines = HistoryPage(await elsewhere.page()).lines
    assert [line.msg for line in lines] == ["2", "two"]


def test_what_an_earlier_version_stored_is_compared_as_far_as_it_can_be() -> None:
    message = MessageEntry(1, "a:n", "alice", "a", "hi", now())
    edited = message._replace(msg="hello", state="edited", changes=1)
    change = ChangeEntry(2, "change:a:n", "alice", "a", edited)
    content = {"of": 1, "text": "hello", "state": "edited"}
    assert is_repeated_by(message, {"msg": "hi"})
    assert not is_repeated_by(message, {"msg": "ho"})
    assert is_repeated_by(edited, {"msg": "hi"})
    assert is_repeated_by(change, content)
    assert not is_repeated_by(change, content | {"of": 2})


async def test_a_deleted_text_leaves_no_more_than_two_bytes(house: House, alice: Person) -> None:
    socket = await alice.connect()
    await answer(socket, MESSAGE)
    await answer(socket, {**DELETION, "nonce": "later"})
    document = await house.database[MESSAGE_COLLECTION].find_one({"seq": 1})
    assert document is not None
    assert (document["msg"], document["digest"]) == ("", digest_of({"msg": "the first"}))
    assert len(bytes.fromhex(document["digest"])) == 2
