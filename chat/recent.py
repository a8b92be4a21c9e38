"""The end of the log, in memory, so that pages and replays need no query."""

from collections import OrderedDict, deque
from itertools import islice

from chat.entry import ChangeEntry, Entry, MessageEntry

RECENT_LENGTH = 500  # entries, and as many messages
RECENT_TEXT = 1_000_000  # characters of the entries, and as many of the messages; up to 4 MB each


class Recent:
    """The last entries of the log, and its last messages, with the texts that they have now.

    The messages are kept apart, because the last entries may all be changes.
    """

    def __init__(self) -> None:
        self.last = 0  # the number of the last entry
        self.entries: deque[Entry] = deque()
        self._messages: OrderedDict[int, MessageEntry] = OrderedDict()  # by number
        self._by_key: dict[str, Entry] = {}
        self._entries_text = self._messages_text = 0  # characters

    def add_message(self, message: MessageEntry) -> None:
        """Add the next message of the log."""
        self._messages[message.seq] = message
        self._messages_text += len(message.msg)
        self._make_room()

    def add(self, entry: Entry) -> None:
        """Add the next entry of the log. A change also updates its message, if that is here."""
        self.entries.append(entry)
        self._by_key[entry.key] = entry
        self._entries_text += len(_text_of(entry))
        self.last = entry.seq
        if isinstance(entry, ChangeEntry):
            self._revise(entry.message)
        else:
            self.add_message(entry)
        while len(self.entries) > RECENT_LENGTH or self._entries_text > RECENT_TEXT:
            former = self.entries.popleft()
            self._by_key.pop(former.key, None)
            self._entries_text -= len(_text_of(former))

    def find(self, key: str) -> Entry | None:
        """Return the entry with a key, None if it is not here."""
        return self._by_key.get(key)

    def after(self, seq: int) -> list[Entry] | None:
        """Return the entries after a number, None if not all of them are here."""
        oldest = self.entries[0].seq if self.entries else self.last + 1
        if not oldest - 1 <= seq <= self.last:
            return None
        return [entry for entry in self.entries if entry.seq > seq]

    def messages(self, before: int | None, count: int) -> list[MessageEntry] | None:
        """Return the newest messages, or the last ones before a number, oldest first.

        None if not all of them are here.
        """
        newest_first = reversed(self._messages.values())
        found = (message for message in newest_first if before is None or message.seq < before)
        page = list(islice(found, count))[::-1]
        return page if len(page) == count or self._first == 1 else None

    def messages_from(self, start: int, count: int) -> list[MessageEntry] | None:
        """Return the messages from a number on, oldest first; None if not all of them are here."""
        if max(start, 1) < self._first:
            return None
        page = (message for message in self._messages.values() if message.seq >= start)
        return list(islice(page, count))

    def messages_after(self, seq: int) -> tuple[list[MessageEntry], bool]:
        """Return the messages after a number, oldest first, and whether all of them are here."""
        found: list[MessageEntry] = []
        for message in reversed(self._messages.values()):
            if message.seq <= seq:
                return found[::-1], True
            found.append(message)
        return found[::-1], self._first <= seq + 1

    def user_ids(self) -> set[str]:
        """Return the ids of those whose names are here."""
        return {entry.user_id for entry in (*self.entries, *self._messages.values())} | {
            entry.message.user_id for entry in self.entries if isinstance(entry, ChangeEntry)
        }

    def rename(self, user_id: str, user: str) -> None:
        """Replace the name of a user in everything they wrote or changed."""
        for index, entry in enumerate(self.entries):
            if isinstance(entry, ChangeEntry):
                if entry.message.user_id == user_id:
                    entry = entry._replace(message=entry.message._replace(user=user))
                if entry.user_id == user_id:
                    entry = entry._replace(user=user)
            elif entry.user_id == user_id:
                entry = entry._replace(user=user)
            self.entries[index] = self._by_key[entry.key] = entry
        for seq, message in self._messages.items():
            if message.user_id == user_id:
                self._messages[seq] = message._replace(user=user)

    @property
    def _first(self) -> int:
        """The number from which on all messages are here: 1 if the whole log is."""
        return next(iter(self._messages), self.last + 1)

    def _make_room(self) -> None:
        """Let go of the first messages if there are too many, or their texts are too long."""
        while len(self._messages) > RECENT_LENGTH or self._messages_text > RECENT_TEXT:
            _, former = self._messages.popitem(last=False)
            self._messages_text -= len(former.msg)

    def _revise(self, message: MessageEntry) -> None:
        """Replace the text of a message everywhere, so that a replay never has the old one."""
        if former := self._messages.get(message.seq):
            self._messages[message.seq] = message
            self._messages_text += len(message.msg) - len(former.msg)
            self._make_room()
        for index, entry in enumerate(self.entries):
            revised: Entry
            if isinstance(entry, ChangeEntry) and entry.message.seq == message.seq:
                revised = entry._replace(message=message)
            elif entry.seq == message.seq:
                revised = message
            else:
                continue
            self.entries[index] = self._by_key[entry.key] = revised
            self._entries_text += len(message.msg) - len(_text_of(entry))


def _text_of(entry: Entry) -> str:
    return entry.message.msg if isinstance(entry, ChangeEntry) else entry.msg
