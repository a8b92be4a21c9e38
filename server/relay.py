"""The relay: by it the parts of the chat hear what has happened, here and in other processes.

A part tells something of a kind, and whoever listens to that kind is called:

    kind         told by    to              content                        heard by
    delivered    journal    here            entries, which are now shown   hub
    entries      journal    the others      documents that it has stored   journal
    drafts       journal    the others      drafts that the writer stores  journal
    anonymized   Message    all             a user's id                    journal
    ended        Sessions   all             ids of sessions                Sessions, hub
    typing       hub        all             a login                        hub
    presence     Presence   the others      its process, and who is there  Presence
    gone         relay      here            a process that has ended       Presence
    attempt      limits     all             a log-in or registration       limits

This relay is alone, as in a room that one process serves. storage/redis_relay.py has one that
reaches other processes.
"""

import secrets
from collections.abc import Callable
from typing import Any

from aiohttp import web

HERE_ONLY = {"delivered", "gone"}  # kinds that no other process may tell

Listener = Callable[[Any], None]


class Relay:
    """Tells what has happened to those who listen. There are no other processes."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(8)  # of this process
        self._listeners: dict[str, list[Listener]] = {}

    @property
    def is_writer(self) -> bool:
        """Whether this process stores what others hand over."""
        return True

    @property
    def has_other_writer(self) -> bool:
        """Whether another process stores what this one hands over."""
        return False

    @property
    def is_connected(self) -> bool:
        """Whether the other processes can be told."""
        return True

    def listen(self, kind: str, listener: Listener) -> None:
        """Call a listener with whatever is told of a kind.

        What comes from another process may be anything: then the listener raises TypeError,
        LookupError or ValueError.
        """
        self._listeners.setdefault(kind, []).append(listener)

    def tell_here(self, kind: str, content: Any) -> None:
        """Call those who listen in this process."""
        for listener in self._listeners.get(kind, ()):
            listener(content)

    def tell_others(self, kind: str, content: Any) -> None:
        """Tell the other processes something, soon. They may miss it."""

    def tell_all(self, kind: str, content: Any) -> None:
        """Tell this process at once, and the others soon."""
        self.tell_here(kind, content)
        self.tell_others(kind, content)

    def step_down(self) -> None:
        """Let another process be the writer for a while: this one can't write."""

    def join(self, log_id: str) -> None:
        """Begin to talk with the other processes that write the same log."""


RELAY = web.AppKey("relay", Relay)


def check_texts(*values: object) -> None:
    """Check that values from another process are texts. Raises TypeError."""
    if not all(isinstance(value, str) for value in values):
        raise TypeError("not a text")
