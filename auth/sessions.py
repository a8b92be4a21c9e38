"""Sessions: a document in the database for each browser that is signed in."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from auth.models import User, is_moderator
from server.background import paced
from server.relay import Relay, check_texts
from settings import SESSION_COLLECTION
from storage.database import Database, DatabaseUnavailable, Document
from storage.lookup import FRESH_FOR, IDS_PER_QUERY, KEPT_FOR, Lookup

LIFETIME = timedelta(days=14)
NOTICE_EVERY = FRESH_FOR - 1  # seconds; a session ended by another process is noticed within five
SEEN_EVERY = 600  # seconds; `seen` is only this exact, because a write per page would be too much
RECHECKS = 1000  # sessions that may wait for that
RECHECK_PAUSE = 0.1  # seconds between looks at sessions that other processes say have ended
REMOVE_EVERY = 600  # seconds between removals of sessions that have expired
REMOVE_PAUSE = 0.1  # seconds between some of them and the next
AGENT_LENGTH = 200  # characters stored of a browser's User-Agent
PER_USER = 100  # sessions; then a new one ends the one that was not used for longest


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
        self._noticed_at = -float("inf")  # when notice_ended() last looked at all open sessions
        self._to_recheck: asyncio.Queue[str] = asyncio.Queue(RECHECKS)
        relay.listen("ended", self._forget)
        relay.listen("recheck", self._hear_recheck)

    async def create(self, user_id: str, login: str, agent: str) -> Identity:
        """Store a new session; of very many, end those not used for longest.

        Raises DatabaseUnavailable.
        """
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
        await self._end_unused(identity)
        return identity

    async def identify(self, session_id: str) -> Identity | None:
        """Return the identity of a session, None if it has ended. Raises DatabaseUnavailable."""
        return await self._identities.get(session_id)

    async def may_speak(self, session_id: str) -> bool:
        """Return whether an open session has not ended. Raises DatabaseUnavailable.

        Without a query, unless this process stood still, or was cut off from the database: then
        notice_ended() does not know yet.
        """
        if self._noticed_at + KEPT_FOR > time.monotonic():
            return not self.has_ended(session_id)
        return await self.identify(session_id) is not None

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
        in_turn: list[str] = []
        while True:
            began, knows_all = time.monotonic(), True
            are_open, earlier = dict.fromkeys(open_sessions()), set(in_turn)
            # Those that are new come first. Then it is each one's turn at about the same time of
            # each round, so that nobody waits for nearly two rounds.
            new = [id_ for id_ in are_open if id_ not in earlier]
            in_turn = new + [id_ for id_ in in_turn if id_ in are_open]
            async for ids in paced(in_turn, IDS_PER_QUERY, NOTICE_EVERY):
                try:
                    self._relay.tell_here("ended", await self._ended_among(ids))
                except DatabaseUnavailable:
                    knows_all = False  # nobody is signed out because the database is away
            if knows_all:
                self._noticed_at = began

    async def recheck(self) -> None:
        """Tell "ended", for ever, of sessions that other processes say have ended, if they have.

        A process on a copy of the database has sessions with the same ids.
        """
        while True:
            ids = [await self._to_recheck.get()]
            while len(ids) < IDS_PER_QUERY and not self._to_recheck.empty():
                ids.append(self._to_recheck.get_nowait())
            with suppress(DatabaseUnavailable):  # notice_ended() will notice
                self._relay.tell_here("ended", await self._ended_among(ids))
            await asyncio.sleep(RECHECK_PAUSE)

    async def remove_expired(self) -> None:
        """Delete the documents of sessions that have certainly expired, again and again."""
        while True:
            await asyncio.sleep(REMOVE_EVERY)
            with suppress(DatabaseUnavailable):
                await self._remove_unseen_since(datetime.now(UTC) - LIFETIME)

    async def _remove_unseen_since(self, moment: datetime) -> None:
        unseen = {"seen": {"$lt": int(moment.timestamp())}}
        while True:
            documents = await self.collection.find(unseen, ["_id"], limit=IDS_PER_QUERY)
            if not documents:
                return
            ids = [document["_id"] for document in documents]
            await self.collection.delete_many({"_id": {"$in": ids}})
            await asyncio.sleep(REMOVE_PAUSE)

    async def _ended_among(self, ids: Sequence[str]) -> list[str]:
        """Return which of some sessions have ended."""
        now = datetime.now(UTC)
        documents = await self.collection.find({"_id": {"$in": ids}}, ["expires", "seen"])
        open_ones = {d["_id"] for d in documents if d["expires"] > now}
        # Rarely, because it reads their accounts, too.
        if stale := [d["_id"] for d in documents if _is_stale(d, now)]:
            open_ones -= set(stale) - set(await self._fetch(stale))
        return [id_ for id_ in ids if id_ not in open_ones]

    async def _end_unused(self, new: Identity) -> None:
        """If a user has more than PER_USER sessions, end some of those not used for longest.

        An account of an earlier version may have very many. They become fewer with each log-in.
        """
        own, most = {"user_id": new.user_id}, PER_USER + IDS_PER_QUERY
        documents = await self.collection.find(own, ["seen", "created"], limit=most)
        # The clock of another process may be ahead; the new one stays in any case.
        documents.sort(key=lambda d: (d["_id"] == new.session_id, d["seen"], d["created"]))
        if unused := [document["_id"] for document in documents[:-PER_USER]]:
            await self.end(*unused)

    async def _fetch(self, ids: list[str]) -> dict[str, Identity]:
        """Read the valid sessions of users who may use the chat, and note that they are in use."""
        now = datetime.now(UTC)
        documents = await self.collection.find({"_id": {"$in": ids}})
        documents = [d for d in documents if d["expires"] > now]
        seen = int(now.timestamp())
        users = await self._users.get_login(d["user_id"] for d in documents)
        with suppress(DatabaseUnavailable):  # one that is full, or has no majority, can be read
            if stale := [d["_id"] for d in documents if _is_stale(d, now)]:
                await self.collection.update_many({"_id": {"$in": stale}}, {"$set": {"seen": seen}})
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


def _is_stale(session: Document, now: datetime) -> bool:
    """Return whether it is time to note again that a session is in use."""
    return bool(session["seen"] < int(now.timestamp()) - SEEN_EVERY)


SESSIONS = web.AppKey("sessions", Sessions)
