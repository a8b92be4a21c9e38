"""The recent entries, which the chat keeps beside the log."""

from datetime import UTC, datetime

from chat.entry import ChangeEntry, Entry, MessageEntry
from chat.recent import Recent


def test_renaming_covers_messages_and_changes() -> None:
    recent, time = Recent(), datetime.now(UTC)
    by_alice = MessageEntry(1, "a:1", "alice", "a", "hi", time)
    by_bob = MessageEntry(2, "b:1", "bob", "b", "hi", time)
    entries: list[Entry] = [by_alice, by_bob]
    entries += [
        ChangeEntry(3, "b:2", "bob", "b", by_alice),
        ChangeEntry(4, "a:2", "alice", "a", by_bob),
    ]
    for entry in entries:
        recent.add(entry)
    recent.rename("a", "nobody")
    renamed = by_alice._replace(user="nobody")
    assert list(recent.entries) == [
        renamed,
        by_bob,
        ChangeEntry(3, "b:2", "bob", "b", renamed),
        ChangeEntry(4, "a:2", "nobody", "a", by_bob),
    ]
    assert recent.find("a:1") == renamed
