"""Outages: one line in the log when the database or Redis goes, and one when it is back."""

import logging
import time

CALM = 3  # seconds without a failed call until it is back
FLAPS_WITHIN = 60  # seconds; if it goes again so soon, twice as long a calm is asked for
MOST_CALM = 60  # seconds


class Outage:
    """Is told which calls a server has answered, and logs when it goes and when it is back.

    It makes no calls of its own: even if nobody is there, the journal reads from the database every
    two seconds (POLL_EVERY), and the relay hears itself from Redis every second (BEAT_EVERY).
    """

    def __init__(self, logger: logging.Logger, server: str) -> None:
        """Set up; `server` is what the log calls it."""
        self._log = logger
        self._server = server
        self._is_on = False
        self._calm: float = CALM
        self._failed_at = self._back_at = -float("inf")

    def failed(self, text: str) -> None:
        """Note a call that had no answer; the first one of an outage is logged, as `text`."""
        now = time.monotonic()
        if not self._is_on:
            # A server that comes and goes would fill the log. So it counts as away for longer.
            flaps = now < self._back_at + FLAPS_WITHIN
            self._calm = min(2 * self._calm, MOST_CALM) if flaps else CALM
            self._log.warning("%s", text)
        self._is_on, self._failed_at = True, now

    def answered(self) -> None:
        """Note a call that was answered."""
        if self._is_on and time.monotonic() > self._failed_at + self._calm:
            self._is_on, self._back_at = False, time.monotonic()
            self._log.info("%s is back", self._server)
