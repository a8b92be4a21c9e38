"""Forms: what can't be read is refused with a clear answer, and never with a 500."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pages import forms
from pages.forms import BODY_LIMIT, MAX_FIELDS
from tests.support.house import House
from tests.support.pages import FormPage
from tests.support.people import Person
from tests.support.raw_requests import ask, read_answer
from tests.support.waiting import PATIENCE

FORM = "application/x-www-form-urlencoded"
GOOD = b"login=alice&password=correct+horse"
NOT_A_FORM = "Please send a form (application/x-www-form-urlencoded, UTF-8)"
ENCODED = "Please send the form without Content-Encoding"
UNREADABLE = "The form can't be read"
TWICE = "The form has a field twice"
TOO_LARGE = "That is too much to send at once"

MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="login"\r\n\r\nalice\r\n'
    b'--x\r\nContent-Disposition: form-data; name="password"; filename="p"\r\n\r\nsecret\r\n'
    b"--x--\r\n"
)

Refused = tuple[dict[str, str], bytes, int, str]
MEGABYTE: Refused = ({"Content-Type": FORM}, b"login=" + b"a" * 2**20, 413, TOO_LARGE)
PLAIN = {"Content-Type": FORM}
JSON_BODY: Refused = (
    {"Content-Type": "application/json"}, b'{"login": "alice"}', 415, NOT_A_FORM
)  # fmt: skip
REFUSED: list[Refused] = [
    ({}, GOOD, 415, NOT_A_FORM),
    *(
        ({"Content-Type": kind}, GOOD, 415, NOT_A_FORM)
        for kind in (
            *("", "nonsense", "text/plain", f"{FORM}; charset*=utf-8''latin-1"),
            *(f"{FORM}; charset={name}" for name in ("latin-1", "utf-16", "nonsense", "hex")),
        )
    ),
    JSON_BODY,
    ({"Content-Type": "multipart/form-data; boundary=x"}, MULTIPART, 415, NOT_A_FORM),
    ({"Content-Type": "multipart/form-data"}, MULTIPART, 415, NOT_A_FORM),
    ({"Content-Type": "multipart/form-data; boundary=" + "x" * 80}, b"", 415, NOT_A_FORM),
    (PLAIN | {"Content-Encoding": "gzip"}, gzip.compress(GOOD), 415, ENCODED),
    (PLAIN | {"Content-Encoding": "deflate"}, zlib.compress(GOOD), 415, ENCODED),
    (PLAIN | {"Content-Encoding": "nonsense"}, GOOD, 415, ENCODED),
    (PLAIN | {"Content-Encoding": "identity, gzip"}, GOOD, 415, ENCODED),
    *(
        (PLAIN, body, 400, UNREADABLE)
        for body in (
            *(b"login=%ff&password=x", b"login=%ED%A0%80&password=x", b"login=%C0%80&password=x"),
            *(b"%ff=alice", "login=käthe".encode("latin-1"), bytes(range(256))),
            *(b"login=\xed\xa0\x80&password=x", b"login=\xc3%a4&password=x", b"\xc3=alice"),
            *(b"&".join([b"a=1"] * (MAX_FIELDS + 1)), b"a=1&" * 8000),
        )
    ),
    (PLAIN, b"login=alice&login=bob&password=x", 400, TWICE),
    (PLAIN, b"login=alice&password=x&log%69n=alice", 400, TWICE),
    (PLAIN, b"login=&login=", 400, TWICE),
    (PLAIN, b"login=" + b"a" * BODY_LIMIT, 413, TOO_LARGE),
    MEGABYTE,
    *(
        (PLAIN, body, 400, "Please fill all fields")
        for body in (
            *(b"", b"&&&===&", b"login", b"login%5B$ne%5D=&password%5B$ne%5D="),
            b"login[$ne]=&password[$ne]=",
        )
    ),
    (PLAIN, b"login=%00&password=%00", 401, "Wrong login or password"),
    (PLAIN, b"login=%&password=%zz%1", 401, "Wrong login or password"),
]


@pytest.mark.parametrize(
    ("headers", "body", "status", "error"),
    REFUSED,
    ids=[f"{number}-{status}" for number, (_, _, status, _) in enumerate(REFUSED)],
)
async def test_a_form_that_cannot_be_taken_is_refused(
    visitor: Person, headers: dict[str, str], body: bytes, status: int, error: str
) -> None:
    options: dict[str, Any] = {"skip_auto_headers": ["Content-Type"]}
    response = await visitor.post("/login", BytesIO(body), headers=headers, **options)
    page = await FormPage.read(response)
    assert response.status == status
    assert page.error == error
    # The next request is read as one: nothing of this body is left on the connection.
    accept = {"Accept": "application/json"}
    answer = await visitor.post("/login", BytesIO(body), headers=headers | accept, **options)
    assert (answer.status, await answer.json()) == (status, {"error": error})


@pytest.mark.parametrize(
    "content_type",
    [FORM, f"{FORM}; charset=utf-8", f"{FORM};charset=UTF-8", f'{FORM}; charset="utf-8"',
     "Application/X-WWW-Form-URLencoded"],
)  # fmt: skip
async def test_a_form_in_utf_8_is_taken(visitor: Person, content_type: str) -> None:
    assert (await visitor.register("Алиса", email="a@b", password="ключ к замку")).status == 303
    fields = {"login": "Алиса", "password": "ключ к замку"}
    typed = "&".join(f"{name}={text}" for name, text in fields.items())  # as curl -d sends it
    for body in (urlencode(fields), typed, typed.replace(" ", "%20")):
        headers = {"Content-Type": content_type}
        response = await visitor.post("/login", body.encode(), headers=headers)
        assert response.status == 303


async def test_a_message_is_taken_as_a_terminal_sends_it(alice: Person) -> None:
    body = "msg=größer als 😀".encode()
    assert (await alice.post("/", body, headers={"Content-Type": FORM})).status == 303
    assert "größer als 😀" in await alice.page()


@pytest.mark.parametrize("path", ["/signin", "/", "/account"])
@pytest.mark.parametrize(("headers", "body", "status", "error"), [JSON_BODY, MEGABYTE])
async def test_every_form_is_read_with_the_same_care(
    alice: Person, path: str, headers: dict[str, str], body: bytes, status: int, error: str
) -> None:
    response = await alice.post(path, BytesIO(body), headers=headers)
    assert response.status == status
    assert (await FormPage.read(response)).error == error


async def test_a_body_at_the_limit_is_read(house: House) -> None:
    body = b"login=" + b"a" * (BODY_LIMIT - 6)
    response = await (await house.visitor()).post("/login", body, headers={"Content-Type": FORM})
    assert response.status == 400
    assert (await FormPage.read(response)).error_field == "password"


@pytest.mark.parametrize(
    "encodings", [("identity", "gzip"), ("gzip", "identity"), ("br",), ("gzip", "gzip")]
)
async def test_a_content_encoding_is_refused_wherever_it_stands(
    house: House, encodings: tuple[str, ...]
) -> None:
    answer = await ask(
        house,
        f"Content-Type: {FORM}",
        f"Content-Length: {len(GOOD)}",
        *(f"Content-Encoding: {encoding}" for encoding in encodings),
        method="POST",
        body=GOOD,
    )
    # The parser refuses by itself what it cannot decode.
    assert answer.status in (400, 415)


async def test_a_body_that_stalls_is_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "READ_TIMEOUT", 0.05)
    for length in ("Content-Length: 100", "Transfer-Encoding: chunked"):
        answer = await ask(
            house, f"Content-Type: {FORM}", length, method="POST", body=b"5\r\nlogin"
        )
        assert answer.status == 408
        assert "Not all of it arrived in time. Please send it again." in answer.body.decode()


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("Transfer-Encoding: chunked", b"zz\r\nlogin=a\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", b"-1\r\n\r\n"),
        ("Transfer-Encoding: chunked", b"7\r\nlogin=alice\r\n0\r\n\r\n"),
        ("Transfer-Encoding: nonsense", b"login=a"),
        ("Content-Length: -1", b"login=a"),
        ("Content-Length: ten", b"login=a"),
        ("Content-Length: 7\r\nContent-Length: 8", b"login=a&"),
        ("Content-Length: 7\r\nTransfer-Encoding: chunked", b"7\r\nlogin=a\r\n0\r\n\r\n"),
    ],
)
async def test_a_body_without_clear_bounds_is_refused(
    house: House, framing: str, body: bytes
) -> None:
    answer = await ask(house, f"Content-Type: {FORM}", framing, method="POST", body=body)
    assert answer.status == 400
    assert (await ask(house)).status == 200


@pytest.mark.parametrize("rest", [b"zz\r\n", b"5\r\nlogin7\r\n", b"-1\r\n\r\n"])
async def test_a_body_that_breaks_off_into_nonsense_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch, rest: bytes
) -> None:
    # aiohttp's parser tells nobody who reads the body: it looks as if it stalled.
    monkeypatch.setattr(forms, "READ_TIMEOUT", 0.05)
    async with connection(house, "Transfer-Encoding: chunked") as (reader, writer):
        writer.write(rest)
        assert (await read_answer(reader)).status in (400, 408)
    assert (await ask(house)).status == 200


async def test_a_client_that_leaves_within_its_form_harms_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read_form, is_over = forms.read_form, asyncio.Event()

    async def read(request: web.Request) -> dict[str, str]:
        try:
            return await read_form(request)
        finally:
            is_over.set()

    monkeypatch.setattr(forms, "read_form", read)
    async with connection(house, "Content-Length: 100") as (_, writer):
        writer.write(b"login=a")
    async with asyncio.timeout(PATIENCE):
        await is_over.wait()
    assert (await ask(house)).status == 200
    assert "error in POST" not in caplog.text


@asynccontextmanager
async def connection(
    house: House, framing: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection on which the chat already waits for the body of a form."""
    reader, writer = await asyncio.open_connection(house.server.host, house.server.port)
    try:
        host = f"{house.server.host}:{house.server.port}"
        lines = [f"Host: {host}", f"Content-Type: {FORM}", framing, "Expect: 100-continue"]
        writer.write("\r\n".join(["POST /login HTTP/1.1", *lines, "", ""]).encode())
        assert (await read_answer(reader, has_body=False)).status == 100
        yield reader, writer
    finally:
        writer.close()


ODD_TEXT = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=30)
CONTENT_TYPES = st.one_of(
    st.just(FORM),
    ODD_TEXT,
    ODD_TEXT.map(lambda text: f"{FORM}; charset={text}"),
    ODD_TEXT.map(lambda text: f"{FORM};{text}"),
)
ODD_PIECES = [b"%", b"%f", b"%ff", b"%00", b"&", b"=", b";", b"+", b"login", b"email", b"[$ne]"]
BODIES = st.one_of(
    st.binary(max_size=300),
    st.lists(st.one_of(st.sampled_from(ODD_PIECES), st.binary(max_size=3)), max_size=40).map(
        b"".join
    ),
)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(f"{FORM};0*", b"")  # an IndexError in Python's email package
@given(content_type=CONTENT_TYPES, body=BODIES)
async def test_no_bytes_make_a_form_fail(house: House, content_type: str, body: bytes) -> None:
    answer = await ask(
        house,
        "Accept: application/json",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        path="/signin",
        method="POST",
        body=body,
    )
    assert answer.status in (400, 415)
    assert isinstance(json.loads(answer.body)["error"], str)
