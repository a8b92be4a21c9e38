"""The room as a command uses it: its database, beside a chat that runs or without one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from auth.models import User, may_moderate
from auth.sessions import Sessions
from chat.cleaning import SURROGATES
from chat.migrate import is_migrated
from server.relay import Relay
from settings import Settings, StartError
from storage.database import Database, DatabaseUnavailable, Document, log_id
from storage.embedded import embedded_beside, embedded_uri
from storage.mongodb import connect, database_of
from storage.redis_client import FAILURES, connect_redis
from storage.redis_relay import RedisRelay
from storage.staging import finish_import

ACCOUNTS_PER_QUERY = 200


class CommandError(Exception):
    """The command can't be carried out; the text says why, in one sentence."""


@dataclass(frozen=True)
class Room:
    """What commands work on."""

    db: Database
    sessions: Sessions
    moderators: Sequence[str]  # of the setting MODERATORS
    is_alone: bool  # whether no chat can be using the database

    async def find(self, login: str) -> Document:
        """Return an account by its login or e-mail address. Raises CommandError."""
        # The command line can contain bytes that are not UTF-8.
        user = None if SURROGATES.search(login) else await User(self.db).find(login)
        if user is None:
            raise CommandError(f"Nobody has the login or e-mail address {login!r}.")
        return user

    async def has_moderator(self) -> bool:
        """Return whether anybody can moderate. Raises DatabaseUnavailable."""
        async for user in self.accounts():
            if may_moderate(user, self.moderators):
                return True
        return False

    async def accounts(self) -> AsyncIterator[Document]:
        """Yield all accounts, in the order of `login_key`. Raises DatabaseUnavailable."""
        after = ""
        while page := await User(self.db).page(after, ACCOUNTS_PER_QUERY):
            for user in page:
                yield user
            after = page[-1]["login_key"]


@asynccontextmanager
async def open_room(settings: Settings, *, is_new: bool = False) -> AsyncIterator[Room]:
    """Open the room, which has to be there unless it `is_new`.

    Raises StartError, CommandError, DatabaseUnavailable.
    """
    async with AsyncExitStack() as stack:
        is_alone = False
        if not settings.MONGO_HOST:
            beside = embedded_beside(settings.DATA_DIR, settings.MONGO_DB_NAME, is_new=is_new)
            is_alone = await stack.enter_async_context(beside)
        client = connect(settings.MONGO_HOST or embedded_uri(settings.DATA_DIR))
        stack.callback(client.close)
        db = database_of(client, settings)
        if not is_new and not await db.collection_names():
            raise CommandError(
                f"There is no chat's data in the database {db.name}: start the chat once, "
                "or set MONGO_HOST and MONGO_DB_NAME as for the chat."
            )
        await finish_import(db)
        if not is_new and not await is_migrated(db):
            raise CommandError(
                "The data is of an older version of the chat: start the chat once, it updates them."
            )
        relay, ended = Relay(), list[str]()
        relay.listen("ended", ended.extend)
        yield Room(db, Sessions(db, relay), settings.MODERATORS, is_alone)
        if ended and settings.REDIS_URL:
            await tell_others(settings, db, ended)


async def tell_others(settings: Settings, db: Database, session_ids: list[str]) -> None:
    """Tell the chat's processes which sessions have ended; else they notice within seconds."""
    with suppress(*FAILURES, DatabaseUnavailable, StartError):
        async with connect_redis(settings) as redis:
            relay = RedisRelay(redis, settings, db)
            await relay.tell(await log_id(db), "recheck", session_ids)
