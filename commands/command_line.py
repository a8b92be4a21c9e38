"""The command line: `python app.py` starts the chat, with a command it serves its operator."""

import asyncio
import os
import signal
import sys
import traceback
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NoReturn

from auth.links import INVITATION_DAYS, MOST_DAYS, MOST_USES
from commands import accounts
from commands.check import check
from commands.exporting import export
from commands.importing import import_room
from commands.room import CommandError
from database import DatabaseUnavailable
from settings import StartError

Command = Callable[[Namespace], Awaitable[None]]

AWAY = "The database is away; `python app.py check` says more."


def read_arguments() -> Namespace:
    """Read the command line; `command` is None if there is none. Exits if it makes no sense."""
    parser = ArgumentParser(
        prog="python app.py",
        description="Starts the chat, or does something for its operator.",
        epilog="A command works on the room of the same settings, beside a running chat, too.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> ArgumentParser:
        sub: ArgumentParser = commands.add_parser(name, help=text, description=f"{text}.")
        sub.set_defaults(command=command)
        return sub

    invite = add("invite", accounts.invite, "Print a link with which to create an account")
    invite.add_argument("--uses", type=number(MOST_USES), default=1, help="how many people (1)")
    invite.add_argument(
        "--days", type=number(MOST_DAYS), default=INVITATION_DAYS, help="for how long (7)"
    )
    add("users", accounts.users, "List login, e-mail, role and last day of every account")
    for name, command, text in (
        ("ban", accounts.ban, "Sign somebody out everywhere, for good"),
        ("unban", accounts.unban, "Let somebody log in again"),
        ("password", accounts.password, "Print a link with which to set a new password"),
    ):
        add(name, command, text).add_argument("login", metavar="LOGIN")
    add("check", check, "Check the settings, the database, Redis, the key and the clock")
    add("export", export, "Write the accounts and messages to a file").add_argument("file")
    add("import", import_room, "Read them from such a file into an empty room").add_argument("file")
    return parser.parse_args()


def number(highest: int) -> Callable[[str], int]:
    """Return a function that reads a number from 1 on."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= highest):
            raise ArgumentTypeError(f"use a number from 1 to {highest}")
        return int(text)

    return read


def run_command(arguments: Namespace) -> NoReturn:
    """Carry out a command, and exit: with status 1 and one sentence if that can't be done."""
    status = 1
    try:
        asyncio.run(_until_interrupted(arguments))
        status = 0
    except (StartError, CommandError) as error:
        print(error, file=sys.stderr)
    except DatabaseUnavailable:
        print(AWAY, file=sys.stderr)
    except asyncio.CancelledError:
        print("Interrupted.", file=sys.stderr)
    except BrokenPipeError:
        pass  # nobody reads what the command prints, as after `| head`
    except Exception:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(status)  # without waiting for the driver's threads, as server.run() does


async def _until_interrupted(arguments: Namespace) -> None:
    """Carry out a command; a signal cancels it, so that it can clean up."""
    task = asyncio.current_task()
    assert task is not None
    for number_ in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number_, task.cancel)
    await arguments.command(arguments)
