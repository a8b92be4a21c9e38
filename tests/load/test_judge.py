"""The judge of histories finds every fault."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from chat.entry import MessageEntry, nonce_of
from tests.support.history import History, judge
from tests.support.pages import Shown


def untouched() -> tuple[list[History], list[MessageEntry]]:
    """Return what two clients lived, each of whom said two messages, and the log of it."""
    time = datetime(2026, 11, 21, 10, tzinfo=UTC)
    authors = [("alice", "a-1"), ("bob", "b-1"), ("alice", "a-2"), ("bob", "b-2")]
    log = [
        MessageEntry(seq, f"id of {user}:{nonce}", user, f"id of {user}", f"text of {nonce}", time)
        for seq, (user, nonce) in enumerate(authors, 1)
    ]
    histories = []
    for user in ("alice", "bob"):
        own = [entry for entry in log if entry.user == user]
        history = History(user, user, {nonce_of(entry): entry.msg for entry in own})
        history.acknowledged = [(nonce_of(entry), entry.seq) for entry in own]
        history.screen = [Shown(entry.seq, entry.user, entry.msg) for entry in log]
        histories.append(history)
    return histories, log


def changed(entry: MessageEntry, **fields: object) -> MessageEntry:
    """Return an entry with other fields."""
    return MessageEntry.from_document({**entry._asdict(), **fields})


def test_the_judge_lets_a_flawless_history_pass() -> None:
    judge(*untouched())


def lose_stored(histories: list[History], log: list[MessageEntry]) -> None:
    log.pop()
    for history in histories:
        history.screen.pop()


def lose_shown(histories: list[History], log: list[MessageEntry]) -> None:
    del histories[0].screen[1]


def double_stored(histories: list[History], log: list[MessageEntry]) -> None:
    log.append(changed(log[0], seq=5))


def double_stored_under_another_key(histories: list[History], log: list[MessageEntry]) -> None:
    log.append(changed(log[0], seq=5, key="another id of alice:a-1"))


def double_shown(histories: list[History], log: list[MessageEntry]) -> None:
    histories[0].screen.append(histories[0].screen[-1])


def reorder_shown(histories: list[History], log: list[MessageEntry]) -> None:
    screen = histories[1].screen
    screen[0], screen[1] = screen[1], screen[0]


def reorder_said(histories: list[History], log: list[MessageEntry]) -> None:
    histories[0].said = dict(reversed(histories[0].said.items()))


def invent_stored(histories: list[History], log: list[MessageEntry]) -> None:
    log.append(changed(log[0], seq=5, key="id of alice:a-3"))


def invent_shown(histories: list[History], log: list[MessageEntry]) -> None:
    histories[0].screen.append(Shown(5, "bob", "not said"))


def show_under_a_false_name(histories: list[History], log: list[MessageEntry]) -> None:
    histories[0].screen[0] = histories[0].screen[0]._replace(user="bob")


def change_stored(histories: list[History], log: list[MessageEntry]) -> None:
    log[0] = changed(log[0], msg="something else")


def leave_a_hole(histories: list[History], log: list[MessageEntry]) -> None:
    log[-1] = changed(log[-1], seq=5)


def give_a_number_twice(histories: list[History], log: list[MessageEntry]) -> None:
    log[1] = changed(log[1], seq=1)


def acknowledge_another_number(histories: list[History], log: list[MessageEntry]) -> None:
    histories[0].acknowledged.append(("a-1", 2))


@pytest.mark.parametrize(
    ("doctor", "complaint"),
    [
        (lose_stored, "is lost"),
        (lose_shown, "missing on the screen of alice"),
        (double_stored, "stored more than once"),
        (double_stored_under_another_key, "stored more than once"),
        (double_shown, "shown more than once"),
        (reorder_shown, "out of order on the screen of bob"),
        (reorder_said, "what alice said is stored out of order"),
        (invent_stored, "nobody said"),
        (invent_shown, "not stored, but on the screen"),
        (show_under_a_false_name, "not stored, but on the screen"),
        (change_stored, "was said, stored is"),
        (leave_a_hole, "has 5 where 4 belongs"),
        (give_a_number_twice, "has 1 where 2 belongs"),
        (acknowledge_another_number, "was acknowledged as 2, and is 1"),
    ],
)
def test_the_judge_finds_what_went_wrong(
    doctor: Callable[[list[History], list[MessageEntry]], None], complaint: str
) -> None:
    histories, log = untouched()
    doctor(histories, log)
    with pytest.raises(AssertionError, match=complaint):
        judge(histories, log)
