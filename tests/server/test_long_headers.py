"""Headers: many cookies are read, and what can't be read is answered with a page that helps."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from server import connections
from settings import Settings
from tests.support.accounts import signed_in
from tests.support.raw_requests import Answer, read_answer
from tests.support.site import ChatSite, serving
from tests.support.waiting import PATIENCE

START = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture
async def chat(settings: Settings) -> AsyncIterator[ChatSite]:
    """A chat that reads requests as the process does."""
    async with serving(settings) as chat:
        yield chat


async def exchange(chat: ChatSite, request: bytes) -> Answer:
    """Send bytes to the chat and return what it answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", chat.port)
    try:
        writer.write(request)
        return await read_answer(reader)
    finally:
        writer.close()


def foreign(size: int) -> list[bytes]:
    """Return the cookies of other programs, which are of so many bytes together."""
    return [b"other%d=%s" % (number, b"x" * 990) for number in range(size // 1000)]


@pytest.mark.parametrize("size", [9_000, 20_000, 60_000])
@pytest.mark.parametrize("in_headers_of", [1000, 5])
async def test_many_cookies_of_other_programs_do_not_matter(
    chat: ChatSite, size: int, in_headers_of: int
) -> None:
    async with signed_in(chat.url, "alice") as alice:
        [ours] = [f"{it.key}={it.value}".encode() for it in alice.cookie_jar]
    for cookies in ([*foreign(size), ours], [ours, *foreign(size)]):
        starts = range(0, len(cookies), in_headers_of)
        parts = [b"; ".join(cookies[start : start + in_headers_of]) for start in starts]
        lines = b"".join(b"Cookie: %s\r\n" % part for part in parts)
        assert (await exchange(chat, START + lines + b"\r\n")).status == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Cookie: " + b"; ".join(foreign(100_000)), 431),
        (b"Cookie: session=" + b"SECRET" * 50_000, 431),
        (b"\r\n".join([b"Cookie: other=SECRET"] * 200), 400),
        (b"Cookie: session=SECRET\x01", 400),
        (b"Cookie: session=SECRET\x00", 400),
        (b"Referer: http://127.0.0.1/?" + b"SECRET" * 1500, 431),
        (b"SECRET" * 20_000 + b": x", 431),
    ],
    ids=["many", "long", "in lines", "control", "zero", "another", "name"],
)
async def test_what_cannot_be_read_is_answered_with_a_page_that_says_what_to_do(
    chat: ChatSite, caplog: pytest.LogCaptureFixture, header: bytes, status: int
) -> None:
    answer = await exchange(chat, START + header + b"\r\n\r\n")
    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Content-Security-Policy" in answer.headers
    assert b"delete the cookies of this site" in answer.body
    assert b"SECRET" not in answer.body
    assert "aiohttp" not in str(answer.headers)
    assert not caplog.records


async def test_a_long_address_is_answered_with_that_page_too(chat: ChatSite) -> None:
    answer = await exchange(chat, START.replace(b"/ ", b"/?q=%s " % (b"x" * 9000), 1) + b"\r\n")
    assert (answer.status, b"an\naddress that is too long" in answer.body) == (431, True)


@pytest.mark.parametrize("after", [b"", START + b"\r\n"], ids=["at once", "after a request"])
async def test_headers_without_an_end_are_not_kept(chat: ChatSite, after: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", chat.port)
    if after:
        writer.write(after)
        await read_answer(reader)
    writer.write(START)
    sent, line = 0, b"Cookie: %s\r\n" % (b"x" * 60_000)
    try:
        async with asyncio.timeout(PATIENCE):
            while not writer.is_closing():
                writer.write(line)
                await writer.drain()
                sent += len(line)
                await asyncio.sleep(0)
    except ConnectionError:
        pass
    finally:
        writer.close()
    assert sent < 4 * connections.HEAD_LIMIT  # with what the kernel takes


async def test_requests_and_bodies_do_not_count_as_headers(
    chat: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_LIMIT", 2000)
    reader, writer = await asyncio.open_connection("127.0.0.1", chat.port)
    body = b"login=" + b"x" * 10_000
    for cut in (0, 20, 40):
        for _ in range(50):
            writer.write(START[:cut])
            await asyncio.sleep(0)
            writer.write(START[cut:] + b"\r\n")
            assert (await read_answer(reader)).status == 303
        writer.write(
            b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" % len(body)
        )
        writer.write(body)
        assert (await read_answer(reader)).status == 400
    writer.close()


async def test_a_request_without_headers_is_answered(chat: ChatSite) -> None:
    assert (await exchange(chat, b"GET /healthz HTTP/1.0\r\n\r\n")).status == 200


async def test_a_form_that_is_too_large_is_still_told_so(chat: ChatSite) -> None:
    body = b"login=" + b"x" * 3 * 1024 * 1024
    answer = await exchange(
        chat,
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n%s" % (len(body), body),
    )
    assert answer.status == 413
