"""The embedded database: a child process that speaks MongoDB's protocol and stores in SQLite.

It runs when MONGO_HOST is not set. The child (embedded_server.py) serves NX-27017 on a Unix socket:
it is not reachable over the network, and the chat uses it like MongoDB.
"""

import asyncio
import errno
import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from security.data_dir import make_data_dir, unwritable
from server.background import background, for_ever
from server.logs import SeldomLogger
from settings import ROOT, SETTINGS, StartError, TemporaryStartError
from storage.embedded_files import DEFAULT_NAME, databases
from storage.embedded_server import READY

log = logging.getLogger(__name__)
seldom = SeldomLogger(log)

SOCKET_PATH_LIMIT = 107  # bytes, of Linux's sockaddr_un
LOCK_PATIENCE = 3  # seconds; the child of a killed chat needs a moment to end
COMMAND_PATIENCE = 60  # seconds; an export of 100,000 messages takes less than half of that
WAITS_SILENTLY = 1  # second; a command that waits for longer says so
START_TIMEOUT = 20  # seconds for the child to open its files
STOP_TIMEOUT = 0.5  # seconds for it to close them
RESTART_PAUSE = 0.5  # seconds before the child is started again


def embedded_uri(data_dir: Path) -> str:
    """Return the address of the embedded database in a folder."""
    return "mongodb://" + quote(str(_socket_path(data_dir)), safe="")


async def embedded_ctx(app: web.Application) -> AsyncIterator[None]:
    """Keep the child running while the application runs, unless MONGO_HOST is set."""
    settings = app[SETTINGS]
    if settings.MONGO_HOST:
        yield
        return
    async with _locked(settings.DATA_DIR, LOCK_PATIENCE) as lock:
        if lock is None:
            raise TemporaryStartError(
                f"Another chat or command is using DATA_DIR={settings.DATA_DIR}: stop it. "
                "Several processes of one chat need a MongoDB: set MONGO_HOST."
            )
        child = Child(settings.DATA_DIR, settings.MONGO_DB_NAME, lock)
        await child.start()
        async with background(for_ever(child.keep_running)):
            yield
        await child.stop()


@asynccontextmanager
async def embedded_beside(
    data_dir: Path, name: str = "", *, is_new: bool = False
) -> AsyncIterator[bool]:
    """Let a command use the database of a folder, beside a chat that runs on it or without one.

    Without a chat, commands wait for one another. Yields True if nobody else uses the database.
    Raises StartError, also if there is no database yet, unless `is_new` allows that.
    """
    owns_folder = _check_folder(data_dir, is_new)
    async with AsyncExitStack() as turn:
        folder = await turn.enter_async_context(_turn(data_dir))
        async with _locked(data_dir, patience=0) as lock:
            if lock is None:  # a chat runs, and serves all commands at once
                await turn.aclose()
                yield False
                return
            if not owns_folder:
                raise _foreign(data_dir)
            child = Child(data_dir, name, lock, folder)
            await child.start()
            try:
                yield True
            finally:
                await child.stop()


class Child:
    """The child process with the database of a folder."""

    def __init__(self, data_dir: Path, name: str, *locks: int) -> None:
        """Set up; `locks` are the open, locked files that keep others out of the folder."""
        self._data_dir = data_dir
        self._name = name or DEFAULT_NAME
        self._locks = locks
        self._process: asyncio.subprocess.Process

    async def start(self) -> None:
        """Start the process and wait until it serves. Raises StartError, also for damaged files."""
        for path in databases(self._data_dir, self._name):
            for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                if file.exists() and not os.access(file, os.R_OK | os.W_OK):
                    raise unwritable(self._data_dir, PermissionError(errno.EACCES, ""))
        if (said := await self._launch()) != READY:
            await self._kill()
            raise StartError(f"{said}.")

    async def _launch(self) -> str:
        """Start the process, and return what it says first. Raises StartError."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "storage.embedded_server",
                str(_socket_path(self._data_dir)),
                str(self._data_dir),
                self._name,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                cwd=ROOT,
                pass_fds=self._locks,  # so that they last until the child has ended, too
            )
        except OSError as error:
            text = f"The embedded database can't be started: {error.strerror}."
            raise TemporaryStartError(text) from None
        assert self._process.stdout is not None
        ready = b""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(START_TIMEOUT):
                    ready = await self._process.stdout.readline()
        finally:  # also if a command is interrupted
            if not ready:
                await self._kill()
        if not ready:
            raise TemporaryStartError(
                f"The embedded database in {self._data_dir} could not be started; "
                "the reason is above."
            )
        return ready.decode().strip()

    async def keep_running(self) -> None:
        """Start the process again whenever it ends, for ever.

        If its files are damaged meanwhile, it answers with what is wrong (embedded_handler.py).
        """
        while True:
            status = await self._process.wait()
            text = f"embedded database ended with status {status}, starting it again"
            seldom.log(logging.ERROR, text)
            await asyncio.sleep(RESTART_PAUSE)
            try:
                await self._launch()
            except StartError as error:
                seldom.log(logging.ERROR, str(error))

    async def stop(self) -> None:
        """Let the process close its files and end; kill it if it takes too long."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            await self._kill()  # it hangs, or is stopped; SQLite survives SIGKILL

    async def _kill(self) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                # Not Process.kill(), which may take the exit status that asyncio waits for.
                os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()


def _check_folder(data_dir: Path, is_new: bool) -> bool:
    """Check a folder for a command; return whether it is this user's. Raises StartError."""
    try:
        has_room = (data_dir / "lock").exists()
        owns_folder = not data_dir.exists() or _owner(data_dir) == os.geteuid()
    except OSError as error:
        raise unwritable(data_dir, error) from None
    if not has_room and not is_new:
        raise StartError(
            f"There is no chat's data in DATA_DIR={data_dir}: start the chat once, "
            "or set DATA_DIR or MONGO_HOST as for the chat."
        )
    # Root may ask a chat that is running. But its own database would make files that are root's.
    if not owns_folder and (os.geteuid() != 0 or not has_room):
        raise _foreign(data_dir)
    return owns_folder


def _owner(data_dir: Path) -> int:
    return data_dir.stat().st_uid


def _foreign(data_dir: Path) -> StartError:
    return StartError(f"DATA_DIR={data_dir} belongs to another user: run this as that user.")


def _socket_path(data_dir: Path) -> Path:
    return data_dir / "database.sock"


@asynccontextmanager
async def _turn(data_dir: Path) -> AsyncIterator[int]:
    """Yield the open folder, locked so that other commands wait. Raises StartError.

    The folder itself, because the file `lock` in it also tells whether a chat runs, and root must
    not make a file of its own in somebody else's folder.
    """
    make_data_dir(data_dir)
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        if not await _taken(folder, WAITS_SILENTLY):
            log.warning("Waiting until another command on %s has ended.", data_dir)
            if not await _taken(folder, COMMAND_PATIENCE):
                raise StartError(f"Another command is still using {data_dir}: try again later.")
        yield folder
    finally:
        os.close(folder)


@asynccontextmanager
async def _locked(data_dir: Path, patience: float) -> AsyncIterator[int | None]:
    """Yield the open, locked file that keeps others out of a folder.

    Yields None if another process has it locked, and does so for `patience` seconds. Raises
    StartError.
    """
    if len(os.fsencode(_socket_path(data_dir))) > SOCKET_PATH_LIMIT:
        raise StartError(f"DATA_DIR={data_dir} is too long for a Unix socket: use a shorter path.")
    make_data_dir(data_dir)
    try:
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unwritable(data_dir, error) from None
    try:
        yield lock if await _taken(lock, patience) else None
    finally:
        os.close(lock)


async def _taken(lock: int, patience: float) -> bool:
    """Lock an open file; return False if another process has it locked for `patience` seconds."""
    give_up = time.monotonic() + patience
    while not _take(lock):
        if time.monotonic() > give_up:
            return False
        await asyncio.sleep(0.1)
    return True


def _take(lock: int) -> bool:
    """Lock an open file; return False if another process has locked it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
