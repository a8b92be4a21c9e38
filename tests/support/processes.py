"""The real process, `python app.py`: started, killed, restarted, on a folder of its own.

Its database is the embedded one, or one of its own at TEST_MONGO_HOST; a test that stops or kills
the embedded database asks for it by MONGO_HOST="".
"""

import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from settings import ROOT
from storage.embedded import embedded_uri
from tests.support.databases import TEST_MONGO_HOST, new_database
from tests.support.waiting import START_PATIENCE

NO_LIMITS: dict[str, Any] = {"MESSAGES_PER_SECOND": 0, "SOCKETS_PER_USER": 0}


# Below the ports of outgoing connections (32,768 on Linux, 49,152 on macOS), one of which could
# take a port between its choice and its use; and each of the processes that run tests has its own.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
OWN_PORTS = range(10_000 + WORKER, 30_000, WORKERS)
PORTS = iter(random.sample(OWN_PORTS, len(OWN_PORTS)))


def free_port() -> int:
    """Return a port that nobody listens on, at any address of this machine."""
    return next(filter(is_free, PORTS))


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` at every address of this machine."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        socket.create_server(("", port), family=family, dualstack_ipv6=both).close()
    except OSError:
        return False
    return True


class Chat:
    """A chat process; its port, data and environment outlast each run of it."""

    def __init__(self, folder: Path, port: int | None = None, **environment: str | int) -> None:
        """Set up, but don't start: `environment` overrides, an empty value stands for unset."""
        self.folder = folder
        self.port = port or free_port()
        self.environment = {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": str(folder / "data"),
            "REGISTRATIONS_PER_HOUR": "0",
            "MODERATORS": "the.owner",  # or the first to register would be one
            **{name: str(value) for name, value in environment.items()},
        }
        self.command = [str(ROOT / "app.py")]  # for Python
        self.passed: list[int] = []  # descriptors that it inherits
        self.output = ""  # of every run, both streams; that of the embedded database too
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._announced = asyncio.Event()

    @property
    def url(self) -> str:
        """The address of the pages, without a slash at its end."""
        host = "[::1]" if self.environment["HOST"] == "::1" else "127.0.0.1"
        return f"http://{host}:{self.port}"

    @property
    def database(self) -> str:
        """The address of its database server."""
        return self.environment.get("MONGO_HOST") or embedded_uri(self.folder / "data")

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    async def launch(self, *command: str | Path) -> None:
        """Start the process, or another command of Python, whether or not it will come up."""
        self._announced.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *map(str, command or self.command),
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=self.passed,
        )
        self._reading = asyncio.create_task(self._read())

    async def start(self) -> None:
        """Start the process and wait until it serves."""
        await self.launch()
        await self.until_it_serves()

    async def until_it_serves(self) -> None:
        """Wait until the process serves."""
        try:
            async with asyncio.timeout(START_PATIENCE):
                await self._announced.wait()
                await self._healthy()
        except TimeoutError:
            raise AssertionError(f"the chat does not serve:\n{self.output}") from None

    async def ended(self) -> int:
        """Wait until the process has ended, its database too, and return its exit code."""
        assert self._process is not None
        assert self._reading is not None
        try:
            async with asyncio.timeout(START_PATIENCE):
                await asyncio.shield(self._reading)  # both hold the pipe
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            raise AssertionError(f"the chat does not end:\n{self.output}") from None

    async def terminate(self) -> int:
        """End the process as a deploy would (SIGTERM), and return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return await self.ended()

    async def kill(self) -> int:
        """End the process as the kernel would (SIGKILL), and return its exit code."""
        assert self._process is not None
        self._process.kill()
        return await self.ended()

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        os.kill(self.pid, number)

    async def restart(self) -> None:
        """End the process as a deploy would, if it runs, and start it again."""
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        """End the process if it runs."""
        if self._process is not None and self._process.returncode is None:
            await self.terminate()

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.output += line.decode()
            if line.startswith(b"Chat at "):
                self._announced.set()
        self._announced.set()  # it has ended; whoever waits has to see that

    async def _healthy(self) -> None:
        assert self._process is not None
        async with aiohttp.ClientSession() as session:
            while True:
                assert self._process.returncode is None, self.output
                try:
                    async with session.get(f"{self.url}/healthz") as response:
                        if response.ok:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running_chat(port: int | None = None, **environment: str | int) -> AsyncIterator[Chat]:
    """Run a chat on new data, and end it afterwards."""
    with ExitStack() as stack:
        # Short, because the database's socket may have a path of 107 bytes.
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="chat", ignore_cleanup_errors=True)
        )
        if TEST_MONGO_HOST and "MONGO_HOST" not in environment:
            environment["MONGO_HOST"] = TEST_MONGO_HOST
            environment["MONGO_DB_NAME"] = stack.enter_context(new_database(TEST_MONGO_HOST))
        chat = Chat(Path(folder), port, **environment)
        try:
            await chat.start()
            yield chat
        finally:
            await chat.stop()
