"""docs/deploy.md: its configuration and commands are run here, and do what the page says."""

import asyncio
import os
import re
import shutil
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

from pages.assets import FOREVER
from settings import ROOT
from storage.peers import PROCESS_COLLECTION, TOKENS_KEPT
from tests.support.accounts import signed_in
from tests.support.databases import database_at
from tests.support.deployment import SITE, Deployment, Gunicorn, blocks, deployment
from tests.support.kernel import is_running
from tests.support.people import registration
from tests.support.processes import free_port, running_chat
from tests.support.sockets import connect
from tests.support.waiting import START_PATIENCE, until

PROMISED_END = 5  # seconds

pytestmark = pytest.mark.serial  # they start many processes

of_one_deployment = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here() -> AsyncIterator[Deployment]:
    """gunicorn behind nginx, where each address may create one account; for tests that end none."""
    async with deployment(REGISTRATIONS_PER_HOUR=1) as here:
        async with database_at(here.database.address, "chat") as database:

            async def are_believed() -> bool:
                """Whether each worker has proved to the others that it writes the database."""
                found = await database[PROCESS_COLLECTION].find({}).to_list(None)
                ready = [each for each in found if len(each["tokens"]) == TOKENS_KEPT]
                return len(ready) == here.gunicorn.size

            await until(are_believed, START_PATIENCE)
        yield here


@asynccontextmanager
async def visitor(here: Deployment, address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Come to nginx from an address."""
    connector = aiohttp.TCPConnector(ssl=here.nginx.tls, local_addr=(address, 0))
    async with aiohttp.ClientSession(here.nginx.url, connector=connector) as session:
        yield session


async def register(session: aiohttp.ClientSession, login: str, **headers: str) -> int:
    """Create an account, and return the status of the answer."""
    form = registration(login)
    async with session.post("/signin", data=form, headers=headers, allow_redirects=False) as done:
        return done.status


@of_one_deployment
async def test_people_log_in_by_https_and_talk_by_websocket(here: Deployment) -> None:
    url, tls = here.nginx.url, here.nginx.tls
    async with (
        signed_in(url, "alice", tls=tls) as alice,
        signed_in(url, "alice", "/login", tls=tls) as again,
    ):
        async with alice.get("/", allow_redirects=False) as page:
            assert page.status == 200
        [cookie] = alice.cookie_jar
        assert cookie.key.startswith("__Host-chat_session")
        assert cookie["secure"]
        one, other = await connect(alice), await connect(again)
        await one.said("hello")
        assert (await other.next("message"))["msg"] == "hello"
    assert not here.nginx.errors


@of_one_deployment
async def test_limits_count_by_the_address_that_nginx_saw(here: Deployment) -> None:
    async with visitor(here, "127.0.0.2") as one, visitor(here, "127.0.0.3") as other:
        assert await register(one, "bob") == 303
        assert await register(one, "carol", **{"X-Forwarded-For": "198.51.100.1"}) == 429
        assert await register(other, "carol") == 303


@of_one_deployment
async def test_plain_http_is_sent_to_https(here: Deployment) -> None:
    plain = f"http://127.0.0.1:{here.nginx.plain_port}/login?next=1"
    async with (
        aiohttp.ClientSession() as session,
        session.get(plain, allow_redirects=False) as response,
    ):
        assert response.status == 308
        assert response.headers["Location"] == "https://127.0.0.1/login?next=1"


@of_one_deployment
async def test_a_static_file_comes_as_the_chat_sends_it(here: Deployment) -> None:
    like_nginx = {"Host": here.nginx.url.removeprefix("https://"), "X-Forwarded-Proto": "https"}
    async with (
        visitor(here, "127.0.0.1") as session,
        aiohttp.ClientSession(here.gunicorn.url, headers=like_nginx) as direct,
    ):
        async with session.get("/login") as page:
            [path] = re.findall(r'"(/static/v-\w+/css/pages/card\.css)"', await page.text())
        async with session.get(path) as response, direct.get(path) as original:
            assert response.headers["Cache-Control"] == FOREVER
            assert response.headers["Content-Encoding"] == "gzip"
            assert end_to_end(response) == end_to_end(original)
            known = {"If-None-Match": response.headers["ETag"]}
        async with session.get(path, headers=known) as response:
            assert response.status == 304


def end_to_end(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the headers that a proxy has to pass on."""
    own = {"Connection", "Date", "Server"}
    return {name: value for name, value in response.headers.items() if name not in own}


@of_one_deployment
async def test_a_killed_worker_is_replaced(here: Deployment) -> None:
    victim = min(here.gunicorn.workers)
    os.kill(victim, signal.SIGKILL)
    await until(lambda: len(here.gunicorn.workers - {victim}) == 4, START_PATIENCE)


async def test_stopping_gunicorn_tells_every_socket_and_takes_no_longer_than_promised() -> None:
    async with (
        deployment() as here,
        signed_in(here.nginx.url, "alice", tls=here.nginx.tls) as alice,
    ):
        sockets = [await connect(alice) for _ in range(8)]
        codes = [asyncio.create_task(socket.close_code()) for socket in sockets]
        started = time.monotonic()
        assert await here.gunicorn.terminate() == 0
        assert time.monotonic() - started < PROMISED_END
        assert await asyncio.gather(*codes) == [1001] * 8


async def test_no_worker_outlives_a_killed_master() -> None:
    async with deployment() as here:
        workers = here.gunicorn.workers
        assert len(workers) == 4
        await here.gunicorn.kill()  # waits for all who hold its output
        assert not any(is_running(worker) for worker in workers)


async def test_without_a_database_server_gunicorn_says_so_and_ends(folder: Path) -> None:
    gunicorn = Gunicorn(folder, free_port())
    await gunicorn.launch()
    assert await gunicorn.ended() == 3
    assert "MONGO_HOST is not set, and the embedded database serves one process" in gunicorn.output
    assert "Traceback" not in gunicorn.output


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("unit", blocks("ini"), ids=["several-processes", "one-process"])
def test_systemd_has_nothing_to_say_against_a_unit(unit: str, tmp_path: Path) -> None:
    path = tmp_path / "chat.service"
    path.write_text(unit.replace(f"{SITE}/.venv/bin", str(Path(sys.executable).parent)))
    said = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_master_has_no_code_that_a_reload_could_not_replace() -> None:
    ours = {path.stem for path in ROOT.iterdir()} | {"aiohttp"}
    said = subprocess.run(
        [sys.executable, "-c", "import sys, server.gunicorn_worker; print(*sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {name for name in said.stdout.split() if name.partition(".")[0] in ours}
    assert loaded == {"server", "server.gunicorn_worker"}


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
