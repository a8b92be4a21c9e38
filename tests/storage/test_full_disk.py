"""The real process on a disk that takes no more, and on a file that gets damaged meanwhile."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp

from settings import ROOT
from storage.embedded_files import REPAIR, SEE_DISK
from tests.support.accounts import signed_in
from tests.support.commands import run
from tests.support.kernel import children
from tests.support.processes import Chat, running_chat
from tests.support.sockets import Socket, connect
from tests.support.waiting import START_PATIENCE, until

PAGE = ROOT / "docs" / "repair.md"


@contextmanager
def full_disk(process: int) -> Iterator[None]:
    """Let the files of a process grow no more, as on a full disk."""
    old = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (1, old[1]))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, old)


async def health(chat: Chat) -> tuple[int, str]:
    """Return the status of /healthz, and what it says of the database."""
    async with aiohttp.ClientSession() as session, session.get(f"{chat.url}/healthz") as response:
        return response.status, (await response.json())["database"]


async def becomes(chat: Chat, status: int, database: str) -> None:
    """Wait until /healthz answers so."""

    async def does() -> bool:
        return await health(chat) == (status, database)

    await until(does, START_PATIENCE)


async def answer(socket: Socket, text: str) -> str:
    """Say something until it is known whether it is stored; return the frame's type."""
    await socket.say(text, nonce=text)
    frame = await socket.next("message", "error")
    assert frame.get("code", "unavailable") == "unavailable"
    return str(frame["type"])


def complaints(chat: Chat) -> list[str]:
    """Return what the log says of the database, without the time."""
    assert "Traceback" not in chat.output
    lines = chat.output.splitlines()
    return [line.partition("storage.database: ")[2] for line in lines if "storage.d" in line]


async def test_a_full_disk_shows_everywhere_and_once_in_the_log() -> None:
    async with running_chat(MONGO_HOST="") as chat, signed_in(chat.url, "alice") as alice:
        socket = await connect(alice)
        await socket.said("before")
        [database] = children(chat.pid)
        fault = f"{chat.folder}/data/chat.db can't be used (disk I/O error): {SEE_DISK}"
        with full_disk(database):
            for text in ("one", "two", "three"):
                assert await answer(socket, text) == "error"
            await becomes(chat, 503, "refuses writes")
            status, output, _ = await run(chat, "check")
            assert status == 1
            assert f"wrong  database: {fault}" in output
            assert complaints(chat) == [f"the database fails: {fault}"]
        assert await answer(socket, "one") == "message"
        await becomes(chat, 200, "ok")
        async with alice.get("/") as page:
            assert "before" in await page.text()
        assert complaints(chat) == [f"the database fails: {fault}"]


async def said_and_ended(chat: Chat, count: int = 100) -> None:
    """Let alice say something, and end the chat."""
    async with signed_in(chat.url, "alice") as alice:
        socket = await connect(alice)
        for number in range(count):
            await socket.said(f"message {number}")
        await socket.send(type="edit", of=count, msg=f"message {count - 1}, edited", nonce="e")
        await socket.next("change")
    await chat.terminate()


def spoil(path: Path) -> None:
    """Overwrite the root page of the messages' index on `seq`, and a part of a message."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'idx_messages_seq'"
        [page] = connection.execute(query).fetchone()
    content = bytearray(path.read_bytes())
    offset = (page - 1) * 4096
    content[offset : offset + 100] = os.urandom(100)
    at = content.index(b'"msg":')
    content[at : at + 3] = b"\xff\xff\xff"
    path.write_bytes(content)


async def test_a_damaged_file_stops_the_start_and_is_repaired_as_the_docs_say() -> None:
    async with running_chat(MONGO_HOST="", MESSAGES_PER_SECOND=0) as chat:
        await said_and_ended(chat)
        path = chat.folder / "data" / "chat.db"
        spoil(path)
        content = path.read_bytes()
        chat.output = ""
        await chat.launch()
        assert await chat.ended() == os.EX_CONFIG  # trying again would not help
        [line] = chat.output.splitlines()
        assert line.startswith(f"{path} is damaged (")
        assert line.endswith(f"): {REPAIR}.")
        status, output, _ = await run(chat, "check")
        assert status == 1
        assert f"wrong  files: {path} is damaged (" in output
        assert output.splitlines()[-1].endswith(REPAIR)
        assert path.read_bytes() == content
        repair(chat)
        backups = chat.folder / "backups"
        assert (backups / "chat-damaged" / "chat.db").read_bytes() == content
        assert (backups / "chat.sql").stat().st_mode & 0o077 == 0
        await chat.start()
        async with signed_in(chat.url, "alice", "/login") as alice:
            async with alice.get("/") as page:
                text = await page.text()
            assert "message 99, edited" in text
            with closing(sqlite3.connect(path)) as connection:
                [count] = connection.execute("SELECT count(*) FROM messages").fetchone()
            assert count == 100  # without the damaged one, with the change
            assert await (await connect(alice)).said("after") == 102
        status, output, _ = await run(chat, "check")
        assert status == 0, output


def repair(chat: Chat) -> None:
    """Run the commands of docs/repair.md."""
    backups, folder = chat.folder / "backups", chat.folder / "link"
    backups.mkdir()
    folder.symlink_to("data")  # as systemd makes it for a service with a DynamicUser
    for block in PAGE.read_text().split("```")[1::2]:
        for line in block.removeprefix("sh\n").splitlines():
            if not line.startswith("systemctl"):
                command = line.replace("/var/lib/chat", str(folder))
                subprocess.run(
                    ["sh", "-c", command.replace("/var/backups", str(backups))],
                    check=line.startswith("grep"),
                    capture_output=True,
                )


async def test_damage_that_is_found_while_it_runs_is_named_and_not_called_away() -> None:
    async with running_chat(MONGO_HOST="") as chat, signed_in(chat.url, "alice") as alice:
        socket = await connect(alice)
        await socket.said("before")
        [database] = children(chat.pid)
        path = chat.folder / "data" / "chat.db"
        os.kill(database, signal.SIGSTOP)
        for file in path.parent.glob("chat.db-*"):
            file.unlink()
        path.write_bytes(b"something else\n" * 1000)
        chat.output = ""
        os.kill(database, signal.SIGKILL)
        await becomes(chat, 503, "failing")
        assert await answer(socket, "after") == "error"
        fault = f"{path} is damaged (file is not a database): {REPAIR}"
        assert f"the database fails: {fault}" in complaints(chat)
        status, output, _ = await run(chat, "check")
        assert (status, fault in output) == (1, True)
        await chat.terminate()
        assert path.read_bytes() == b"something else\n" * 1000
        shutil.rmtree(path.parent)
