"""What `check` has found out about one thing."""

from typing import NamedTuple


class Finding(NamedTuple):
    """What was looked at, and what to do about it, "" if it is all right."""

    what: str
    remedy: str = ""
    is_note: bool = False  # whether the remedy is advice: the chat works without it

    @property
    def is_wrong(self) -> bool:
        """Whether something has to be done."""
        return bool(self.remedy) and not self.is_note

    @property
    def kind(self) -> str:
        """How a line about it begins."""
        if not self.remedy:
            return "ok"
        return "note" if self.is_note else "wrong"
