"""The recent entries, which the chat keeps beside the log."""

from datetime import UTC, datetime

import pytest

from chat.entry import EDITED, ChangeEntry, Entry, MessageEntry
from chat.recent import Recent

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def message(seq: int, msg: str = "hi") -> MessageEntry:
    """Return a message of Alice's."""
    return MessageEntry(seq, f"a:{seq}", "alice", "a", msg, NOON)


def change(seq: int, changed: MessageEntry) -> ChangeEntry:
    """Return a change of a message, by its author."""
    return ChangeEntry(seq, f"change:a:{seq}", "alice", "a", changed)


def recent_with(*entries: Entry) -> Recent:
    """Return the memory of a log that has these entries."""
    recent = Recent()
    for entry in entries:
        recent.add(entry)
    return recent


def test_only_the_last_entries_are_kept_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 3)
    entries = [message(seq) for seq in range(1, 6)]
    recent = recent_with(*entries)
    assert list(recent.entries) == entries[2:]
    assert recent.last == 5
    found = [recent.find(entry.key) for entry in entries]
    assert found == [None, None, *entries[2:]]


def test_messages_that_somebody_removed_from_the_database_make_room_as_others_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 2)
    removed = [message(seq)._replace(key="") for seq in (1, 2)]
    others = [message(3), message(4)]
    assert list(recent_with(*removed, *others).entries) == others


def test_after_a_number_come_the_entries_that_were_missed() -> None:
    entries = [message(seq) for seq in range(3, 6)]
    recent = recent_with(*entries)
    assert recent.after(1) is None  # number 2 is not here
    assert recent.after(2) == entries
    assert recent.after(3) == entries[1:]
    assert recent.after(5) == []
    assert recent.after(6) is None  # of another log


def test_an_empty_log_has_nothing_after_its_beginning() -> None:
    assert Recent().after(0) == []
    assert Recent().after(1) is None
    assert Recent().find("a:1") is None


def test_a_change_replaces_the_text_in_its_message_and_in_earlier_changes() -> None:
    first, other = message(1, "first, a secret"), message(2, "other")
    second = first._replace(msg="second, a secret", state=EDITED)
    third = first._replace(msg="third", state=EDITED)
    changed = other._replace(msg="changed", state=EDITED)
    changes = [change(3, second), change(4, changed), change(5, third)]
    entries: list[Entry] = [first, other, *changes]
    recent = recent_with(*entries)
    now = [third, changed, change(3, third), change(4, changed), change(5, third)]
    assert list(recent.entries) == now
    assert [recent.find(entry.key) for entry in entries] == now


def test_a_change_of_a_message_that_is_not_here_changes_no_other() -> None:
    entries: list[Entry] = [message(8), message(9), change(10, message(1, "changed"))]
    assert list(recent_with(*entries).entries) == entries


def test_the_last_messages_are_kept_whatever_was_changed_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 3)
    messages = [message(seq) for seq in range(1, 5)]
    edited = messages[2]._replace(msg="edited", state=EDITED)
    recent = recent_with(*messages, *(change(seq, edited) for seq in range(5, 9)))
    kept = [messages[1], edited, messages[3]]
    assert recent.messages(None, 3) == recent.messages(9, 3) == kept
    assert recent.messages(4, 1) == [edited]
    assert recent.messages(4, 3) is None  # the first is not here
    recent.rename("a", "nobody")
    assert recent.messages(None, 1) == [messages[3]._replace(user="nobody")]


def test_a_short_log_is_here_as_a_whole() -> None:
    assert Recent().messages(None, 50) == []
    assert recent_with(message(1), message(2)).messages(2, 50) == [message(1)]


def test_renaming_covers_messages_and_changes() -> None:
    by_alice, by_bob = message(1), MessageEntry(2, "b:1", "bob", "b", "hi", NOON)
    recent = recent_with(
        by_alice, by_bob, ChangeEntry(3, "b:2", "bob", "b", by_alice), change(4, by_bob)
    )
    recent.rename("a", "nobody")
    renamed = by_alice._replace(user="nobody")
    assert list(recent.entries) == [
        renamed,
        by_bob,
        ChangeEntry(3, "b:2", "bob", "b", renamed),
        change(4, by_bob)._replace(user="nobody"),
    ]
    assert recent.find("a:1") == renamed


def test_messages_are_found_from_memory_only_if_all_of_them_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat.recent.RECENT_LENGTH", 3)
    recent = recent_with(message(1), message(2))
    assert recent.messages_from(0, 9) == [message(1), message(2)]
    assert recent.messages_after(0) == ([message(1), message(2)], True)
    recent = recent_with(*map(message, range(1, 6)))  # 3, 4 and 5 are kept
    assert recent.messages_from(2, 9) is None
    assert recent.messages_from(3, 2) == [message(3), message(4)]
    assert recent.messages_from(6, 9) == []
    assert recent.messages_after(1) == ([message(3), message(4), message(5)], False)
    assert recent.messages_after(3) == ([message(4), message(5)], True)
    assert recent.messages_after(9) == ([], True)
