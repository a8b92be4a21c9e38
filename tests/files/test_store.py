"""Files in the database: stored, claimed by messages, read and removed, whatever comes between."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from chat.refused import Refused
from files.store import CHUNK_READS_ELSEWHERE, CHUNK_SIZE, FILES, WRITE_PAUSE, FileGone, Files
from settings import CHUNK_COLLECTION, FILE_COLLECTION, MESSAGE_COLLECTION, PREVIEW_COLLECTION
from storage.database import DatabaseUnavailable, Document
from tests.support.accounts import delete_account, finish_departures, log_in
from tests.support.house import House, OpenHouse
from tests.support.imitation import Imitation
from tests.support.people import Person
from tests.support.sockets import Socket
from tests.support.stored_files import (
    CONTENT,
    PREVIEW,
    add_for,
    content_of,
    identity_of,
    new_file,
    nothing_left,
    parts_of,
)
from tests.support.waiting import until

ALICE = "1" * 24
SIZES = [1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 5 * CHUNK_SIZE + 77]
NOBODY_IS_PRIMARY = {"ok": 0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "away"}

Answer = Callable[[Document], Document | None]


@pytest.fixture
def files(house: House) -> Files:
    return house.app[FILES]


async def is_gone(house: House, file_id: str) -> bool:
    return await house.app[FILES].find(file_id) is None


# What is stored


@pytest.mark.parametrize("size", SIZES)
async def test_a_file_is_read_as_it_was_stored_whole_and_in_parts(files: Files, size: int) -> None:
    content = os.urandom(size)
    file = await files.add(ALICE, new_file(content))
    assert file.size == size
    for start in {0, 1, size // 3, CHUNK_SIZE - 1, CHUNK_SIZE, size - 1}:
        for end in {start + 1, (start + size) // 2, size}:
            if start < end <= size:
                assert await content_of(files, file, start, end) == content[start:end]


async def test_every_value_of_a_byte_is_stored_also_what_looks_like_text(files: Files) -> None:
    for content in (bytes(range(256)) * 1000, b"\0" * 300_000, b'{"$binary": 1}' * 30_000):
        file = await files.add(ALICE, new_file(content))
        assert await content_of(files, file) == content


async def test_what_is_known_of_a_file_is_stored_and_its_preview(files: Files) -> None:
    about: dict[str, Any] = {"name": "фото \N{PILE OF POO} $a.b.png", "width": 4000, "height": 3000}
    file = await files.add(ALICE, new_file(**about))
    assert file.preview == f"/file/{file.id}/preview"
    assert file._asdict() == {**file._asdict(), **about, "type": "image/png", "text": ""}
    assert await files.preview(file.id) == PREVIEW
    document = await files.find(file.id)
    assert document is not None
    assert document == {**document, **file.to_document(), "user_id": ALICE, "key": None}
    notes = await files.add(ALICE, new_file(preview=b"", text="first\nsecond"))
    assert (notes.preview, notes.text) == ("", "first\nsecond")
    assert await files.preview(notes.id) is None


async def test_ids_cannot_be_guessed(files: Files) -> None:
    ids = [(await files.add(ALICE, new_file(b"x"))).id for _ in range(50)]
    assert len(set(ids)) == 50
    assert {len(id_) for id_ in ids} == {22}  # of 64 characters: 128 bits
    assert min(len({id_[place] for id_ in ids}) for place in range(21)) > 10


async def test_chunks_are_written_one_at_a_time_with_pauses_however_many_files_come(
    open_house: OpenHouse, imitation: Imitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(MONGO_HOST=imitation.address)
    files, under_way, most, pauses = house.app[FILES], 0, 0, []
    insert, sleep = files._chunks.insert_one, asyncio.sleep

    async def insert_one(document: Document) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await insert(document)
        under_way -= 1

    async def note_pause(seconds: float, *_: Any) -> None:
        pauses.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(files._chunks, "insert_one", insert_one)
    monkeypatch.setattr("files.store.asyncio.sleep", note_pause)
    imitation.delay = 0.01  # so that each takes longer than that
    await asyncio.gather(*(files.add(ALICE, new_file()) for _ in range(5)))
    assert most == 1
    chunks = [c for c in imitation.commands if c.body.get("insert") == CHUNK_COLLECTION]
    assert Counter(len(c.body["documents"]) for c in chunks) == {1: 15}
    assert len([pause for pause in pauses if pause > WRITE_PAUSE * imitation.delay]) >= 15


async def test_a_preview_that_a_whole_room_asks_for_costs_the_database_little(
    open_house: OpenHouse, imitation: Imitation
) -> None:
    house = await open_house(MONGO_HOST=imitation.address)
    files = house.app[FILES]
    file = await files.add(ALICE, new_file())
    imitation.commands.clear()
    assert set(await asyncio.gather(*(files.preview(file.id) for _ in range(100)))) == {PREVIEW}
    finds = [c for c in imitation.commands if c.body.get("find") == PREVIEW_COLLECTION]
    assert len(finds) <= CHUNK_READS_ELSEWHERE


async def test_reads_of_many_at_once_leave_the_database_to_others(
    open_house: OpenHouse, imitation: Imitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(MONGO_HOST=imitation.address)
    files, under_way, most = house.app[FILES], 0, 0
    file = await files.add(ALICE, new_file())
    for collection in (files._files, files._chunks, files._previews):

        async def find_one(where: Document, find: Any = collection.find_one) -> Any:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            found = await find(where)
            under_way -= 1
            return found

        monkeypatch.setattr(collection, "find_one", find_one)
    await asyncio.gather(
        *(files.find(file.id) for _ in range(20)),
        *(files.preview(file.id) for _ in range(20)),
        *(content_of(files, file) for _ in range(20)),
    )
    assert most <= CHUNK_READS_ELSEWHERE


async def test_only_some_previews_are_kept_in_memory(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("files.store.PREVIEWS_KEPT", 3000)
    previews = [os.urandom(size) for size in (1000, 2000, 2900, 10, 3000, 5)]
    added = [await files.add(ALICE, new_file(b"x", preview=preview)) for preview in previews]
    for _ in range(2):
        for file, preview in zip(added, previews, strict=True):
            assert await files.preview(file.id) == preview
            assert sum(map(len, files._kept_previews.values())) <= 3000


# Who may name it


async def test_a_file_goes_with_a_message_of_its_owner_only(
    house: House, hers: Socket, his: Socket, bob: Person
) -> None:
    file = await add_for(house, "alice")
    await his.send(type="message", msg="mine", nonce="n", file=file.id)
    error = await his.next("error")
    assert (error["code"], error["nonce"]) == ("invalid", "n")
    assert error["text"] == "This file is not there any more. Please send it again."
    await hers.send(type="message", msg="look", nonce="n", file=file.id)
    said = await his.next("message")
    assert (said["msg"], said["file"]) == ("look", file.to_document())
    document = await house.app[FILES].find(file.id)
    stored = await house.database[MESSAGE_COLLECTION].find_one({"seq": said["seq"]})
    assert document is not None
    assert stored is not None
    assert document["key"] == stored["key"]


async def test_an_incomplete_or_unknown_file_cannot_be_claimed(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, user = house.app[FILES], await identity_of(house, "alice")
    began, may_go_on = asyncio.Event(), asyncio.Event()
    insert = files._previews.insert_one

    async def insert_slowly(document: Document) -> None:
        began.set()
        await may_go_on.wait()
        await insert(document)

    monkeypatch.setattr(files._previews, "insert_one", insert_slowly)
    adding = asyncio.create_task(files.add(user.user_id, new_file()))
    await began.wait()
    document = await house.database[FILE_COLLECTION].find_one({})
    assert document is not None
    assert await files.find(document["id"]) is None
    for file_id in (document["id"], "unknown", "A" * 22):
        with pytest.raises(Refused):
            await files.claim(user, file_id, "key")
    may_go_on.set()
    file = await adding
    assert await files.claim(user, file.id, "key") == file


@pytest.mark.parametrize("processes", [1, 2])
async def test_of_several_messages_at_once_one_gets_the_file(
    open_house: OpenHouse, processes: int
) -> None:
    houses = [await open_house() for _ in range(processes)]
    await houses[0].sign_in("alice")
    user = await identity_of(houses[0], "alice")
    for _ in range(10):
        file = await add_for(houses[0], "alice", b"x")
        claims = [
            house.app[FILES].claim(user, file.id, f"key{n}") for n in range(4) for house in houses
        ]
        found = await asyncio.gather(*claims, return_exceptions=True)
        assert found.count(file) == processes  # the one key, in each process
        assert sum(isinstance(each, Refused) for each in found) == 3 * processes
        document = await houses[0].app[FILES].find(file.id)
        assert document is not None
        winner = found.index(file) // processes
        assert document["key"] == f"key{winner}"


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_message_that_is_sent_twice_at_once_is_there_once_with_its_file(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr("chat.journal.POLL_EVERY", 0.05)
    houses = [await open_house() for _ in range(processes)]
    browsers = [await houses[0].sign_in("alice")]
    browsers += [await log_in(house, "alice") for house in houses[1:]]
    sockets = [await browsers[n % processes].connect() for n in range(4)]
    for number in range(1, 6):
        file = await add_for(houses[0], "alice", b"x")
        frame = {"type": "message", "msg": "look", "nonce": f"n{number}", "file": file.id}
        await asyncio.gather(*(socket.send(**frame) for socket in sockets))
        for socket in sockets:
            while (said := await socket.next("message", "error"))["nonce"] != frame["nonce"]:
                pass  # the answers to the sockets that sent the one before, too
            assert (said["type"], said["seq"]) == ("message", number)
            assert said["file"]["id"] == file.id
    assert await houses[0].database[MESSAGE_COLLECTION].count_documents({}) == 5


# What takes it away


async def test_a_deleted_message_takes_its_file_with_it_and_no_other(
    house: House, hers: Socket
) -> None:
    files = [await add_for(house, "alice") for _ in range(2)]
    for number, file in enumerate(files):
        await hers.send(type="message", msg="", nonce=f"{number}", file=file.id)
        await hers.next("message")
    await hers.send(type="edit", of=1, msg="a caption", nonce="e")
    await hers.next("change")
    assert not await is_gone(house, files[0].id)
    await hers.send(type="delete", of=2, nonce="d")
    await hers.next("change")
    await until(lambda: is_gone(house, files[1].id))

    async def is_one_left() -> bool:
        return len(await parts_of(house.database)) == 5  # the file, three chunks, a preview

    await until(is_one_left)
    assert await content_of(house.app[FILES], files[0]) == CONTENT
    await hers.send(type="message", msg="again", nonce="x", file=files[1].id)
    assert "not there any more" in (await hers.next("error"))["text"]


async def test_with_a_banned_persons_messages_their_files_go(
    open_house: OpenHouse,
) -> None:
    house = await open_house(MODERATORS=("alice",))
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    socket = await bob.connect()
    for number in range(7):  # more than are removed at once
        file = await add_for(house, "bob")
        await socket.send(type="message", msg="", nonce=f"{number}", file=file.id)
        await socket.next("message")
    form = {"login": "bob", "action": "ban", "also_remove": "yes"}
    assert (await alice.post("/person", form)).status == 303
    await nothing_left(house.database)


async def test_a_deleted_accounts_messages_keep_their_files_and_its_uploads_go(
    house: House, alice: Person, bob: Person
) -> None:
    named, unnamed = await add_for(house, "alice"), await add_for(house, "alice")
    his = await add_for(house, "bob")
    socket = await alice.connect()
    await socket.send(type="message", msg="", nonce="1", file=named.id)
    await socket.next("message")
    assert (await delete_account(alice)).status == 303
    await finish_departures(house)
    files = house.app[FILES]
    await files.sweep()
    await until(lambda: is_gone(house, unnamed.id))
    assert await content_of(files, named) == await content_of(files, his) == CONTENT
    assert await files.find(named.id)
    assert await files.find(his.id)


async def test_who_reads_a_file_that_is_removed_gets_the_right_bytes_or_none(
    house: House, alice: Person
) -> None:
    files = house.app[FILES]
    file = await add_for(house, "alice", os.urandom(8 * CHUNK_SIZE))
    content = await content_of(files, file)
    reading = files.read(file.id, 0, file.size)
    assert await anext(reading) + await anext(reading) == content[: 2 * CHUNK_SIZE]
    files.forget(file.id)
    await nothing_left(house.database)
    await add_for(house, "alice", os.urandom(8 * CHUNK_SIZE))
    with pytest.raises(FileGone):
        await anext(reading)


async def test_a_file_that_several_processes_forget_is_removed_by_one(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    houses = [await open_house() for _ in range(3)]
    await houses[0].sign_in("alice")
    file = await add_for(houses[0], "alice")
    removed = []
    for house in houses:
        monkeypatch.setattr(house.app[FILES], "_remove", lambda it: removed.append(it["id"]))
        house.app[FILES].forget(file.id)
    await until(lambda: all(not house.app[FILES]._to_forget.qsize() for house in houses))
    await until(lambda: removed)
    await asyncio.sleep(0.1)  # in which another one would have begun
    assert removed == [file.id]


# The database is away


@pytest.fixture
async def away(open_house: OpenHouse, imitation: Imitation) -> House:
    """A chat whose database a test may take away."""
    house = await open_house(MONGO_HOST=imitation.address)
    await house.sign_in("alice")
    return house


def takes_away(imitation: Imitation, command: str, collection: str, after: int = 0) -> None:
    """Let the database answer no more commands on a collection, after the first few."""
    left = after

    def answer(body: Document) -> Document | None:
        nonlocal left
        if body[command] != collection:
            return None
        left -= 1
        return NOBODY_IS_PRIMARY if left < 0 else None

    imitation.answers[command] = answer


@pytest.mark.parametrize(
    ("command", "collection", "after"),
    [
        ("insert", FILE_COLLECTION, 0),
        ("insert", CHUNK_COLLECTION, 0),
        ("insert", CHUNK_COLLECTION, 2),
        ("insert", PREVIEW_COLLECTION, 0),
        ("update", FILE_COLLECTION, 0),
    ],
)
async def test_of_an_upload_that_fails_nothing_is_seen_and_nothing_stays(
    away: House, imitation: Imitation, monkeypatch: pytest.MonkeyPatch,
    command: str, collection: str, after: int,
) -> None:  # fmt: skip
    monkeypatch.setattr("files.store.RETRY_PAUSE", 0.05)
    monkeypatch.setattr("files.store.SETTLED_AFTER", -1)
    takes_away(imitation, command, collection, after)
    with pytest.raises(DatabaseUnavailable):
        await add_for(away, "alice")
    documents = await away.database[FILE_COLLECTION].find({}).to_list(None)
    assert all([await is_gone(away, document["id"]) for document in documents])
    imitation.answers.clear()

    async def is_swept() -> bool:
        await away.app[FILES].sweep()
        return not await parts_of(away.database)

    await until(is_swept)
    file = await add_for(away, "alice")
    assert await content_of(away.app[FILES], file) == CONTENT


async def test_a_write_that_is_late_leaves_nothing_behind(
    away: House, imitation: Imitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that is stored after its upload has failed is found by the file's document."""
    files = away.app[FILES]
    insert, remove = files._chunks.insert_one, files._remove
    late: list[Document] = []
    removed = asyncio.Event()

    async def remove_and_tell(document: Document) -> None:
        await remove(document)
        removed.set()

    monkeypatch.setattr(files, "_remove", remove_and_tell)

    async def seems_to_fail(document: Document) -> None:
        late.append(document)
        raise DatabaseUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(files._chunks, "insert_one", seems_to_fail)
        with pytest.raises(DatabaseUnavailable):
            await add_for(away, "alice")
    await until(removed.is_set)
    await insert(late[0])
    await files.sweep()
    assert len(await parts_of(away.database)) == 2  # the sweep waits for a minute
    monkeypatch.setattr("files.store.SETTLED_AFTER", -1)
    await files.sweep()
    await nothing_left(away.database)


async def test_a_claim_whose_answer_is_lost_may_be_repeated(
    away: House, imitation: Imitation
) -> None:
    file, user = await add_for(away, "alice"), await identity_of(away, "alice")
    for attempt in range(2):  # lost before and after the database has done it
        if attempt:
            imitation.answers.clear()
            imitation.loses = lambda name, body: body.get("update") == FILE_COLLECTION
        else:
            takes_away(imitation, "update", FILE_COLLECTION)
        with pytest.raises(DatabaseUnavailable):
            await away.app[FILES].claim(user, file.id, "key")
    imitation.loses = lambda name, body: False
    assert await away.app[FILES].claim(user, file.id, "key") == file


@pytest.mark.parametrize("command", ["find", "update"])
async def test_a_deleted_messages_file_goes_when_the_database_is_back(
    away: House, imitation: Imitation, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("files.store.RETRY_PAUSE", 0.05)
    file = await add_for(away, "alice")
    takes_away(imitation, command, FILE_COLLECTION)
    away.app[FILES].forget(file.id)
    await until(lambda: [c for c in imitation.commands if c.body.get(command) == FILE_COLLECTION])
    imitation.answers.clear()
    await nothing_left(away.database)


@pytest.mark.parametrize(
    ("collection", "after"),
    [(CHUNK_COLLECTION, 1), (PREVIEW_COLLECTION, 0), (FILE_COLLECTION, 0)],
)
async def test_a_removal_that_is_cut_short_is_finished_by_the_sweep(
    away: House, imitation: Imitation, monkeypatch: pytest.MonkeyPatch, collection: str, after: int
) -> None:
    monkeypatch.setattr("files.store.SETTLED_AFTER", -1)
    file = await add_for(away, "alice")
    takes_away(imitation, "delete", collection, after)
    away.app[FILES].forget(file.id)

    def tried() -> list[Any]:
        return [c for c in imitation.commands if c.body.get("delete") == collection]

    await until(lambda: len(tried()) > after)
    assert await is_gone(away, file.id)
    await asyncio.sleep(0.05)
    assert await parts_of(away.database)
    imitation.answers.clear()
    await away.app[FILES].sweep()
    await nothing_left(away.database)
