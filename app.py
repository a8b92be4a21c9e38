"""The chat: `python app.py` runs it; create_app() puts its parts together."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp_jinja2
import jinja2
from aiohttp import web
from aiohttp_session import session_middleware

from assets import ASSETS, read_assets
from auth.attempts import LIMITS, AttemptLimits
from auth.cookies import SessionCookie, secret_keys
from auth.passwords import HASHER, hasher_ctx
from auth.sessions import SESSIONS, Sessions
from background import background
from chat import wire
from chat.hub import HUB, hub_ctx
from chat.journal import JOURNAL, Journal
from chat.models import Message
from chat.read_marks import read_marks_ctx
from chat.search import FINDER, Finder
from chat.views import MESSAGES, UNWELCOME
from database import DB, READY, RETRY_PAUSE, DatabaseUnavailable, create_indexes, database_ctx
from embedded import embedded_ctx
from forms import BODY_LIMIT
from limits import Limit
from logs import without_client_faults
from middlewares import add_headers, authorize, db_handler, error_pages, guard
from migrate import migrate
from routes import setup_routes
from server import run
from settings import MESSAGE_COLLECTION, ROOT, SETTINGS, Settings

log = logging.getLogger("chat")

# Seconds that the first requests wait for the database: whoever opens the address as soon as it is
# printed should find the chat. After that the pages say that the database is away.
READY_WITHIN = 3
# Parts of server.py's END_WITHIN; the rest is for requests under way and for closing files.
STORE_WITHIN = 1.5  # seconds to store the messages that wait
GOODBYE_WITHIN = 2.5  # seconds for that, and for every socket to be closed


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
            hub_ctx,
            read_marks_ctx,
            serve_ctx,
        ]
    )
    return app


async def serve_ctx(app: web.Application) -> AsyncIterator[None]:
    """Make the parts that need no closing, connect all parts, and keep their work going."""
    app[SESSIONS] = Sessions(app[DB])
    app[JOURNAL] = Journal(app[DB][MESSAGE_COLLECTION])
    app[MESSAGES] = Message(
        app[DB][MESSAGE_COLLECTION], app[JOURNAL], app[SETTINGS].MESSAGES_PER_SECOND
    )
    app[UNWELCOME] = Limit(50, 10)
    app[FINDER] = Finder(app[DB][MESSAGE_COLLECTION])
    app[JOURNAL].listeners.append(app[HUB].deliver)
    app[SESSIONS].listeners.append(app[HUB].close_session)
    async with background(open_journal(app), app[SESSIONS].watch(app[HUB].sessions)):
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_WITHIN):
                await app[READY].wait()
        yield


async def open_journal(app: web.Application) -> None:
    """Prepare the database, as soon as it is there, and then write the log for ever."""
    while True:
        try:
            await migrate(app[DB], app[HASHER])
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
    clock = asyncio.get_running_loop().time
    deadline = clock() + GOODBYE_WITHIN
    await app[JOURNAL].drain(STORE_WITHIN)
    await app[HUB].close_all(deadline - clock())


if __name__ == "__main__":
    run(create_app)
