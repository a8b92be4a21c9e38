"""docs/deploy.md: its configuration and commands are run here, and do what the page says."""

import asyncio
import io
import os
import random
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
from PIL import Image

from pages.assets import FOREVER
from settings import ROOT, Settings
from storage.peers import PROCESS_COLLECTION, TOKENS_KEPT
from tests.support.accounts import signed_in
from tests.support.commands import database_of
from tests.support.databases import database_at
from tests.support.deploy_page import Block, blocks, page
from tests.support.deployment import SITE, Deployment, Gunicorn, deployment
from tests.support.kernel import is_running
from tests.support.people import registration
from tests.support.processes import free_port, running_chat
from tests.support.services import listening_for_states, make_service
from tests.support.sockets import connect
from tests.support.waiting import START_PATIENCE, until

PROMISED_END = 5  # seconds
GREETING = ("Chat at ", "Database: ", "Redis: ", "Registration: ")  # on standard output

FAILING = """
import app

async def fail(_):
    raise RuntimeError("no start")

def create_app(settings):
    application = app.create_app(settings)
    application.on_startup.append(fail)
    return application
"""

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
async def test_files_come_and_go_through_nginx(here: Deployment) -> None:
    content = random.Random(1).randbytes(2_000_000)
    async with signed_in(here.nginx.url, "alice", "/login", tls=here.nginx.tls) as alice:
        async with alice.post("/file?name=a.bin", data=io.BytesIO(content)) as response:
            assert response.status == 201, await response.text()
            file = await response.json()
        async with alice.get(f"/file/{file['id']}") as response:
            assert await response.read() == content
        part = {"Range": "bytes=1000000-1000009"}
        async with alice.get(f"/file/{file['id']}", headers=part) as response:
            assert response.status == 206
            assert await response.read() == content[1_000_000:1_000_010]
    assert not here.nginx.errors


@of_one_deployment
async def test_a_picture_comes_through_nginx_by_a_form_and_is_shown(here: Deployment) -> None:
    photo = io.BytesIO()
    Image.new("RGB", (1600, 1200), "teal").save(photo, "JPEG")
    form = aiohttp.FormData({"msg": "look"})
    form.add_field("file", photo.getvalue(), filename="photo.jpg", content_type="image/jpeg")
    async with signed_in(here.nginx.url, "alice", "/login", tls=here.nginx.tls) as alice:
        socket = await connect(alice)
        async with alice.post("/file", data=form) as response:
            assert response.status == 201, await response.text()
        shown = (await socket.next("message"))["file"]
        assert (shown["width"], shown["height"]) == (1600, 1200)
        async with alice.get(shown["preview"]) as response:
            assert response.content_type == "image/webp"


@of_one_deployment
async def test_a_file_that_is_too_large_is_refused_by_the_chat_and_not_by_nginx(
    here: Deployment,
) -> None:
    async with (
        signed_in(here.nginx.url, "alice", "/login", tls=here.nginx.tls) as alice,
        alice.post("/file?name=a.bin", data=io.BytesIO(bytes(26_000_000))) as response,
    ):
        assert response.status == 413
        assert "A file may have at most 25 MB" in (await response.json())["error"]


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
        await until(lambda: not any(map(is_running, workers)), START_PATIENCE)


@pytest.mark.parametrize(
    ("environment", "beginning"),
    [
        ({}, "MONGO_HOST is not set, and the embedded database serves one process"),
        ({"MONGO_HOST": "mongodb://127.0.0.1:1/?bad=1"}, "MONGO_HOST has the option 'bad'"),
        ({"MONGO_HOST": "mongodb://127.0.0.1:1", "DATA_DIR": "/dev/null"}, "DATA_DIR=/dev/null"),
        ({"REGISTRATION": "invited"}, "REGISTRATION='invited' is not valid"),
    ],
)
async def test_gunicorn_is_not_ready_with_settings_that_do_not_do_and_need_not_try_again(
    folder: Path, environment: dict[str, str], beginning: str
) -> None:
    gunicorn = Gunicorn(folder, free_port(), **environment)
    make_service(gunicorn)
    with listening_for_states(gunicorn) as states:
        await gunicorn.launch()
        assert await gunicorn.ended() == os.EX_CONFIG
        assert states.told == []
    [line] = gunicorn.output.splitlines()
    assert line.startswith(f"<3>{beginning}")


async def test_a_worker_that_can_not_start_does_not_count_as_a_wrong_setting(
    folder: Path, settings: Settings
) -> None:
    (folder / "failing.py").write_text(FAILING)
    gunicorn = Gunicorn(folder, free_port(), **database_of(settings))
    gunicorn.command[-1] = "failing:create_app"
    gunicorn.environment["PYTHONPATH"] += f":{folder}"
    await gunicorn.launch()
    assert await gunicorn.ended() == 3
    assert "RuntimeError: no start" in gunicorn.output


async def test_gunicorn_is_ready_when_it_listens_and_has_levels_in_the_journal(
    folder: Path, settings: Settings
) -> None:
    gunicorn = Gunicorn(folder, free_port(), **database_of(settings))
    make_service(gunicorn)
    with listening_for_states(gunicorn) as states:
        await gunicorn.start()
        await gunicorn.reload()
        victim = min(gunicorn.workers)
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(gunicorn.workers - {victim}) == gunicorn.size, START_PATIENCE)
        # Before it serves it may not hear that it is to end.
        served = gunicorn.expected + 1
        await until(lambda: gunicorn.output.count("Chat at ") == served, START_PATIENCE)
        assert await gunicorn.terminate() == 0
        assert [told.partition("\n")[0] for told in states.told] == ["READY=1"]
    lines = [line for line in gunicorn.output.splitlines() if not line.startswith(GREETING)]
    assert all(re.match(r"<[3-6]>\D", line) for line in lines), gunicorn.output
    assert "<3>[" in gunicorn.output  # of the worker that was killed
    assert any(line.endswith("[INFO] Handling signal: hup") for line in lines)


async def test_a_reload_with_a_setting_that_does_not_do_leaves_the_workers_as_they_are(
    folder: Path, settings: Settings
) -> None:
    gunicorn = Gunicorn(folder, free_port(), **database_of(settings))
    await gunicorn.start()
    workers, key = gunicorn.workers, folder / "data" / "secret_key"
    kept = key.read_text()
    key.write_text("")
    gunicorn.send(signal.SIGHUP)
    await until(lambda: "Not reloaded" in gunicorn.output, START_PATIENCE)
    assert f"{key} is empty" in gunicorn.output
    assert gunicorn.workers == workers
    key.write_text(kept)
    await gunicorn.reload()
    assert await gunicorn.terminate() == 0


UNITS = [block for block in page() if block.language == "ini"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("units", [UNITS[:2], UNITS], ids=["one-process", "several-processes"])
def test_systemd_has_nothing_to_say_against_the_units(units: list[Block], tmp_path: Path) -> None:
    for unit in units:
        path = tmp_path / Path(unit.path).relative_to("/etc/systemd/system")
        path.parent.mkdir(exist_ok=True)
        path.write_text(unit.text.replace(f"{SITE}/.venv/bin", str(Path(sys.executable).parent)))
    verify = ["systemd-analyze", "verify", str(tmp_path / "chat.service")]
    said = subprocess.run(verify, capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_master_has_no_code_that_a_reload_could_not_replace() -> None:
    ours = {path.stem for path in ROOT.iterdir()} | {"aiohttp"}
    said = subprocess.run(
        [sys.executable, "-c", "import sys, server.gunicorn_worker; print(*sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {name for name in said.stdout.split() if name.partition(".")[0] in ours}
    assert loaded == {"server", "server.gunicorn_worker", "server.systemd"}


def run_commands(commands: str, data: Path, backups: Path) -> int:
    """Run commands of the page on other folders, without a service, and return their status."""
    for old, new in {
        "/var/lib/private/chat": data,
        "/var/lib/private": data.parent,
        "/var/lib/chat": data,
        "/var/backups": backups,
    }.items():
        commands = commands.replace(old, str(new))
    return subprocess.run(["sh", "-c", f"systemctl() {{ :; }}\n{commands}"]).returncode


async def test_a_backup_of_the_embedded_database_brings_everything_back(tmp_path: Path) -> None:
    backup, restore = blocks("sh", "Backup and restore")[:2]
    async with running_chat(MONGO_HOST="") as chat, signed_in(chat.url, "alice") as alice:
        data = chat.folder / "data"
        await (await connect(alice)).said("before")
        await chat.terminate()
        assert run_commands(backup, data, tmp_path) == 0
        await chat.start()
        await (await connect(alice)).said("after")
        await chat.terminate()
        left = chat.folder / "data.new"  # by an attempt that failed
        left.mkdir()
        (left / "chat.db-wal").write_text("of another room")
        assert run_commands(restore, data, tmp_path) == 0
        await chat.start()
        async with alice.get("/", allow_redirects=False) as page:
            assert page.status == 200  # the key was kept, too
            text = await page.text()
        assert ("before" in text, "after" in text) == (True, False)


def test_a_backup_that_is_damaged_leaves_everything_as_it_was(tmp_path: Path) -> None:
    _, restore = blocks("sh", "Backup and restore")[:2]
    data = tmp_path / "data"
    data.mkdir()
    (data / "chat.db").write_text("all that was said")
    (tmp_path / "chat.tar.gz").write_bytes(b"damaged")
    assert run_commands(restore, data, tmp_path) != 0
    assert (data / "chat.db").read_text() == "all that was said"
