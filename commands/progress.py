"""How far a command has come, for whoever watches it on a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PRINT_EVERY = 0.2  # seconds
CLEAR = "\r\x1b[K"  # the line


@contextmanager
def progress(verb: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows how many of `total` entries are done; the block's end clears it.

    It uses one line of the terminal, and shows nothing where there is none.
    """
    is_watched, printed_at = sys.stderr.isatty(), 0.0

    def show(done: int) -> None:
        nonlocal printed_at
        if is_watched and time.monotonic() > printed_at + PRINT_EVERY:
            printed_at = time.monotonic()
            print(f"\r{verb} {done:,} of {total:,}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if is_watched:
            print(CLEAR, end="", file=sys.stderr, flush=True)


@contextmanager
def shown(text: str) -> Iterator[None]:
    """Show a text on the terminal, if there is one, until the block's end."""
    with progress(text, 0):
        if sys.stderr.isatty():
            print(text, end="", file=sys.stderr, flush=True)
        yield


def say(sentence: str) -> None:
    """Say something that stays, also where there is no terminal."""
    print(CLEAR * sys.stderr.isatty() + sentence, file=sys.stderr, flush=True)
