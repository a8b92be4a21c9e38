"""What the log holds: messages, and changes of earlier ones. Draft: what has no place in it yet."""

import asyncio
from datetime import UTC, datetime
from typing import Any, NamedTuple

EDITED, DELETED = "edited", "deleted"  # states of a message; a new one has none


class Entry(NamedTuple):
    """A message as it is stored: `seq` is its place, `key` makes sending it twice harmless."""

    seq: int
    key: str  # <user_id>:<nonce>
    user: str  # the author's login
    user_id: str
    msg: str
    time: datetime  # UTC, whole milliseconds
    state: str = ""

    @property
    def nonce(self) -> str:
        """The client's own name for the message."""
        return self.key.partition(":")[2]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Entry":
        """Return the message that is stored in a document, also in one of the tutorial's."""
        time = document.get("time")
        return cls(
            seq=document["seq"],
            key=document["key"],
            user=str(document.get("user")),
            user_id=document["user_id"],
            msg=str(document.get("msg")),
            time=time if isinstance(time, datetime) else document["_id"].generation_time,
            state=document.get("state", ""),
        )


class Change(NamedTuple):
    """Where in the log a message was changed: not how, for only how it reads now is kept."""

    seq: int
    key: str
    user: str  # the login of who changed it
    message: Entry  # as it reads now

    @classmethod
    def of(cls, message: dict[str, Any] | None, document: dict[str, Any]) -> "Change":
        """Return the change that is stored in a document, of a message stored in another."""
        gone = {**document, "seq": document["of"], "key": "", "msg": "", "state": DELETED}
        entry = Entry.from_document(message or gone)
        return cls(document["seq"], document["key"], document["user"], entry)

    @property
    def nonce(self) -> str:
        """The client's own name for the change."""
        return self.key.partition(":")[2]


class Unavailable(Exception):
    """The message is not confirmed; sending it again with the same nonce is harmless."""


class Draft:
    """What waits to be stored: a message, or the change `of` one."""

    def __init__(self, key: str, user: str, user_id: str, msg: str, of: int) -> None:
        loop = asyncio.get_running_loop()
        self.key, self.user, self.user_id, self.msg, self.of = key, user, user_id, msg, of
        self.since = loop.time()
        self.stored: asyncio.Future[Entry | Change] = loop.create_future()

    def document(self, seq: int, time: datetime) -> dict[str, Any]:
        """Return what is stored of it at a place of the log."""
        return {
            "seq": seq,
            "key": self.key,
            "user": self.user,
            "user_id": self.user_id,
            "time": time,
            **({"of": self.of} if self.of else {"msg": self.msg}),
        }

    def give_up(self) -> None:
        """Tell who waits for it that nobody knows, unless it is stored."""
        if not self.stored.done():
            self.stored.set_exception(Unavailable())
            self.stored.exception()  # a sender who has left is nothing for the log


def entry_key(user_id: str, nonce: str) -> str:
    """Return what makes an entry known when it is sent again."""
    return f"{user_id}:{nonce}"


def now() -> datetime:
    """Return the time in whole milliseconds, which is how exact MongoDB keeps it."""
    exact = datetime.now(UTC)
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)
