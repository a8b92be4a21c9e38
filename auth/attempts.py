"""Checking a password, and limiting how often somebody may get it wrong."""

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from auth.models import User
from auth.passwords import HASHER
from pages.forms import FormError
from security.limits import Limit
from server.relay import Relay
from storage.database import DB, Document

FIVE_MINUTES, HOUR = 300, 3600
# Failed log-ins in five minutes. The first is what people need; the others slow down an attacker
# with many addresses, or with many names.
PER_NAME_AND_ADDRESS, PER_NAME, PER_ADDRESS = 5, 50, 20
# With names known at an address a guesser there gets as many in an hour, but at any time of it: so
# the mistakes of a few people behind one address do not lock their colleagues out.
PER_KNOWN_NAME, PER_KNOWN_ADDRESS = 12 * PER_NAME_AND_ADDRESS, 12 * PER_ADDRESS
KNOWN_ADDRESSES = 100_000  # by name; in memory, about 100 bytes each
ANSWER_GRID = 0.05  # seconds; wrong passwords are answered at multiples, whatever the check took

Attempt = Sequence[tuple[str, bytes]]  # what it counts under: names of limits, each with a key


class AttemptLimits:
    """Limits failed log-ins by name and by address, and registrations by address.

    A name is what was typed, a login or an e-mail address: if attempts counted by account, the
    limit would tell which names belong to one account. Names known at an address, because somebody
    has logged in with them from there, count apart: otherwise strangers anywhere, and neighbours
    behind the same address, could lock people out of their accounts.
    """

    def __init__(self, registrations_per_hour: int, relay: Relay) -> None:
        self._limits = {
            "address": Limit(PER_ADDRESS, FIVE_MINUTES),
            "name": Limit(PER_NAME, FIVE_MINUTES),
            "name and address": Limit(PER_NAME_AND_ADDRESS, FIVE_MINUTES),
            "known name": Limit(PER_KNOWN_NAME, HOUR),
            "known address": Limit(PER_KNOWN_ADDRESS, HOUR),
            "registration": Limit(registrations_per_hour, HOUR),
        }
        self._known: dict[bytes, None] = {}  # names with addresses, the latest last
        self._relay = relay
        relay.listen("attempt", self.hear_attempt)

    def log_in_attempt(self, name: str, address: str) -> Attempt:
        """Return an attempt to log in with a name from an address."""
        both, only_address = _digest(name, address), _digest(address)
        if both in self._known:
            return [("known address", only_address), ("known name", both)]
        attempt = [("address", only_address), ("name and address", both)]
        return [*attempt, ("name", _digest(name))]

    def account_page_attempt(self, user_id: str, address: str) -> Attempt:
        """Return an attempt on the account page, which nobody without a session can lock."""
        return [("name and address", _digest("account page", user_id, address))]

    def registration_attempt(self, address: str, invitation: str = "") -> Attempt:
        """Return an attempt to register from an address, perhaps by an invitation with this id."""
        return [("registration", _digest(address, invitation) if invitation else _digest(address))]

    def use_or_wait(self, attempt: Attempt) -> float:
        """Count an attempt and return 0; or return the seconds to wait until one is allowed."""
        for number, (name, key) in enumerate(attempt):
            if wait := self._limits[name].use_or_wait(key):
                for taken, taken_key in attempt[:number]:
                    self._limits[taken].give_back(taken_key)
                return wait
        self._relay.tell_others("attempt", ("taken", attempt))
        return 0.0

    def give_back(self, attempt: Attempt) -> None:
        """Remove an attempt that was right or could not be checked."""
        self._relay.tell_all("attempt", ("given back", attempt))

    def remember(self, name: str, address: str) -> None:
        """Remember that somebody has signed in with a name from an address."""
        both = ("name and address", _digest(name, address))
        self._relay.tell_all("attempt", ("remembered", [both]))

    def hear_attempt(self, told: tuple[str, Attempt]) -> None:
        """Count what happened in another process, or was given back or remembered here.

        Raises LookupError, TypeError, ValueError for anything else.
        """
        what, attempt = told
        for name, key in attempt:
            if what == "taken":
                self._limits[name].add(key)
            elif what == "given back":
                self._limits[name].give_back(key)
            elif what == "remembered":
                self._known.pop(key, None)
                self._known[key] = None
                if len(self._known) > KNOWN_ADDRESSES:
                    del self._known[next(iter(self._known))]


LIMITS = web.AppKey("limits", AttemptLimits)


async def authenticate(
    request: web.Request,
    attempt: Attempt,
    find: Callable[[], Awaitable[Document | None]],
    password: str,
    *,
    name: str,
    field: str,
    wrong: str,
) -> Document:
    """Return the account that `find` finds, if the password is right.

    The attempt counts before the password is checked, so parallel guesses all count. It is given
    back if the password was right, or could not be checked: too busy, or no database. Without an
    account, the answer and the time that it takes are the same. One password of each `name` is
    checked at a time.

    Raises FormError beside the field, with the text `wrong` if the password is wrong; Busy;
    DatabaseUnavailable.
    """
    hasher, users, limits = request.app[HASHER], User(request[DB]), request.app[LIMITS]
    hasher.check_room()
    clock = asyncio.get_running_loop().time
    if wait := limits.use_or_wait(attempt):
        raise FormError(429, "Too many attempts, please wait", field, wait)
    is_wrong = False
    try:
        began = clock()
        user = await find()
        is_right = await users.check_user(user, password, hasher, name)
        if user and is_right:
            return user
        is_wrong = True
    finally:
        if not is_wrong:
            limits.give_back(attempt)
    took = clock() - began
    await asyncio.sleep(math.ceil(took / ANSWER_GRID) * ANSWER_GRID - took)
    raise FormError(401, wrong, field)


def _digest(*texts: str) -> bytes:
    # Names are made up by clients, and folding makes some of them 18 times as long.
    text = " ".join(texts).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
