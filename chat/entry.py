"""What the log holds, messages and changes of earlier ones; and Refused, why it takes none."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

EDITED, DELETED = "edited", "deleted"  # states of a message; a new one has none
DELETED_USER = "deleted user"  # the space keeps it from being anybody's login


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


class Refused(Exception):
    """What somebody asked for is refused, or not confirmed.

    `text` says why, `wait` after how many seconds it may be tried again (0: not said).
    """

    def __init__(self, code: str, text: str, wait: float = 0) -> None:
        super().__init__(text)
        self.code = code  # invalid, too_long, too_fast, forbidden or unavailable
        self.text = text
        self.wait = wait


def entry_key(user_id: str, nonce: str) -> str:
    """Return what makes an entry known when it is sent again."""
    return f"{user_id}:{nonce}"


def now() -> datetime:
    """Return the time in whole milliseconds, which is how exact MongoDB keeps it."""
    exact = datetime.now(UTC)
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)
