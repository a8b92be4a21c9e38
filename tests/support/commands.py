"""The operator's commands, run as processes of their own."""

import asyncio
import sys
from collections.abc import Sequence
from typing import IO, Any, NamedTuple

from settings import ROOT, Settings
from tests.support.processes import Chat

COMMAND_PATIENCE = 120  # seconds; an import of 100,000 messages takes twenty


def database_of(settings: Settings) -> dict[str, Any]:
    """Return the environment in which a process uses the database of a test."""
    return {"MONGO_HOST": settings.MONGO_HOST, "MONGO_DB_NAME": settings.MONGO_DB_NAME}


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    output: str  # what it answered; like the other one, "" if that went elsewhere
    notes: str  # what it said besides, or why it failed


async def start_command(
    chat: Chat,
    *words: str,
    under: Sequence[str] = (),
    stdin: int | IO[bytes] = asyncio.subprocess.DEVNULL,
    stdout: int | IO[bytes] = asyncio.subprocess.PIPE,
    stderr: int = asyncio.subprocess.PIPE,
) -> asyncio.subprocess.Process:
    """Start a command with the settings of a chat, whether that runs or not.

    `under` is a program, with its arguments, that is to start the command.
    """
    return await asyncio.create_subprocess_exec(
        *(*under, sys.executable, str(ROOT / "app.py"), *words),
        cwd=chat.folder,
        env=chat.environment,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """Wait until a command has ended."""
    async with asyncio.timeout(COMMAND_PATIENCE):
        output, notes = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, *((text or b"").decode() for text in (output, notes)))


async def run(chat: Chat, *words: str) -> Ended:
    """Run a command with the settings of a chat."""
    return await ended(await start_command(chat, *words))


async def done(chat: Chat, *words: str) -> str:
    """Run a command that succeeds, and return what it answers."""
    status, output, notes = await run(chat, *words)
    assert status == 0, notes
    return output


async def refusal(chat: Chat, *words: str) -> str:
    """Run a command that can't be carried out, and return the one sentence that says why."""
    status, output, notes = await run(chat, *words)
    assert (status, output) == (1, ""), notes
    [sentence] = notes.splitlines()
    assert sentence.endswith(".")
    return sentence
