"""A folder of data in which the chat can't write, as a volume or a restored file that root owns."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from settings import ROOT
from tests.support.commands import ended, start_command
from tests.support.kernel import children
from tests.support.processes import Chat

START = str(ROOT / "tests" / "support" / "without_override.py")


@pytest.fixture
async def chat(folder: Path) -> Chat:
    """A chat that has data, and was killed; the modes of files count for it."""
    chat = Chat(folder, MONGO_HOST="")
    chat.command = [START, sys.executable, *chat.command]
    await chat.start()
    for database in children(chat.pid):  # or it could end in order, once its parent is gone
        os.kill(database, signal.SIGSTOP)
    await chat.kill()
    chat.output = ""
    return chat


def no_writing_in(data: Path) -> None:
    data.chmod(0o500)


def nothing_in(data: Path) -> None:
    data.chmod(0)


def a_key_of_others(data: Path) -> None:
    (data / "secret_key").chmod(0)


def a_lock_of_others(data: Path) -> None:
    (data / "lock").chmod(0)


def a_database_of_others(data: Path) -> None:
    (data / "chat.db").chmod(0)


def a_log_of_writes_of_others(data: Path) -> None:
    (data / "chat.db-wal").chmod(0)


@pytest.mark.parametrize(
    ("spoil", "remedy"),
    [
        (no_writing_in, "type chmod u+rwx {data}"),
        (nothing_in, "type chmod u+rwx {data}"),
        (a_key_of_others, "chown -R {user} {data};"),
        (a_lock_of_others, "chown -R {user} {data};"),
        (a_database_of_others, "chown -R {user} {data};"),
        (a_log_of_writes_of_others, "chown -R {user} {data};"),
    ],
)
async def test_the_start_and_check_say_who_can_not_write_and_what_to_type(
    chat: Chat, spoil: Callable[[Path], None], remedy: str
) -> None:
    data, user = chat.folder / "data", os.geteuid()
    spoil(data)
    try:
        await chat.launch()
        assert await chat.ended() == os.EX_CONFIG
        [line] = chat.output.splitlines()
        assert line.startswith(
            f"DATA_DIR={data} can't be written by user {user}: Permission denied; "
        )
        assert remedy.format(data=data, user=user) in line
        found = await ended(await start_command(chat, "check", under=[sys.executable, START]))
        assert found.status == 1
        assert line in found.output
    finally:
        data.chmod(0o700)


async def test_a_folder_that_can_not_be_made_says_how_it_is_made(folder: Path) -> None:
    data, user = folder / "volumes" / "data", os.geteuid()
    data.parent.mkdir(mode=0o500)
    chat = Chat(folder, DATA_DIR=str(data))
    await chat.launch(START, sys.executable, *chat.command)
    assert await chat.ended() == os.EX_CONFIG
    assert chat.output == (
        f"DATA_DIR={data} can't be written by user {user}: Permission denied; "
        f"as root, type install -d -m 700 -o {user} {data}.\n"
    )
