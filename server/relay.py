"""The relay tells the parts of the chat what has happened, here and in other processes.

Whatever is told has a kind, and all listeners of that kind are called:

    kind         told by    to              content                        listeners
    stored       journal    here            entries that are stored        hub, Files
    entries      journal    the others      documents that it has stored   journal
    drafts       journal    the others      what the writer is to store    journal
    anonymized   Writings   all             a user's id                    Writings
    ended        Sessions   here            ids of sessions                Sessions, hub
    recheck      Sessions   the others      ids of sessions to look up     Sessions
    typing       hub        all             a login                        hub
    read         ReadMarks  all             a user's id, and their mark    hub, ReadMarks
    presence     Presence   the others      its process, and who is there  Presence
    gone         relay      here            a process that has ended       Presence
    attempt      attempts   others, or all  a log-in or registration       attempts
    file         Files      all             a file, its owner, its size    Usage

The class here serves a single process. RedisRelay, in storage/redis_relay.py, reaches others.
"""

import secrets
from collections.abc import Callable
from typing import Any

from aiohttp import web

HERE_ONLY = {"stored", "ended", "gone"}  # kinds that no other process may tell
CHECKED = {"recheck"}  # kinds whose listeners believe only the database, whoever tells them

Listener = Callable[[Any], None]


class Relay:
    """Tells what has happened to all listeners. There are no other processes."""

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
        """Call a listener with the content of everything that is told of a kind.

        Content from another process may be anything. If it makes no sense, the listener raises
        TypeError, LookupError or ValueError.
        """
        self._listeners.setdefault(kind, []).append(listener)

    def tell_here(self, kind: str, content: Any) -> None:
        """Call the listeners in this process."""
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


def check_numbers(*values: object) -> None:
    """Check that values from another process are whole numbers. Raises TypeError."""
    if not all(type(value) is int for value in values):  # True is an int, too
        raise TypeError("not a number")
