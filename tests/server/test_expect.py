"""The header `Expect`, which aiohttp answers before anything of ours."""

import asyncio

import pytest

from settings import Settings
from tests.support.raw_requests import read_answer
from tests.support.site import serving


@pytest.mark.parametrize(
    "path", ["/login", "/", "/nowhere", "/static/css/base.css", "/healthz", "/metrics"]
)
@pytest.mark.parametrize("expect", [b"\xff", b"a miracle", b"100-continue, \xff"])
async def test_an_unknown_expectation_is_answered_with_417_in_one_line(
    settings: Settings, caplog: pytest.LogCaptureFixture, path: str, expect: bytes
) -> None:
    async with serving(settings) as chat:
        caplog.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", chat.port)
        lines = [f"GET {path} HTTP/1.1".encode(), b"Host: 127.0.0.1", b"Expect: " + expect]
        writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
        answer = await read_answer(reader)
        writer.close()
    assert answer.status == 417
    assert answer.body == b"Only 100-continue is expected."
    assert "aiohttp" not in str(answer.headers)
    assert not caplog.records


async def test_a_form_that_waits_for_continue_is_taken(settings: Settings) -> None:
    body = b"login=alice&password=wrong"
    async with serving(settings) as chat:
        reader, writer = await asyncio.open_connection("127.0.0.1", chat.port)
        writer.write(
            b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-Continue\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await read_answer(reader)).status == 401
        writer.close()
