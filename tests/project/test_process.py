"""The real process: how it starts, how it ends, and what outlives a kill."""

import asyncio
import fcntl
import json
import os
import re
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from settings import ROOT, Settings
from tests.support.databases import embedded_server
from tests.support.people import PASSWORD
from tests.support.processes import PATIENCE, Chat, children, free_port, running_chat
from tests.support.sockets import Socket

PROMISED_END = 5  # seconds; the chat takes 4 at most


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="chat", ignore_cleanup_errors=True) as name:
        yield Path(name)


def has_ipv6() -> bool:
    """Tell whether this machine has IPv6's loopback address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class Visitor:
    """Somebody signed in to a chat process."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def connect(self, since: int = 0) -> Socket:
        return Socket(await self.session.ws_connect(f"/ws?since={since}", protocols=["chat.v1"]))

    async def page(self) -> str:
        async with self.session.get("/", allow_redirects=False) as response:
            assert response.status == 200
            return await response.text()


@asynccontextmanager
async def signed_in(chat: Chat, login: str, path: str = "/signin") -> AsyncIterator[Visitor]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(chat.url, cookie_jar=jar) as session:
        form = {"login": login, "email": f"{login}@example.com"}
        passwords = {"password": PASSWORD, "password2": PASSWORD}
        async with session.post(path, data=form | passwords, allow_redirects=False) as response:
            assert response.status == 303, await response.text()
        yield Visitor(session)


async def end_of(pid: int) -> None:
    """Wait until a process that should have ended is gone; its files are closed a bit earlier."""
    async with asyncio.timeout(PATIENCE):
        while is_running(pid):
            await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def held_lock(data: Path) -> Iterator[None]:
    """Hold the lock of a data folder, as another chat would."""
    data.mkdir()
    with open(data / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


async def until_it_waits_for(file: Path, chat: Chat) -> None:
    """Wait until a chat that is starting has opened a file."""
    async with asyncio.timeout(PATIENCE):
        while not has_open(chat.pid, file):
            await asyncio.sleep(0.02)


def has_open(pid: int, file: Path) -> bool:
    """Tell whether a process has a file open."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if descriptor.readlink() == file:
                return True
    return False


async def test_the_start_says_where_the_chat_is_and_where_its_data() -> None:
    async with running_chat(MONGO_HOST="") as chat:
        data = chat.folder / "data"
        assert chat.output.splitlines() == [
            f"Chat at {chat.url}",
            f"Database: embedded, keeps its data in {data}",
        ]
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        for name in ("secret_key", "chat.db", "database.sock"):
            assert stat.S_IMODE((data / name).stat().st_mode) & 0o077 == 0, name


@pytest.mark.serial
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_time_with_0_and_tells_every_socket(
    number: signal.Signals,
) -> None:
    async with running_chat(MONGO_HOST="") as chat, signed_in(chat, "alice") as alice:
        sockets = [await alice.connect() for _ in range(5)]
        [child] = children(chat.pid)
        codes = [asyncio.create_task(socket.close_code()) for socket in sockets]
        started = time.monotonic()
        os.kill(chat.pid, number)
        assert await asyncio.gather(*codes) == [1001] * 5
        assert await chat.ended() == 0
        assert time.monotonic() - started < PROMISED_END
        await end_of(child)
        assert len(chat.output.splitlines()) == 2  # nothing but its greeting


@pytest.mark.serial
async def test_a_reader_who_never_reads_and_a_stopped_database_do_not_hold_up_the_end() -> None:
    async with (
        running_chat(MONGO_HOST="", MESSAGES_PER_SECOND=0) as chat,
        signed_in(chat, "alice") as alice,
    ):
        await alice.connect()  # reads nothing
        socket = await alice.connect()
        for _ in range(100):
            await socket.say("x" * 2000)
            await socket.next("message")
        [child] = children(chat.pid)
        os.kill(child, signal.SIGSTOP)
        await socket.say("this one waits")
        started = time.monotonic()
        assert await chat.terminate() == 0
        assert time.monotonic() - started < PROMISED_END
        await end_of(child)
        assert len(chat.output.splitlines()) == 2  # nothing but its greeting
        await chat.start()


@pytest.mark.serial
async def test_a_stopped_server_elsewhere_does_not_hold_up_the_end() -> None:
    with embedded_server() as server:
        server.start()
        async with (
            running_chat(MONGO_HOST=server.address) as chat,
            signed_in(chat, "alice") as alice,
        ):
            socket = await alice.connect()
            server.send(signal.SIGSTOP)
            await socket.say("this one waits")
            started = time.monotonic()
            assert await chat.terminate() == 0
            assert time.monotonic() - started < PROMISED_END


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
async def test_a_stopped_database_dies_with_its_chat_however_that_ends(
    number: signal.Signals,
) -> None:
    async with running_chat(MONGO_HOST="") as chat:
        [child] = children(chat.pid)
        os.kill(child, signal.SIGSTOP)
        os.kill(chat.pid, number)
        assert await chat.ended() == -number
        await end_of(child)
        await chat.start()


async def test_a_signal_during_the_start_ends_it_with_0_and_without_a_word(folder: Path) -> None:
    chat = Chat(folder)
    with held_lock(folder / "data"):
        await chat.launch()
        await until_it_waits_for(folder / "data" / "lock", chat)
        assert await chat.terminate() == 0
    assert not chat.output


@pytest.mark.serial
async def test_a_stopped_reader_of_the_log_does_not_hold_up_the_end(folder: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(65536))
    os.set_blocking(writing, True)
    chat = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "app.py"), stdout=writing, stderr=writing,
        env=Chat(folder).environment,
    )  # fmt: skip
    os.close(writing)
    async with asyncio.timeout(PATIENCE):
        while not children(chat.pid) or not (folder / "data" / "database.sock").exists():
            await asyncio.sleep(0.02)
    started = time.monotonic()
    chat.terminate()
    assert await chat.wait() == 0
    assert time.monotonic() - started < PROMISED_END
    os.close(reading)


HANGING = """
import asyncio, signal, time
from app import create_app
from server import run

async def hang(app):
    print("hanging", flush=True)
    {how}

async def hang_when_told(app):
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: asyncio.ensure_future(hang(app)))

def create_hanging_app(settings):
    app = create_app(settings)
    app.on_startup.append(hang_when_told)
    app.on_shutdown.insert(0, hang)
    return app

run(create_hanging_app)
"""


@pytest.mark.serial
@pytest.mark.parametrize(
    ("how", "hangs_before"),
    [("time.sleep(60)", False), ("time.sleep(60)", True), ("await asyncio.sleep(60)", False)],
    ids=["the loop at the end", "the loop before the end", "a part of the end"],
)
async def test_what_hangs_does_not_hold_up_the_end(
    folder: Path, how: str, hangs_before: bool
) -> None:
    chat = Chat(folder, PYTHONPATH=str(ROOT))
    (folder / "hanging.py").write_text(HANGING.format(how=how))
    await chat.launch(folder / "hanging.py")
    await chat.until_it_serves()
    [child] = children(chat.pid)
    if hangs_before:
        os.kill(chat.pid, signal.SIGUSR1)
        async with asyncio.timeout(PATIENCE):
            while "hanging" not in chat.output:
                await asyncio.sleep(0.02)
    started = time.monotonic()
    assert await chat.terminate() == 0
    assert time.monotonic() - started < PROMISED_END
    await end_of(child)


async def test_a_kill_takes_the_embedded_database_with_it_and_loses_nothing() -> None:
    async with running_chat(MONGO_HOST="") as chat:
        async with signed_in(chat, "alice") as alice:
            socket = await alice.connect()
            for number in range(10):
                await socket.say(f"message {number}")
                await socket.next("message")
            [child] = children(chat.pid)
            await chat.kill()
            await end_of(child)
            await chat.start()
            page = await alice.page()  # still signed in: the key was kept too
            assert [f"message {n}" in page for n in range(10)] == [True] * 10
        async with signed_in(chat, "alice", "/login") as again:
            socket = await again.connect(since=8)
            assert (await socket.next("hello"))["seq"] == 10
            assert (await socket.next("message"))["msg"] == "message 8"


async def test_the_embedded_database_is_started_again_when_it_dies() -> None:
    async with running_chat(MONGO_HOST="") as chat, signed_in(chat, "alice") as alice:
        socket = await alice.connect()
        await socket.say("before")
        await socket.next("message")
        os.kill(children(chat.pid)[0], signal.SIGKILL)
        await socket.say("after", nonce="n2")
        frame = await socket.next("message", "error")
        while frame["type"] == "error":
            await socket.say("after", nonce="n2")
            frame = await socket.next("message", "error")
        assert (frame["seq"], frame["msg"]) == (2, "after")
        assert "starting it again" in chat.output


FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
BAD_REQUESTS = [
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    + FORM
    + b"Content-Length: 7\r\n\r\nlogin=a&password=TOPSECRET",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: session=" + b"TOPSECRET" * 2000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: session=TOPSECRET\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie : session=TOPSECRET\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"TOPSECRET\r\n\r\n",
    b"GET /?password=TOPSECRET\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /static/" + b"a" * 300 + b"%0aforged HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
    + FORM
    + b"\r\nTOPSECRET\r\n",
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n"
    + FORM
    + b"\r\nTOPSECRET",
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90\r\n"  # and leaves
    + FORM
    + b"\r\nlogin=a&password=TOPSECRET",
]


@pytest.mark.parametrize("debug", ["false", "true"])
async def test_bad_requests_leave_nothing_in_the_log(debug: str) -> None:
    async with running_chat(DEBUG=debug) as chat, signed_in(chat, "alice") as alice:
        for request in BAD_REQUESTS:
            reader, writer = await asyncio.open_connection("127.0.0.1", chat.port)
            writer.write(request)
            writer.write_eof()
            answer = await reader.read()
            assert b" 500 " not in answer
            writer.close()
            await writer.wait_closed()
        socket = await alice.connect()
        await socket.say("TOPSECRET")
        await socket.next("message")
        await socket.ws.send_bytes(b"TOPSECRET")
        await socket.close_code()
        async with alice.session.get("/?before=TOPSECRET"):
            pass
        await chat.terminate()
        assert "TOPSECRET" not in chat.output
        assert "Traceback" not in chat.output
        assert "\nforged" not in chat.output
        assert (len(chat.output.splitlines()) == 2) is (debug == "false"), chat.output


async def test_the_address_of_the_database_is_shown_without_its_password(folder: Path) -> None:
    for password in ("hunter2", "hun#ter", "hun[ter"):
        chat = Chat(folder, MONGO_HOST=f"mongodb://user:{password}@127.0.0.1:1/chat")
        await chat.launch()
        async with asyncio.timeout(PATIENCE):
            while "Database:" not in chat.output and "MONGO_HOST" not in chat.output:
                await asyncio.sleep(0.05)
        await chat.stop()
        assert "hun" not in chat.output
        assert "127.0.0.1:1," in chat.output or "is not a MongoDB address" in chat.output


async def refusal(chat: Chat) -> str:
    """Launch a chat that can't start, and return what it says: one sentence, no traceback."""
    await chat.launch()
    assert await chat.ended() == 1
    [line] = chat.output.splitlines()
    return line


async def test_a_second_chat_on_the_same_data_is_refused() -> None:
    async with running_chat(MONGO_HOST="") as chat:
        second = Chat(chat.folder)
        assert "Another chat is running" in await refusal(second)
        await chat.kill()
        await chat.start()


async def test_a_port_that_is_taken_is_refused(folder: Path) -> None:
    async with running_chat() as chat:
        line = await refusal(Chat(folder, chat.port))
        assert f"PORT={chat.port}" in line
        assert "in use" in line


# Containers often have no IPv6, so these are chosen by what this machine has.
WITH_IPV6 = [("::1", ["[::1]"]), ("::", ["127.0.0.1", "[::1]"])] if has_ipv6() else []


@pytest.mark.parametrize(
    ("host", "addresses"),
    [("127.0.0.1", ["127.0.0.1"]), ("localhost", ["127.0.0.1", "localhost"]), *WITH_IPV6],
)
async def test_it_answers_at_every_address_of_its_host(host: str, addresses: list[str]) -> None:
    async with running_chat(HOST=host) as chat, aiohttp.ClientSession() as session:
        for address in addresses:
            async with session.get(f"http://{address}:{chat.port}/login") as response:
                assert response.status == 200
        named = f"[{host}]" if ":" in host else host
        assert chat.output.startswith(f"Chat at http://{named}:{chat.port}\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "abc"), ("PORT", "70000"), ("DEBUG", "maybe"), ("SECRET_KEY", "short"),
     ("MONGO_HOST", "localhost:27017"), ("PUBLIC_ORIGINS", "chat.example.com"),
     ("HOST", "no such host"), ("HOST", "a..b"),
     ("DATA_DIR", "/proc/nowhere"), ("DATA_DIR", "/tmp/" + "x" * 120)],
)  # fmt: skip
async def test_a_value_that_does_not_parse_stops_the_start(
    folder: Path, name: str, value: str
) -> None:
    line = await refusal(Chat(folder, **{name: value}))  # type: ignore[arg-type]
    assert line.startswith(name)


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, "MONGO_HOST"),
        ({"SECRET_KEY": "a long random text"}, "MONGO_HOST"),
        ({"MONGO_HOST": "mongodb://localhost/chat"}, "SECRET_KEY"),
    ],
)
async def test_heroku_needs_what_its_disk_cannot_keep(
    folder: Path, environment: dict[str, str], missing: str
) -> None:
    line = await refusal(Chat(folder, DYNO="web.1", **environment))  # type: ignore[arg-type]
    assert line.startswith(f"{missing} is not set")
    assert "heroku config:set" in line


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
        async with asyncio.timeout(PATIENCE):
            lines = [await dyno.stdout.readline()]
            while b"Database:" not in lines[-1]:
                assert lines[-1], b"".join(lines).decode()
                lines.append(await dyno.stdout.readline())
        await use_it_as_behind_a_proxy(port)
    finally:
        dyno.terminate()
        output = b"".join(lines) + (await dyno.communicate())[0]
    assert b"Traceback" not in output, output.decode()
    assert dyno.returncode == status
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def use_it_as_behind_a_proxy(port: int) -> None:
    """Register, and be sent from http to https."""
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=forwarded) as session:
        form = {"login": "alice", "email": "a@example.com"}
        passwords = {"password": PASSWORD, "password2": PASSWORD}
        async with session.post("/signin", data=form | passwords, allow_redirects=False) as done:
            cookie = done.headers["Set-Cookie"]
        assert cookie.startswith("__Host-session=")
        assert "Secure" in cookie
        plain = {"X-Forwarded-Proto": "http"}
        async with session.get("/", headers=plain, allow_redirects=False) as response:
            assert response.status == 308
            assert response.headers["Location"].startswith("https://")


def test_app_json_names_what_heroku_has_to_ask_for() -> None:
    app = json.loads((ROOT / "app.json").read_text())
    assert app["env"]["SECRET_KEY"]["generator"] == "secret"
    assert app["env"]["MONGO_HOST"]["required"] is True
    known = {"name", "description", "keywords", "formation", "env"}
    assert set(app) <= known
    for variable in app["env"].values():
        assert set(variable) <= {"description", "value", "required", "generator"}


def test_every_setting_is_explained_in_env_example() -> None:
    example = (ROOT / ".env.example").read_text()
    explained = re.findall(r"^# .+\n([A-Z_]+)=", example, re.MULTILINE)
    used = re.findall(r'_(?:read|limit)\(\s*"([A-Z_]+)"', (ROOT / "settings.py").read_text())
    assert sorted(explained) == sorted(used)
    assert len(used) == 14
