"""Bodies that are not what they should be: each is refused in words, and nothing is left of it."""

import asyncio
import os
import resource
from collections.abc import Iterator
from typing import IO

import pytest

from files import uploads
from files.parts import UPLOADS_AT_ONCE
from files.uploads import PIECE
from files.usage import USAGE
from tests.support.house import House
from tests.support.people import Person
from tests.support.uploads import (
    BOUNDARY,
    FORM,
    begun,
    form_of,
    nothing_is_stored,
    part,
    part_with,
    send_form,
    upload,
    uploaded,
)
from tests.support.waiting import until

UNREADABLE = "The form can't be read, or it breaks off. Please send it again."
TWICE = "The form has a field twice, or too many"
LATE = "Not all of it arrived in time. Please send it again."
HOW = "Please send a form (multipart/form-data), or the file itself and its name as ?name="
TOO_MUCH = "That is too much to send at once"
ENCODED = "Please send the parts of the form without an encoding"
FILE = part("file", b"hello", "a.bin")
ABOUT = b'Content-Disposition: form-data; name="file"; filename="a.bin"'

BAD_FORMS: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, UNREADABLE),
    "no part": (f"--{BOUNDARY}--\r\n".encode(), 400, "Please choose a file."),
    "no file": (form_of(part("msg", "look")), 400, "Please choose a file."),
    "no file chosen": (form_of(part("file", b"", "")), 400, "Please choose a file."),
    "an empty file": (form_of(part("file", b"", "a.bin")), 400, "This file is empty."),
    "an empty file after another": (
        form_of(FILE, part("file", b"", "b.bin"), part("msg")), 400, "This file is empty."
    ),
    "two files without a message": (
        form_of(FILE, FILE), 400, "Several files need a field msg, which may be empty."
    ),
    "a field twice": (form_of(FILE, part("msg", "a"), part("msg", "b")), 400, TWICE),
    "too many fields": (form_of(*(part(f"{n}") for n in range(21)), FILE), 400, TWICE),
    "another boundary": (form_of(FILE).replace(b"--a-", b"--b-"), 400, UNREADABLE),
    "no end": (form_of(FILE)[:-20], 400, UNREADABLE),
    "no content": (f"--{BOUNDARY}\r\n".encode() + ABOUT, 400, UNREADABLE),
    "a part without headers": (form_of(part_with(b""), FILE), 400, UNREADABLE),
    "a part without a field": (form_of(part_with(b"Content-Type: text/plain")), 400, UNREADABLE),
    "line feeds only": (form_of(FILE).replace(b"\r\n", b"\n"), 400, UNREADABLE),
    "long headers": (
        form_of(part_with(ABOUT + b"\r\nX: " + b"x" * 16_384, b"x")), 400, UNREADABLE
    ),
    "many headers": (form_of(part_with(ABOUT + b"\r\nX: x" * 5000, b"x")), 400, UNREADABLE),
    "headers without an end": (form_of(part_with(b"X: " + b"x" * 200_000)), 400, UNREADABLE),
    "much before the first part": (b"\n" * 200_000 + form_of(FILE), 400, UNREADABLE),
    "a long text": (form_of(part("msg", "x" * 900_000), FILE), 413, TOO_MUCH),
    "long texts": (form_of(*(part(f"{n}", "x" * 60_000) for n in range(5)), FILE), 413, TOO_MUCH),
    "a text that is not UTF-8": (form_of(part("msg", b"\xff\xfe"), FILE), 400, UNREADABLE),
    "a part in base64": (
        form_of(part_with(ABOUT + b"\r\nContent-Transfer-Encoding: base64", b"aGk=")), 415, ENCODED
    ),
    "a nonce of many letters": (
        form_of(part("nonce", "n" * 65), part("msg", "hi"), FILE),
        400, "The nonce must be text of 1 to 64 printable characters",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FORMS)
async def test_a_form_that_is_not_right_is_refused(house: House, alice: Person, case: str) -> None:
    body, status, error = BAD_FORMS[case]
    response = await alice.post("/file", body, headers={"Content-Type": FORM})
    assert (response.status, await response.json()) == (status, {"error": error})
    await nothing_is_stored(house)
    await uploaded(alice)


@pytest.mark.parametrize(
    "kind",
    [
        "", "nonsense", "text/plain", "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=x", "multipart/form-data", "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "a/b;0*",
    ],
)  # fmt: skip
async def test_a_body_without_a_name_that_is_no_form_is_refused(alice: Person, kind: str) -> None:
    response = await alice.post("/file", form_of(FILE), headers={"Content-Type": kind})
    assert (response.status, await response.json()) == (415, {"error": HOW})


@pytest.mark.parametrize("kind", ["multipart/related; boundary=x", FORM, "nonsense", "a/b;0*"])
async def test_a_body_with_a_name_is_a_file_whatever_it_says(alice: Person, kind: str) -> None:
    response = await upload(alice, b"\0", headers={"Content-Type": kind})
    assert response.status == 201
    assert (await response.json())["type"] == "application/octet-stream"


@pytest.mark.parametrize("name", ["", "/", "\u202e", "a" * 3000, "a\nb", "\ud800"[:0] + "%ff"])
async def test_a_body_may_have_any_name(alice: Person, name: str) -> None:
    file = await uploaded(alice, b"\0", name)
    assert 1 <= len(file["name"]) <= 200
    assert file["name"].isprintable()


@pytest.fixture
def spools(monkeypatch: pytest.MonkeyPatch) -> list[IO[bytes]]:
    """The files on the disk into which uploads are written, the last one last."""
    spools: list[IO[bytes]] = []

    def new_file() -> IO[bytes]:
        spools.append(made())
        return spools[-1]

    made = uploads._new_file
    monkeypatch.setattr(uploads, "_new_file", new_file)
    return spools


async def are_closed(spools: list[IO[bytes]], count: int = 1) -> None:
    """Wait until the chat has closed the files that it has opened."""
    await until(lambda: all(spool.closed for spool in spools))
    assert len(spools) == count


async def test_an_empty_body_is_refused(house: House, alice: Person) -> None:
    response = await upload(alice, b"")
    assert (response.status, await response.json()) == (400, {"error": "This file is empty."})
    await nothing_is_stored(house)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "nonsense"])
async def test_a_body_that_is_compressed_is_refused(alice: Person, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}
    response = await upload(alice, b"x", headers=headers, compress=None)
    assert response.status in (400, 415)
    assert (await upload(alice, headers={"Content-Encoding": "identity"})).status == 201


async def test_a_body_in_chunks_needs_no_length(alice: Person, house: House) -> None:
    chunks = b"5\r\nhello\r\n1;name=value\r\n \r\n5\r\nworld\r\n0\r\n\r\n"
    async with begun(house, alice, "Transfer-Encoding: chunked", body=chunks) as request:
        answer = await request.answer()
    assert answer.status == 201
    assert b'"size": 11' in answer.body


@pytest.mark.parametrize(
    "chunks", [b"5\r\nhello\r\nnonsense\r\n", b"-5\r\nhello\r\n", b"5\r\nhelloworld"]
)
async def test_broken_chunks_are_refused(house: House, alice: Person, chunks: bytes) -> None:
    async with begun(house, alice, "Transfer-Encoding: chunked", body=chunks) as request:
        assert (await request.answer()).status == 400
    await nothing_is_stored(house)


async def test_a_client_may_wait_to_be_told_to_go_on(house: House, alice: Person) -> None:
    headers = "Content-Length: 5", "Expect: 100-continue"
    async with begun(house, alice, *headers) as request:
        assert (await request.answer()).status == 100
        request.send(b"hello")
        assert (await request.answer()).status == 201


async def test_a_body_that_ends_too_early_leaves_nothing(
    house: House, alice: Person, spools: list[IO[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    async with begun(house, alice, "Content-Length: 200000", body=b"x" * 150_000):
        await until(lambda: spools and os.fstat(spools[0].fileno()).st_size == 2 * PIECE)
    await are_closed(spools)
    await nothing_is_stored(house)
    assert not caplog.records


async def test_what_comes_after_a_body_is_no_part_of_it(house: House, alice: Person) -> None:
    async with begun(house, alice, "Content-Length: 5", body=b"hello") as request:
        answer = await request.answer()
        assert answer.status == 201
        assert b'"size": 5' in answer.body
        request.send(b"world\r\n\r\n")
        assert (await request.answer()).status == 400


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the chat wait less for a body to go on."""
    monkeypatch.setattr(uploads, "STALL", 0.3)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["text/plain", FORM])
async def test_a_body_that_stalls_is_given_up(
    house: House, alice: Person, spools: list[IO[bytes]], kind: str
) -> None:
    headers = "Content-Length: 500000", f"Content-Type: {kind}"
    path = "/file" if kind == FORM else "/file?name=a.bin"
    body = FILE[:-7] + b"x" * 200_000
    async with begun(house, alice, *headers, path=path, body=body) as request:
        answer = await request.answer()
    assert (answer.status, answer.body) == (408, f'{{"error": "{LATE}"}}'.encode())
    await are_closed(spools)
    await nothing_is_stored(house)


@pytest.mark.usefixtures("impatient")
async def test_a_body_that_drips_is_given_up(house: House, alice: Person) -> None:
    async with begun(house, alice, "Content-Length: 500000") as request:
        answer = asyncio.create_task(request.answer())
        while not answer.done():
            request.send(b"x")
            await asyncio.sleep(0.02)
    assert (await answer).status == 408


async def test_a_slow_body_that_goes_on_is_taken(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Altogether it takes longer than the chat waits for a piece."""
    monkeypatch.setattr(uploads, "STALL", 3)
    count = 8
    async with begun(house, alice, f"Content-Length: {count * PIECE}") as request:
        for _ in range(count):
            request.send(b"x" * PIECE)
            await asyncio.sleep(0.5)
        assert (await request.answer()).status == 201


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let no file of this process grow beyond 100 kB, as on a disk that is nearly full."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.usefixtures("full_disk")
async def test_a_full_disk_refuses_a_file_in_words_and_is_logged_once(
    house: House, alice: Person, spools: list[IO[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        response = await upload(alice, b"x" * 500_000)
        assert response.status == 507
        error = "The chat has no room for this file at the moment."
        assert await response.json() == {"error": error}
    response = await send_form(alice, part("file", b"x" * 500_000, "a.bin"), part("msg", "hi"))
    assert response.status == 507
    texts = [record.getMessage() for record in caplog.records]
    assert texts == ["an upload can't be written to the disk: File too large"]
    await are_closed(spools, 3)
    await nothing_is_stored(house)
    await uploaded(alice, b"x" * 50_000)


async def test_of_a_hundred_uploads_at_once_each_is_taken_or_told_to_wait(
    house: House, alice: Person, bob: Person
) -> None:
    content = b"x" * 300_000
    people = [alice, bob, *[await house.sign_in(f"person{n}") for n in range(3)]]
    sent = (upload(person, content) for person in people * 20)
    responses = await asyncio.gather(*sent)
    statuses = [response.status for response in responses]
    assert set(statuses) <= {201, 429, 503}
    assert statuses.count(201) >= UPLOADS_AT_ONCE
    assert all(int(it.headers["Retry-After"]) > 0 for it in responses if it.status != 201)
    assert house.app[USAGE].files.total() == statuses.count(201)
