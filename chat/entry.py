"""The entries of the log: messages, and changes of earlier messages.

    message: {seq, message_seq, key, user, user_id, time, digest?, msg, all?, file?, state?,
              changed?, changes?}
    change:  {seq, message_seq, key, user, user_id, time, digest?, of, all?, text?, state?}

`of` is the number of the message that is changed. A change has `text` and `state` until they are
copied to its message, whose `changed` is the number of its last change, and `changes` how many it
has had. chat/message_index.py says what `message_seq` is for. `digest` tells whether something that
comes with a used nonce is the same again, after its text was replaced. `all` is true in what has
notified everybody by @all, false where its author had done so less than a minute before. `file` is
what a message says of its file (see File); of that of a deleted message only the `id` is left.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, NamedTuple

EDITED, DELETED = "edited", "deleted"  # states of a message; a new one has none
DIGEST_SIZE = 2  # bytes: enough to notice another text, too little to find out a deleted one
DELETED_USER = "deleted user"  # with a space, so that nobody can register it as a login


class File(NamedTuple):
    """What a message says of its file. Where the file itself is, the chat does not know."""

    id: str  # nobody can guess it
    name: str = ""
    type: str = "application/octet-stream"  # MIME type: what it is, whatever its name says
    size: int = 0  # bytes
    width: int = 0  # pixels of a picture, 0 if it is not shown
    height: int = 0
    preview: str = ""  # address of a smaller picture, "" if it is not shown
    text: str = ""  # the first lines of a text

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "File":
        """Return the file that a document describes."""
        return cls(**{name: document[name] for name in cls._fields if name in document})

    def to_document(self) -> dict[str, Any]:
        """Return the fields that it has, for the log and for the page."""
        return {name: value for name, value in self._asdict().items() if value or name == "size"}


class MessageEntry(NamedTuple):
    """A message of the log."""

    seq: int  # its place in the log
    key: str  # identifies it when it is sent again: <user_id>:<nonce>
    user: str  # the author's login
    user_id: str
    msg: str
    time: datetime  # UTC, whole milliseconds
    state: str = ""
    changes: int = 0  # how often it was changed
    digest: str = ""  # of what was sent; "" if an earlier version stored it
    to_all: bool | None = None  # whether its @all has notified everybody; None without one
    file: File | None = None

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "MessageEntry":
        """Return the message in a document, which may be one of the tutorial's."""
        state, file = document.get("state", ""), document.get("file")
        return cls(
            seq=document["seq"],
            key=document["key"],
            user=str(document.get("user")),
            user_id=document["user_id"],
            msg=str(document.get("msg")),
            time=time_of(document),
            state=state,
            changes=document.get("changes", 0),
            digest=document.get("digest", ""),
            to_all=_to_all(document),
            file=File.from_document(file) if file and state != DELETED else None,
        )


class ChangeEntry(NamedTuple):
    """A change of a message. It carries the message's current text; earlier ones are not kept."""

    seq: int
    key: str  # change:<user_id>:<nonce>
    user: str  # the login of the person who changed it
    user_id: str
    message: MessageEntry
    digest: str = ""  # of what was sent; "" if an earlier version stored it
    to_all: bool | None = None  # whether the @all that it added has notified everybody
    deleted_file: str = ""  # the id of the file that goes with a deleted message

    @classmethod
    def from_documents(
        cls, document: dict[str, Any], message: dict[str, Any] | None
    ) -> "ChangeEntry":
        """Return the change in a document; `message` is its message's, None if that is missing."""
        if message is None:  # somebody removed it from the database
            message = {**document, "seq": document["of"], "key": "", "msg": "", "state": DELETED}
            message.pop("all", None)
        changed, file = MessageEntry.from_document(message), message.get("file")
        return cls(
            seq=document["seq"],
            key=document["key"],
            user=document["user"],
            user_id=document["user_id"],
            message=changed,
            digest=document.get("digest", ""),
            to_all=_to_all(document),
            deleted_file=file["id"] if file and changed.state == DELETED else "",
        )


Entry = MessageEntry | ChangeEntry


def to_entry(document: dict[str, Any], message: dict[str, Any] | None = None) -> Entry:
    """Return the entry in a document; `message` is the one that a change names."""
    if is_change(document):
        return ChangeEntry.from_documents(document, message)
    return MessageEntry.from_document(document)


def is_change(document: dict[str, Any]) -> bool:
    """Return whether a document of the log is a change."""
    return "of" in document


def digest_of(content: dict[str, Any]) -> str:
    """Return the digest of a message's or a change's content (see Draft)."""
    said = f"{content.get('state', '')}:{content.get('text', content.get('msg'))}"
    if "file" in content:
        said += f":{content['file']['id']}"
    return hashlib.blake2b(said.encode(errors="replace"), digest_size=DIGEST_SIZE).hexdigest()


def is_repeated_by(entry: Entry, content: dict[str, Any]) -> bool:
    """Return whether this content, which came with the nonce of the entry, is the same again.

    Where only the digest is left of what was sent, a different text passes once in 65,536 times;
    and always for an entry of an earlier version, which has none.
    """
    if isinstance(entry, ChangeEntry) and entry.message.seq != content["of"]:
        return False
    if isinstance(entry, MessageEntry) and not entry.state:
        said = entry.msg, entry.file.id if entry.file else ""
        return said == (content["msg"], content.get("file", {}).get("id", ""))
    return entry.digest in ("", digest_of(content))


def _to_all(document: dict[str, Any]) -> bool | None:
    value = document.get("all")
    return None if value is None else bool(value)  # an update may make it a number


def message_key(user_id: str, nonce: str) -> str:
    """Return the key of a message that a user sends with a nonce."""
    return f"{user_id}:{nonce}"


def change_key(user_id: str, nonce: str) -> str:
    """Return the key of a change; a message may have the same nonce."""
    return f"change:{user_id}:{nonce}"


def nonce_of(entry: Entry) -> str:
    """Return the nonce with which the client sent the entry."""
    return entry.key.removeprefix("change:").partition(":")[2]


def time_of(document: dict[str, Any]) -> datetime:
    """Return when the entry in a document was written, which may be one of the tutorial's."""
    time = document.get("time")
    return time if isinstance(time, datetime) else document["_id"].generation_time


def now() -> datetime:
    """Return the time in whole milliseconds, which is all that MongoDB stores."""
    exact = datetime.now(UTC)
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)
