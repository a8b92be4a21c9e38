"""Connections: how many there may be, and how long they may stay silent."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

import aiohttp
import pytest

from chat.hub import HUB
from server import connections
from server import process as server
from server.connections import CONNECTIONS
from server.metrics import METRICS, Metrics
from settings import Settings
from tests.support.accounts import signed_in
from tests.support.kernel import open_files
from tests.support.people import registration
from tests.support.processes import running_chat
from tests.support.raw_sockets import cookies
from tests.support.site import ChatSite, serving
from tests.support.waiting import PATIENCE, until

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

LOG_IN = (
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
)


@pytest.fixture
async def chat(settings: Settings) -> AsyncIterator[ChatSite]:
    """A chat that counts its connections."""
    async with serving(settings) as chat:
        yield chat


@pytest.fixture
async def silent(chat: ChatSite) -> AsyncIterator[list[Stream]]:
    """Connections that say nothing; the test adds them."""
    streams: list[Stream] = []
    yield streams
    for _, writer in streams:
        writer.close()


async def connect(chat: ChatSite, streams: list[Stream], count: int) -> None:
    """Open connections."""
    streams += [await asyncio.open_connection("127.0.0.1", chat.port) for _ in range(count)]


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
async def test_a_connection_without_a_complete_request_is_closed(
    chat: ChatSite, silent: list[Stream], monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connections, "REQUEST_TIMEOUT", 0.3)
    await connect(chat, silent, 1)
    reader, writer = silent[0]
    writer.write(said)
    async with asyncio.timeout(PATIENCE):
        assert await reader.read() == b""


async def test_a_connection_that_made_a_request_may_stay(
    chat: ChatSite, silent: list[Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_TIMEOUT", 2)
    await connect(chat, silent, 2)
    reader, writer = silent[0]
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    await reader.readuntil(b"}")
    async with asyncio.timeout(PATIENCE):
        assert await silent[1][0].read() == b""
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert b"200 OK" in await reader.readuntil(b"}")


@pytest.mark.parametrize("limit", ["address", "files"])
async def test_strangers_have_so_many_connections_and_the_signed_in_do_not_count(
    chat: ChatSite, silent: list[Stream], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    counted = chat.app[CONNECTIONS]
    if limit == "address":
        monkeypatch.setattr(connections, "PER_ADDRESS", 20)
        monkeypatch.setattr(counted, "_stands_for_many", lambda _: False)
    else:
        monkeypatch.setattr(counted, "_limit", 20)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(chat.url, cookie_jar=jar) as alice:
        async with alice.post("/signin", data=registration("alice")) as page:
            assert page.status == 200
        sockets = [await alice.ws_connect("/ws", protocols=["chat.v1"]) for _ in range(10)]
        await connect(chat, silent, 25)
        closed = silent[:5]  # those that were idle for longest
        async with asyncio.timeout(PATIENCE):
            assert [await reader.read() for reader, _ in closed] == [b""] * 5
        assert len(counted._strangers) == 20
        number = chat.app[METRICS].registry.get_sample_value
        assert number("chat_connections_closed_total") == 5
        await sockets[0].send_str('{"type":"message","msg":"still here","nonce":"n"}')
        async with asyncio.timeout(PATIENCE):
            while "still here" not in await sockets[9].receive_str():
                pass
        for _, writer in silent:
            writer.close()
        await until(lambda: not counted._strangers)
        assert not counted._by_address
        for socket in sockets:
            await socket.close()


async def test_loopback_and_proxies_stand_for_many(settings: Settings) -> None:
    counted = connections.Connections(settings, Metrics())
    many, one = (
        ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"],
        ["203.0.113.1", "2001:db8::1"],
    )
    assert all(map(counted._stands_for_many, many))
    assert not any(map(counted._stands_for_many, [*one, "no address", ""]))
    proxied = connections.Connections(replace(settings, TRUSTED_PROXIES=1), Metrics())
    assert all(map(proxied._stands_for_many, [*many, *one]))


def test_the_limit_of_open_files_is_raised_as_far_as_it_goes() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        connections.raise_file_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert hard == before[1]
        assert soft in (hard, *connections.MOST_FILES)
        assert soft > 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_that_no_connection_can_be_accepted_is_logged_once() -> None:
    async with running_chat() as chat:
        limits = resource.prlimit(chat.pid, resource.RLIMIT_NOFILE)
        taken = open_files(chat.pid)
        resource.prlimit(chat.pid, resource.RLIMIT_NOFILE, (taken, limits[1]))
        streams = [await asyncio.open_connection("127.0.0.1", chat.port) for _ in range(20)]
        await until(lambda: "no connection can be accepted: Too many open files" in chat.output)
        resource.prlimit(chat.pid, resource.RLIMIT_NOFILE, limits)
        for _, writer in streams:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for reader, writer in streams:
            assert b"200 OK" in await reader.readuntil(b"}")
            writer.close()
        assert chat.output.count("no connection can be accepted") == 1
        assert "Traceback" not in chat.output


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b" 200 "),
        (LOG_IN + b"Content-Length: 7\r\n\r\nlogin", b"=x", b" 400 "),
    ],
    ids=["connection", "form"],
)
async def test_what_has_only_begun_at_the_end_is_answered(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    before: bytes,
    after: bytes,
    status: bytes,
) -> None:
    monkeypatch.setattr(server, "SHUTDOWN_TIMEOUT", 0)  # what aiohttp itself would wait
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(serving(settings))
        counted = chat.app[CONNECTIONS]
        reader, writer = await asyncio.open_connection("127.0.0.1", chat.port)
        writer.write(before)
        await until(lambda: counted.open_requests if before else counted._strangers)
        ending = asyncio.create_task(stack.aclose())
        await until(lambda: chat.app[HUB].is_closing)
        writer.write(after)
        assert status in await reader.readline()
        writer.close()
        await ending


async def test_a_connection_that_is_accepted_in_the_last_moment_is_answered(
    settings: Settings,
) -> None:
    async with serving(settings) as chat:
        browser = socket.create_connection(("127.0.0.1", chat.port), timeout=PATIENCE)
        browser.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for _ in range(2):  # now asyncio has accepted it, and has not made its protocol yet
            await asyncio.sleep(0)
    with browser:
        assert b" 200 " in browser.recv(100)


async def test_who_says_nothing_does_not_hold_up_the_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "FINISH_WITHIN", 2 * PATIENCE)
    streams: list[Stream] = []
    async with asyncio.timeout(None) as limit, serving(settings) as chat:
        await connect(chat, streams, 5)
        await until(lambda: len(chat.app[CONNECTIONS]._strangers) == 5)
        limit.reschedule(asyncio.get_running_loop().time() + PATIENCE)
    for _, writer in streams:
        writer.close()


async def rest_on(
    chat: ChatSite, streams: list[Stream], browser: aiohttp.ClientSession, count: int
) -> None:
    """Open connections, make somebody's request on each, one after the other, and leave it idle."""
    start = len(streams)
    await connect(chat, streams, count)
    for stream in streams[start:]:
        await request_on(chat, stream, browser)


async def request_on(chat: ChatSite, stream: Stream, browser: aiohttp.ClientSession) -> None:
    """Make a request of somebody who is signed in on a connection."""
    reader, writer = stream
    cookie = cookies(chat.url, browser)
    head = f"HEAD /message/1 HTTP/1.1\r\nHost: 127.0.0.1:{chat.port}\r\nCookie: {cookie}\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(PATIENCE):
        assert b" 404 " in await reader.readuntil(b"\r\n\r\n")


async def are_closed(streams: list[Stream]) -> None:
    """Wait until connections are closed."""
    async with asyncio.timeout(PATIENCE):
        for reader, _ in streams:
            with suppress(ConnectionResetError):
                assert await reader.read() == b""


@pytest.mark.parametrize("limit", ["account", "files"])
async def test_members_have_so_many_idle_connections_and_those_idle_for_longest_are_closed(
    chat: ChatSite, silent: list[Stream], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    counted = chat.app[CONNECTIONS]
    monkeypatch.setattr(connections, "PER_ACCOUNT", 10 if limit == "account" else 100)
    monkeypatch.setattr(counted, "_limit_of_members", 100 if limit == "account" else 10)
    async with signed_in(chat.url, "alice") as alice, signed_in(chat.url, "bob") as bob:
        socket = await alice.ws_connect("/ws", protocols=["chat.v1"])
        await rest_on(chat, silent, alice, 5)
        await rest_on(chat, silent, bob if limit == "files" else alice, 5)
        await request_on(chat, silent[0], alice)  # now the second is idle for longest
        await rest_on(chat, silent, alice, 5)
        await are_closed(silent[1:6])
        for stream in [silent[0], *silent[6:]]:
            await request_on(chat, stream, alice)
        await socket.send_str('{"type":"message","msg":"still here","nonce":"n"}')
        async with asyncio.timeout(PATIENCE):
            while "still here" not in await socket.receive_str():
                pass
        await socket.close()
    for _, writer in silent:
        writer.close()
    await until(lambda: not counted._members)
    assert not counted._idle_members.all
    assert not counted._idle_members.of


async def test_a_connection_counts_as_that_of_its_last_request(
    chat: ChatSite, silent: list[Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PER_ACCOUNT", 2)
    async with signed_in(chat.url, "alice") as alice, signed_in(chat.url, "bob") as bob:
        await rest_on(chat, silent, alice, 2)
        for stream in silent:
            await request_on(chat, stream, bob)
        await rest_on(chat, silent, alice, 2)
        for stream, person in zip(silent, (bob, bob, alice, alice), strict=True):
            await request_on(chat, stream, person)  # all are open
        await request_on(chat, silent[0], alice)  # now alice has one too many
        await are_closed([silent[2]])
        for stream in (silent[0], silent[1], silent[3]):
            await request_on(chat, stream, bob)


async def test_a_proxy_has_as_many_idle_connections_for_one_person_as_it_wants(
    settings: Settings, silent: list[Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PER_ACCOUNT", 2)
    async with serving(replace(settings, TRUSTED_PROXIES=1)) as chat:
        async with signed_in(chat.url, "alice") as alice:
            await rest_on(chat, silent, alice, 5)
            for stream in silent:
                await request_on(chat, stream, alice)
        for _, writer in silent:
            writer.close()


async def test_newcomers_get_in_while_members_open_more_connections_than_there_are_files() -> None:
    async with running_chat() as chat, signed_in(chat.url, "alice") as alice:
        limits = resource.prlimit(chat.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(chat.pid, resource.RLIMIT_NOFILE, (open_files(chat.pid) + 40, limits[1]))
        cookie = cookies(chat.url, alice)
        head = f"GET /account HTTP/1.1\r\nHost: 127.0.0.1:{chat.port}\r\nCookie: {cookie}\r\n\r\n"
        streams = []
        for _ in range(60):
            streams.append(await asyncio.open_connection("127.0.0.1", chat.port))
            streams[-1][1].write(head.encode())
            async with asyncio.timeout(PATIENCE):
                await streams[-1][0].readuntil(b"</html>")
        async with aiohttp.ClientSession(chat.url) as newcomer, newcomer.get("/login") as page:
            assert page.status == 200
        for _, writer in streams:
            writer.close()
