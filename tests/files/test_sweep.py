"""What nobody needs any more is removed, and nothing else, whatever was killed before."""

import asyncio
import time
from typing import Any

import pytest

from files.store import FILES, KEPT_FOR, Files
from settings import CHUNK_COLLECTION, FILE_COLLECTION, MESSAGE_COLLECTION
from storage.database import Document
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.sockets import Socket
from tests.support.stored_files import (
    CONTENT,
    add_for,
    content_of,
    identity_of,
    nothing_left,
    parts_of,
)
from tests.support.waiting import until

ROUNDS = 40


async def send(socket: Socket, file_id: str, nonce: str) -> int:
    """Send a message with a file, and return its number."""
    await socket.send(type="message", msg="", nonce=nonce, file=file_id)
    seq: int = (await socket.next("message"))["seq"]
    return seq


def put_forward(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the files go by a clock that is ahead."""
    monkeypatch.setattr("files.store.now", lambda: int(time.time() + seconds))


async def set_about(house: House, file_id: str, **values: Any) -> None:
    """Change the document of a file."""
    await house.database[FILE_COLLECTION].update_one({"file_id": file_id}, {"$set": values})


async def swept(house: House) -> list[str]:
    """Sweep, and return the ids of the files that are left."""
    files = house.app[FILES]
    await files.sweep()
    await until(lambda: not files._to_remove.qsize())
    await files.sweep()  # waits for what was begun, too
    documents = await house.database[FILE_COLLECTION].find({}).to_list(None)
    return [each["id"] for each in documents if each["state"] == "complete"]


async def test_what_no_message_names_goes_after_a_day_and_what_one_names_stays(
    house: House, hers: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, claimed, _ = [await add_for(house, "alice") for _ in range(3)]
    await send(hers, named.id, "1")
    alice = await identity_of(house, "alice")
    await house.app[FILES].claim(alice, claimed.id, f"{alice.user_id}:never sent")
    assert len(await swept(house)) == 3
    put_forward(monkeypatch, KEPT_FOR - 100)
    assert len(await swept(house)) == 3
    put_forward(monkeypatch, KEPT_FOR + 100)
    assert await swept(house) == [named.id]
    put_forward(monkeypatch, 1000 * KEPT_FOR)
    assert await swept(house) == [named.id]
    assert await content_of(house.app[FILES], named) == CONTENT

    async def is_one_left() -> bool:
        return len(await parts_of(house.database)) == 5  # the file, three chunks, a preview

    await until(is_one_left)


@pytest.mark.parametrize("state", ["incomplete", "gone"])
@pytest.mark.parametrize("chunks", [0, 1, 3])
async def test_what_a_killed_process_has_left_is_removed_at_the_next_start(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, state: str, chunks: int
) -> None:
    house = await open_house()
    await house.sign_in("alice")
    file = await add_for(house, "alice")
    await set_about(house, file.id, state=state)
    for number in range(chunks):
        await house.database[CHUNK_COLLECTION].delete_one({"_id": f"{file.id}:{number}"})
    await swept(house)
    assert len(await parts_of(house.database)) == 5 - chunks  # too early
    put_forward(monkeypatch, KEPT_FOR + 100)
    await open_house()
    await nothing_left(house.database)


async def test_a_message_that_was_deleted_before_a_kill_takes_its_file_at_the_next_start(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house()
    alice = await house.sign_in("alice")
    hers = await alice.connect()
    file = await add_for(house, "alice")
    await send(hers, file.id, "n")
    monkeypatch.setattr(Files, "forget", lambda self, file_id: None)  # killed just before
    await hers.send(type="delete", of=1, nonce="d")
    await hers.next("change")
    assert len(await parts_of(house.database)) == 5
    await open_house()
    await nothing_left(house.database)


async def test_the_file_of_another_message_with_the_key_is_not_kept_for_it(
    house: House, hers: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, other = [await add_for(house, "alice") for _ in range(2)]
    await send(hers, named.id, "n")
    message = await house.database[MESSAGE_COLLECTION].find_one({})
    assert message is not None
    await set_about(house, other.id, key=message["key"])
    assert len(await swept(house)) == 2
    put_forward(monkeypatch, KEPT_FOR + 100)
    assert await swept(house) == [named.id]


async def test_a_file_that_is_claimed_while_it_is_swept_stays_whole_or_is_refused(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep has seen that no message names it; then a message claims it."""
    files, user = house.app[FILES], await identity_of(house, "alice")
    look = files._is_left_over

    for claims_in_between in (True, False):
        file = await add_for(house, "alice")
        put_forward(monkeypatch, KEPT_FOR + 100)

        async def look_and_claim(document: Document) -> bool:
            found = await look(document)
            if claims_in_between:  # noqa: B023
                await files.claim(user, document["id"], "key")
            return found

        with monkeypatch.context() as patch:
            patch.setattr(files, "_is_left_over", look_and_claim)
            await files.sweep()
        if claims_in_between:
            assert await files.claim(user, file.id, "key") == file
            assert await content_of(files, file) == CONTENT
        else:
            assert await files.find(file.id) is None
        await set_about(house, file.id, key=None, touched=0)
        await files.sweep()
        await nothing_left(house.database)
        put_forward(monkeypatch, 0)


async def test_claims_and_sweeps_at_random_never_leave_a_message_without_its_file(
    house: House, hers: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = house.app[FILES]
    monkeypatch.setattr("files.store.SWEEP_PAUSE", 0)
    outcomes: list[bool] = []
    moments = [*range(ROUNDS), None]  # the last one is after the sweep
    for number in moments:
        file = await add_for(house, "alice", b"x" * 100)
        await set_about(house, file.id, touched=0)  # the sweep removes it, unless it is claimed
        sweeping = asyncio.create_task(files.sweep())
        if number is None:
            await sweeping
        for _ in range(number or 0):  # somewhere within the sweep
            await asyncio.sleep(0.0001)
        await hers.send(type="message", msg="", nonce=f"n{number}", file=file.id)
        frame = await hers.next("message", "error")
        await sweeping
        if frame["type"] == "message":
            assert await content_of(files, file) == b"x" * 100
            assert await files.find(file.id)
        else:
            assert "not there any more" in frame["text"]
            assert await files.find(file.id) is None
        outcomes.append(frame["type"] == "message")
    assert any(outcomes)
    assert not outcomes[-1]


async def test_a_sweep_goes_on_after_an_outage_and_again_every_hour(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("files.store.SWEEP_EVERY", 0.05)
    house = await open_house()
    await house.sign_in("alice")
    file = await add_for(house, "alice")
    await set_about(house, file.id, touched=0)
    await nothing_left(house.database)
