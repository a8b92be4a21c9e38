"""The end of the log, in memory, so that pages and replays need no query."""

from collections import deque

from chat.entry import ChangeEntry, Entry, MessageEntry

RECENT_LENGTH = 500  # entries


class Recent:
    """The last RECENT_LENGTH entries of the log, with the texts that they have now."""

    def __init__(self) -> None:
        self.last = 0  # the number of the last entry
        self.entries: deque[Entry] = deque()
        self._by_key: dict[str, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Add the next entry of the log. A change also updates its message, if that is here."""
        if len(self.entries) == RECENT_LENGTH:
            self._by_key.pop(self.entries.popleft().key, None)
        self.entries.append(entry)
        self._by_key[entry.key] = entry
        self.last = entry.seq
        if isinstance(entry, ChangeEntry):
            self._revise(entry.message)

    def find(self, key: str) -> Entry | None:
        """Return the entry with a key, None if it is not here."""
        return self._by_key.get(key)

    def after(self, seq: int) -> list[Entry] | None:
        """Return the entries after a number, None if not all of them are here."""
        oldest = self.entries[0].seq if self.entries else 1
        if not oldest - 1 <= seq <= self.last:
            return None
        return [entry for entry in self.entries if entry.seq > seq]

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

    def _revise(self, message: MessageEntry) -> None:
        """Replace the text of a message everywhere, so that a replay never has the old one."""
        for index, entry in enumerate(self.entries):
            if isinstance(entry, ChangeEntry) and entry.message.seq == message.seq:
                entry = entry._replace(message=message)
            elif entry.seq == message.seq:
                entry = message
            else:
                continue
            self.entries[index] = self._by_key[entry.key] = entry
