"""What `python app.py` does before it imports anything else, which takes a second and may fail.

It runs without the chat's packages, and in earlier versions of Python, too.
"""

from __future__ import annotations

import os
import signal
import sys
from types import TracebackType

OLDEST, NEWEST = (3, 11), (3, 14)  # as in the Makefile
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")


def prepare() -> None:
    """Let signals end this process, and say in a sentence if Python or a package will not do."""
    # Linux sends the first process of a container only signals that it has a handler for.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        this, oldest, newest = (
            ".".join(map(str, version[:2])) for version in (sys.version_info, OLDEST, NEWEST)
        )
        remedy = _remedy("looks for another one")
        sys.exit(f"The chat needs Python {oldest} to {newest}, and this is {this}: {remedy}.")
    sys.excepthook = _explain


def _end(number: int, _: object) -> None:
    # A chat that has not begun anything has ended well; a command has not done what it should.
    os._exit(0 if len(sys.argv) == 1 else 128 + number)


def _explain(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print a sentence if a package is missing, else the traceback."""
    package = (getattr(error, "name", None) or "").partition(".")[0]
    is_ours = os.path.exists(os.path.join(ROOT, package))
    if not isinstance(error, ModuleNotFoundError) or is_ours or package in sys.stdlib_module_names:
        sys.__excepthook__(kind, error, traceback)
        return
    from logging import ERROR

    from server.systemd import for_journal

    remedy = _remedy("installs them in .venv, and starts the chat")
    text = f"This Python lacks packages of the chat, such as {package}: {remedy}."
    print(for_journal(ERROR, text), file=sys.stderr)


def _remedy(what_make_does: str) -> str:
    """Return what to type instead: the same with the Python of .venv, if there is one, or make."""
    from shlex import join

    folder = "" if os.getcwd() == ROOT else f"{ROOT}/"
    python = f"{folder}.venv/bin/python"
    if os.path.exists(python) and os.path.realpath(sys.prefix) != os.path.realpath(VENV):
        return f"type {join([python, f'{folder}app.py', *sys.argv[1:]])}"
    make = ["make"] if not folder else ["make", "-C", ROOT]
    clean = ["clean"] if os.path.lexists(VENV) else []  # of another Python, or cut off
    return f"{join([*make, *clean, 'run'])} {what_make_does}"
