"""Connections: how many there may be of strangers and of members, and how long they may be silent.

A connection belongs to a stranger until somebody who is signed in makes a request on it, and then
to the account of its last request: a proxy sends those of many people. Nobody must use up the
process's files: then nobody could connect, and the database could not be read.
"""

import asyncio
import resource
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from security.address import is_loopback, network
from server.long_headers import refusal
from server.metrics import Metrics
from settings import Settings

REQUEST_TIMEOUT = 10  # seconds for the first request of a connection
PER_ADDRESS = 100  # strangers' connections; not of loopback and proxies, which stand for many
IN_ALL = 10_000  # strangers' connections, and no more than SHARE of the process's files
SHARE = 0.5
PER_ACCOUNT = 20  # idle connections; a browser has six. Not of proxies
MEMBERS_SHARE = 0.25  # idle connections of members, of the process's files; WebSockets aren't idle
MOST_FILES = (1_048_576, 65_536, 10_240)  # Linux, and what macOS allows where it says "unlimited"
ACCEPTED_AT_ONCE = 64  # connections; then those are counted before more are accepted
NEWCOMERS_WITHIN = 0.25  # seconds at the end for the first requests of new connections
LOOK_EVERY = 0.01  # seconds
HEAD_LIMIT = 1024 * 1024  # bytes of all headers of a request

Idle = dict[asyncio.BaseProtocol, asyncio.Transport]  # the one that is idle for longest first


class IdleConnections:
    """Those that are idle, in all and by whose they are, an address or an account."""

    def __init__(self) -> None:
        self.all: Idle = {}
        self.of: defaultdict[str, Idle] = defaultdict(dict)

    def add(self, owner: str, connection: asyncio.BaseProtocol, it: asyncio.Transport) -> None:
        """Add a connection."""
        self.all[connection] = self.of[owner][connection] = it

    def remove(self, owner: str, connection: asyncio.BaseProtocol) -> None:
        """Remove a connection if it is here."""
        if self.all.pop(connection, None):
            del self.of[owner][connection]
            if not self.of[owner]:
                del self.of[owner]


class Connections:
    """Counts connections, and closes those that are too many or too silent.

    If there are too many, the one that has been idle for longest is closed. That is harmless: HTTP
    lets a server close an idle connection at any time.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._metrics = metrics
        self._has_proxies = settings.TRUSTED_PROXIES > 0
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._limit = min(IN_ALL, SHARE * files)
        self._limit_of_members = min(IN_ALL, MEMBERS_SHARE * files)
        self._strangers: dict[asyncio.BaseProtocol, str] = {}  # their addresses
        self._by_address: Counter[str] = Counter()
        self._idle = IdleConnections()  # of strangers, by address
        self._members: dict[asyncio.BaseProtocol, str] = {}  # their accounts
        self._idle_members = IdleConnections()  # by account
        self._timers: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}  # for first requests
        self.open_requests = 0  # WebSockets included

    def opened(self, connection: asyncio.BaseProtocol, transport: asyncio.Transport) -> None:
        """Count a new connection, and close one if there are too many."""
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if peer else ""
        address = network(host)
        self._strangers[connection] = address
        self._by_address[address] += 1
        self.rested(connection, transport)
        loop = asyncio.get_running_loop()
        self._timers[connection] = loop.call_later(REQUEST_TIMEOUT, transport.abort)
        if self._by_address[address] > PER_ADDRESS and not self._stands_for_many(host):
            self._close_first(self._idle.of[address])
        elif len(self._strangers) > self._limit:
            self._close_first(self._idle.all)

    def used_by(self, account: str, connection: asyncio.BaseProtocol) -> None:
        """Note that somebody who is signed in makes a request on a connection."""
        if self._members.get(connection) != account and self._is_counted(connection):
            self.forget(connection)
            self._members[connection] = account

    def requested(self, connection: asyncio.BaseProtocol) -> None:
        """Note that a connection has a request under way."""
        if timer := self._timers.pop(connection, None):
            timer.cancel()
        if connection in self._strangers:
            self._idle.remove(self._strangers[connection], connection)
        elif connection in self._members:
            self._idle_members.remove(self._members[connection], connection)

    def rested(
        self, connection: asyncio.BaseProtocol, transport: asyncio.BaseTransport | None
    ) -> None:
        """Note that a connection is idle, and close one if members have too many that are."""
        if not isinstance(transport, asyncio.Transport) or transport.is_closing():
            return
        if connection in self._strangers:
            self._idle.add(self._strangers[connection], connection, transport)
        elif connection in self._members:
            account, idle = self._members[connection], self._idle_members
            idle.add(account, connection, transport)
            if len(idle.of[account]) > PER_ACCOUNT and not self._has_proxies:
                self._close_first(idle.of[account])
            elif len(idle.all) > self._limit_of_members:
                self._close_first(idle.all)

    def forget(self, connection: asyncio.BaseProtocol) -> None:
        """Stop counting a connection: it has ended, or is somebody else's."""
        self.requested(connection)
        self._members.pop(connection, None)
        if connection in self._strangers:
            address = self._strangers.pop(connection)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def is_idle(self, connection: asyncio.BaseProtocol) -> bool:
        """Return whether a connection has no request under way."""
        return connection in self._idle.all or connection in self._idle_members.all

    async def finished(self, timeout: float) -> None:
        """Wait, at most `timeout`, for open requests and the first ones of new connections.

        A connection that was accepted just before the end may not have been read yet.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (passed := loop.time() - began) < timeout:
            await asyncio.sleep(LOOK_EVERY)
            if not self.open_requests and (passed > NEWCOMERS_WITHIN or not self._timers):
                break

    def _is_counted(self, connection: asyncio.BaseProtocol) -> bool:
        return connection in self._strangers or connection in self._members

    def _close_first(self, idle: Idle) -> None:
        connection, transport = next(iter(idle.items()))  # at least the new one is idle
        self.requested(connection)
        transport.abort()
        self._metrics.connections_closed.inc()

    def _stands_for_many(self, host: str) -> bool:
        return self._has_proxies or is_loopback(host)


class Connection(web.RequestHandler):
    """A connection that is counted while it is open."""

    __slots__ = ("_connections", "_head_size")

    def __init__(self, connections: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connections = connections
        self._head_size = 0  # bytes of a request that is not complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self._connections.opened(self, transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._connections.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived, and close the connection if the headers have no end.

        aiohttp 3.14.5 limits each header and their number, but not both together.
        """
        requests = self._request_count
        super().data_received(data)
        is_head = self._request_count == requests and self._connections.is_idle(self)
        self._head_size = self._head_size + len(data) if is_head else 0
        if self._head_size > HEAD_LIMIT:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request with a page that says what to do; aiohttp would quote it."""
        response = super().handle_error(request, status, exc, message)
        if status != 400:
            return response
        return refusal(431 if isinstance(exc, LineTooLong) else 400)


CONNECTIONS = web.AppKey("connections", Connections)


def raise_file_limit() -> None:
    """Raise the limit of open files as far as the process may.

    A shell's usual 1,024 would be too few for a room of a thousand.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in MOST_FILES:
        highest = most if hard == resource.RLIM_INFINITY else min(hard, most)
        with suppress(ValueError, OSError):
            if highest > soft != resource.RLIM_INFINITY:
                resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
            return
