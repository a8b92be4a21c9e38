"""systemd, as far as a service sees it: a socket that hears states, a journal, sockets to serve."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from settings import ROOT
from tests.support.processes import Chat

AS_SERVICE = ROOT / "tests" / "support" / "as_service.py"


def make_service(chat: Chat, *passed: socket.socket | IO[Any]) -> None:
    """Let a chat be started as a service: with its standard error as journal, and with sockets."""
    chat.passed = [each.fileno() for each in passed]
    chat.command = [str(AS_SERVICE), ",".join(map(str, chat.passed)), *chat.command]


class States:
    """The states that services have told."""

    def __init__(self, receiver: socket.socket) -> None:
        self._receiver = receiver
        self._told: list[str] = []

    @property
    def told(self) -> list[str]:
        """All states until now, in order."""
        while True:
            try:
                self._told.append(self._receiver.recv(4096).decode())
            except BlockingIOError:
                return self._told


@contextmanager
def listening_for_states(chat: Chat, *, is_abstract: bool = False) -> Iterator[States]:
    """Let a chat tell its states, at an address in its folder or at an abstract one."""
    path = str(chat.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as receiver:
        receiver.bind(f"\0{path}" if is_abstract else path)
        chat.environment["NOTIFY_SOCKET"] = f"@{path}" if is_abstract else path
        yield States(receiver)
