"""How far a command has come, for whoever watches it on a terminal."""

import sys
import time

PRINT_EVERY = 0.2  # seconds


class Progress:
    """Prints how much is done on one line of the terminal; nothing where there is none."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._printed_at = 0.0
        self._is_watched = sys.stderr.isatty()

    def show(self, done: int, total: int) -> None:
        """Show that `done` of `total` entries are done, unless that was done just now."""
        now = time.monotonic()
        if self._is_watched and now > self._printed_at + PRINT_EVERY:
            self._printed_at = now
            print(f"\r{self._verb} {done:,} of {total:,}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Clear the line."""
        if self._is_watched:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
