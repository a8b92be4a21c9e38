"""Entry: one message with its place in the log. Draft: one that has none yet."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
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
        return {
            "seq": self.seq,
            "key": self.key,
            "user": self.user,
            "user_id": self.user_id,
            "msg": self.msg,
            "time": self.time,
        }

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


class Draft:
    """A message that waits to be stored."""

    def __init__(self, key: str, user: str, user_id: str, msg: str) -> None:
        self.key, self.user, self.user_id, self.msg = key, user, user_id, msg
        now = datetime.now(UTC)
        self.time = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as MongoDB keeps it
        self.stored: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self.waiters = 0

    def numbered(self, seq: int) -> Entry:
        """Return the entry it becomes at a place of the log."""
        return Entry(seq, self.key, self.user, self.user_id, self.msg, self.time)
