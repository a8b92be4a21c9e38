"""Downloading what one has written."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from account.own_messages import DOWNLOADS
from chat.writings import WRITINGS
from settings import MESSAGE_COLLECTION
from storage.database import Collection, DatabaseUnavailable, Document
from tests.support.accounts import delete_account, downloaded, user_id_of
from tests.support.hostile import HOSTILE
from tests.support.house import House
from tests.support.people import Person
from tests.support.sessions import held_by
from tests.support.stored_files import send_stored
from tests.support.waiting import PATIENCE, until

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def store(house: House, *documents: Document) -> None:
    """Put entries at the end of the log, as another process would."""
    log = house.database[MESSAGE_COLLECTION]
    time = datetime(2026, 11, 21, 10, tzinfo=UTC)
    seq = await log.count_documents({})
    for start in range(0, len(documents), 500):
        await log.insert_many(
            {"seq": seq + n, "key": f"{d['user_id']}:{seq + n}", "user": "x", "time": time} | d
            for n, d in enumerate(documents[start : start + 500], start + 1)
        )


async def test_thousands_of_messages_are_downloaded_in_order(
    house: House, alice: Person, bob: Person
) -> None:
    own, other = await user_id_of(house, "alice"), await user_id_of(house, "bob")
    await store(
        house, *({"user_id": (own, other)[n % 2], "msg": f"number {n}"} for n in range(5000))
    )
    assert await downloaded(alice) == [
        {"seq": n + 1, "time": "2026-11-21T10:00:00.000Z", "msg": f"number {n}"}
        for n in range(0, 5000, 2)
    ]
    assert len(await downloaded(bob)) == 2500


async def test_a_download_has_each_message_as_it_reads_now(house: House, alice: Person) -> None:
    own, other = await user_id_of(house, "alice"), "0" * 24
    await store(
        house,
        {"user_id": own, "msg": "as it was"},
        {"user_id": own, "msg": "corrected", "state": "edited"},
        {"user_id": own, "msg": "", "state": "deleted"},
        {"user_id": own, "of": 2},
        {"user_id": other, "msg": "of somebody else"},
        {"user_id": other, "of": 3},
    )
    assert [(line["seq"], line["msg"], line.get("edited")) for line in await downloaded(alice)] == [
        (1, "as it was", None),
        (2, "corrected", True),
    ]


async def test_a_download_lists_the_files_that_one_has_sent(house: House, alice: Person) -> None:
    file = await send_stored(house, alice, name="Haus 🏠.png", width=30, height=20)
    await send_stored(house, alice)
    assert (await alice.post("/message/2", {"action": "delete"})).status == 303
    [line] = await downloaded(alice)
    assert line["file"] == {
        "id": file.id, "name": "Haus 🏠.png", "type": "image/png", "size": file.size
    }  # fmt: skip


async def test_what_others_have_written_is_not_read_for_one_s_own(
    house: House, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = await user_id_of(house, "alice"), await user_id_of(house, "bob")
    await store(house, *({"user_id": own, "msg": f"number {n}"} for n in range(3)))
    await store(house, *({"user_id": other, "of": 2, "message_seq": 0} for _ in range(2000)))
    await store(house, *({"user_id": other, "msg": "of somebody else"} for _ in range(1000)))
    read: list[int] = []
    find = Collection.find

    async def count(collection: Collection, *what: Any, **options: Any) -> list[Document]:
        documents = await find(collection, *what, **options)
        if collection.name == MESSAGE_COLLECTION and "seq" not in what[0]:  # not the journal's
            read.append(len(documents))
        return documents

    monkeypatch.setattr(Collection, "find", count)
    assert len(await downloaded(alice)) == 3
    assert read == [3, 3]
    read.clear()
    assert (await delete_account(alice)).status == 303
    assert read == [3, 0]


async def test_a_download_keeps_every_text_on_its_line(house: House, alice: Person) -> None:
    texts = [*HOSTILE, "two\nlines", "Привет 👋", '"quoted" \\ \t', "\u2028"]
    own = await user_id_of(house, "alice")
    await store(house, *({"user_id": own, "msg": text} for text in texts))
    assert [line["msg"] for line in await downloaded(alice)] == texts


async def test_a_broken_download_aborts_the_connection(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = await user_id_of(house, "alice")
    await store(house, *({"user_id": own, "msg": "hi"} for _ in range(3)))
    messages = house.app[WRITINGS].messages

    async def break_off(*whose: Any) -> Any:
        async for documents in messages(*whose):
            yield documents
            raise DatabaseUnavailable

    monkeypatch.setattr(house.app[WRITINGS], "messages", break_off)
    response = await alice.get("/account/messages.jsonl")
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()
    assert not caplog.records


@pytest.fixture
async def unread(house: House, alice: Person) -> AsyncIterator[Stream]:
    """A download of Alice's many messages that nobody reads."""
    own = await user_id_of(house, "alice")
    await store(house, *({"user_id": own, "msg": "x" * 2000} for _ in range(12_000)))
    reader, writer = await asyncio.open_connection(house.server.host, house.server.port, limit=1024)
    writer.write(
        f"GET /account/messages.jsonl HTTP/1.1\r\nHost: {house.server.host}:{house.server.port}\r\n"
        f"Cookie: chat_session={held_by(alice)}\r\n\r\n".encode()
    )
    await reader.readline()  # it has begun
    yield reader, writer
    writer.close()


async def test_one_person_downloads_once_at_a_time_and_two_people_at_once(
    house: House, alice: Person, bob: Person, unread: Stream
) -> None:
    again = await alice.get("/account/messages.jsonl")
    assert (again.status, again.headers["Retry-After"]) == (429, "10")
    assert "until your other download has ended" in await again.text()
    assert await downloaded(bob) == []
    house.app[DOWNLOADS].add("somebody else")
    refused = await bob.get("/account/messages.jsonl")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "10")
    house.app[DOWNLOADS].remove("somebody else")
    unread[1].transport.abort()
    await until(lambda: not house.app[DOWNLOADS])
    assert len(await downloaded(alice)) == 12_000


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the chat wait less for a client to read."""
    monkeypatch.setattr("account.own_messages.WRITE_TIMEOUT", 0.2)


@pytest.mark.usefixtures("impatient")
async def test_a_download_that_nobody_reads_is_cut_off(house: House, unread: Stream) -> None:
    await until(lambda: not house.app[DOWNLOADS])
    reader, _ = unread
    async with asyncio.timeout(PATIENCE):
        try:
            rest = await reader.read()
        except ConnectionError:
            return
    assert not rest.endswith(b"0\r\n\r\n")  # the end of a complete download
