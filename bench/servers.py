"""The servers that are compared, each a process of its own on a core of its own."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from storage.embedded import embedded_uri
from tests.support.databases import database_at, embedded_server
from tests.support.guests import sign_in_guests
from tests.support.kernel import children
from tests.support.processes import NO_LIMITS, free_port, running_chat
from tests.support.redis_server import redis_server

SERVER_CORE, LOAD_CORE = 0, 1
SECRET_KEY = "a key for the benchmark"
CHAT_HEADERS = "Sec-WebSocket-Protocol: chat.v1\r\n"
PEOPLE = 1200  # who are signed in, so that each of a thousand sockets is another one's
ELECTION = 4  # seconds until one process is the writer, and the others know


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """A running server."""

    def __init__(self, name: str, pid: int, port: int, headers: str = "") -> None:
        self.name = name
        self.pid = pid
        self.port = port
        self.headers = headers  # of its own, for the upgrade
        self.cookies = [""]
        self.database: int | None = None  # the embedded database's process
        self.redis: int | None = None  # that of Redis
        self.data = Path()  # the embedded database's folder

    def database_cpu(self) -> float:
        """Return the processor time of the database, in seconds."""
        return cpu_seconds(self.database) if self.database else 0.0

    def redis_cpu(self) -> float:
        """Return the processor time of Redis, in seconds."""
        return cpu_seconds(self.redis) if self.redis else 0.0


def pin(pid: int, core: int) -> None:
    """Keep a process and all its threads on one core, where there is another for the rest."""
    if (os.cpu_count() or 1) > 1:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


async def answers(port: int) -> None:
    """Wait until something listens on the port."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@asynccontextmanager
async def chat() -> AsyncIterator[Server]:
    """Run the chat as a user would, its limits off, with PEOPLE signed in."""
    async with running_chat(SECRET_KEY=SECRET_KEY, MONGO_HOST="", **NO_LIMITS) as process:
        pin(process.pid, SERVER_CORE)
        server = Server("chat", process.pid, process.port, CHAT_HEADERS)
        [server.database] = children(process.pid)
        pin(server.database, LOAD_CORE)
        server.data = Path(process.environment["DATA_DIR"])
        server.cookies = await sign_in_many(server, PEOPLE)
        yield server


@asynccontextmanager
async def chats(count: int, people: int) -> AsyncIterator[list[Server]]:
    """Run the chat in so many processes, which share a database, a Redis and a core.

    All of them know the same people.
    """
    async with AsyncExitStack() as stack:
        database = stack.enter_context(embedded_server())
        database.start()
        assert database.process is not None
        redis = stack.enter_context(redis_server())
        settings: dict[str, Any] = {
            "SECRET_KEY": SECRET_KEY,
            "MONGO_HOST": database.address,
            "REDIS_URL": redis.url,
            **NO_LIMITS,
        }
        servers = []
        for _ in range(count):
            process = await stack.enter_async_context(running_chat(**settings))
            pin(process.pid, SERVER_CORE)
            server = Server("chat", process.pid, process.port, CHAT_HEADERS)
            server.database, server.redis = database.process.pid, redis.pid
            server.data = Path(database.folder)
            servers.append(server)
        cookies = await sign_in_many(servers[0], people)
        for server in servers:
            server.cookies = cookies
        await asyncio.sleep(ELECTION)
        yield servers


async def sign_in_many(server: Server, count: int, first: int = 0) -> list[str]:
    """Store so many accounts and sessions, without as many passwords to hash.

    Return their cookies; `first` is the number of the first guest.
    """
    async with database_at(embedded_uri(server.data), "chat") as database:
        return await sign_in_guests(database, SECRET_KEY, count, first)


@contextmanager
def peers() -> Iterator[dict[str, list[str]]]:
    """Yield the commands for the servers beside this file; C is one where there is a compiler."""
    folder = Path(__file__).parent
    commands = {
        name: [sys.executable, str(folder / f"{name}_peer.py")]
        for name in ("naive", "websockets", "tornado")
    }
    with tempfile.TemporaryDirectory(prefix="chat") as built:
        if compiler := shutil.which("cc"):
            program = f"{built}/c_peer"
            subprocess.run([compiler, "-O2", "-o", program, folder / "c_peer.c"], check=True)
            commands["C"] = [program]
        yield commands


@asynccontextmanager
async def peer(name: str, command: list[str]) -> AsyncIterator[Server]:
    """Run one of the servers beside this file."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *command,
        str(port),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await answers(port)
        pin(process.pid, SERVER_CORE)
        yield Server(name, process.pid, port)
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()
