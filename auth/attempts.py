"""Checking a password, and limiting how often somebody may get it wrong."""

import asyncio
import hashlib
import math

from aiohttp import web

from address import client_address
from auth.models import User
from auth.passwords import HASHER
from auth.spelling import fold
from database import DB, Document
from forms import FormError
from limits import Limit

FIVE_MINUTES = 300
# Failed log-ins in five minutes. The first is what people need; the others slow down an attacker
# with many addresses, or with many names.
PER_NAME_AND_ADDRESS, PER_NAME, PER_ADDRESS = 5, 50, 20
KNOWN_ADDRESSES = 100_000  # by name; in memory, about 100 bytes each
ANSWER_GRID = 0.05  # seconds; wrong passwords are answered at multiples, whatever the check took


class AttemptLimits:
    """Limits failed log-ins by name and by address, and registrations by address.

    A name is what was typed, a login or an e-mail address: if attempts counted by account, the
    limit would tell which names belong to one account. An address from which somebody has logged in
    does not count by name: otherwise strangers could lock people out of their accounts.
    """

    def __init__(self, registrations_per_hour: int) -> None:
        self._by_both = Limit(PER_NAME_AND_ADDRESS, FIVE_MINUTES)
        self._by_name = Limit(PER_NAME, FIVE_MINUTES)
        self._by_address = Limit(PER_ADDRESS, FIVE_MINUTES)
        self._known: dict[bytes, None] = {}  # names with addresses, the latest last
        self.registrations = Limit(registrations_per_hour, 3600)

    def take(self, name: str, address: str) -> float:
        """Count an attempt to log in and return 0, or return the seconds to wait."""
        counted: list[tuple[Limit, bytes]] = []
        for limit, key in self._counters(name, address):
            if wait := limit.take(key):
                for earlier, its_key in counted:
                    earlier.give_back(its_key)
                return wait
            counted.append((limit, key))
        return 0.0

    def give_back(self, name: str, address: str) -> None:
        """Remove an attempt that was right or could not be checked."""
        for limit, key in self._counters(name, address):
            limit.give_back(key)

    def remember(self, name: str, address: str) -> None:
        """Remember that somebody has logged in with a name from an address."""
        both = _digest(name, address)
        self._known.pop(both, None)
        self._known[both] = None
        if len(self._known) > KNOWN_ADDRESSES:
            del self._known[next(iter(self._known))]

    def _counters(self, name: str, address: str) -> list[tuple[Limit, bytes]]:
        both = _digest(name, address)
        counters = [(self._by_address, _digest(address)), (self._by_both, both)]
        if both not in self._known:
            counters.append((self._by_name, _digest(name)))
        return counters


LIMITS = web.AppKey("limits", AttemptLimits)


async def authenticate(
    request: web.Request,
    name: str,
    password: str,
    *,
    field: str,
    wrong: str,
    counted_as: str = "",
) -> Document:
    """Return the account with a login or e-mail address, if the password is right.

    Without such an account, the answer and the time that it takes are the same. Attempts count by
    name, or as `counted_as`, from their start, so parallel guesses all count. Raises FormError
    beside the field, with the text `wrong` if the password is wrong; Busy; DatabaseUnavailable.
    """
    hasher, limits, users = request.app[HASHER], request.app[LIMITS], User(request[DB])
    hasher.check_room()
    counted_as, address = counted_as or fold(name), client_address(request)
    if wait := limits.take(counted_as, address):
        raise FormError(429, "Too many attempts, please wait", field, wait)
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        user = await users.find(name)
        is_right = await users.check_user(user, password, hasher)
    except BaseException:  # it was not checked: too busy, no database, or the client left
        limits.give_back(counted_as, address)
        raise
    if user is None or not is_right:
        took = clock() - began
        await asyncio.sleep(math.ceil(took / ANSWER_GRID) * ANSWER_GRID - took)
        raise FormError(401, wrong, field)
    limits.give_back(counted_as, address)
    for known_name in (user["login_key"], user["email_key"]):
        limits.remember(known_name, address)
    return user


def _digest(*texts: str) -> bytes:
    # Names are made up by clients, and folding makes some of them 18 times as long.
    text = " ".join(texts).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
