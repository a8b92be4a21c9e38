"""Who is here: each person once, however many sockets they have open, in however many processes."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from chat import wire
from server.relay import Relay, check_texts

GRACE = 5  # seconds from the last socket until the person has left; a reload takes less
RETURN_WINDOW = 60  # seconds after the start in which reconnecting clients are not announced
ONLINE_LENGTH = 100  # names in one frame; a thousand people may come back at once
NOTICES_PER_SECOND = 20  # beyond that, one list of people is sent instead
SHARE_EVERY = 2  # seconds between lists of who is in this process, for those who missed one
SHARE_PAUSE = 0.2  # seconds between lists when people come and go
PEOPLE_DELAY = 1  # seconds until the list of people is sent; notices are counted over this time

Broadcast = Callable[[wire.Frames], None]


@dataclass(slots=True)
class Whereabouts:
    """The sockets of somebody who is here, or who left less than GRACE ago."""

    login: str
    sockets: int = 0  # in this process
    elsewhere: set[str] = field(default_factory=set)  # other processes in which they have some
    leaving: asyncio.TimerHandle | None = None


class Presence:
    """Counts each person's sockets, and tells the room when the first opens or the last closes."""

    def __init__(self, broadcast: Broadcast, relay: Relay) -> None:
        self._broadcast = broadcast
        self._relay = relay
        self._changed = asyncio.Event()  # somebody came to this process, or left
        self._people: dict[str, Whereabouts] = {}
        self._started = time.monotonic()
        self._is_closed = False
        self._notices = 0  # sent since the last list
        self._list_timer: asyncio.TimerHandle | None = None
        self._list_is_due = False
        relay.listen("presence", self.hear_people)
        relay.listen("gone", lambda process: self.hear_people((process, {})))

    @property
    def people(self) -> int:
        """The number of people who are here."""
        return len(self._people)

    def online(self) -> list[str]:
        """Return the logins of the people who are here, at most ONLINE_LENGTH."""
        return sorted(person.login for person in islice(self._people.values(), ONLINE_LENGTH))

    def has(self, user_id: str) -> bool:
        """Return whether somebody is here."""
        return user_id in self._people

    def sockets(self, user_id: str) -> int:
        """Return how many sockets a user has open."""
        person = self._people.get(user_id)
        return person.sockets if person else 0

    def arrive(self, user_id: str, login: str, returning: bool) -> None:
        """Count one more socket; `returning` means that the page was connected before."""
        person = self._get_or_add(user_id, login, quietly=returning and self._is_new())
        person.sockets += 1
        if person.sockets == 1:
            self._changed.set()

    def depart(self, user_id: str) -> None:
        """Count one socket less; the person has left if no other one opens within GRACE."""
        person = self._people[user_id]
        person.sockets -= 1
        if not person.sockets and not self._is_closed:  # people whose process ends come back
            self._changed.set()
            self._start_grace(user_id, person)

    async def share(self) -> None:
        """Tell the other processes who is in this one, for ever.

        After each change, and every SHARE_EVERY seconds in case they have missed one.
        """
        while True:
            if not self._is_closed:  # at the end people have not left: they come back
                people = self._people.items()
                here = {user_id: each.login for user_id, each in people if each.sockets}
                self._relay.tell_others("presence", (self._relay.id, here))
            await asyncio.sleep(SHARE_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(SHARE_EVERY):
                    await self._changed.wait()
            self._changed.clear()

    def hear_people(self, told: tuple[str, dict[str, str]]) -> None:
        """Note who has sockets in another process: its id, and logins by user id.

        Raises TypeError, ValueError for anything else.
        """
        if self._is_closed:
            return
        process, people = told
        if not isinstance(people, dict):
            raise TypeError("not a list of people")
        check_texts(process, *people, *people.values())
        for user_id, login in people.items():
            self._get_or_add(user_id, login, quietly=self._is_new()).elsewhere.add(process)
        for user_id, person in self._people.items():
            if process in person.elsewhere and user_id not in people:
                person.elsewhere.remove(process)
                self._start_grace(user_id, person)

    def close(self) -> None:
        """Stop all timers, so that nothing more is sent."""
        self._is_closed = True
        timers = [person.leaving for person in self._people.values()]
        for timer in [*timers, self._list_timer]:
            if timer:
                timer.cancel()

    def _is_new(self) -> bool:
        """Return whether the chat has just started, so that people are reconnecting."""
        return time.monotonic() < self._started + RETURN_WINDOW

    def _get_or_add(self, user_id: str, login: str, quietly: bool) -> Whereabouts:
        person = self._people.get(user_id)
        if person is None:
            person = self._people[user_id] = Whereabouts(login)
            self._announce(wire.joined(login), quietly)
        if person.leaving:
            person.leaving.cancel()
            person.leaving = None
        return person

    def _start_grace(self, user_id: str, person: Whereabouts) -> None:
        """Let somebody leave who has no sockets any more, if none opens within GRACE."""
        if not person.sockets and not person.elsewhere:
            loop = asyncio.get_running_loop()
            person.leaving = loop.call_later(GRACE, self._leave, user_id)

    def _leave(self, user_id: str) -> None:
        person = self._people.pop(user_id)
        self._announce(wire.left(person.login))

    def _announce(self, notice: wire.Frames, quietly: bool = False) -> None:
        """Send a notice; if `quietly`, or after too many, send the list of people soon instead."""
        if self._list_timer is None:
            loop = asyncio.get_running_loop()
            self._list_timer = loop.call_later(PEOPLE_DELAY, self._send_list)
        self._notices += 1
        if quietly or self._notices > NOTICES_PER_SECOND:
            self._list_is_due = True
        else:
            self._broadcast(notice)

    def _send_list(self) -> None:
        self._list_timer = None
        self._notices = 0
        if self._list_is_due:
            self._list_is_due = False
            self._broadcast(wire.people(self.people, self.online()))
