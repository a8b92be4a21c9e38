"""The entries of the log: messages, and changes of earlier messages. And why one is refused."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

EDITED, DELETED = "edited", "deleted"  # states of a message; a new one has none
DELETED_USER = "deleted user"  # the space keeps it from being anybody's login


class Entry(NamedTuple):
    """A stored message: `seq` is its place in the log, `key` makes sending it twice harmless."""

    seq: int
    key: str  # <user_id>:<nonce>
    user: str  # the author's login
    user_id: str
    msg: str
    time: datetime  # UTC, whole milliseconds
    state: str = ""

    @property
    def nonce(self) -> str:
        """The client's name for the message."""
        return self.key.partition(":")[2]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Entry":
        """Return the message in a document, which may be one of the tutorial's."""
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
    """A change of a message. Earlier texts are not kept: it has the text that is there now."""

    seq: int
    key: str
    user: str  # the login of who changed it
    message: Entry  # with the text that it has now

    @classmethod
    def of(cls, message: dict[str, Any] | None, document: dict[str, Any]) -> "Change":
        """Return the change in a document; `message` is the document of the changed message."""
        gone = {**document, "seq": document["of"], "key": "", "msg": "", "state": DELETED}
        entry = Entry.from_document(message or gone)
        return cls(document["seq"], document["key"], document["user"], entry)

    @property
    def nonce(self) -> str:
        """The client's name for the change."""
        return self.key.partition(":")[2]


class Refused(Exception):
    """Saving, editing or deleting a message is refused, or could not be confirmed."""

    def __init__(self, code: str, text: str, wait: float = 0) -> None:
        """Set up; `wait` is the seconds until it may be tried again, 0 if not known."""
        super().__init__(text)
        self.code = code  # invalid, too_long, too_fast, forbidden or unavailable
        self.text = text  # for the person
        self.wait = wait


def entry_key(user_id: str, nonce: str) -> str:
    """Return the key by which an entry is recognised when it is sent again."""
    return f"{user_id}:{nonce}"


def now() -> datetime:
    """Return the time in whole milliseconds, which is all that MongoDB stores."""
    exact = datetime.now(UTC)
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)
