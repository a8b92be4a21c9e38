"""Message saves, edits, deletes and reads messages, for the WebSocket and for forms alike.

The life of a message, from the key press to every other screen:

1. The page sends a frame, which the WebSocket view reads (chat/views.py). A browser without scripts
   posts a form instead. Both call Message.save().
2. save() cleans the text, checks how much its author has just sent, and passes it to the journal.
3. The journal (chat/journal.py) numbers it and stores it with others that wait, in one ordered
   insert. Once the database has confirmed that, it tells "stored" (server/relay.py).
4. The hub (chat/hub.py) listens to that: it encodes the entry (chat/entry.py) as a frame
   (chat/wire.py), and writes it to every open socket (chat/client.py). The author gets it too, and
   so learns that it is stored. At the same time save() returns the entry to the view.

If a message is sent twice, the view answers its sender alone; nobody sees it again.

With several processes and Redis, one of them writes: in step 3 the others hand it their messages,
and deliver them when it tells that they are stored.

An edit or a deletion is an entry of the log, too: a change, which names its message. Before the
journal delivers it in step 3, it changes the message as the change says (chat/changes.py).
"""

import re
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from aiohttp import web

from auth.sessions import Identity
from chat.entry import (
    DELETED,
    EDITED,
    Entry,
    MessageEntry,
    change_key,
    is_change,
    is_repeated_by,
    message_key,
    now,
)
from chat.journal import Journal
from chat.message_index import MESSAGE_SEQ, messages_before, messages_from
from chat.refused import Refused
from chat.rich_text import mentions_all
from security.limits import Busy, Limit, Turns
from storage.database import Collection, DatabaseUnavailable, Document, deadline

PAGE_LENGTH = 50  # messages
BURST_SECONDS = 4  # a user may send as many messages at once as in this time
CHANGEABLE_FOR = timedelta(minutes=15)
MOST_EDITS = 50  # of one message; each is an entry of the log for ever
CHANGES_WAITING = 1000  # of one message; many more than anybody may ask for within a deadline
RETRY_AFTER = 5  # seconds until it is worth trying again

UNAVAILABLE = "The message could not be saved yet. Sent again, it appears only once."
TOO_FAST = "Too fast, please wait a moment"
UNCHANGEABLE = "This message can't be changed any more"
EDITED_ENOUGH = f"This message was edited {MOST_EDITS} times; now it can only be deleted"
NONCE_USED = "This was mixed up with something that you have sent before. Please send it again."

UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Marks of a direction keep "C++" readable within Hebrew or Arabic. So do embeddings, overrides and
# isolates, but where they are left open they can make a text read as a different one (Trojan
# Source, CVE-2021-42574).
END_OF_EMBEDDING, END_OF_ISOLATE = "\u202c", "\u2069"
ENDS = {
    **dict.fromkeys("\u202a\u202b\u202d\u202e", END_OF_EMBEDDING),
    **dict.fromkeys("\u2066\u2067\u2068", END_OF_ISOLATE),
}
DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069\n]")
BIDI_CONTROLS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
SURROGATES = re.compile("[\ud800-\udfff]")
NEWLINES = re.compile("\r\n|[\r\x85\u2028\u2029]")

# Marks after a letter: more would be written over other lines. Hebrew has up to five. The letters
# that Tibetan stacks are marks, too, but each is as high as the text has room for.
MOST_MARKS = 5
CATEGORIES = {character: unicodedata.category(character) for character in map(chr, range(0x20000))}
MARKS = "\U000e0100-\U000e01ef" + "".join(  # beyond are Han, and planes without any other
    character
    for character, category in CATEGORIES.items()
    if category in ("Mn", "Me") and not "\u0f8d" <= character <= "\u0fbc"
)
# A mark after one of these is on the same letter: they show nothing and have no width.
JOINERS = "\U000e0001\U000e0020-\U000e007f" + "".join(
    character for character, category in CATEGORIES.items() if category == "Cf"
)
# The look ahead is only to pass over all else quickly: with characters beyond U+FFFF in its set, a
# text of 10,000 letters took 6 ms, and takes 0.2 ms.
BASIC_MARKS = "".join(mark for mark in MARKS if "\u0300" <= mark <= "\uffff")
SURPLUS_MARKS = re.compile(
    f"(?=[{BASIC_MARKS}]|[\U00010000-\U0001efff\U000e0100-\U000e01ef])"
    f"((?:[{MARKS}][{JOINERS}]*){{{MOST_MARKS}}})[{MARKS}][{MARKS}{JOINERS}]*"
)

# What shows nothing and is no space: Default_Ignorable_Code_Point of Unicode (where category Cf
# does not have it), the blanks of Braille, of music and of hieroglyphs.
BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)


class NonceUsed(Refused):
    """Something else was stored with this nonce: what is sent now needs another one."""

    def __init__(self) -> None:
        super().__init__("invalid", NONCE_USED)


class Message:
    """Saves, edits, deletes and reads messages, each of which is a MessageEntry."""

    def __init__(
        self, collection: Collection, journal: Journal, per_second: int, length: int
    ) -> None:
        """Set up.

        `per_second` is how many messages one person may send on average, `length` how many code
        points each may have.
        """
        self._collection = collection
        self._journal = journal
        self._length = length
        self._limit = Limit(BURST_SECONDS * per_second, BURST_SECONDS)  # by person
        # By message: one change after the other, or those at the same time would not count each
        # other.
        self._turns = Turns(at_once=1, waiting=CHANGES_WAITING)

    async def save(self, user: Identity, msg: str, nonce: str | None = None) -> Entry:
        """Store a message and show it to everybody; return its entry. Raises Refused.

        If the user has sent the same with this nonce before, return the entry of that time.
        """
        msg = clean(msg, self._length)
        self._check_pace(user)
        key = message_key(user.user_id, nonce or new_nonce())
        content: Document = {"msg": msg}
        if mentions_all(msg):
            content["all"] = True
        with refused_if_unavailable():
            entry = await self._journal.append(key, user.login, user.user_id, content)
        if not is_repeated_by(entry, content):
            raise NonceUsed
        return entry

    async def edit(self, user: Identity, of: int, msg: str, nonce: str | None = None) -> Entry:
        """Change the text of the user's own message; return the change. Raises Refused."""
        return await self._change(user, of, nonce, clean(msg, self._length), EDITED)

    async def delete(self, user: Identity, of: int, nonce: str | None = None) -> Entry:
        """Delete a message's text for good; return the change. Raises Refused.

        Moderators may delete every message.
        """
        return await self._change(user, of, nonce, "", DELETED)

    async def get(self, seq: int) -> MessageEntry | None:
        """Return a message by its number, None without one. Raises DatabaseUnavailable."""
        document = await self._collection.find_one({"seq": seq})
        if document is None or is_change(document):
            return None
        return MessageEntry.from_document(document)

    async def get_messages(
        self, before: int | None = None, count: int = PAGE_LENGTH
    ) -> list[MessageEntry]:
        """Return the newest messages, or the last ones before a number, oldest first.

        Usually from memory, without a query. Raises DatabaseUnavailable.
        """
        recent = self._journal.recent
        page = recent.messages(before, count)
        if page is None:
            end = recent.last + 1 if before is None else before
            page = (await self._read(messages_before(end), -1, count))[::-1]
        return page

    async def get_messages_from(self, start: int, count: int = PAGE_LENGTH) -> list[MessageEntry]:
        """Return the messages from a number on, oldest first.

        Of the newest ones from memory, without a query. Raises DatabaseUnavailable.
        """
        page = self._journal.recent.messages_from(start, count)
        return await self._read(messages_from(start), 1, count) if page is None else page

    async def _read(self, where: Document, direction: int, count: int) -> list[MessageEntry]:
        documents = await self._collection.find(where, sort=(MESSAGE_SEQ, direction), limit=count)
        return [MessageEntry.from_document(document) for document in documents]

    def _check_pace(self, user: Identity) -> None:
        if wait := self._limit.use_or_wait(user.user_id):
            raise Refused("too_fast", TOO_FAST, wait)

    async def _change(
        self,
        user: Identity,
        of: int,
        nonce: str | None,
        msg: str,
        state: str,
    ) -> Entry:
        self._check_pace(user)
        key = change_key(user.user_id, nonce or new_nonce())
        content: Document = {"of": of, "text": msg, "state": state}
        may_change = is_editable if state == EDITED else is_deletable
        entry: Entry | None
        with refused_if_unavailable():
            async with deadline(), self._turns.turn(of):
                message = await self.get(of)
                if may_change(message, user):
                    if mentions_all(msg) and not (message and mentions_all(message.msg)):
                        content["all"] = True
                    entry = await self._journal.append(key, user.login, user.user_id, content)
                else:
                    # Answer a change that comes again, even if it is not allowed any more: the
                    # first time it may have deleted the message.
                    entry = await self._journal.find(key)
        if entry is None:
            is_edited_enough = state == EDITED and is_changeable(message, user)
            raise Refused("forbidden", EDITED_ENOUGH if is_edited_enough else UNCHANGEABLE)
        if not is_repeated_by(entry, content):
            raise NonceUsed
        return entry


MESSAGES = web.AppKey("messages", Message)


@contextmanager
def refused_if_unavailable() -> Iterator[None]:
    """Raise Refused where the database can't confirm that something is stored."""
    try:
        yield
    except (Busy, DatabaseUnavailable):
        raise Refused("unavailable", UNAVAILABLE, RETRY_AFTER) from None


def is_changeable(message: MessageEntry | None, user: Identity) -> bool:
    """Return whether this is the user's own message and still recent enough to change."""
    return (
        message is not None
        and message.user_id == user.user_id
        and message.state != DELETED
        and message.time > now() - CHANGEABLE_FOR
    )


def is_editable(message: MessageEntry | None, user: Identity) -> bool:
    """Return whether the user may change the text."""
    return message is not None and message.changes < MOST_EDITS and is_changeable(message, user)


def is_deletable(message: MessageEntry | None, user: Identity) -> bool:
    """Return whether the user may delete the message."""
    if user.is_moderator:
        return message is not None and message.state != DELETED
    return is_changeable(message, user)


def new_nonce() -> str:
    """Return a nonce for a client that sent none."""
    return secrets.token_urlsafe(12)


def clean(text: str, length: int) -> str:
    """Return the text of a message without control characters and towers of marks.

    Raises Refused, also if it has more code points than `length`.
    """
    text = UNWANTED.sub("", NEWLINES.sub("\n", text))
    if not text.isascii():  # most messages are, and have neither marks nor directions
        text = _without_open_directions(SURPLUS_MARKS.sub(r"\1", text))
    text = text.strip("\n")
    if not any(map(_is_visible, text)):
        raise Refused("invalid", "Please write something")
    if len(text) > length:
        raise Refused("too_long", f"A message has at most {length} characters")
    if not _is_unicode(text):
        raise Refused("invalid", "The message has broken characters. Please remove them.")
    return text


def _without_open_directions(text: str) -> str:
    """Return a text without embeddings, overrides and isolates that do not end in their line."""
    unpaired: set[int] = set()
    open_: list[int] = []
    for match in DIRECTIONS.finditer(text):
        at, sign = match.start(), match[0]
        if sign in ENDS:
            open_.append(at)
            unpaired.add(at)
        elif sign == "\n":
            open_.clear()
        else:
            while sign == END_OF_ISOLATE and open_ and ENDS[text[open_[-1]]] != sign:
                open_.pop()  # an isolate ends what is open in it
            if open_ and ENDS[text[open_[-1]]] == sign:
                unpaired.remove(open_.pop())
            else:
                unpaired.add(at)
    return "".join(sign for at, sign in enumerate(text) if at not in unpaired) if unpaired else text


def _is_visible(character: str) -> bool:
    is_blank = character.isspace() or BLANK.match(character)
    return not is_blank and unicodedata.category(character) != "Cf"


def _is_unicode(text: str) -> bool:
    # JSON can contain half a surrogate pair, which neither databases nor browsers accept.
    return SURROGATES.search(text) is None
