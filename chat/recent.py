"""The end of the log, kept in memory, so that a page or a replay need not ask the database."""

from collections import deque

from chat.entry import Change, Entry

LENGTH = 500  # entries


class Recent:
    """The last entries, each as it reads now."""

    def __init__(self) -> None:
        self.last = 0  # the number of the last entry
        self.entries: deque[Entry | Change] = deque()
        self._by_key: dict[str, Entry | Change] = {}

    def add(self, entry: Entry | Change) -> None:
        """Remember the entry that follows the last; a change also changes what it is of."""
        if len(self.entries) == LENGTH:
            self._by_key.pop(self.entries.popleft().key, None)
        self.entries.append(entry)
        self._by_key[entry.key] = entry
        self.last = entry.seq
        if isinstance(entry, Change):
            self._revise(entry.message)

    def find(self, key: str) -> Entry | Change | None:
        """Return the entry with a key, if it is remembered."""
        return self._by_key.get(key)

    def after(self, seq: int) -> list[Entry | Change] | None:
        """Return the entries after a number, None where memory does not hold them all."""
        oldest = self.entries[0].seq if self.entries else 1
        if not oldest - 1 <= seq <= self.last:
            return None
        return [entry for entry in self.entries if entry.seq > seq]

    def rename(self, user_id: str, user: str) -> None:
        """Give another name to the author of whatever somebody wrote or changed."""
        for index, entry in enumerate(self.entries):
            if isinstance(entry, Change):
                if entry.message.user_id == user_id:
                    entry = entry._replace(message=entry.message._replace(user=user))
                if entry.key.startswith(f"{user_id}:"):
                    entry = entry._replace(user=user)
            elif entry.user_id == user_id:
                entry = entry._replace(user=user)
            self.entries[index] = self._by_key[entry.key] = entry

    def _revise(self, message: Entry) -> None:
        """Forget how a message read before: nobody who resumes may see that."""
        for index, entry in enumerate(self.entries):
            if isinstance(entry, Change) and entry.message.seq == message.seq:
                entry = entry._replace(message=message)
            elif entry.seq == message.seq:
                entry = message
            else:
                continue
            self.entries[index] = self._by_key[entry.key] = entry
