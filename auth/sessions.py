"""Sessions: a document in the database for each browser that is signed in."""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from auth.models import User, is_moderator
from server.relay import Relay, check_texts
from settings import SESSION_COLLECTION
from storage.database import Database, DatabaseUnavailable, Document
from storage.lookup import FRESH_FOR, IDS_PER_QUERY, Lookup

LIFETIME = timedelta(days=14)
NOTICE_EVERY = FRESH_FOR - 1  # seconds; a session ended by another process is noticed within five
SEEN_EVERY = 600  # seconds; `seen` is only this exact, because a write per page would be too much
RECHECK_PAUSE = 0.1  # seconds between looks at sessions that other processes say have ended
REMOVE_EVERY = 600  # seconds between removals of sessions that have expired
AGENT_LENGTH = 200  # characters stored of a browser's User-Agent


@dataclass(frozen=True, slots=True)
class Identity:
    """The user and the session that a request or a socket belongs to."""

    user_id: str
    session_id: str
    login: str
    is_moderator: bool = False


IDENTITY = web.RequestKey("identity", Identity)  # set by authorize, of middlewares.py


class Sessions:
    """The session documents. A cookie has a session's id and is valid while its document exists."""

    def __init__(self, db: Database, relay: Relay, moderators: Sequence[str] = ()) -> None:
        """Set up; `moderators` are the logins of the setting MODERATORS."""
        self.collection = db[SESSION_COLLECTION]
        self._relay = relay
        self._users = User(db)
        self._moderators = moderators
        self._identities = Lookup(self._fetch)
        self._to_recheck: asyncio.Queue[str] = asyncio.Queue(IDS_PER_QUERY)
        relay.listen("ended", self._forget)
        relay.listen("recheck", self._hear_recheck)

    async def create(self, user_id: str, login: str, agent: str) -> Identity:
        """Store a new session. Raises DatabaseUnavailable."""
        now = datetime.now(UTC)
        identity = Identity(user_id, secrets.token_urlsafe(24), login)
        document: Document = {
            "_id": identity.session_id,
            "user_id": user_id,
            "login": login,
            "created": now,
            "seen": int(now.timestamp()),
            "agent": agent[:AGENT_LENGTH],
            "expires": now + LIFETIME,
        }
        await self.collection.insert_one(document)
        return identity

    async def identify(self, session_id: str) -> Identity | None:
        """Return the identity of a session, None if it has ended. Raises DatabaseUnavailable."""
        return await self._identities.get(session_id)

    def has_ended(self, session_id: str) -> bool:
        """Return whether this process knows that the session has ended."""
        return self._identities.is_missing(session_id)

    async def end(self, *session_ids: str) -> None:
        """Delete sessions, which makes their cookies worthless. Raises DatabaseUnavailable."""
        await self.collection.delete_many({"_id": {"$in": session_ids}})
        self._relay.tell_here("ended", session_ids)
        self._relay.tell_others("recheck", session_ids)

    async def end_all(self, user_id: str, keep: Sequence[str] = ()) -> None:
        """End every session of a user except those to keep. Raises DatabaseUnavailable."""
        while True:
            documents = await self.collection.find(
                {"user_id": user_id}, ["_id"], limit=IDS_PER_QUERY
            )
            ids = [document["_id"] for document in documents if document["_id"] not in keep]
            if not ids:
                return
            await self.end(*ids)

    async def notice_ended(self, open_sessions: Callable[[], Iterable[str]]) -> None:
        """Tell "ended", for ever, of open sessions that have expired or were ended elsewhere."""
        while True:
            await asyncio.sleep(NOTICE_EVERY)
            ids = list(dict.fromkeys(open_sessions()))
            for start in range(0, len(ids), IDS_PER_QUERY):
                chunk = ids[start : start + IDS_PER_QUERY]
                try:
                    found = await self._fetch(chunk)
                except DatabaseUnavailable:
                    break  # nobody is signed out because the database is away
                self._relay.tell_here("ended", [id_ for id_ in chunk if id_ not in found])

    async def recheck(self) -> None:
        """Tell "ended", for ever, of sessions that other processes say have ended, if they have.

        A process on a copy of the database has sessions with the same ids.
        """
        while True:
            ids = [await self._to_recheck.get()]
            while not self._to_recheck.empty():
                ids.append(self._to_recheck.get_nowait())
            with suppress(DatabaseUnavailable):  # notice_ended() will notice
                documents = await self.collection.find({"_id": {"$in": ids}}, ["_id"])
                found = {document["_id"] for document in documents}
                self._relay.tell_here("ended", [id_ for id_ in ids if id_ not in found])
            await asyncio.sleep(RECHECK_PAUSE)

    async def remove_expired(self) -> None:
        """Delete the documents of sessions that have certainly expired, again and again."""
        while True:
            await asyncio.sleep(REMOVE_EVERY)
            with suppress(DatabaseUnavailable):
                await self._remove_unseen_since(datetime.now(UTC) - LIFETIME)

    async def _remove_unseen_since(self, time: datetime) -> None:
        unseen = {"seen": {"$lt": int(time.timestamp())}}
        while True:
            documents = await self.collection.find(unseen, ["_id"], limit=IDS_PER_QUERY)
            if not documents:
                return
            ids = [document["_id"] for document in documents]
            await self.collection.delete_many({"_id": {"$in": ids}})

    async def _fetch(self, ids: list[str]) -> dict[str, Identity]:
        """Read the valid sessions of users who may use the chat, and note that they are in use."""
        now = datetime.now(UTC)
        documents = await self.collection.find({"_id": {"$in": ids}})
        documents = [d for d in documents if d["expires"] > now]
        seen = int(now.timestamp())
        stale = [d["_id"] for d in documents if d["seen"] < seen - SEEN_EVERY]
        if stale:
            await self.collection.update_many({"_id": {"$in": stale}}, {"$set": {"seen": seen}})
        users = await self._users.get_login(d["user_id"] for d in documents)
        await self._users.saw(users.values(), seen)
        return {
            d["_id"]: self._identity(d["_id"], users[d["user_id"]])
            for d in documents
            if d["user_id"] in users
        }

    def _hear_recheck(self, session_ids: Sequence[str]) -> None:
        """Look sessions up soon; of too many at once, some are left to notice_ended().

        Raises TypeError.
        """
        check_texts(*session_ids)
        with suppress(asyncio.QueueFull):
            for session_id in session_ids:
                self._to_recheck.put_nowait(session_id)

    def _forget(self, session_ids: Sequence[str]) -> None:
        """Note that sessions have ended."""
        for session_id in session_ids:
            self._identities.put(session_id, None)

    def _identity(self, session_id: str, user: Document) -> Identity:
        moderates = is_moderator(user, self._moderators)
        return Identity(str(user["_id"]), session_id, user["login"], moderates)


SESSIONS = web.AppKey("sessions", Sessions)
