"""The sessions of one user, as the account page lists them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from operator import itemgetter

from auth.sessions import PER_USER, Identity, Sessions

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


async def list_sessions(sessions: Sessions, identity: Identity) -> list[ListedSession]:
    """Return the sessions of a user, the newest first. Raises DatabaseUnavailable."""
    now, own = datetime.now(UTC), {"user_id": identity.user_id}
    # Not sorted by the database, which would read them all: until somebody logs in to it again, an
    # account of an earlier version may have more.
    documents = await sessions.collection.find(own, limit=PER_USER)
    documents.sort(key=itemgetter("created"), reverse=True)
    return [
        ListedSession(
            session_id=document["_id"],
            began=document["created"],
            seen=datetime.fromtimestamp(document["seen"], UTC),
            browser=describe(document["agent"]),
            is_current=document["_id"] == identity.session_id,
        )
        for document in documents
        if document["expires"] > now
    ]


def describe(agent: str) -> str:
    """Return a User-Agent in words, as in "Firefox on Linux", or its beginning."""
    browser = next((name for part, name in BROWSERS.items() if part in agent), None)
    system = next((name for part, name in SYSTEMS.items() if part in agent), None)
    if browser and system:
        return f"{browser} on {system}"
    return agent[:AGENT_CUT] or "Unknown browser"
