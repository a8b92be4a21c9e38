"""Pictures: each is decoded and encoded anew in a process of its own (decoder.py)."""

import asyncio
import errno
import logging
import os
import signal
import sys
import tempfile
from contextlib import ExitStack, suppress
from struct import unpack
from typing import IO, NamedTuple

from aiohttp import web

from security.limits import Busy, Turns
from server.logs import SeldomLogger
from settings import ROOT

log = logging.getLogger(__name__)
seldom = SeldomLogger(log)

AT_ONCE, WAITING = 2, 20  # processes; pictures, one of each upload that is under way
PATIENCE = 30  # seconds that a picture waits for its turn
DEADLINE = 30  # seconds; on a busy machine the 10 s of processor time that it may use take longer
PREVIEW_LIMIT = 700_000  # bytes; what a decoder that is out of control writes is not believed
# What Python may need to start. Everything else of the environment, such as keys, stays here.
VARIABLES = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")


class Picture(NamedTuple):
    """A picture that was encoded anew: it has nothing else of what was sent."""

    width: int  # pixels, as it is shown
    height: int
    content: IO[bytes]  # at its beginning; the caller closes it
    size: int  # bytes
    preview: bytes  # WebP


class Pictures:
    """Decodes pictures, AT_ONCE at a time; a crash or a hang costs only the picture itself."""

    def __init__(self) -> None:
        self._turns_of_person = Turns(1, WAITING, PATIENCE)
        self._turns = Turns(AT_ONCE, WAITING, PATIENCE)  # of all

    async def show(self, content: IO[bytes], kind: str, user_id: str) -> Picture | None:
        """Return a picture of this MIME type encoded anew, None if it can't be shown.

        Each person has one at a time, or slow ones of a few would have every turn.

        `content` is a file without a buffer, and is at its beginning afterwards. Raises Busy if
        there is no turn, or no process, for it now, and OSError if the disk is full.
        """
        async with self._turns_of_person.turn(user_id), self._turns.turn("all"):
            with ExitStack() as stack:
                result = stack.enter_context(tempfile.TemporaryFile(buffering=0))
                content.seek(0)
                status = await _decode(content, result, kind)
                content.seek(0)
                picture = _read(result, status, kind)
                if picture:
                    stack.pop_all()  # the result is the caller's now
                return picture


PICTURES = web.AppKey("pictures", Pictures)


async def _decode(content: IO[bytes], result: IO[bytes], kind: str) -> int:
    """Run a process, and return its exit status. Raises Busy if none can be started."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "files.decoder", kind),
            stdin=content,
            stdout=result,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
            env={name: os.environ[name] for name in VARIABLES if name in os.environ},
        )
    except (OSError, RuntimeError) as error:  # there are too many processes, threads or files
        seldom.log(logging.ERROR, f"no picture can be decoded now: {error}")
        raise Busy from None
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE):
                await process.wait()
    finally:  # also if nobody waits for the picture any more
        if process.returncode is None:
            with suppress(ProcessLookupError):
                # Not Process.kill(), which may take the exit status that asyncio waits for.
                os.kill(process.pid, signal.SIGKILL)
        status = await process.wait()
    return status


def _read(result: IO[bytes], status: int, kind: str) -> Picture | None:
    """Return the picture that a process has left, None if there is none. Raises OSError."""
    if status == os.EX_CANTCREAT:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    end = result.seek(0, os.SEEK_END) - 12
    if status == 0 and end > 0:
        result.seek(end)
        width, height, length = unpack(">III", result.read())
        if length <= min(PREVIEW_LIMIT, end):
            result.seek(end - length)
            preview = result.read(length)
            result.truncate(end - length)
            result.seek(0)
            return Picture(width, height, result, end - length, preview)
    if status != os.EX_DATAERR:
        seldom.log(logging.WARNING, f"the decoder of {kind} ended with status {status}")
    return None
