"""Sessions: a document in the database for each browser that is signed in."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web
from aiohttp_session import get_session, new_session

from auth.cookies import LIFETIME
from auth.models import User
from database import Database, DatabaseUnavailable, Document, deadline
from settings import SESSION_COLLECTION

TRUSTED_FOR = 5  # seconds a document is believed; what ends in another process ends here by then
REMEMBERED_FOR = 20  # seconds; an end must outlive any look-up (three calls) that began before it
SEEN_EVERY = 600  # seconds; how exact `seen` is, a write for each page would be a waste
LOOK_UP_AT_ONCE = 1000  # ids in one query
AGENT_LENGTH = 200  # characters kept of a browser's name


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a request or a socket belongs to."""

    user_id: str
    session_id: str
    login: str
    read: int = 0  # up to which number of the log, some seconds ago


IDENTITY = web.RequestKey("identity", Identity)


class Sessions:
    """The documents that cookies point to; without its document a cookie is worth nothing."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.collection = db[SESSION_COLLECTION]
        self.listeners: list[Callable[[str], None]] = []  # told the id of each that ended
        self._known: dict[str, tuple[float, Identity | None]] = {}  # when looked up, and whose
        self._wanted: dict[str, asyncio.Future[Identity | None]] = {}
        self._look_up_task: asyncio.Task[None] | None = None

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
        async with deadline():
            await self.collection.insert_one(document)
        return identity

    async def identify(self, session_id: str) -> Identity | None:
        """Return whose session this is, None if it has ended. Raises DatabaseUnavailable."""
        looked_up, identity = self._known.get(session_id, (-TRUSTED_FOR, None))
        if looked_up + TRUSTED_FOR > time.monotonic():
            return identity
        future = self._wanted.get(session_id)
        if future is None:
            future = self._wanted[session_id] = asyncio.get_running_loop().create_future()
            if self._look_up_task is None:
                self._look_up_task = asyncio.create_task(self._look_up())
        return await asyncio.shield(future)

    def has_ended(self, session_id: str) -> bool:
        """Tell whether this process knows that the session has ended."""
        known = self._known.get(session_id)
        return known is not None and known[1] is None

    async def end(self, *session_ids: str) -> None:
        """Delete sessions, and so make their cookies worth nothing. Raises DatabaseUnavailable."""
        async with deadline():
            await self.collection.delete_many({"_id": {"$in": session_ids}})
        for session_id in session_ids:
            self._forget(session_id)

    async def end_all(self, user_id: str, keep: Sequence[str] = ()) -> None:
        """End every session of a user but those to keep. Raises DatabaseUnavailable."""
        while True:
            async with deadline():
                own = self.collection.find({"user_id": user_id}, {"_id": 1})
                documents = await own.limit(LOOK_UP_AT_ONCE).to_list(None)
            ids = [document["_id"] for document in documents if document["_id"] not in keep]
            if not ids:
                return
            await self.end(*ids)

    async def watch(self, live: Callable[[], Iterable[str]]) -> None:
        """Find out, for ever, which of the live sessions have ended elsewhere or run out."""
        while True:
            await asyncio.sleep(TRUSTED_FOR - 1)
            ids = list(dict.fromkeys(live()))
            for start in range(0, len(ids), LOOK_UP_AT_ONCE):
                chunk = ids[start : start + LOOK_UP_AT_ONCE]
                try:
                    found = await self._fetch(chunk)
                except DatabaseUnavailable:
                    break  # nobody is signed out because the database is away
                for session_id in chunk:
                    if session_id not in found:
                        self._forget(session_id)

    def _forget(self, session_id: str) -> None:
        # Not just dropped: a look-up that is under way must not bring it back.
        self._known[session_id] = (time.monotonic(), None)
        for listener in self.listeners:
            listener(session_id)

    async def _look_up(self) -> None:
        """Answer all who wait for a session, those who come meanwhile in a query of their own."""
        try:
            while self._wanted:
                wanted, self._wanted = self._wanted, {}
                await self._answer(wanted)
        finally:
            self._look_up_task = None

    async def _answer(self, wanted: dict[str, asyncio.Future[Identity | None]]) -> None:
        asked = time.monotonic()
        self._known = {id_: k for id_, k in self._known.items() if k[0] > asked - REMEMBERED_FOR}
        ids = list(wanted)
        for start in range(0, len(ids), LOOK_UP_AT_ONCE):
            chunk = ids[start : start + LOOK_UP_AT_ONCE]
            try:
                found = await self._fetch(chunk)
            except Exception as error:  # whatever it is, nobody may wait for ever
                for session_id in chunk:
                    _fail(wanted[session_id], error)
                continue
            for session_id in chunk:
                ended, _ = self._known.get(session_id, (0.0, None))
                if ended < asked:
                    self._known[session_id] = (asked, found.get(session_id))
                if not wanted[session_id].done():
                    wanted[session_id].set_result(self._known[session_id][1])

    async def _fetch(self, ids: list[str]) -> dict[str, Identity]:
        """Read those sessions that last, of users that exist."""
        now = datetime.now(UTC)
        async with deadline():
            documents = await self.collection.find({"_id": {"$in": ids}}).to_list(None)
        documents = [d for d in documents if d["expires"] > now]
        seen = int(now.timestamp())  # not a date: NX-27017 0.8.1 makes text of dates it updates
        stale = [d["_id"] for d in documents if d["seen"] < seen - SEEN_EVERY]
        if stale:
            async with deadline():
                await self.collection.update_many({"_id": {"$in": stale}}, {"$set": {"seen": seen}})
        users = await User(self._db).get_login(d["user_id"] for d in documents)
        whose = ((d["_id"], d["user_id"]) for d in documents if d["user_id"] in users)
        return {id_: Identity(user_id, id_, *users[user_id]) for id_, user_id in whose}


def _fail(future: asyncio.Future[Identity | None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # whoever waited may have gone; that is nothing for the log


SESSIONS = web.AppKey("sessions", Sessions)


async def identify(request: web.Request) -> Identity | None:
    """Return whom the request's cookie belongs to, None for anybody. Raises DatabaseUnavailable."""
    session_id = (await get_session(request)).get("id")
    if not isinstance(session_id, str) or not session_id.isascii():
        return None
    return await request.app[SESSIONS].identify(session_id)


async def set_session(request: web.Request, user_id: str, login: str) -> None:
    """Sign a browser in: a new session each time, so that no earlier cookie comes to hold it.

    Raises DatabaseUnavailable.
    """
    # A header may contain bytes that are not UTF-8; a BSON string may not.
    agent = request.headers.get("User-Agent", "").encode(errors="replace").decode()
    identity = await request.app[SESSIONS].create(user_id, login, agent)
    if IDENTITY in request:
        await request.app[SESSIONS].end(request[IDENTITY].session_id)
    request[IDENTITY] = identity
    session = await new_session(request)
    session["user"] = user_id
    session["id"] = identity.session_id
    session["last_visit"] = int(time.time())


async def clear_session(request: web.Request) -> None:
    """Sign a browser out. Raises DatabaseUnavailable, and then leaves the cookie as it is."""
    if IDENTITY in request:
        await request.app[SESSIONS].end(request[IDENTITY].session_id)
    (await get_session(request)).invalidate()
