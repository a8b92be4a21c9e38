"""Messages that carry a file: in the log, in both formats, and where something is wrong with them.

What keeps the files is not here: these tests put a claim in its place.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse

from auth.sessions import Identity
from chat.entry import ChangeEntry, File, MessageEntry, now
from chat.journal import JOURNAL, check_draft, check_entry
from chat.models import MESSAGES
from chat.refused import Refused
from settings import MESSAGE_COLLECTION
from tests.support.house import House
from tests.support.people import Person
from tests.support.sockets import Socket
from tests.support.waiting import PATIENCE

PHOTO = File("photo", "photo.png", "image/png", 1_234_567, 4000, 3000, "/file/photo/preview")
NOTES = File("notes", "notes.txt", "text/plain", 12, text="first\nsecond")
FILES = {file.id: file for file in (PHOTO, NOTES)}

Frame = dict[str, Any]


@pytest.fixture(autouse=True)
def claimed(house: House, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give each file to the first message that names it; return whose it is, by id."""
    keys: dict[str, str] = {}

    async def claim(user: Identity, file_id: str, key: str) -> File:
        if file_id not in FILES or keys.setdefault(file_id, key) != key:
            raise Refused("invalid", "gone")
        return FILES[file_id]

    monkeypatch.setattr(house.app[MESSAGES], "_claim", claim)
    return keys


@pytest.mark.parametrize("msg", ["at the beach", ""])
@pytest.mark.parametrize("file", [PHOTO, NOTES])
async def test_a_message_carries_its_file_to_everybody(
    house: House, hers: Socket, his: Socket, bob: Person, file: File, msg: str
) -> None:
    await hers.send(type="message", msg=msg, nonce="n", file=file.id)
    said = await his.next("message")
    assert said == await hers.next("message")
    assert (said["msg"], said["file"]) == (msg, file.to_document())
    again = await bob.connect(since=0)
    assert await again.next("message") == said


async def test_pages_without_scripts_tell_of_a_file(alice: Person) -> None:
    await alice.post("/", {"msg": "at the beach", "file": PHOTO.id})
    await alice.post("/", {"msg": "", "file": NOTES.id})
    room = await alice.page()
    assert 'src="/file/photo/preview" alt="at the beach" width="400" height="300"' in room
    assert "first\nsecond</div>" in room
    assert "photo.png, 1.2 MB</p>" in await alice.page("/search?q=beach")
    for seq, name in ((1, "photo.png"), (2, "notes.txt")):
        page = await alice.page(f"/message/{seq}")
        assert f'with <span dir="auto">{name}</span>' in page
        assert not re.search("<textarea[^>]* required", page)  # the text may be removed


async def test_a_message_without_a_file_has_no_such_field(hers: Socket) -> None:
    await hers.say("hi")
    assert "file" not in await hers.next("message")


async def test_the_classic_format_names_a_file_before_the_text(hers: Socket, bob: Person) -> None:
    classic = await bob.connect_classic()
    await hers.send(type="message", msg="at\nthe beach", nonce="1", file="photo")
    await hers.send(type="message", msg="", nonce="2", file="notes")
    await hers.send(type="edit", of=1, msg="at home", nonce="3")
    await hers.send(type="edit", of=1, msg="", nonce="4")
    lines = [await next_said(classic) for _ in range(4)]
    assert lines == [
        "(alice) [photo.png, 1.2 MB] at ⏎ the beach",
        "(alice) [notes.txt, 12 bytes]",
        "alice edited: [photo.png, 1.2 MB] at home",
        "alice edited: [photo.png, 1.2 MB]",
    ]


async def next_said(classic: ClientWebSocketResponse) -> str:
    """Return the next line of Alice's, passing over who comes and goes."""
    while True:
        line = await classic.receive_str(timeout=PATIENCE)
        if line.startswith(("(alice)", "alice edited")):
            return line


async def test_a_form_sends_a_message_with_a_file(alice: Person, hers: Socket) -> None:
    form = {"msg": "", "file": "photo", "nonce": "n"}
    for _ in range(2):  # sent again, it is there once
        assert (await alice.post("/", form)).status == 303
    await alice.write("next")
    assert (await hers.next("message"))["file"]["name"] == "photo.png"
    assert (await hers.next("message"))["msg"] == "next"


@pytest.mark.parametrize(
    "file", ["", 7, True, [], {}, {"id": "photo"}, "a b", "../photo", "x" * 65]
)
async def test_what_is_no_id_of_a_file_is_refused(hers: Socket, file: object) -> None:
    await hers.send(type="message", msg="hi", nonce="n", file=file)
    error = await hers.next("error", "message")
    assert (error["code"], error["nonce"]) == ("invalid", "n")
    assert "must be the id" in error["text"]


async def test_a_form_with_what_is_no_id_is_shown_again(alice: Person) -> None:
    response = await alice.post("/", {"msg": "keep me", "file": "../photo"})
    assert response.status == 400
    page = await response.text()
    assert "keep me" in page
    assert "must be the id" in page


async def test_a_file_that_is_not_there_is_refused_and_nothing_is_stored(
    house: House, hers: Socket
) -> None:
    await hers.send(type="message", msg="look", nonce="n", file="nothing")
    assert (await hers.next("error"))["text"] == "gone"
    assert house.app[JOURNAL].recent.last == 0


async def test_a_file_is_in_one_message_only(hers: Socket) -> None:
    await hers.send(type="message", msg="one", nonce="1", file="photo")
    await hers.send(type="message", msg="two", nonce="2", file="photo")
    assert (await hers.next("message"))["msg"] == "one"
    assert (await hers.next("error"))["nonce"] == "2"


async def test_the_same_nonce_with_another_file_is_refused(hers: Socket) -> None:
    await hers.send(type="message", msg="look", nonce="n", file="photo")
    await hers.next("message")
    await hers.send(type="message", msg="look", nonce="n", file="notes")
    assert "mixed up" in (await hers.next("error"))["text"]
    await hers.send(type="message", msg="look", nonce="n")
    assert "mixed up" in (await hers.next("error"))["text"]


@pytest.mark.parametrize("is_remembered", [True, False])
async def test_sent_again_after_it_was_deleted_it_is_answered_as_deleted(
    hers: Socket, monkeypatch: pytest.MonkeyPatch, claimed: dict[str, str], is_remembered: bool
) -> None:
    if not is_remembered:
        monkeypatch.setattr("chat.recent.RECENT_LENGTH", 1)
    await hers.send(type="message", msg="look", nonce="n", file="photo")
    await hers.next("message")
    await hers.send(type="delete", of=1, nonce="d")
    await hers.next("change")
    claimed["photo"] = "nobody's any more"
    await hers.send(type="message", msg="look", nonce="n", file="photo")
    again = await hers.next("message", "error")
    assert (again["seq"], again["state"], again["msg"]) == (1, "deleted", "")
    assert "file" not in again


async def test_of_a_deleted_message_only_the_id_of_its_file_is_left(
    house: House, hers: Socket, his: Socket
) -> None:
    await hers.send(type="message", msg="look", nonce="n", file="photo")
    await hers.send(type="delete", of=1, nonce="d")
    change = await his.next("change")
    assert "file" not in change
    document = await house.database[MESSAGE_COLLECTION].find_one({"seq": 1})
    assert document is not None
    assert document["file"] == {"id": "photo"}
    last = house.app[JOURNAL].recent.entries[-1]
    assert isinstance(last, ChangeEntry)
    assert (last.deleted_file, last.message.file) == ("photo", None)


async def test_the_text_beside_a_file_can_be_changed_and_removed(hers: Socket, his: Socket) -> None:
    await hers.send(type="message", msg="", nonce="n", file="photo")
    for number, msg in enumerate(["a photo", " \n ", "again"]):
        await hers.send(type="edit", of=1, msg=msg, nonce=f"e{number}")
        change = await his.next("change")
        assert (change["msg"], change["state"]) == (msg.strip(), "edited")
        assert change["file"] == PHOTO.to_document()


async def test_a_message_without_a_file_needs_a_text(hers: Socket) -> None:
    seq = await hers.said("hi")
    await hers.send(type="edit", of=seq, msg=" ", nonce="e")
    assert (await hers.next("error"))["text"] == "Please write something"
    await hers.send(type="edit", of=99, msg="", nonce="e")
    assert (await hers.next("error"))["text"] == "Please write something"


SOUND = {"key": "1:n", "user": "alice", "user_id": "1", "seq": 1}


@pytest.mark.parametrize(
    "file",
    [None, "photo", 7, [], {}, {"id": 7}, {"id": "a", "name": None}, {"id": "a", "size": "big"},
     {"id": "a", "width": True}, {"id": "a", "text": ["x"]}],
)  # fmt: skip
@pytest.mark.parametrize("check", [check_draft, check_entry])
def test_a_strange_file_from_another_process_is_refused(
    check: Callable[[Frame], None], file: object
) -> None:
    good = {"msg": "hi", "file": PHOTO.to_document()}
    check({**SOUND, **good, "content": good})
    with pytest.raises((TypeError, LookupError)):
        check({**SOUND, **good, "file": file, "content": {**good, "file": file}})


def test_a_file_is_read_as_it_was_stored() -> None:
    for file in FILES.values():
        assert File.from_document(file.to_document()) == file
    later = {**PHOTO.to_document(), "field of a later version": 1}
    entry = MessageEntry.from_document(
        {"seq": 1, "key": "a:n", "user_id": "a", "time": now(), "msg": "", "file": later}
    )
    assert entry.file == PHOTO
