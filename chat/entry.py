"""Entry: one message with its place in the log. Draft: one that has none yet."""

import asyncio
from datetime import UTC, datetime
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A message as it is stored: `seq` is its place, `key` makes sending it twice harmless."""

    seq: int
    key: str  # <user_id>:<nonce>
    user: str  # the author's login
    user_id: str
    msg: str
    time: datetime  # UTC, whole milliseconds

    @property
    def nonce(self) -> str:
        """The client's own name for the message."""
        return self.key.partition(":")[2]

    def document(self) -> dict[str, Any]:
        """Return what is stored of it."""
        return self._asdict()

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Entry":
        """Return the entry that is stored in a document, also in one of the tutorial's."""
        time = document.get("time")
        return cls(
            seq=document["seq"],
            key=document["key"],
            user=str(document.get("user")),
            user_id=document["user_id"],
            msg=str(document.get("msg")),
            time=time if isinstance(time, datetime) else document["_id"].generation_time,
        )


class Unavailable(Exception):
    """The message is not confirmed; sending it again with the same nonce is harmless."""


class Draft:
    """A message that waits to be stored."""

    def __init__(self, key: str, user: str, user_id: str, msg: str) -> None:
        loop = asyncio.get_running_loop()
        self.key, self.user, self.user_id, self.msg = key, user, user_id, msg
        self.since = loop.time()
        self.stored: asyncio.Future[Entry] = loop.create_future()

    def numbered(self, seq: int, time: datetime) -> Entry:
        """Return the entry it becomes at a place of the log."""
        return Entry(seq, self.key, self.user, self.user_id, self.msg, time)

    def give_up(self) -> None:
        """Tell who waits for it that nobody knows, unless it is stored."""
        if not self.stored.done():
            self.stored.set_exception(Unavailable())
            self.stored.exception()  # a sender who has left is nothing for the log


def now() -> datetime:
    """Return the time in whole milliseconds, which is how exact MongoDB keeps it."""
    exact = datetime.now(UTC)
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)
