"""What is unread: how much others have written since somebody was here, and where that begins.

Only messages in memory are looked at, so that nobody waits longer because others have written more.
"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from auth.sessions import Identity
from chat.entry import DELETED, MessageEntry
from chat.recent import RECENT_LENGTH, Recent

NAME = re.compile(
    r"[@＠][\u200e\u200f\u2066-\u2068]?([^\s@＠]{1,100})|^> (\S{1,64}) #", re.MULTILINE
)


class Unread(NamedTuple):
    """What others have written since somebody was here."""

    first: int | None  # the number of the first message, or one before it; None: there is none
    counted: int  # messages, without deleted ones
    has_more: bool  # there may be more than are in memory, where they are counted
    addressed: list[MessageEntry]  # those that may mention or answer the reader


NOTHING_UNREAD = Unread(None, 0, has_more=False, addressed=[])


def find_unread(recent: Recent, reader: Identity, read: int) -> Unread:
    """Return what is unread after the entry up to which the reader has read."""
    if not read:  # nothing is unread to somebody who was never here
        return NOTHING_UNREAD
    messages, has_all = recent.messages_after(read)
    new = [message for message in messages if is_new(message, reader)]
    first = new[0].seq if new else None
    login = f"\n{_fold(reader.login)}"
    return Unread(
        first if has_all else read + 1,
        len(new),
        not has_all,
        [message for message in new if message.to_all or login in _names(message.msg)],
    )


def is_new(message: MessageEntry, reader: Identity) -> bool:
    """Return whether a message that comes after what the reader knows is to be read."""
    return message.user_id != reader.user_id and message.state != DELETED


@lru_cache(maxsize=RECENT_LENGTH)
def _names(text: str) -> str:
    """Return what may be a name that is mentioned or quoted, each behind a line break."""
    return "".join({f"\n{_fold(''.join(found.groups('')))}" for found in NAME.finditer(text)})


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).lower()
