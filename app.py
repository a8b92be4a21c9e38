"""The chat: `python app.py` runs it; create_app() puts its parts together."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp_jinja2
import jinja2
from aiohttp import web
from aiohttp_session import session_middleware

from assets import ASSETS, read_assets
from auth.account import LEAVING
from auth.attempts import LIMITS, AttemptLimits
from auth.cookies import SessionCookie, secret_keys
from auth.forms import BODY_LIMIT
from auth.passwords import HASHER, hasher_ctx
from auth.sessions import SESSIONS, sessions_ctx
from chat import wire
from chat.authors import disown
from chat.hub import HUB, hub_ctx
from chat.inbox import inbox_ctx
from chat.journal import JOURNAL, journal_ctx
from chat.search import finder_ctx
from chat.unread import read_marks_ctx
from database import DB, READY, RETRY_PAUSE, DatabaseUnavailable, create_indexes, database_ctx
from embedded import embedded_ctx
from logs import AccessLogger, set_up_logging, without_client_faults
from middlewares import add_headers, authorize, db_handler, error_pages, guard
from routes import setup_routes
from settings import ROOT, SETTINGS, Settings, StartError, load_settings
from takeover import take_over

log = logging.getLogger("chat")

BACKLOG = 2048  # connections that wait to be accepted: a whole room may come back at once
SHUTDOWN_TIMEOUT = 1  # seconds for requests under way, after every socket has been closed


def create_app(settings: Settings) -> web.Application:
    """Return the application; what it holds open, it opens when it is started."""
    storage = SessionCookie(secret_keys(settings), secure=settings.SECURE_COOKIES)
    app = web.Application(
        client_max_size=BODY_LIMIT,
        middlewares=[error_pages, guard, session_middleware(storage), authorize, db_handler],
    )
    app[SETTINGS] = settings
    app[ASSETS] = read_assets()
    logging.getLogger("aiohttp.server").addFilter(without_client_faults)
    app[LIMITS] = AttemptLimits(settings.REGISTRATIONS_PER_HOUR)
    env = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(ROOT / "templates"),
        auto_reload=settings.DEBUG,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["iso_time"] = wire.iso_time
    setup_routes(app)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(say_goodbye)
    app.cleanup_ctx.extend(
        [
            embedded_ctx,
            database_ctx,
            hasher_ctx,
            sessions_ctx,
            hub_ctx,
            journal_ctx,
            read_marks_ctx,
            inbox_ctx,
            finder_ctx,
            serve_ctx,
        ]
    )
    return app


async def serve_ctx(app: web.Application) -> AsyncIterator[None]:
    """Connect the parts, and keep their work going while the application runs."""
    app[JOURNAL].listeners.append(app[HUB].deliver)
    app[SESSIONS].listeners.append(app[HUB].close_session)
    app[LEAVING] = (disown,)
    tasks = [
        asyncio.create_task(open_journal(app)),
        asyncio.create_task(app[SESSIONS].watch(app[HUB].sessions)),
    ]
    yield
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def open_journal(app: web.Application) -> None:
    """Prepare the database, as soon as it is there, and then write the log for ever."""
    while True:
        try:
            await take_over(app[DB], app[HASHER])
            await create_indexes(app[DB])
            await app[JOURNAL].open()
            break
        except DatabaseUnavailable as error:
            log.warning("the database is away (%s), trying again", error)
        except Exception:
            log.exception("the database can't be prepared, trying again")
        await asyncio.sleep(RETRY_PAUSE)
    app[READY].set()
    await app[JOURNAL].run()


async def say_goodbye(app: web.Application) -> None:
    """Store what waits and close every socket, before anything they need is closed."""
    await app[JOURNAL].drain()
    await app[HUB].close_all()


@asynccontextmanager
async def serving(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    """Serve, and say goodbye to everybody at the end. Raises StartError."""
    access_log = log if app[SETTINGS].DEBUG else None
    runner = web.AppRunner(
        app,
        access_log=access_log,
        access_log_class=AccessLogger,
        shutdown_timeout=SHUTDOWN_TIMEOUT,
    )
    try:
        await runner.setup()
        site = web.SockSite(runner, listener, backlog=BACKLOG)
        await site.start()
        yield
        await site.stop()
        # cleanup() would do it too, but no longer read what the sockets answer.
        await app.shutdown()
    finally:
        await runner.cleanup()


async def serve(app: web.Application, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM. Raises StartError."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(app, listener):
        announce(app[SETTINGS], listener)
        await stop.wait()


def bind(settings: Settings) -> socket.socket:
    """Return the socket to listen on. Raises StartError."""
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(
            settings.SITE_HOST, settings.SITE_PORT, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise StartError(
            f"HOST={settings.SITE_HOST}, PORT={settings.SITE_PORT} can't be listened on: "
            f"{getattr(error, 'strerror', 'no host name')}. Choose another, or stop what uses it."
        ) from None


def announce(settings: Settings, listener: socket.socket) -> None:
    """Print where the chat is and where it keeps its data."""
    host, port = listener.getsockname()[:2]
    print(f"Chat at http://{f'[{host}]' if ':' in host else host}:{port}")
    if settings.MONGO_HOST:
        # Cut by hand: a password may hold what a URL parser takes for something else.
        servers = settings.MONGO_HOST.partition("://")[2].rpartition("@")[2]
        servers = servers.partition("/")[0].partition("?")[0]
        print(f"Database: MongoDB at {servers}, which keeps the data")
    else:
        print(f"Database: embedded, keeps its data in {settings.DATA_DIR}")
    sys.stdout.flush()  # also where it is a pipe


def main() -> None:
    """Run the chat until SIGINT or SIGTERM."""
    for early in (signal.SIGINT, signal.SIGTERM):  # serve() puts its own in their place
        signal.signal(early, lambda *_: sys.exit(0))
    try:
        settings = load_settings()
        set_up_logging(settings.DEBUG)
        asyncio.run(serve(create_app(settings), bind(settings)))
    except StartError as error:
        sys.exit(str(error))
    # Everything is closed; but Python would still wait for Motor's threads, and those for a
    # database that does not answer.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
