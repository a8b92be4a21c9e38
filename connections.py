"""Connections of strangers: how many there may be, and how long they may stay silent.

A connection belongs to a stranger until somebody who is signed in makes a request on it. Strangers
must not use up the process's files: then nobody could connect, and the database could not be read.
"""

import asyncio
import resource
from collections import Counter
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from aiohttp import web

from address import network
from settings import Settings

REQUEST_TIMEOUT = 10  # seconds for the first request of a connection
PER_ADDRESS = 100  # strangers' connections; not of loopback and proxies, which stand for many
SHARE = 0.5  # of the process's files that connections of strangers may take
MOST_FILES = 1_048_576  # Linux's own highest, unless it is raised
ACCEPTED_AT_ONCE = 64  # connections; then those are counted before more are accepted


class Connections:
    """Counts strangers' connections, and closes those that are too many or too silent."""

    def __init__(self, settings: Settings) -> None:
        self._has_proxies = settings.TRUSTED_PROXIES > 0
        self._limit = SHARE * resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._strangers: dict[asyncio.BaseProtocol, str] = {}  # their addresses
        self._by_address: Counter[str] = Counter()
        self._silent: dict[asyncio.BaseProtocol, asyncio.Transport] = {}  # the oldest first

    def opened(self, connection: asyncio.BaseProtocol, transport: asyncio.Transport) -> None:
        """Count a new connection. If it is one too many, close it, or the oldest silent one."""
        peer = transport.get_extra_info("peername")
        address = network(peer[0]) if peer else ""
        self._strangers[connection] = address
        self._by_address[address] += 1
        self._silent[connection] = transport
        loop = asyncio.get_running_loop()
        loop.call_later(REQUEST_TIMEOUT, self._close_silent, connection)
        if self._by_address[address] > PER_ADDRESS and not self._stands_for_many(address):
            self._close_silent(connection)
        elif len(self._strangers) > self._limit:
            self._close_silent(next(iter(self._silent)))  # so that a new visitor is served

    def requested(self, connection: asyncio.BaseProtocol) -> None:
        """Note that the connection is not silent."""
        self._silent.pop(connection, None)

    def recognized(self, connection: asyncio.BaseProtocol) -> None:
        """Count a connection no longer: it belongs to somebody who is signed in."""
        if connection in self._strangers:
            address = self._strangers.pop(connection)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def closed(self, connection: asyncio.BaseProtocol) -> None:
        """Forget a connection that has ended."""
        self.requested(connection)
        self.recognized(connection)

    def _close_silent(self, connection: asyncio.BaseProtocol) -> None:
        if transport := self._silent.pop(connection, None):
            transport.abort()

    def _stands_for_many(self, address: str) -> bool:
        with suppress(ValueError):
            return self._has_proxies or ip_address(address.partition("/")[0]).is_loopback
        return False


class Connection(web.RequestHandler):
    """A connection that is counted while it is open."""

    __slots__ = ("_connections",)

    def __init__(self, connections: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self._connections.opened(self, transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._connections.closed(self)
        super().connection_lost(exc)


CONNECTIONS = web.AppKey("connections", Connections)


def raise_file_limit() -> None:
    """Raise the limit of open files as far as the process may.

    A shell's usual 1,024 would be too few for a room of a thousand.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
