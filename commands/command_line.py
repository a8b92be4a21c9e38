"""The command line: `python app.py` starts the chat, with a command it serves its operator."""

import asyncio
import logging
import os
import signal
import sys
import traceback
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Awaitable, Callable
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

from auth.links import INVITATION_DAYS, MOST_DAYS, MOST_USES, read_number
from auth.models import Changed
from commands import accounts
from commands.check import check
from commands.exporting import export
from commands.importing import import_room
from commands.room import CommandError
from commands.settings_reference import print_settings
from settings import PROGRAM, StartError
from storage.database import DatabaseFails, DatabaseUnavailable

Command = Callable[[Namespace], Awaitable[None]]

AWAY = f"The database is away; `{PROGRAM} check` says more."


def read_arguments() -> Namespace:
    """Read the command line; `command` is None if there is none. Exits if it makes no sense."""
    parser = ArgumentParser(
        prog=PROGRAM,
        description="Starts the chat, or does something for its operator.",
        epilog="Commands use the chat's settings, and all but import work while it is running.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> ArgumentParser:
        sub: ArgumentParser = commands.add_parser(
            name, help=text, description=f"{text}.", allow_abbrev=False
        )
        sub.set_defaults(command=command)
        return sub

    invite = add("invite", accounts.invite, "Print a link with which to create an account")
    for option, highest, default, text in (
        ("--uses", MOST_USES, 1, "how many people can use it"),
        ("--days", MOST_DAYS, INVITATION_DAYS, "for how many days"),
    ):
        invite.add_argument(
            option, type=number(highest), default=default, help=f"{text} (default: {default})"
        )
    add("users", accounts.users, "List login, e-mail, role and last day of every account")
    for name, command, text in (
        ("ban", accounts.ban, "Ban somebody: signed out everywhere, and can't log in any more"),
        ("unban", accounts.unban, "Let somebody log in again"),
        ("password", accounts.password, "Print a link with which to set a new password"),
    ):
        sub = add(name, command, text)
        sub.add_argument("login", metavar="LOGIN", help="a login or an e-mail address")
    add("check", check, "Check the settings, the database, Redis, the key and the clock")
    reference = add("settings", print_settings, "Print each setting's meaning and default")
    reference.add_argument(
        "--markdown", action="store_true", help="as in docs/settings.md, not .env.example"
    )
    to = add("export", export, "Write the accounts, messages and files to a file")
    to.add_argument("file", metavar="FILE", help="where to write; - is standard output")
    to.add_argument(
        "--without-files", action="store_true", help="leave out the files that people have sent"
    )
    of = add("import", import_room, "Read what an export has into an empty room")
    of.add_argument("file", metavar="FILE", help="what export has written; - is standard input")
    return parser.parse_args()


def number(highest: int) -> Callable[[str], int]:
    """Return a function that reads a number from 1 on."""

    def read(text: str) -> int:
        try:
            return read_number(text, highest)
        except ValueError as error:
            raise ArgumentTypeError(f"use {error}") from None

    return read


def run_command(arguments: Namespace) -> NoReturn:
    """Carry out a command, and exit: with status 1 and one sentence if that can't be done."""
    status = 1
    for name in ("stdout", "stderr"):  # either may be closed, as after `>&-`
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # until the process ends
    # Without a handler Python would print what is logged of the database; the command itself says
    # it, once.
    logging.getLogger("storage.database").addHandler(logging.NullHandler())
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal may not have all characters. By lines, so that what is said on standard error
        # comes after what was printed before it, also where both go to one file.
        sys.stdout.reconfigure(errors="replace", line_buffering=True)
    try:
        asyncio.run(_until_interrupted(arguments))
        sys.stdout.flush()
        status = 0
    except (StartError, CommandError) as error:
        print(error, file=sys.stderr)
    except Changed:
        print("A moderator has just changed this account: try again.", file=sys.stderr)
    except DatabaseFails as error:
        print(f"The database fails: {error}.", file=sys.stderr)
    except DatabaseUnavailable as error:
        print(f"The database is away: {error}." if error.remedy else AWAY, file=sys.stderr)
    except asyncio.CancelledError:
        print("Interrupted.", file=sys.stderr)
    except BrokenPipeError:
        pass  # nobody reads what the command prints, as after `| head`
    except OSError as error:
        print(f"The answer can't be written: {error.strerror}.", file=sys.stderr)
    except BaseException:  # also SystemExit, of which nothing would be seen
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(status)  # without waiting for the driver's threads, as server/process.py does


async def _until_interrupted(arguments: Namespace) -> None:
    """Carry out a command; a signal cancels it, so that it can clean up."""
    task = asyncio.current_task()
    assert task is not None
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
    await arguments.command(arguments)
