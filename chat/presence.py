"""Who is here: people, however many sockets each has open."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from chat import wire

GRACE = 5  # seconds without a socket until somebody has left: a reload takes less
RETURN_WINDOW = 60  # seconds after the start in which whoever says so is returning, not coming
ONLINE_LENGTH = 100  # names in one frame, so that everybody coming back at once stays cheap
NOTICES_PER_SECOND = 20  # beyond that one census stands for all of them
CENSUS_DELAY = 1  # seconds that changes are gathered for a census

Tell = Callable[[wire.Frames], None]


@dataclass(slots=True)
class Person:
    """Somebody who is here, or was within the grace."""

    login: str
    sockets: int = 0
    leaving: asyncio.TimerHandle | None = None


class Presence:
    """Counts each person's sockets; tells the room when the first opens and the last is gone."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._people: dict[str, Person] = {}
        self._started = time.monotonic()
        self._notices = 0  # told since the last census
        self._census: asyncio.TimerHandle | None = None
        self._census_is_due = False

    @property
    def people(self) -> int:
        """How many people are here."""
        return len(self._people)

    def online(self) -> list[str]:
        """Return the logins of those who are here, a hundred at most."""
        return sorted(person.login for person in islice(self._people.values(), ONLINE_LENGTH))

    def sockets(self, user_id: str) -> int:
        """Return how many sockets somebody has open."""
        person = self._people.get(user_id)
        return person.sockets if person else 0

    def arrive(self, user_id: str, login: str, returning: bool) -> None:
        """Count one more socket; `returning` says that it was here before the last restart."""
        person = self._people.get(user_id)
        if person is None:
            person = self._people[user_id] = Person(login)
            is_return = returning and time.monotonic() < self._started + RETURN_WINDOW
            self._announce(wire.joined(login), quietly=is_return)
        if person.leaving:
            person.leaving.cancel()
            person.leaving = None
        person.sockets += 1

    def depart(self, user_id: str) -> None:
        """Count one socket less; the person has left if no other opens within the grace."""
        person = self._people[user_id]
        person.sockets -= 1
        if not person.sockets:
            loop = asyncio.get_running_loop()
            person.leaving = loop.call_later(GRACE, self._leave, user_id)

    def close(self) -> None:
        """Tell nobody any more."""
        timers = [person.leaving for person in self._people.values()]
        for timer in [*timers, self._census]:
            if timer:
                timer.cancel()

    def _leave(self, user_id: str) -> None:
        person = self._people.pop(user_id)
        self._announce(wire.left(person.login))

    def _announce(self, notice: wire.Frames, quietly: bool = False) -> None:
        """Tell the room; where that is too much, or a return, the next census does."""
        if self._census is None:
            loop = asyncio.get_running_loop()
            self._census = loop.call_later(CENSUS_DELAY, self._take_census)
        self._notices += 1
        if quietly or self._notices > NOTICES_PER_SECOND:
            self._census_is_due = True
        else:
            self._tell(notice)

    def _take_census(self) -> None:
        self._census = None
        self._notices = 0
        if self._census_is_due:
            self._census_is_due = False
            self._tell(wire.census(self.people, self.online()))
