"""The servers that are compared, each a process of its own on a core of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from yarl import URL

from tests.support.accounts import signed_in
from tests.support.kernel import children, cpu_seconds
from tests.support.processes import NO_LIMITS, free_port, running_chat

SERVER_CORE, LOAD_CORE = 0, 1
SECRET_KEY = "a key for the benchmark"


class Server:
    """A running server."""

    def __init__(self, name: str, pid: int, port: int, headers: str = "") -> None:
        self.name = name
        self.pid = pid
        self.port = port
        self.headers = headers  # of its own, for the upgrade
        self.cookies = [""]
        self.database: int | None = None  # the embedded database's process
        self.data = Path()  # the embedded database's folder

    def database_cpu(self) -> float:
        """Return the processor time of the database, in seconds."""
        return cpu_seconds(self.database) if self.database else 0.0


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
    """Run the chat as a user would, its limits off, with somebody signed in."""
    async with running_chat(SECRET_KEY=SECRET_KEY, MONGO_HOST="", **NO_LIMITS) as process:
        pin(process.pid, SERVER_CORE)
        server = Server("chat", process.pid, process.port)
        [server.database] = children(process.pid)
        pin(server.database, LOAD_CORE)
        server.headers = "Sec-WebSocket-Protocol: chat.v1\r\n"
        server.data = Path(process.environment["DATA_DIR"])
        server.cookies = [await sign_in(server, "alice")]
        yield server


async def sign_in(server: Server, login: str) -> str:
    """Register somebody and return the cookie."""
    url = f"http://127.0.0.1:{server.port}"
    async with signed_in(url, login) as session:
        return session.cookie_jar.filter_cookies(URL(url))["session"].value


@asynccontextmanager
async def peer(name: str) -> AsyncIterator[Server]:
    """Run one of the servers beside this file."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).parent / f"{name}_peer.py"),
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
