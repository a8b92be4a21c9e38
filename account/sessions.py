"""The sessions of one user, as the account page lists and ends them."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from operator import itemgetter

from auth.sessions import Identity, Sessions
from database import Document, deadline

SHOWN = 100  # sessions, those used last; nobody looks through more
DONE_FOR = 30  # seconds for which the page says what was done
AGENT_CUT = 60  # characters shown of an unknown browser's User-Agent

# In this order, because most browsers also name the ones they are derived from.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "Chrome/": "Chrome",
    "CriOS/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "Windows": "Windows",
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session as its owner sees it."""

    session_id: str
    began: datetime
    seen: datetime
    browser: str
    is_this: bool  # the session of the request

    @property
    def mark(self) -> str:
        """A name for the session in the page; its id is a secret."""
        return sha256(self.session_id.encode()).hexdigest()[:16]


class SessionList:
    """The sessions of the user of an identity. Every method may raise DatabaseUnavailable."""

    def __init__(self, sessions: Sessions, identity: Identity) -> None:
        self._sessions = sessions
        self._identity = identity

    async def read(self) -> tuple[list[ListedSession], str]:
        """Return the sessions, the newest first, and what was just done in this one."""
        now = datetime.now(UTC)
        async with deadline():
            own = self._sessions.collection.find({"user_id": self._identity.user_id})
            # `seen` is a number: NX-27017 0.8.1 sorts dates wrongly (see migrate.py).
            documents = await own.sort("seen", -1).limit(SHOWN).to_list(None)
        documents.sort(key=itemgetter("created"), reverse=True)
        done = ""
        for document in documents:
            if self._is_this(document) and document.get("done_at", 0) > time.time() - DONE_FOR:
                done = document["done"]
        return [self._listed(document) for document in documents if document["expires"] > now], done

    async def note(self, done: str) -> None:
        """Note in the session what was done. In a link, anybody could make the page say it."""
        this = {"_id": self._identity.session_id}
        async with deadline():
            await self._sessions.collection.update_one(
                this, {"$set": {"done": done, "done_at": int(time.time())}}
            )

    async def end_others(self) -> None:
        """End all sessions but the one of the request."""
        await self._sessions.end_all(self._identity.user_id, [self._identity.session_id])

    def _is_this(self, document: Document) -> bool:
        return bool(document["_id"] == self._identity.session_id)

    def _listed(self, document: Document) -> ListedSession:
        return ListedSession(
            session_id=document["_id"],
            began=document["created"],
            seen=datetime.fromtimestamp(document["seen"], UTC),
            browser=describe(document["agent"]),
            is_this=self._is_this(document),
        )


def describe(agent: str) -> str:
    """Return a User-Agent in words, as in "Firefox on Linux", or its beginning."""
    browser = next((name for part, name in BROWSERS.items() if part in agent), None)
    system = next((name for part, name in SYSTEMS.items() if part in agent), None)
    if browser and system:
        return f"{browser} on {system}"
    return agent[:AGENT_CUT] or "A browser without a name"
