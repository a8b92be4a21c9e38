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


def test_judge_accepts_a_correct_history() -> None:
    judge(*untouched())


Fault = Callable[[History, History, list[MessageEntry]], object]  # of Alice, of Bob, and the log
FAULTS: dict[str, tuple[Fault, str]] = {
    "lost in the log": (lambda a, b, log: (log.pop(), a.screen.pop(), b.screen.pop()), "is lost"),
    "lost on a screen": (lambda a, b, log: a.screen.pop(1), "missing on the screen of alice"),
    "doubled in the log": (
        lambda a, b, log: log.append(changed(log[0], seq=5)), "stored more than once",
    ),
    "doubled under another key": (
        lambda a, b, log: log.append(changed(log[0], seq=5, key="another id of alice:a-1")),
        "stored more than once",
    ),
    "doubled on a screen": (
        lambda a, b, log: a.screen.append(a.screen[-1]), "shown more than once",
    ),
    "reordered on a screen": (
        lambda a, b, log: b.screen.insert(0, b.screen.pop(1)),
        "out of order on the screen of bob",
    ),
    "reordered in the log": (
        lambda a, b, log: setattr(a, "said", dict(reversed(a.said.items()))),
        "what alice said is stored out of order",
    ),
    "invented in the log": (
        lambda a, b, log: log.append(changed(log[0], seq=5, key="id of alice:a-3")),
        "nobody said",
    ),
    "invented on a screen": (
        lambda a, b, log: a.screen.append(Shown(5, "bob", "not said")),
        "not stored, but on the screen",
    ),
    "a false name": (
        lambda a, b, log: a.screen.insert(0, a.screen.pop(0)._replace(user="bob")),
        "not stored, but on the screen",
    ),
    "another text": (
        lambda a, b, log: log.insert(0, changed(log.pop(0), msg="something else")),
        "was said, stored is",
    ),
    "a hole": (
        lambda a, b, log: log.append(changed(log.pop(), seq=5)), "has 5 where 4 belongs",
    ),
    "a number given twice": (
        lambda a, b, log: log.insert(1, changed(log.pop(1), seq=1)), "has 1 where 2 belongs",
    ),
    "another number acknowledged": (
        lambda a, b, log: a.acknowledged.append(("a-1", 2)), "was acknowledged as 2, and is 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "complaint"), FAULTS.values(), ids=FAULTS)
def test_the_judge_finds_what_went_wrong(fault: Fault, complaint: str) -> None:
    (alice, bob), log = untouched()
    fault(alice, bob, log)
    with pytest.raises(AssertionError, match=complaint):
        judge([alice, bob], log)
