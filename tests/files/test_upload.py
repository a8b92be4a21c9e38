"""Uploads: files that scripts, forms and terminals send."""

import asyncio
import os
import threading
from typing import Any

import pytest

from chat.journal import JOURNAL
from files import uploads
from files.parts import PER_HOUR, UPLOADS, UPLOADS_AT_ONCE
from files.pictures import PICTURES
from files.store import FILES
from files.uploads import FILES_IN_FORM, PIECE
from middlewares import PAGES_AT_ONCE
from security.limits import Busy
from storage.database import DatabaseUnavailable
from tests.support.clocks import Clock
from tests.support.house import House, OpenHouse
from tests.support.people import Person
from tests.support.uploads import (
    FORM,
    begun,
    nothing_is_stored,
    part,
    part_with,
    send_form,
    upload,
    uploaded,
)
from tests.support.waiting import until

SIZES = [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 5 * PIECE + 77]
HTML = "text/html,application/xhtml+xml"


async def content_of(person: Person, file: dict[str, Any]) -> bytes:
    response = await person.get(f"/file/{file['id']}")
    assert response.status == 200
    return await response.read()


@pytest.mark.parametrize("size", SIZES)
async def test_a_file_arrives_whole(alice: Person, size: int) -> None:
    content = b"\0" + os.urandom(size - 1)
    file = await uploaded(alice, content, "data.bin")
    about = {"name": "data.bin", "type": "application/octet-stream", "size": size}
    assert file == {"id": file["id"], **about}
    assert await content_of(alice, file) == content


@pytest.mark.parametrize("size", SIZES)
async def test_a_file_in_a_form_arrives_whole(alice: Person, size: int) -> None:
    content = os.urandom(size)
    response = await send_form(alice, part("file", content, "data.bin"))
    assert response.status == 201
    file = await response.json()
    assert (file["name"], file["size"]) == ("data.bin", size)
    assert await content_of(alice, file) == content


@pytest.mark.parametrize("before", [0, *range(PIECE - 130, PIECE - 60, 7)])
async def test_what_looks_like_a_boundary_is_content(alice: Person, before: int) -> None:
    for like in (b"\r\n", b"\r\n--", b"--a-boundary\r\n", b"\r\n--a-boundar", b"\r\r\n--a-bound"):
        content = b"x" * before + like
        response = await send_form(alice, part("file", content, "a.bin"), part("last", "0"))
        assert response.status == 201, await response.text()
        assert await content_of(alice, await response.json()) == content


@pytest.mark.parametrize(
    ("about", "name"),
    [
        (b'filename="photo.png"', "photo.png"),
        (b"filename=photo.png", "photo.png"),
        (b'FileName="photo.png"', "photo.png"),
        (b'filename="a;b; c.png"', "a;b; c.png"),
        (b'filename="; name=evil; filename=x.png"', "; name=evil; filename=x.png"),
        (b'filename="the \\"best\\" \\\\ of.png"', "of.png"),  # what is before a \\ is a folder
        (b'filename="C:\\fakepath\\photo.png"', "photo.png"),
        (b'filename="../../etc/passwd"', "passwd"),
        ('filename="Über 写真.png"'.encode(), "Über 写真.png"),
        # Which a form may not have (RFC 7578, 4.2).
        (b"filename=\"x.png\"; filename*=utf-8'de'%C3%9Cber.png", "x.png"),
        (b'filename="' + b"x" * 300 + b'.png"', "x" * 196 + ".png"),
        (b'filename=""', "file"),
        (b"", "file"),
    ],
)
async def test_a_file_has_the_name_that_its_part_says(
    alice: Person, about: bytes, name: str
) -> None:
    head = b'Content-Disposition: form-data; name="file"; ' + about
    response = await send_form(alice, part_with(head, b"\x00"))
    assert response.status == 201, await response.text()
    assert (await response.json())["name"] == name


async def test_a_form_sends_its_file_with_a_message(alice: Person, bob: Person) -> None:
    his = await bob.connect()
    response = await send_form(alice, part("file", b"hello", "a.txt"), part("msg", "look\r\nhere"))
    assert response.status == 201
    answer = await response.json()
    said = await his.next("message")
    assert said["msg"] == "look\nhere"
    assert {**said["file"], "seq": said["seq"]} == answer
    assert await content_of(bob, answer) == b"hello"


async def test_several_files_of_a_form_are_several_messages_the_first_with_the_text(
    alice: Person, bob: Person
) -> None:
    his = await bob.connect()
    parts = [part("file", f"{n}", f"{n}.txt") for n in range(3)]
    for _ in range(2):  # sent again, it changes nothing
        response = await send_form(alice, part("nonce", "n"), *parts, part("msg", "look"))
        assert response.status == 201
        assert (await response.json())["seq"] == 1
    await alice.write("after")
    said = [await his.next("message") for _ in range(4)]
    assert [it["msg"] for it in said] == ["look", "", "", "after"]
    assert [it["file"]["name"] for it in said[:3]] == ["0.txt", "1.txt", "2.txt"]


async def test_the_same_nonce_with_another_file_is_refused(house: House, alice: Person) -> None:
    for content, status in [(b"one", 201), (b"another", 400)]:
        form = part("nonce", "n"), part("msg", ""), part("file", content, "a.txt")
        response = await send_form(alice, *form)
        assert response.status == status
    assert "mixed up" in (await response.json())["error"]
    assert house.app[JOURNAL].recent.last == 1


async def test_a_browser_s_form_leads_to_the_room(alice: Person) -> None:
    form = part("msg", "look"), part("user", "alice"), part("file", b"x", "a.bin")
    response = await send_form(alice, *form, accept=HTML)
    assert (response.status, response.headers["Location"]) == (303, "/")
    assert "a.bin" in await alice.page()


async def test_a_browser_s_form_that_is_refused_shows_its_text_again(
    house: House, alice: Person
) -> None:
    form = part("msg", "what I wrote"), part("nonce", "n"), part("file", b"", "a.bin")
    response = await send_form(alice, *form, accept=HTML)
    page = await response.text()
    assert (response.status, response.content_type) == (400, "text/html")
    assert "This file is empty." in page
    assert "what I wrote</textarea>" in page
    assert 'enctype="multipart/form-data"' in page
    assert 'type="file"' in page


async def test_the_page_s_form_sends_its_text_before_the_files(alice: Person) -> None:
    """So the text is known when a file is refused."""
    form = (
        (await alice.page()).partition('enctype="multipart/form-data"')[2].partition("</form>")[0]
    )
    assert 0 < form.index('name="msg"') < form.index('name="file"')


async def test_a_form_of_somebody_else_s_page_is_refused(house: House, alice: Person) -> None:
    form = part("msg", "look"), part("user", "bob"), part("file", b"x", "a.bin")
    response = await send_form(alice, *form)
    assert response.status == 403
    assert "signed in as alice" in (await response.json())["error"]
    assert house.app[JOURNAL].recent.last == 0
    await nothing_is_stored(house)


async def test_a_file_of_somebody_else_s_page_is_refused(house: House, alice: Person) -> None:
    response = await alice.post("/file?name=a.bin&user=bob", b"x")
    assert response.status == 403
    assert "signed in as alice" in (await response.json())["error"]
    await nothing_is_stored(house)
    assert (await alice.post("/file?name=a.bin&user=alice", b"x")).status == 201


@pytest.mark.parametrize("path", ["/file", "/file?name=a.bin"])
@pytest.mark.parametrize("accept", ["*/*", "application/json", HTML])
async def test_a_stranger_is_told_to_log_in(visitor: Person, path: str, accept: str) -> None:
    response = await visitor.post(path, b"x", headers={"Accept": accept})
    assert response.status == 401
    assert (response.content_type == "text/html") == (accept == HTML)
    assert "Please log in first." in await response.text()


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}]
)
async def test_another_site_can_send_no_file(
    house: House, alice: Person, headers: dict[str, str]
) -> None:
    response = await upload(alice, headers=headers)
    assert response.status == 403
    assert "another site" in (await response.json())["error"]
    await nothing_is_stored(house)


async def test_where_files_are_turned_off_none_is_taken(open_house: OpenHouse) -> None:
    house = await open_house(FILE_SIZE_LIMIT=0)
    response = await upload(await house.sign_in("alice"))
    assert response.status == 403
    assert await response.json() == {"error": "No files can be sent in this chat."}


async def test_a_file_may_have_the_limit_and_not_a_byte_more(open_house: OpenHouse) -> None:
    house = await open_house(FILE_SIZE_LIMIT=100_000)
    alice = await house.sign_in("alice")
    await uploaded(alice, b"x" * 100_000)
    error = {"error": "A file may have at most 100 kB."}
    response = await upload(alice, b"x" * 100_001)
    assert (response.status, await response.json()) == (413, error)
    response = await send_form(alice, part("file", b"x" * 100_001, "a.bin"))
    assert (response.status, await response.json()) == (413, error)


async def test_who_has_no_room_for_more_files_is_told_so(open_house: OpenHouse) -> None:
    house = await open_house(FILES_PER_USER=1000)
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    await uploaded(alice, b"x" * 600)
    response = await upload(alice, b"x" * 600)
    assert response.status == 507
    assert "Your files take 600 bytes already" in (await response.json())["error"]
    await uploaded(bob, b"x" * 600)


async def test_a_person_may_send_fifty_files_an_hour(
    house: House, alice: Person, bob: Person, clock: Clock
) -> None:
    for _ in range(PER_HOUR):
        await uploaded(alice)
    response = await upload(alice)
    assert (response.status, response.headers["Retry-After"]) == (429, "3601")
    assert "50 files within an hour" in (await response.json())["error"]
    await uploaded(bob)
    clock.now += 3600
    await uploaded(alice)


@pytest.mark.parametrize(
    ("key", "method", "fault", "wait", "content"),
    [
        (FILES, "add", DatabaseUnavailable, "5", b"hello"),
        (PICTURES, "show", Busy, "3", b"\x89PNG\r\n\x1a\n"),
    ],
)
async def test_a_file_that_could_not_be_taken_does_not_count(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch,
    key: Any, method: str, fault: type[Exception], wait: str, content: bytes,
) -> None:  # fmt: skip
    async def fail(*_: object) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(house.app[key], method, fail)
        for _ in range(PER_HOUR + 1):
            response = await upload(alice, content)
            assert (response.status, response.headers["Retry-After"]) == (503, wait)
    await uploaded(alice)


async def test_pages_do_not_wait_for_uploads_of_which_four_are_taken_at_once(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.app[UPLOADS], "_patience", 0)
    tasks, may_end = [], asyncio.Event()

    async def slowly() -> Any:
        yield b"x"
        await may_end.wait()

    for _ in range(PAGES_AT_ONCE):
        tasks.append(asyncio.create_task(upload(alice, slowly())))
    await until(lambda: inside(house) == PAGES_AT_ONCE)
    assert (await alice.get("/")).status == 200
    response = await upload(alice)
    assert (response.status, response.headers["Retry-After"]) == (429, "2")
    may_end.set()
    assert [(await task).status for task in tasks] == [201] * PAGES_AT_ONCE


def inside(house: House) -> int:
    """Return how many uploads are under way."""
    line = house.app[UPLOADS]._lines.get("all")
    return line.inside if line else 0


async def test_twenty_uploads_are_taken_at_once_in_all(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.app[UPLOADS], "_patience", 0)
    async with asyncio.TaskGroup() as tasks:
        may_end = asyncio.Event()

        async def hold_a_place() -> None:
            async with house.app[UPLOADS].turn("all"):
                await may_end.wait()

        for _ in range(UPLOADS_AT_ONCE):
            tasks.create_task(hold_a_place())
        await until(lambda: inside(house) == UPLOADS_AT_ONCE)
        response = await upload(alice)
        assert (response.status, response.headers["Retry-After"]) == (503, "3")
        assert "Too busy" in (await response.json())["error"]
        may_end.set()
    await uploaded(alice)


@pytest.mark.parametrize("way", ["signs out", "is banned"])
@pytest.mark.parametrize("has_message", [True, False])
async def test_whose_session_ends_during_an_upload_has_sent_nothing(
    house: House, alice: Person, bob: Person, way: str, has_message: bool
) -> None:
    """Nothing of it is stored, and nothing is in the room."""
    if has_message:
        body = part("msg", "look") + part("file", b"x" * 200_000, "a.bin")[:-100_000]
        path, kind = "/file", "Content-Type: multipart/form-data; boundary=a-boundary"
    else:
        body, path, kind = b"x" * 100_000, "/file?name=a.bin", "Content-Type: text/plain"
    async with begun(house, alice, "Content-Length: 200200", kind, path=path, body=body) as request:
        await until(lambda: inside(house))
        if way == "signs out":
            await alice.post("/signout")
        else:
            moderator = await house.sign_in("the.owner")
            form = {"login": "alice", "action": "ban"}
            assert (await moderator.post("/person", form)).status == 303
        rest = b"x" * (200_200 - len(body))
        request.send(rest if not has_message else rest[:-18] + b"\r\n--a-boundary--\r\n")
        answer = await request.answer()
    assert answer.status == 401
    assert b"signed out" in answer.body
    assert house.app[JOURNAL].recent.last == 0
    await nothing_is_stored(house)


@pytest.mark.parametrize("path", ["/file", "/file?name=a.bin"])
async def test_whose_session_ends_need_not_be_waited_for(
    house: House, alice: Person, path: str
) -> None:
    """Or twenty slow uploads of banned people would keep everybody's for hours."""
    headers = "Content-Length: 500000", f"Content-Type: {FORM}"
    async with begun(house, alice, *headers, path=path) as request:
        request.send(part("file", b"x" * 100_000, "a.bin"))
        await until(lambda: inside(house))
        await alice.post("/signout")
        request.send(b"x" * 100_000)
        assert (await request.answer()).status == 401
    await nothing_is_stored(house)


async def test_whose_session_ends_while_the_file_is_stored_has_sent_nothing(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = house.app[FILES].add

    async def add_and_sign_out(*what: Any) -> Any:
        file = await add(*what)
        await alice.post("/signout")
        return file

    monkeypatch.setattr(house.app[FILES], "add", add_and_sign_out)
    response = await send_form(alice, part("file", b"x", "a.bin"), part("msg", "look"))
    assert response.status == 401
    assert house.app[JOURNAL].recent.last == 0
    await nothing_is_stored(house)


async def test_at_most_ten_files_come_in_a_form(house: House, alice: Person) -> None:
    files = [part("file", b"x", f"{n}.bin") for n in range(FILES_IN_FORM + 1)]
    response = await send_form(alice, part("msg", ""), *files)
    assert response.status == 413
    assert "at most 10 files" in (await response.json())["error"]
    assert house.app[JOURNAL].recent.last == 0
    await nothing_is_stored(house)
    response = await send_form(alice, part("msg", ""), *files[1:])
    assert response.status == 201
    assert house.app[JOURNAL].recent.last == FILES_IN_FORM


async def test_the_files_of_a_message_that_is_refused_are_removed(
    house: House, alice: Person
) -> None:
    files = part("file", b"x", "a.bin"), part("file", b"x", "b.bin")
    response = await send_form(alice, *files, part("msg", "x" * 10_001))
    assert response.status == 400
    assert "at most 10000 characters" in (await response.json())["error"]
    assert house.app[JOURNAL].recent.last == 0
    await nothing_is_stored(house)


async def test_the_event_loop_goes_on_while_the_disk_is_slow(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes nothing until a page has been asked for and answered."""
    may_write = threading.Event()

    def write(*what: Any) -> None:
        assert may_write.wait(10)
        written(*what)

    written = uploads._write
    monkeypatch.setattr(uploads, "_write", write)
    sending = asyncio.create_task(upload(alice, b"x" * 1_000_000))
    await until(lambda: inside(house))
    assert (await alice.get("/")).status == 200
    may_write.set()
    assert (await sending).status == 201
