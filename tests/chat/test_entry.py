"""Entries of the log, and the documents they are read from."""

from datetime import UTC, datetime, tzinfo
from typing import Any, Self

import pytest
from bson import ObjectId

from chat import entry
from chat.entry import (
    DELETED,
    EDITED,
    ChangeEntry,
    MessageEntry,
    change_key,
    is_change,
    message_key,
    nonce_of,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MESSAGE = {"_id": ObjectId(), "seq": 1, "key": "a:n1", "user": "alice", "user_id": "a",
           "msg": "hi", "time": NOON}  # fmt: skip
EDIT = {"_id": ObjectId(), "seq": 2, "key": "change:b:n2", "user": "bob", "user_id": "b",
        "time": NOON, "of": 1}  # fmt: skip


def test_a_message_is_read_with_all_its_fields() -> None:
    expected = MessageEntry(1, "a:n1", "alice", "a", "hi", NOON)
    assert MessageEntry.from_document(MESSAGE) == expected
    edited = MessageEntry.from_document({**MESSAGE, "state": EDITED})
    assert edited == expected._replace(state=EDITED)


@pytest.mark.parametrize("time", [{}, {"time": None}, {"time": "yesterday"}])
def test_a_message_without_a_time_has_that_of_its_id(time: dict[str, Any]) -> None:
    document = {name: value for name, value in MESSAGE.items() if name != "time"}
    document["_id"] = ObjectId.from_datetime(NOON)
    assert MessageEntry.from_document({**document, **time}).time == NOON


def test_what_the_tutorial_stored_as_a_number_is_read_as_text() -> None:
    message = MessageEntry.from_document({**MESSAGE, "user": 7, "msg": 1.5})
    assert (message.user, message.msg) == ("7", "1.5")


def test_a_change_is_read_with_its_message() -> None:
    edit = ChangeEntry.from_documents(EDIT, MESSAGE)
    assert edit == ChangeEntry(2, "change:b:n2", "bob", "b", MessageEntry.from_document(MESSAGE))


def test_a_change_of_a_message_that_somebody_removed_says_that_it_is_deleted() -> None:
    edit = ChangeEntry.from_documents({**EDIT, "msg": "a secret", "state": EDITED}, None)
    removed = MessageEntry(1, "", "bob", "b", "", NOON, DELETED)
    assert edit == ChangeEntry(2, "change:b:n2", "bob", "b", removed)


def test_only_a_change_is_of_a_message() -> None:
    assert is_change(EDIT)
    assert not is_change(MESSAGE)


@pytest.mark.parametrize("nonce", ["n1", "with:colons:", "change:", "change:b:n1"])
def test_a_key_gives_back_its_nonce(nonce: str) -> None:
    said = MessageEntry.from_document({**MESSAGE, "key": message_key("a", nonce)})
    edit = ChangeEntry.from_documents({**EDIT, "key": change_key("b", nonce)}, MESSAGE)
    assert nonce_of(said) == nonce_of(edit) == nonce
    assert said.key != edit.key


@pytest.mark.parametrize("microsecond", [123_000, 123_999])
def test_now_is_in_utc_and_has_whole_milliseconds(
    monkeypatch: pytest.MonkeyPatch, microsecond: int
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2026, 11, 21, 12, 0, 7, microsecond, tz)

    monkeypatch.setattr(entry, "datetime", Stopped)
    assert entry.now() == datetime(2026, 11, 21, 12, 0, 7, 123_000, UTC)
