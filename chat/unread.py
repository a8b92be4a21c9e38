"""What is unread: how much others have written since somebody was here, and where that begins.

Only messages in memory are looked at, so that nobody waits longer because others have written more.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

from auth.sessions import Identity
from auth.spelling import fold
from chat.entry import DELETED, MessageEntry
from chat.recent import RECENT_LENGTH, Recent

# Characters of those messages that may mention or answer the reader, and that a page tells of but
# does not show; each counts ADDRESSED_OVERHEAD more.
ADDRESSED_TEXT, ADDRESSED_OVERHEAD = 20_000, 100

# Marks of direction may stand before a name.
NAME = re.compile(
    r"[@＠][\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f]*([^\s@＠]{1,100})"
    r"|^> (\S{1,64}) #",
    re.MULTILINE,
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
    login = f"\n{fold(reader.login)}"
    return Unread(
        first if has_all else read + 1,
        len(new),
        not has_all,
        [message for message in new if message.to_all or login in _names(message.msg)],
    )


def is_new(message: MessageEntry, reader: Identity) -> bool:
    """Return whether a message that comes after what the reader knows is to be read."""
    return message.user_id != reader.user_id and message.state != DELETED


def what_is_new(
    page: Mapping[str, Any], position: Mapping[str, int], read: int, unread: Unread
) -> dict[str, Any]:
    """Return what a page says of the messages that are unread.

    `seen` is the number up to which somebody has read who looks at the page, 0 if there is
    something unread before what it shows.
    """
    messages: list[MessageEntry] = page["messages"]
    shown = range(messages[0].seq, messages[-1].seq + 1) if messages else range(0)
    first = unread.first
    if first is not None and shown.start <= first:
        new = (
            entry.seq for entry in messages if entry.seq >= first and is_new(entry, page["user"])
        )
        first = next(new, first)
    not_shown = [entry for entry in unread.addressed if entry.seq not in shown]
    told = as_many_as_fit(not_shown)
    is_next = messages and (not position or shown.start <= max(read + 1, first or 0))
    last = messages[-1].seq if page["newer"] else page["last"]
    return {
        "read": min(read, page["last"]),
        "unread": unread._replace(first=first),
        "addressed": [
            {"seq": entry.seq, "user": entry.user, "msg": entry.msg, "all": entry.to_all}
            for entry in told
        ],
        "has_more_addressed": len(told) < len(not_shown),
        "seen": last if is_next else 0,
    }


def as_many_as_fit(messages: list[MessageEntry]) -> list[MessageEntry]:
    """Return the first messages, as many as a page can tell of, and at least one."""
    lengths = accumulate(len(entry.msg) + ADDRESSED_OVERHEAD for entry in messages)
    return messages[: max(1, sum(length <= ADDRESSED_TEXT for length in lengths))]


@lru_cache(maxsize=RECENT_LENGTH)
def _names(text: str) -> str:
    """Return what may be a name that is mentioned or quoted, each behind a line break."""
    return "".join({f"\n{fold(''.join(found.groups('')))}" for found in NAME.finditer(text)})
