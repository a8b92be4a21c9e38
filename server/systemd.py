"""What systemd and the chat tell each other: sockets to serve, states, the levels of log lines.

It needs nothing else of the chat, because gunicorn's master imports it, too (gunicorn_worker.py).
"""

import logging
import os
import socket
from contextlib import suppress

FIRST_DESCRIPTOR = 3  # of the sockets that are passed: sd_listen_fds(3)
NOTIFY_WITHIN = 1  # second
STANDARD_ERROR = 2  # its file descriptor

# The journal's number for each level and those up to the next one: sd-daemon(3).
PRIORITIES = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.NOTSET: 7,
}


def passed_sockets() -> list[socket.socket]:
    """Return the sockets that a socket unit has opened for this process, whatever they are."""
    count = os.environ.pop("LISTEN_FDS", "")
    is_for_us = os.environ.pop("LISTEN_PID", "") == str(os.getpid())  # not for what has started us
    if not is_for_us or not count.isdecimal():
        return []
    sockets = []
    for descriptor in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count)):
        os.set_inheritable(descriptor, False)
        sockets.append(socket.socket(fileno=descriptor))
    return sockets


def notify(state: str) -> None:
    """Tell systemd a state of this service, such as READY=1, if it wants to know (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # it is abstract: not in the file system
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(NOTIFY_WITHIN)
        sender.sendto(state.encode(), address)


def is_journal() -> bool:
    """Return whether standard error is systemd's journal, which gives each line a time."""
    try:
        stream = os.fstat(STANDARD_ERROR)
    except OSError:  # it is closed
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"


class LevelFormatter(logging.Formatter):
    """Formats an event as usual, for the journal with its level."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the event's lines."""
        return for_journal(record.levelno, super().format(record))


def for_journal(level: int, text: str) -> str:
    """Return a text with its level before each line, if standard error is the journal.

    The journal also ends a line at a zero byte, so these are escaped: otherwise an event that
    quotes a client could forge a line with a level of its own.
    """
    if not is_journal():
        return text
    mark = f"<{next(it for least, it in PRIORITIES.items() if level >= least)}>"
    return mark + text.replace("\0", "\\0").replace("\n", f"\n{mark}")
