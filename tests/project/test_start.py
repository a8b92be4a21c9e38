"""The real process: how it starts, what stops its start, what it writes into its log."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from settings import ROOT, Settings
from tests.support.accounts import signed_in
from tests.support.people import registration
from tests.support.processes import Chat, free_port, running_chat
from tests.support.sockets import connect
from tests.support.waiting import START_PATIENCE, until


def has_ipv6() -> bool:
    """Tell whether this machine has IPv6's loopback address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


async def refusal(chat: Chat, status: int = os.EX_CONFIG) -> str:
    """Launch a chat that can't start, and return what it says: one sentence, no traceback.

    The status tells whether it makes sense to try again.
    """
    await chat.launch()
    assert await chat.ended() == status
    [line] = chat.output.splitlines()
    return line


async def test_the_start_says_where_the_chat_is_and_where_its_data() -> None:
    async with running_chat(MONGO_HOST="") as chat:
        data = chat.folder / "data"
        assert chat.output.splitlines() == [
            f"Chat at {chat.url}",
            f"Database: embedded, keeps its data in {data}",
            "Registration: open to whoever knows the address (see REGISTRATION)",
        ]
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        for name in ("secret_key", "chat.db", "database.sock"):
            assert stat.S_IMODE((data / name).stat().st_mode) & 0o077 == 0, name


async def test_the_start_on_a_shared_database_says_what_redis_would_add(
    settings: Settings,
) -> None:
    shared: dict[str, Any] = {
        "MONGO_HOST": settings.MONGO_HOST,
        "MONGO_DB_NAME": settings.MONGO_DB_NAME,
    }
    for address, sentence in {
        "": "Redis: none, so other processes on this database are heard late (see REDIS_URL)",
        "redis://:s3cret@127.0.0.1:1/0": (
            "Redis: joins this process with others on the same database"
        ),
    }.items():
        async with running_chat(REDIS_URL=address, **shared) as chat:
            await until(lambda: sentence in chat.output.splitlines())  # noqa: B023
            assert "s3cret" not in chat.output


async def test_the_start_names_the_servers_of_the_address_and_no_part_of_a_password(
    folder: Path,
) -> None:
    options = "tls=true&tlsCertificateKeyFilePassword=a@s3cret"
    chat = Chat(folder, MONGO_HOST=f"mongodb://chat:s3cret@127.0.0.1:1/chat?{options}")
    await chat.launch()
    try:
        await until(lambda: "Database: " in chat.output, START_PATIENCE)
        assert "Database: MongoDB at 127.0.0.1:1, which keeps the data\n" in chat.output
        assert "s3cret" not in chat.output
    finally:
        await chat.stop()


# Containers often have no IPv6, so these are chosen by what this machine has.
WITH_IPV6 = [("::1", ["[::1]"]), ("::", ["127.0.0.1", "[::1]", "localhost"])] if has_ipv6() else []


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("localhost", ["127.0.0.1", "localhost"]),
        ("0.0.0.0", ["127.0.0.1"]),
        *WITH_IPV6,
    ],
)
async def test_it_answers_at_every_address_of_its_host(host: str, addresses: list[str]) -> None:
    async with running_chat(HOST=host) as chat, aiohttp.ClientSession() as session:
        for address in addresses:
            async with session.get(f"http://{address}:{chat.port}/login") as response:
                assert response.status == 200
        assert chat.output.startswith(f"Chat at http://{addresses[-1]}:{chat.port}\n")


async def test_the_start_says_the_address_that_others_use() -> None:
    async with running_chat(PUBLIC_ORIGINS="https://a.example, http://b.example") as chat:
        assert chat.output.startswith("Chat at https://a.example\n")


async def test_a_second_chat_on_the_same_data_is_refused() -> None:
    async with running_chat(MONGO_HOST="") as chat:
        line = await refusal(Chat(chat.folder), status=1)
        assert f"Another chat or command is using DATA_DIR={chat.folder / 'data'}" in line
        assert "MONGO_HOST" in line
        await chat.kill()
        await chat.start()


async def test_a_port_that_is_taken_is_refused(folder: Path) -> None:
    async with running_chat() as chat:
        assert await refusal(Chat(folder, chat.port), status=1) == (
            f"HOST=127.0.0.1, PORT={chat.port} can't be listened on: Address already in use. "
            "Choose another, or stop what uses it."
        )


# What each variable takes is tested in test_settings.py.
@pytest.mark.parametrize(
    ("environment", "beginning"),
    [
        ({"PORT": "abc"}, "PORT="),
        ({"HOST": "no such host"}, "HOST="),
        ({"HOST": "a..b"}, "HOST="),
        ({"DATA_DIR": "/proc/nowhere"}, "DATA_DIR="),
        ({"DATA_DIR": "/tmp/" + "x" * 120}, "DATA_DIR="),
        ({"DYNO": "web.1"}, "MONGO_HOST is not set"),
    ],
)
async def test_a_setting_that_does_not_do_stops_the_start_with_one_sentence(
    folder: Path, environment: dict[str, Any], beginning: str
) -> None:
    assert (await refusal(Chat(folder, **environment))).startswith(beginning)


@pytest.mark.parametrize("password", ["hunter2", "hun#ter", "hun[ter"])
async def test_the_address_of_the_database_is_shown_without_its_password(
    folder: Path, password: str
) -> None:
    chat = Chat(folder, MONGO_HOST=f"mongodb://user:{password}@127.0.0.1:1/chat")
    await chat.launch()
    await until(lambda: re.search("Database:|MONGO_HOST", chat.output), START_PATIENCE)
    await chat.stop()
    assert "hun" not in chat.output
    assert "127.0.0.1:1," in chat.output or "is not a MongoDB address" in chat.output


HONCHO = ["-m", "honcho", "-d", str(ROOT), "-e", os.devnull, "start"]


@pytest.mark.parametrize(
    ("way", "status"),
    [(HONCHO, 128 + signal.SIGTERM), ([str(ROOT / "app.py")], 0)],  # honcho's own status, and ours
    ids=["Procfile", "app.py"],
)
async def test_it_starts_serves_and_ends_as_on_heroku(
    settings: Settings, folder: Path, way: list[str], status: int
) -> None:
    port = free_port()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PORT": str(port),
        "DYNO": "web.1",
        "MONGO_HOST": settings.MONGO_HOST,
        "MONGO_DB_NAME": settings.MONGO_DB_NAME,
        "SECRET_KEY": "a long random text",
        "DATA_DIR": str(folder),
        "PYTHONUNBUFFERED": "1",
    }
    dyno = await asyncio.create_subprocess_exec(
        sys.executable, *way,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert dyno.stdout is not None
    try:
        async with asyncio.timeout(START_PATIENCE):
            lines = [await dyno.stdout.readline()]
            while b"Database:" not in lines[-1]:
                assert lines[-1], b"".join(lines).decode()
                lines.append(await dyno.stdout.readline())
        await until(lambda: is_ready(port), START_PATIENCE)
        await use_it_as_behind_a_proxy(port)
    finally:
        dyno.terminate()
        output = b"".join(lines) + (await dyno.communicate())[0]
    assert b"Traceback" not in output, output.decode()
    assert dyno.returncode == status
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def is_ready(port: int) -> bool:
    """Tell whether the chat can use its database."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/healthz") as answer,
    ):
        return answer.status == 200


async def use_it_as_behind_a_proxy(port: int) -> None:
    """Register, and be sent from http to https."""
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=forwarded) as session:
        form = registration("alice")
        async with session.post("/signin", data=form, allow_redirects=False) as done:
            cookie = done.headers["Set-Cookie"]
        assert cookie.startswith("__Host-chat_session")
        assert "Secure" in cookie
        plain = {"X-Forwarded-Proto": "http"}
        async with session.get("/", headers=plain, allow_redirects=False) as response:
            assert response.status == 308
            assert response.headers["Location"].startswith("https://")


HOST = b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /login" + HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"
BAD_REQUESTS = [
    POST + b"Content-Length: 7\r\n\r\nlogin=a&password=TOPSECRET",
    b"GET /" + HOST + b"Cookie: chat_session=" + b"TOPSECRET" * 2000 + b"\r\n\r\n",
    b"GET /" + HOST + b"Cookie: chat_session=TOPSECRET\x00\r\n\r\n",
    b"GET /" + HOST + b"Cookie : chat_session=TOPSECRET\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"TOPSECRET\r\n\r\n",
    b"GET /metrics" + HOST + b"Authorization: Bearer TOPSECRETTOPSECRET\r\n\r\n",
    b"GET /?password=TOPSECRET\xff" + HOST + b"\r\n",
    b"GET /static/" + b"a" * 300 + b"%0aforged" + HOST + b"\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\nTOPSECRET\r\n",
    POST + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nTOPSECRET",
    POST + b"Content-Length: 90\r\n\r\nlogin=a&password=TOPSECRET",  # and leaves
]


@pytest.mark.parametrize(
    ("debug", "log_format"), [("false", "text"), ("true", "text"), ("true", "json")]
)
async def test_bad_requests_leave_nothing_in_the_log(debug: str, log_format: str) -> None:
    async with (
        running_chat(DEBUG=debug, LOG_FORMAT=log_format, METRICS_TOKEN="TOPSECRET" * 2) as chat,
        signed_in(chat.url, "alice") as alice,
    ):
        for request in BAD_REQUESTS:
            reader, writer = await asyncio.open_connection("127.0.0.1", chat.port)
            writer.write(request)
            writer.write_eof()
            answer = await reader.read()
            assert b" 500 " not in answer
            writer.close()
            await writer.wait_closed()
        socket = await connect(alice)
        await socket.said("TOPSECRET")
        await socket.ws.send_bytes(b"TOPSECRET")
        await socket.close_code()
        async with alice.get("/?before=TOPSECRET"):
            pass
        await chat.terminate()
        assert "TOPSECRET" not in chat.output
        assert "Traceback" not in chat.output
        assert "\nforged" not in chat.output
        said_at_the_end = "ending, because of signal 15"
        # After what the start says, which on a shared database has one line more.
        lines = chat.output.partition("\nRegistration: ")[2].splitlines()[1:]
        assert sum(said_at_the_end in line for line in lines) == 1
        lines = [line for line in lines if said_at_the_end not in line]
        assert (lines == []) is (debug == "false"), chat.output
        if log_format == "json":
            assert {json.loads(line)["level"] for line in lines} == {"DEBUG"}
