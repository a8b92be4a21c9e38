"""The process that serves the application: its addresses, its signals, and its end in time."""

import asyncio
import errno
import faulthandler
import functools
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, NoReturn

from aiohttp import hdrs, web

from security.address import is_loopback, own_address
from server.background import background, for_ever
from server.connections import (
    ACCEPTED_AT_ONCE,
    CONNECTIONS,
    Connection,
    Connections,
    raise_file_limit,
)
from server.garbage import collect_when_idle
from server.logs import AccessLogger, LoopErrors, set_up_logging, write_last
from server.long_headers import COOKIES_LIMIT, has_long_header, refusal
from server.systemd import for_journal, notify, passed_sockets
from settings import PROGRAM, SETTINGS, Settings, StartError, TemporaryStartError, load_settings

log = logging.getLogger("chat")

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LEFT_ALONE = {
    *SIGNALS,
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT),  # faulthandler
    *(signal.SIGKILL, signal.SIGSTOP),  # can't be caught
    *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT),  # don't end it
    *(signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH),
}
BACKLOG = 2048  # connections that wait to be accepted; a whole room may come back at once
TEMPORARY = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, socket.EAI_AGAIN}  # may be over at the next try
END_WITHIN = 4  # seconds from the signal to the end of the process; five are promised
EXPECT = "100-continue"
KEEPALIVE = 75  # seconds; behind a proxy aiohttp's default, an hour, stays
LINGER = 2  # seconds in which a form is read that is refused before its end; aiohttp's are 10
FINISH_WITHIN = 2  # seconds at the end in which open requests are answered, and sockets closed
SHUTDOWN_TIMEOUT = 0.25  # seconds for requests that are open even then; aiohttp applies it twice

REGISTRATION = {
    "open": "Registration: open to whoever knows the address (see REGISTRATION)",
    "invite": f"Registration: by invitation only, from /people or `{PROGRAM} invite`",
    "closed": "Registration: closed, but the first account of an empty room can be created",
}

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def run(
    create_app: Callable[[Settings], web.Application],
    listeners: Sequence[socket.socket] = (),
    failure: int = 1,
    fail_after: float = 0,
) -> NoReturn:
    """Serve the application until SIGINT or SIGTERM, then exit.

    If it fails, exit with status `failure`, but `fail_after` seconds later, unless a signal comes.
    With a setting that can't be used the status is EX_CONFIG (78): don't try it again.
    Its last line on standard error says what ends the process, unless that is SIGKILL.

    Serves `listeners`, else what systemd passes, else listens where HOST says. Exits with
    os._exit(), because sys.exit() would wait for the driver's threads, which may be waiting for a
    database that does not answer.
    """
    if sys.stderr:
        faulthandler.enable()
    set_up_logging()
    write_which_signal_ends()
    shutdown = Shutdown()
    status = failure
    try:
        settings = load_settings()
        raise_file_limit()
        set_up_logging(settings.DEBUG, settings.LOG_FORMAT)
        if listeners := listeners or passed_listeners():
            settings = bound(settings, listeners)
        asyncio.run(_serve(create_app(settings), listeners or listen(settings), shutdown))
        logging.shutdown()
        status = 0
    except StartError as error:
        if not isinstance(error, TemporaryStartError):
            status = os.EX_CONFIG
        print(for_journal(logging.ERROR, str(error)), file=sys.stderr)
    except BaseException:  # also SystemExit, or the cancellation of what serves
        log.exception("the chat can't go on")
    finally:  # even if printing fails because nobody reads it
        if status:
            time.sleep(fail_after)
        os._exit(status)


class Shutdown:
    """Ends the process END_WITHIN seconds after the first SIGINT or SIGTERM, even if it hangs.

    A thread of its own waits for the signal and then for the time to pass, because the event loop
    may hang. It waits for no reader of the log, because that may be what hangs. The embedded
    database ends with the process.
    """

    def __init__(self) -> None:
        # Before the chat serves, there is nothing to finish.
        self.begin: Callable[[], object] = lambda: os._exit(0)
        # Blocked in this thread, in the threads that it starts, and in the database's process.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        number = signal.sigwait(SIGNALS)
        write_last(logging.INFO, f"ending, because of {_named(number)}")
        with suppress(RuntimeError):  # the loop has ended by itself
            self.begin()
        time.sleep(END_WITHIN)
        write_last(logging.ERROR, f"ending at once: not all has ended in {END_WITHIN} s")
        os._exit(0)


def write_which_signal_ends() -> None:
    """Let the other signals that end a process write a line first."""
    for number in signal.valid_signals() - LEFT_ALONE:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _end_by)


def _end_by(number: int, _: object) -> None:
    write_last(logging.ERROR, f"ended by {_named(number)}")
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)  # it is the first process of a container, and is sent no such signal


def _named(number: int) -> str:
    return f"signal {number}, {signal.strsignal(number)}"


@asynccontextmanager
async def serving(app: web.Application, listeners: Sequence[socket.socket]) -> AsyncIterator[None]:
    """Serve the application, and shut it down in order at the end. Raises StartError."""
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {
        "access_log": log if app[SETTINGS].DEBUG else None,
        "access_log_class": AccessLogger,
        "lingering_time": LINGER,
        "max_field_size": COOKIES_LIMIT,
    }
    if not app[SETTINGS].TRUSTED_PROXIES:
        options["keepalive_timeout"] = KEEPALIVE
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_TIMEOUT, **options)
    sites: list[asyncio.Server] = []
    try:
        await runner.setup()
        assert runner.server is not None
        server, connections = runner.server, app[CONNECTIONS]
        server.request_handler = _checked(server.request_handler, connections)
        accept = functools.partial(Connection, connections, server, loop=loop, **options)
        try:
            for listener in listeners:
                site = await loop.create_server(accept, sock=listener, backlog=ACCEPTED_AT_ONCE)
                sites.append(site)
                listener.listen(BACKLOG)  # create_server() sets the kernel's backlog, too
            yield
        finally:
            for listener in listeners:
                loop.remove_reader(listener)
            # asyncio drops what it has accepted in the same tick in which a server is closed.
            await asyncio.sleep(0)
            for site in sites:
                site.close()
        ends_at = loop.time() + FINISH_WITHIN
        # cleanup() calls shutdown() as well, but too late: aiohttp has stopped reading by then, and
        # the answers to our close frames would be lost.
        await app.shutdown()
        await connections.finished(ends_at - loop.time())
    finally:
        await runner.cleanup()


def passed_listeners() -> list[socket.socket]:
    """Return the listening sockets that systemd passes, if any. Raises StartError."""
    try:
        listeners = passed_sockets()
        are_served = all(map(_listens, listeners))
    except OSError:  # no socket at all, as of ListenFIFO= or OpenFile=
        are_served = False
    if not are_served:
        raise StartError(
            "systemd passes a socket that the chat can't serve: "
            "give the socket unit ListenStream= with a port, and not Accept=yes."
        )
    return listeners


def _listens(passed: socket.socket) -> bool:
    """Return whether a socket listens by TCP."""
    is_tcp = (
        passed.family in (socket.AF_INET, socket.AF_INET6) and passed.type == socket.SOCK_STREAM
    )
    return is_tcp and bool(passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def bound(settings: Settings, listeners: Sequence[socket.socket]) -> Settings:
    """Return settings with the address of listeners, by which the guard decides.

    Of several addresses it is one that others can reach, if there is one.
    """
    addresses = [listener.getsockname()[:2] for listener in listeners]
    host, port = min(addresses, key=lambda it: is_loopback(it[0]))
    return replace(settings, SITE_HOST=host, SITE_PORT=port)


def listen(settings: Settings) -> list[socket.socket]:
    """Return a listening socket for each address of HOST. Raises StartError.

    A name such as `localhost` may have several addresses, and getaddrinfo() may list one twice.
    `::` also accepts IPv4.
    """
    listeners: list[socket.socket] = []
    missing: OSError | None = None  # an address of the name that this machine doesn't have
    host, port = settings.SITE_HOST, settings.SITE_PORT
    try:
        found = dict.fromkeys(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        for family, _, _, _, address in found:
            takes_ipv4 = address[0] == "::" and socket.has_dualstack_ipv6()
            try:
                listener = socket.create_server(
                    (address[0], port, *address[2:]),
                    family=family,
                    backlog=BACKLOG,
                    dualstack_ipv6=takes_ipv4,
                )
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
            else:
                listeners.append(listener)
                port = listener.getsockname()[1]  # PORT=0: the system has chosen one
        if missing and not listeners:
            raise missing
    except (OSError, UnicodeError) as error:
        raise _cannot_listen(settings, error) from None
    return listeners


def _cannot_listen(settings: Settings, error: OSError | UnicodeError) -> StartError:
    number, why = getattr(error, "errno", None), "no host name"
    if isinstance(error, socket.gaierror):  # has numbers of its own
        why = str(error.strerror)
    elif number:
        why = os.strerror(number)  # create_server() adds the address to the error's own text
    kind = TemporaryStartError if number in TEMPORARY else StartError
    return kind(
        f"HOST={settings.SITE_HOST}, PORT={settings.SITE_PORT} can't be listened on: {why}. "
        "Choose another, or stop what uses it."
    )


def _checked(handle: Handler, connections: Connections) -> Handler:
    """Return a handler that refuses what aiohttp lets through, and tells of each request.

    An unknown `Expect` is answered with 417: aiohttp 3.14.5 would quote it, and fails with a 500
    and a traceback on bytes that are not UTF-8. Only cookies may be long.
    """

    async def handle_checked(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        connections.requested(connection)
        connections.open_requests += 1
        try:
            if request.headers.get(hdrs.EXPECT, EXPECT).lower() != EXPECT:
                headers = {"Server": ""}  # without the version that aiohttp would give
                raise web.HTTPExpectationFailed(text=f"Only {EXPECT} is expected.", headers=headers)
            if has_long_header(request):
                return refusal(431)
            return await handle(request)
        finally:
            connections.open_requests -= 1
            connections.rested(connection, connection.transport)

    return handle_checked


async def _serve(
    app: web.Application, listeners: Sequence[socket.socket], shutdown: Shutdown
) -> None:
    """Serve until the shutdown begins. Raises StartError."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.set_exception_handler(LoopErrors())
    async with serving(app, listeners):
        shutdown.begin = lambda: loop.call_soon_threadsafe(stop.set)
        with suppress(OSError):  # nobody reads standard output
            _announce(app[SETTINGS], listeners)
        notify("READY=1")
        async with background(for_ever(collect_when_idle)):
            await stop.wait()
        notify("STOPPING=1")


def _announce(settings: Settings, listeners: Sequence[socket.socket]) -> None:
    """Print the address of the chat and where it keeps its data."""
    port = settings.SITE_PORT or listeners[0].getsockname()[1]  # PORT=0: the system has chosen one
    print(f"Chat at {own_address(replace(settings, SITE_PORT=port))}")
    if settings.MONGO_HOST:
        # Without the options, among which there may be a password, too.
        place = settings.MONGO_HOST.partition("://")[2].partition("?")[0]
        servers = place.rpartition("@")[2].partition("/")[0]
        database = f"MongoDB at {servers}, which keeps the data"
    else:
        database = f"embedded, keeps its data in {settings.DATA_DIR}"
    print(f"Database: {database}")
    if settings.REDIS_URL:
        print("Redis: joins this process with others on the same database")
    elif settings.MONGO_HOST:
        print("Redis: none, so other processes on this database are heard late (see REDIS_URL)")
    print(REGISTRATION[settings.REGISTRATION], flush=True)
