"""Files as browsers get them: who may, in ranges, from memory, and how fast readers are."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from files import views
from files.parts import READS, READS_AT_ONCE
from files.store import CHUNK_SIZE, FILES, FileGone
from pages.streaming import stream as streamed
from security.headers import FILE_POLICY, HEADERS
from storage.database import DatabaseUnavailable
from tests.support.house import House
from tests.support.people import Person
from tests.support.raw_requests import ask
from tests.support.sessions import held_by
from tests.support.uploads import part, send_form, uploaded
from tests.support.waiting import until

CONTENT = os.urandom(2 * CHUNK_SIZE + 1000)
SIZE = len(CONTENT)
CHUNKS = 150  # of a large file


@pytest.fixture
async def path(alice: Person) -> str:
    """The address of a file that a message of Alice's names."""
    response = await send_form(alice, part("file", CONTENT, "data.bin"), part("msg"))
    assert response.status == 201
    return f"/file/{(await response.json())['id']}"


WHOLE = [
    *(None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=1-2,4-5", "bytes=1"),
    *("bytes=-1-2", "items=0-1", "bytes=0x1-2", "bytes 0-1", "bytes=" + "9" * 5000 + "-"),
]
RANGES = [
    ("bytes=0-0", 0, 1),
    ("bytes=0-", 0, SIZE),
    ("Bytes=0-9", 0, 10),
    ("bytes=-10", SIZE - 10, SIZE),
    (f"bytes=-{SIZE + 5}", 0, SIZE),
    (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
    (f"bytes={CHUNK_SIZE - 1}-{CHUNK_SIZE}", CHUNK_SIZE - 1, CHUNK_SIZE + 1),
    (f"bytes={CHUNK_SIZE}-{2 * CHUNK_SIZE - 1}", CHUNK_SIZE, 2 * CHUNK_SIZE),
    (f"bytes=100-{SIZE + 100}", 100, SIZE),
]


@pytest.mark.parametrize(("asked", "start", "end"), RANGES)
async def test_a_range_of_a_file_is_served(
    alice: Person, path: str, asked: str, start: int, end: int
) -> None:
    response = await alice.get(path, headers={"Range": asked})
    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert response.headers["Content-Length"] == str(end - start)
    assert await response.read() == CONTENT[start:end]


async def test_what_is_no_single_range_is_answered_with_the_whole_file(
    alice: Person, path: str
) -> None:
    for asked in WHOLE:
        response = await alice.get(path, headers={} if asked is None else {"Range": asked})
        assert response.status == 200, asked
        assert "Content-Range" not in response.headers
        assert response.headers["Accept-Ranges"] == "bytes"
        assert await response.read() == CONTENT


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 9}-{SIZE + 10}", "bytes=-0"])
async def test_a_range_beyond_the_end_is_refused(alice: Person, path: str, asked: str) -> None:
    response = await alice.get(path, headers={"Range": asked})
    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "condition", ["own", '"another"', "own weak", "Wed, 21 Oct 2026 07:28:00 GMT"]
)
async def test_a_range_is_only_of_the_file_that_the_client_knows(
    alice: Person, path: str, condition: str
) -> None:
    etag = (await alice.get(path)).headers["ETag"]
    condition = {"own": etag, "own weak": f"W/{etag}"}.get(condition, condition)
    response = await alice.get(path, headers={"Range": "bytes=0-0", "If-Range": condition})
    assert response.status == (206 if condition == etag else 200)


async def test_what_a_browser_has_is_not_sent_again(alice: Person, path: str) -> None:
    first = await alice.get(path)
    etag = first.headers["ETag"]
    for known in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        response = await alice.get(path, headers={"If-None-Match": known})
        assert (response.status, await response.read()) == (304, b"")
        for name in ("ETag", "Cache-Control", "Content-Security-Policy"):
            assert response.headers[name] == first.headers[name]
    assert first.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    for known in ('"x"', "nonsense", ""):
        response = await alice.get(path, headers={"If-None-Match": known})
        assert response.status == 200


async def test_head_tells_of_the_whole_file(house: House, alice: Person, path: str) -> None:
    cookie = f"Cookie: chat_session={held_by(alice)}"
    answer = await ask(house, cookie, "Range: bytes=0-1", path=path, method="HEAD")
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(SIZE))
    whole = await alice.get(path)
    for name in ("ETag", "Content-Type", "Content-Disposition", "Accept-Ranges"):
        assert answer.headers[name] == whole.headers[name]


async def test_a_file_is_its_owner_s_until_a_message_names_it(alice: Person, bob: Person) -> None:
    file = await uploaded(alice)
    path = f"/file/{file['id']}"
    assert (await alice.get(path)).status == 200
    assert (await bob.get(path)).status == 404
    hers = await alice.connect()
    await hers.send(type="message", msg="", nonce="n", file=file["id"])
    await hers.next("message")
    assert (await bob.get(path)).status == 200
    await hers.send(type="delete", of=1, nonce="d")
    await hers.next("change")

    async def is_gone() -> bool:
        return (await alice.get(path)).status == (await bob.get(path)).status == 404

    await until(is_gone)


@pytest.mark.parametrize("path", ["/file/" + "x" * 22, f"/file/{'x' * 22}/preview"])
async def test_there_is_no_file_that_nobody_has_sent(alice: Person, path: str) -> None:
    assert "This file does not exist, or not any more." in await alice.page(path, 404)


@pytest.mark.parametrize("id_", ["", "x", "x" * 23, "x" * 21 + "%2f", "../" + "x" * 22])
async def test_what_is_no_id_has_no_page(alice: Person, id_: str) -> None:
    assert (await alice.get(f"/file/{id_}")).status in (404, 405)


@pytest.mark.parametrize("end", ["", "/preview"])
async def test_strangers_see_no_file(visitor: Person, path: str, end: str) -> None:
    response = await visitor.get(path + end)
    assert (response.status, response.headers["Location"]) == (303, f"/login?next={path}{end}")
    response = await visitor.get(path + end, headers={"Accept": "application/json"})
    assert response.status == 401


HOSTILE = {
    "page.html": b"<script>alert(1)</script>",
    "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "data.xml": b'<?xml-stylesheet href="x"?><x/>',
    "code.js": b"alert(1)",
    "page.xhtml": b"<html xmlns='http://www.w3.org/1999/xhtml'/>",
    "paper.pdf": b"%PDF-1.7 \x00",
    "photo.png": b"<script>alert(1)</script>",
    "photo.jpg": b"\xff\xd8\xff<script>alert(1)</script>",  # no picture, so it is served as it came
    "style.css": b"body { display: none }",
    "data.mhtml": b"MIME-Version: 1.0\r\n",
    "app.wasm": b"\x00asm",
    "nothing": b"\x00",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_a_browser_would_run_is_only_saved(alice: Person, name: str) -> None:
    file = await uploaded(alice, HOSTILE[name], name)
    response = await alice.get(f"/file/{file['id']}")
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith(f'attachment; filename="{name}"')
    assert response.headers["Content-Security-Policy"] == FILE_POLICY
    for header in HEADERS.keys() - {"Content-Security-Policy"}:
        assert response.headers[header] == HEADERS[header]
    assert await response.read() == HOSTILE[name]


async def test_sound_is_played_and_can_be_saved_under_its_name(alice: Person) -> None:
    file = await uploaded(alice, b"ID3\x04\x00\x00 \xfesong", "Über.mp3")
    played = await alice.get(f"/file/{file['id']}")
    assert played.headers["Content-Type"] == "audio/mpeg"
    assert played.headers["Content-Disposition"].startswith("inline;")
    saved = await alice.get(f"/file/{file['id']}?download")
    assert saved.headers["Content-Type"] == "application/octet-stream"
    name = "attachment; filename=\"_ber.mp3\"; filename*=UTF-8''%C3%9Cber.mp3"
    assert saved.headers["Content-Disposition"] == name


def replace_read(house: House, monkeypatch: pytest.MonkeyPatch, *parts: Any) -> None:
    """Let each file consist of these parts; an exception among them is raised."""

    async def read(*_: object) -> AsyncIterator[bytes]:
        for it in parts:
            if isinstance(it, Exception):
                raise it
            yield it

    monkeypatch.setattr(house.app[FILES], "read", read)


@pytest.mark.parametrize(("fault", "status"), [(FileGone(), 404), (DatabaseUnavailable(), 503)])
async def test_a_file_that_can_t_be_read_is_told_of_as_long_as_nothing_is_sent(
    house: House, alice: Person, path: str, monkeypatch: pytest.MonkeyPatch,
    fault: Exception, status: int,
) -> None:  # fmt: skip
    replace_read(house, monkeypatch, fault)
    assert (await alice.get(path)).status == status


@pytest.mark.parametrize("fault", [FileGone(), DatabaseUnavailable()])
async def test_a_file_that_breaks_off_does_not_seem_whole(
    house: House, alice: Person, path: str, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, fault: Exception,
) -> None:  # fmt: skip
    replace_read(house, monkeypatch, CONTENT[:CHUNK_SIZE], fault)
    response = await alice.get(path)
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()
    assert not caplog.records


def hold_reads(house: House, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let reads of files wait after each chunk until the event is set."""
    files = house.app[FILES]
    read, may_go_on = files.read, asyncio.Event()

    async def slowly(*what: Any) -> AsyncIterator[bytes]:
        async for chunk in read(*what):
            yield chunk
            await may_go_on.wait()

    monkeypatch.setattr(files, "read", slowly)
    return may_go_on


async def test_a_file_that_is_deleted_while_it_is_read_breaks_off(
    house: House, alice: Person, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that has begun does not get the rest."""
    may_go_on = hold_reads(house, monkeypatch)
    response = await alice.get(path)
    hers = await alice.connect()
    await hers.send(type="delete", of=1, nonce="d")

    async def is_gone() -> bool:
        return not [chunk async for chunk in house.database["chunks"].find({})]

    await until(is_gone)
    may_go_on.set()
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()


async def test_who_signs_out_gets_no_more_of_a_file_that_is_being_read(
    house: House, alice: Person, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = hold_reads(house, monkeypatch)
    response = await alice.get(path)
    await alice.post("/signout")
    may_go_on.set()
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()


class Slow:
    """Readers that take nothing, and the chat's ends of their connections."""

    def __init__(self, house: House, person: Person, path: str) -> None:
        self.house = house
        self.transports: list[asyncio.Transport] = []
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {house.server.host}:{house.server.port}\r\n"
            f"Cookie: chat_session={held_by(person)}\r\n\r\n"
        ).encode()

    async def begin(self, receive_buffer: int = 4096) -> socket.socket:
        """Ask for the file, and read nothing."""
        loop, sock, count = asyncio.get_running_loop(), socket.socket(), len(self.transports)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await loop.sock_connect(sock, (self.house.server.host, self.house.server.port))
        await loop.sock_sendall(sock, self._request)
        await until(lambda: len(self.transports) > count)
        return sock


@pytest.fixture
async def slow(house: House, alice: Person, monkeypatch: pytest.MonkeyPatch) -> Slow:
    """Slow readers of a large file, of which the database need not know."""
    response = await send_form(alice, part("file", b"x", "data.bin"), part("msg"))
    slow = Slow(house, alice, f"/file/{(await response.json())['id']}")

    async def stream(
        request: web.Request, response: web.StreamResponse, _: object, *how: Any
    ) -> None:
        slow.transports.append(request.transport)  # type: ignore[arg-type]
        response.content_length = CHUNKS * CHUNK_SIZE
        await streamed(request, response, chunks(), *how)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            yield bytes(CHUNK_SIZE)

    monkeypatch.setattr(views, "stream", stream)
    return slow


async def test_a_reader_who_takes_nothing_holds_a_chunk_and_no_page(
    alice: Person, slow: Slow
) -> None:
    sockets = [await slow.begin() for _ in range(READS_AT_ONCE)]
    await until(lambda: all(transport.get_write_buffer_size() for transport in slow.transports))
    assert max(it.get_write_buffer_size() for it in slow.transports) <= 2 * CHUNK_SIZE
    assert (await alice.get("/")).status == 200
    refused = await alice.get("/file/" + "x" * 22)
    assert refused.status == 404
    for sock in sockets:
        sock.close()
    await until(lambda: not alice.app[READS]._lines)


async def test_a_person_reads_twenty_files_at_once(alice: Person, path: str, slow: Slow) -> None:
    sockets = [await slow.begin() for _ in range(READS_AT_ONCE)]
    refused = await alice.get(path)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "2")
    sockets.pop().close()
    await until(lambda: inside(alice) < READS_AT_ONCE)
    assert (await alice.get(path)).status == 200
    for sock in sockets:
        sock.close()


def inside(person: Person) -> int:
    """Return how many files are being read."""
    return sum(line.inside for line in person.app[READS]._lines.values())


async def test_a_reader_who_takes_nothing_is_cut_off(
    alice: Person, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "WRITE_TIMEOUT", 0.3)
    sock = await slow.begin()
    await until(lambda: not inside(alice))
    assert slow.transports[0].is_closing()
    sock.close()


async def test_a_reader_who_takes_a_little_now_and_then_gets_all(
    alice: Person, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer than the chat waits for a chunk to be taken."""
    monkeypatch.setattr(views, "WRITE_TIMEOUT", 3)
    sock = await slow.begin(CHUNK_SIZE)
    loop, began, received = asyncio.get_running_loop(), time.monotonic(), 0
    while received < CHUNKS * CHUNK_SIZE:
        await asyncio.sleep(0.02)
        data = await loop.sock_recv(sock, CHUNK_SIZE)
        assert data
        received += len(data)
    assert time.monotonic() - began > views.WRITE_TIMEOUT
    sock.close()
