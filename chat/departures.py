"""Departures: a deleted account's name is replaced, and what a banned one has said is removed.

Both are done twice: at once, and again when no process can store anything more of the account. For
a process believes an identity for some seconds (storage/lookup.py), and without Redis it learns
only then that an account is deleted or banned. Until the second time the account is marked in the
database as unfinished, so any process can do the rest, whichever was killed meanwhile.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from aiohttp import web

from auth.links import Links
from auth.models import DELETION, REMOVAL, User, is_deleted
from auth.sessions import Identity, Sessions
from chat.entry import DELETED_USER
from chat.writings import RemovalUnderWay, Writings
from storage.database import Database, DatabaseUnavailable, Document

LOOK_EVERY = 5  # seconds between looks for what is unfinished
ACCOUNTS_AT_ONCE = 100
ANSWER_WITHIN = 1  # seconds that somebody waits for names to be replaced, or messages to go
# Seconds from when this process has heard of it. An identity is kept for less than KEPT_FOR (20).
# A draft made with it may wait for APPEND_TIMEOUT (4.4) here, and again at the writer, and a call
# takes CALL_TIMEOUT (4): 33 in all.
SETTLED_AFTER = 40


class Departures:
    """Deletes accounts, and removes what banned ones have said."""

    def __init__(self, db: Database, sessions: Sessions, writings: Writings) -> None:
        self._users = User(db)
        self._links = Links(db)
        self._sessions = sessions
        self._writings = writings
        self._heard_at: dict[Any, float] = {}  # by account of which something is unfinished
        self._looked_at = asyncio.get_running_loop().time()
        self._begun: set[asyncio.Task[None]] = set()

    async def delete(self, user: Document) -> None:
        """Delete an account; what it has said stays, without its name.

        Its sessions end at once; its login is free after SETTLED_AFTER. Raises Changed,
        DatabaseUnavailable.
        """
        # First of all: from now on nobody can log in to it, and run() does what fails here.
        await self._users.mark(user, unfinished=DELETION)
        await self._begin(self._clear(str(user["_id"])))

    async def remove_all(self, moderator: Identity, user: Document) -> None:
        """Begin to delete everything that a banned account has said; run() does what fails here.

        Raises RemovalUnderWay, Changed, DatabaseUnavailable.
        """
        await self._users.mark(user, unfinished=REMOVAL, remover=moderator.user_id)
        await self._begin(self._writings.remove_all(moderator, str(user["_id"])))

    async def run(self) -> None:
        """Finish what is unfinished, for ever, also what processes began that have ended."""
        try:
            while True:
                with suppress(DatabaseUnavailable):  # the next round does it
                    await self.finish()
                await asyncio.sleep(LOOK_EVERY)
        except asyncio.CancelledError:  # the chat ends; what is left is done after the next start
            for task in self._begun:
                task.cancel()
            raise

    async def finish(self) -> None:
        """Finish what this process has heard of long enough ago, but for removals under way.

        Raises DatabaseUnavailable; then something is left for the next time.
        """
        users = await self._users.unfinished(ACCOUNTS_AT_ONCE)
        # By its own clock, because that of the process which marked them may be another.
        now = asyncio.get_running_loop().time()
        self._heard_at = {user["_id"]: self._heard_at.get(user["_id"], now) for user in users}
        if self._looked_at <= now - SETTLED_AFTER:  # another process may have finished a deletion
            for user_id in await self._users.gone(self._writings.names_in_memory()):
                self._writings.forget_name(user_id)
        self._looked_at = now
        for user in users:
            if is_deleted(user):  # perhaps in another process, which can't tell this one
                self._writings.forget_name(str(user["_id"]))
            if self._heard_at[user["_id"]] <= now - SETTLED_AFTER:
                with suppress(RemovalUnderWay):
                    await self._finish(user)

    async def _finish(self, user: Document) -> None:
        user_id = str(user["_id"])
        if is_deleted(user):
            await self._clear(user_id)
            await self._users.finish_deletion(user)
            return
        if user.get("banned"):  # else it may speak again
            remover = await self._users.get(user["remover"])
            login = remover["login"] if remover else DELETED_USER
            await self._writings.remove_all(Identity(user["remover"], "", login), user_id)
        await self._users.finish_removal(user)

    async def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait until something is done, but not for long: it goes on, perhaps for minutes.

        A moderator has few requests at a time, and other people to ban. Raises RemovalUnderWay.
        """
        task = asyncio.create_task(self._attempt(work))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN):
                await asyncio.shield(task)

    async def _attempt(self, work: Coroutine[Any, Any, None]) -> None:
        with suppress(DatabaseUnavailable):  # run() does it
            await work

    async def _clear(self, user_id: str) -> None:
        """End an account's sessions and links, and replace its name."""
        await self._sessions.end_all(user_id)
        await self._links.revoke_passwords(user_id)
        await self._links.revoke_made_by(user_id)
        await self._writings.anonymize(user_id)


DEPARTURES = web.AppKey("departures", Departures)
