"""docs/deploy.md: its configuration and commands are run here, and do what the page says."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from settings import ROOT
from tests.support.accounts import signed_in
from tests.support.deployment import Deployment, Gunicorn, blocks, deployment
from tests.support.kernel import is_running
from tests.support.people import registration
from tests.support.processes import free_port, running_chat
from tests.support.sockets import connect
from tests.support.waiting import START_PATIENCE, until

PROMISED_END = 5  # seconds

pytestmark = pytest.mark.serial  # each starts many processes


@pytest_asyncio.fixture
async def here() -> AsyncIterator[Deployment]:
    """gunicorn behind nginx, where each address may create one account."""
    async with deployment(REGISTRATIONS_PER_HOUR=1) as here:
        yield here


@asynccontextmanager
async def visitor(
    here: Deployment, address: str = "127.0.0.1"
) -> AsyncIterator[aiohttp.ClientSession]:
    """Come to nginx from an address."""
    connector = aiohttp.TCPConnector(ssl=here.nginx.tls, local_addr=(address, 0))
    async with aiohttp.ClientSession(here.nginx.url, connector=connector) as session:
        yield session


async def register(session: aiohttp.ClientSession, login: str, **headers: str) -> int:
    """Create an account, and return the status of the answer."""
    form = registration(login)
    async with session.post("/signin", data=form, headers=headers, allow_redirects=False) as done:
        return done.status


async def test_people_log_in_by_https_and_talk_by_websocket(here: Deployment) -> None:
    url, tls = here.nginx.url, here.nginx.tls
    async with (
        signed_in(url, "alice", tls=tls) as alice,
        signed_in(url, "alice", "/login", tls=tls) as again,
    ):
        async with alice.get("/", allow_redirects=False) as page:
            assert page.status == 200
        assert {(cookie.key, cookie["secure"]) for cookie in alice.cookie_jar} == {
            ("__Host-session", True)
        }
        one, other = await connect(alice), await connect(again)
        await one.said("hello")
        assert (await other.next("message"))["msg"] == "hello"
    assert not here.nginx.errors


async def test_limits_count_by_the_address_that_nginx_saw(here: Deployment) -> None:
    async with visitor(here) as one, visitor(here, "127.0.0.2") as other:
        assert await register(one, "alice") == 303
        assert await register(one, "bob", **{"X-Forwarded-For": "198.51.100.1"}) == 429
        assert await register(other, "bob") == 303


async def test_plain_http_is_sent_to_https(here: Deployment) -> None:
    plain = f"http://127.0.0.1:{here.nginx.plain_port}/login?next=1"
    async with (
        aiohttp.ClientSession() as session,
        session.get(plain, allow_redirects=False) as response,
    ):
        assert response.status == 308
        assert response.headers["Location"] == "https://127.0.0.1/login?next=1"


async def test_a_static_file_comes_compressed_and_only_when_it_has_changed(
    here: Deployment,
) -> None:
    async with visitor(here) as session:
        async with session.get("/static/js/main.js") as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert response.headers["Cache-Control"] == "no-cache"
            known = {"If-None-Match": response.headers["ETag"]}
        async with session.get("/static/js/main.js", headers=known) as response:
            assert response.status == 304


async def test_stopping_gunicorn_tells_every_socket_and_takes_no_longer_than_promised(
    here: Deployment,
) -> None:
    async with signed_in(here.nginx.url, "alice", tls=here.nginx.tls) as alice:
        sockets = [await connect(alice) for _ in range(8)]
        codes = [asyncio.create_task(socket.close_code()) for socket in sockets]
        started = time.monotonic()
        assert await here.gunicorn.terminate() == 0
        assert time.monotonic() - started < PROMISED_END
        assert await asyncio.gather(*codes) == [1001] * 8


async def test_a_killed_worker_is_replaced_and_all_end_with_the_master(here: Deployment) -> None:
    victim, *others = here.gunicorn.workers
    os.kill(victim, signal.SIGKILL)
    await until(lambda: len(here.gunicorn.workers - {victim}) == 4, START_PATIENCE)
    await here.gunicorn.kill()  # waits for all who hold its output
    assert not any(is_running(worker) for worker in others)


async def test_without_a_database_server_gunicorn_says_so_and_ends(folder: Path) -> None:
    gunicorn = Gunicorn(folder, free_port())
    await gunicorn.launch()
    assert await gunicorn.ended() == 3
    assert "MONGO_HOST is not set, and the embedded database serves one process" in gunicorn.output
    assert "Traceback" not in gunicorn.output


def test_the_master_has_no_code_that_a_reload_could_not_replace() -> None:
    ours = {path.stem for path in ROOT.iterdir()} | {"aiohttp"}
    said = subprocess.run(
        [sys.executable, "-c", "import sys, gunicorn_worker; print(*sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {name.partition(".")[0] for name in said.stdout.split()} & ours == {"gunicorn_worker"}


def run_command(command: str, data: Path, backups: Path) -> None:
    """Run a command of the page on other folders."""
    command = command.replace("/var/lib/chat", str(data)).replace("/var/backups", str(backups))
    subprocess.run(["sh", "-c", command], check=True)


async def test_a_backup_of_the_embedded_database_brings_everything_back(tmp_path: Path) -> None:
    lines = "".join(blocks("sh")).splitlines()
    backup, *restore = [line for line in lines if "/var/lib/chat" in line]
    async with running_chat(MONGO_HOST="") as chat, signed_in(chat.url, "alice") as alice:
        await (await connect(alice)).said("before")
        await chat.terminate()
        run_command(backup, chat.folder / "data", tmp_path)
        await chat.start()
        await (await connect(alice)).said("after")
        await chat.terminate()
        for command in restore:
            run_command(command, chat.folder / "data", tmp_path)
        await chat.start()
        async with alice.get("/", allow_redirects=False) as page:
            assert page.status == 200  # the key was kept, too
            text = await page.text()
        assert ("before" in text, "after" in text) == (True, False)
