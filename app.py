"""The application: create_app() puts its parts together, and `python app.py` runs it.

Each part gets what it needs when it is made, and hears of everything else through the relay
(server/relay.py). Views find the parts on the application, under typed keys such as HUB.
`python app.py --help` lists the commands for the operator.
"""

if __name__ == "__main__":  # before the other imports
    from server.startup import prepare

    prepare()

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web
from aiohttp_session import AbstractStorage, session_middleware

from account.own_messages import DOWNLOADS
from auth.attempts import LIMITS, AttemptLimits
from auth.passwords import HASHER, hasher_ctx
from auth.session_storage import SessionCookie, SessionInRedis
from auth.sessions import SESSIONS, Sessions
from chat.departures import DEPARTURES, Departures
from chat.health import HEALTH, Health
from chat.hub import HUB, WEBSOCKETS, hub_ctx
from chat.journal import JOURNAL, Journal
from chat.migrate import index_messages, migrate
from chat.models import MESSAGES, Message
from chat.read_marks import read_marks_ctx
from chat.views import OPENINGS, openings
from chat.writings import WRITINGS, Writings
from commands.command_line import read_arguments, run_command
from files.parts import add_files, remove_files
from files.store import FILES
from middlewares import (
    MEMBERS_TURN,
    PAGES,
    PAGES_AT_ONCE,
    PAGES_WAITING,
    STRANGERS_TURN,
    authorize,
    db_handler,
    error_pages,
    share_out,
    take_turns,
)
from pages.forms import BODY_LIMIT
from pages.templates import setup_templates
from routes import setup_routes
from search.finder import ELSEWHERE, EMBEDDED, FINDER, Finder
from security.guard import guard
from security.headers import add_headers
from security.keys import secret_keys
from security.limits import Turns
from server.background import background, for_ever
from server.connections import CONNECTIONS, Connections
from server.logs import SeldomLogger, without_client_faults
from server.metrics import METRICS, Metrics
from server.process import run
from server.relay import RELAY
from settings import MESSAGE_COLLECTION, SETTINGS, Settings
from storage.database import DATABASE, PREPARING, READY, DatabaseUnavailable, log_id
from storage.embedded import embedded_ctx
from storage.indexes import create_indexes
from storage.mongodb import check_address, database_ctx
from storage.redis_client import REDIS, connect_redis, redis_ctx
from storage.redis_relay import relay_ctx
from storage.staging import drop_old_imports, finish_import

seldom = SeldomLogger(logging.getLogger("chat"))

RETRY_PAUSE = 1  # seconds between attempts to reach the database at the start
READY_WITHIN = 3  # seconds to wait for the database at the start; connections queue meanwhile
# Parts of END_WITHIN in server/process.py; the rest is for open requests and for closing files.
STORE_WITHIN = 1.5  # seconds to store the messages that wait
GOODBYE_WITHIN = 2  # seconds to store them and then to close every socket


def create_app(settings: Settings) -> web.Application:
    """Return the application; it opens files and connections only when it starts.

    Raises StartError for settings that can't be used.
    """
    check_address(settings)
    redis = connect_redis(settings) if settings.REDIS_URL else None
    keys, secure = secret_keys(settings), settings.SECURE_COOKIES
    of_chat = f"{keys[0]} {settings.MONGO_HOST or settings.DATA_DIR} {settings.MONGO_DB_NAME}"
    storage: AbstractStorage = SessionCookie(keys, secure=secure, of_chat=of_chat)
    if redis and settings.SESSION_STORAGE == "redis":
        storage = SessionInRedis(redis, secure=secure, of_chat=of_chat)
    app = web.Application(
        client_max_size=BODY_LIMIT,
        middlewares=[
            take_turns,
            error_pages,
            guard,
            session_middleware(storage),
            db_handler,  # before what has to look sessions up
            authorize,
            share_out,
        ],
    )
    app[SETTINGS] = settings
    if redis:
        app[REDIS] = redis
    app[METRICS] = metrics = Metrics()
    app[CONNECTIONS] = Connections(settings, metrics)
    app[STRANGERS_TURN], app[MEMBERS_TURN] = asyncio.Lock(), asyncio.Lock()
    app[PAGES] = Turns(PAGES_AT_ONCE, PAGES_WAITING)
    app[OPENINGS] = openings(settings.SOCKETS_PER_USER)
    app[DOWNLOADS] = set()
    app[WEBSOCKETS] = set()  # as in the tutorial; the hub keeps it
    logging.getLogger("aiohttp.server").addFilter(without_client_faults)
    setup_routes(app)
    setup_templates(app)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(say_goodbye)
    # Started in this order, and closed in reverse.
    app.cleanup_ctx.extend(
        [
            embedded_ctx,
            database_ctx,
            redis_ctx,
            relay_ctx,
            hasher_ctx,
            hub_ctx,
            read_marks_ctx,
            parts_ctx,
        ]
    )
    return app


async def parts_ctx(app: web.Application) -> AsyncIterator[None]:
    """Create the parts that need no closing, and run the tasks of all of them."""
    settings, db, relay = app[SETTINGS], app[DATABASE], app[RELAY]
    messages = db[MESSAGE_COLLECTION]
    app[LIMITS] = AttemptLimits(settings.REGISTRATIONS_PER_HOUR, relay)
    app[SESSIONS] = Sessions(db, relay, settings.MODERATORS)
    app[JOURNAL] = Journal(messages, relay, app[METRICS])
    add_files(app)
    app[MESSAGES] = Message(
        messages,
        app[JOURNAL],
        app[FILES].claim,
        settings.MESSAGES_PER_SECOND,
        settings.MESSAGE_LENGTH,
    )
    app[WRITINGS] = Writings(messages, app[JOURNAL], relay)
    app[DEPARTURES] = Departures(db, app[SESSIONS], app[WRITINGS])
    pace = ELSEWHERE if settings.MONGO_HOST else EMBEDDED
    app[FINDER] = Finder(messages, app[JOURNAL].recent, pace)
    app[HEALTH] = Health(app)
    app[METRICS].sockets.set_function(lambda: len(app[WEBSOCKETS]))
    app[METRICS].people.set_function(lambda: app[HUB].presence.people)
    async with background(
        open_journal(app),
        for_ever(lambda: app[SESSIONS].notice_ended(app[HUB].open_session_ids)),
        for_ever(app[SESSIONS].recheck),
        for_ever(app[SESSIONS].remove_expired),
        for_ever(lambda: finish_departures(app)),
        for_ever(lambda: remove_files(app)),
        for_ever(app[METRICS].measure_lag),
    ):
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_WITHIN):
                await app[READY].wait()
        yield


async def open_journal(app: web.Application) -> None:
    """Prepare the database, retrying until it is available; then run the journal, for ever."""
    while True:
        try:
            await finish_import(app[DATABASE])
            app[PREPARING].set()  # it has answered
            await drop_old_imports(app[DATABASE])
            await migrate(app[DATABASE], app[HASHER])
            await create_indexes(app[DATABASE])
            await index_messages(app[DATABASE])
            await app[JOURNAL].open()
            app[RELAY].join(await log_id(app[DATABASE]))
            break
        except DatabaseUnavailable:
            pass  # it has been logged
        except Exception:
            text = "the database can't be prepared, trying again"
            seldom.log(logging.ERROR, text, exc_info=True)
        finally:
            app[PREPARING].clear()
        await asyncio.sleep(RETRY_PAUSE)
    app[READY].set()
    await for_ever(app[JOURNAL].run)


async def finish_departures(app: web.Application) -> None:
    """Finish what deleted and banned accounts leave, for ever, once the database is ready."""
    await app[READY].wait()
    await app[DEPARTURES].run()


async def say_goodbye(app: web.Application) -> None:
    """Store the waiting messages and close every socket, before anything else is closed."""
    clock = asyncio.get_running_loop().time
    ends_at = clock() + GOODBYE_WITHIN
    await app[JOURNAL].drain(STORE_WITHIN)
    await app[HUB].close_all(ends_at - clock())


if __name__ == "__main__":
    arguments = read_arguments()
    if arguments.command:
        run_command(arguments)
    else:
        run(create_app)
