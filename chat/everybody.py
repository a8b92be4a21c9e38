"""Everybody: who may notify all people of the room by @all, and when again.

The log itself tells: a process that stores an entry has delivered all entries before it. So the
limit holds for all processes together.
"""

from collections.abc import Sequence

from chat.entry import Entry
from security.limits import Limit
from storage.database import Document

ALL_EVERY = 60  # seconds between two @all of a person; more often, people would learn to ignore it


class Everybody:
    """Lets each person notify everybody once in ALL_EVERY seconds."""

    def __init__(self) -> None:
        self._limit = Limit(1, ALL_EVERY)  # by person

    def limit(self, documents: Sequence[Document]) -> None:
        """Say in those documents that are to notify everybody whether they may, before a store.

        Nothing is counted, because the store may fail.
        """
        notified = set[str]()
        for document in documents:
            if "all" in document:
                user_id = document["user_id"]
                document["all"] = user_id not in notified and not self._limit.wait(user_id)
                if document["all"]:
                    notified.add(user_id)

    def note(self, entry: Entry) -> None:
        """Count an entry of the log if it has notified everybody."""
        if entry.to_all:
            self._limit.add(entry.user_id)
