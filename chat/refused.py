"""Refused: why a message is not saved, edited or deleted."""

from typing import Literal

Code = Literal["invalid", "too_long", "too_fast", "forbidden", "unavailable"]


class Refused(Exception):
    """A message can't be saved, edited or deleted, or this could not be confirmed."""

    def __init__(self, code: Code, text: str, wait: float = 0) -> None:
        """Set up; `wait` is the seconds until it may be tried again, 0 if not known."""
        super().__init__(text)
        self.code = code
        self.text = text  # for the person
        self.wait = wait
