"""The sessions of one user, as the account page lists and ends them."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from operator import itemgetter

from auth.sessions import Identity, Sessions
from storage.database import Document

MAX_LISTED = 100  # sessions, those used last, so that the list stays short
NOTICE_FOR = 30  # seconds during which the page shows a notice
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
    is_current: bool  # the session of the request

    @property
    def public_id(self) -> str:
        """An id for the page; the real one is a secret."""
        return sha256(self.session_id.encode()).hexdigest()[:16]


class SessionList:
    """The sessions of the user of an identity. Every method may raise DatabaseUnavailable."""

    def __init__(self, sessions: Sessions, identity: Identity) -> None:
        self._sessions = sessions
        self._identity = identity

    async def read(self) -> tuple[list[ListedSession], str]:
        """Return the sessions, the newest first, and the notice of this one, "" without one."""
        now = datetime.now(UTC)
        own = {"user_id": self._identity.user_id}
        documents = await self._sessions.collection.find(own, sort=("seen", -1), limit=MAX_LISTED)
        documents.sort(key=itemgetter("created"), reverse=True)
        notice = ""
        for document in documents:
            is_recent = document.get("noticed_at", 0) > time.time() - NOTICE_FOR
            if self._is_current(document) and is_recent:
                notice = document["notice"]
        listed = [self._listed(document) for document in documents if document["expires"] > now]
        return listed, notice

    async def set_notice(self, notice: str) -> None:
        """Store a notice for the next page. Not in its address, where any link could fake one."""
        this = {"_id": self._identity.session_id}
        values = {"notice": notice, "noticed_at": int(time.time())}
        await self._sessions.collection.update_one(this, {"$set": values})

    async def end_others(self) -> None:
        """End all sessions but the one of the request."""
        await self._sessions.end_all(self._identity.user_id, [self._identity.session_id])

    def _is_current(self, document: Document) -> bool:
        return bool(document["_id"] == self._identity.session_id)

    def _listed(self, document: Document) -> ListedSession:
        return ListedSession(
            session_id=document["_id"],
            began=document["created"],
            seen=datetime.fromtimestamp(document["seen"], UTC),
            browser=describe(document["agent"]),
            is_current=self._is_current(document),
        )


def describe(agent: str) -> str:
    """Return a User-Agent in words, as in "Firefox on Linux", or its beginning."""
    browser = next((name for part, name in BROWSERS.items() if part in agent), None)
    system = next((name for part, name in SYSTEMS.items() if part in agent), None)
    if browser and system:
        return f"{browser} on {system}"
    return agent[:AGENT_CUT] or "Unknown browser"
