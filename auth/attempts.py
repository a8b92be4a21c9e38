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

Counters = list[tuple[Limit, bytes]]


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

    def counters(self, name: str, address: str) -> Counters:
        """Return what an attempt to log in with a name from an address counts under."""
        both = _digest(name, address)
        counters: Counters = [(self._by_address, _digest(address)), (self._by_both, both)]
        if both not in self._known:
            counters.append((self._by_name, _digest(name)))
        return counters

    def counters_of_user(self, user_id: str, address: str) -> Counters:
        """Return what an attempt on the account page counts under: strangers can't lock that."""
        both = _digest("account page", user_id, address)
        return [(self._by_address, _digest(address)), (self._by_both, both)]

    def remember(self, name: str, address: str) -> None:
        """Remember that somebody has signed in with a name from an address."""
        both = _digest(name, address)
        self._known.pop(both, None)
        self._known[both] = None
        if len(self._known) > KNOWN_ADDRESSES:
            del self._known[next(iter(self._known))]


LIMITS = web.AppKey("limits", AttemptLimits)


async def authenticate(
    request: web.Request, name: str, password: str, *, field: str, wrong: str, user_id: str = ""
) -> Document:
    """Return the account with a login or e-mail address, if the password is right.

    With `user_id`, of somebody who is signed in, it is the account with this id. Without such an
    account, the answer and the time that it takes are the same. Attempts count from their start,
    so parallel guesses all count. Raises FormError beside the field, with the text `wrong` if the
    password is wrong; Busy; DatabaseUnavailable.
    """
    hasher, limits, users = request.app[HASHER], request.app[LIMITS], User(request[DB])
    hasher.check_room()
    address = client_address(request)
    counters = (
        limits.counters_of_user(user_id, address)
        if user_id
        else limits.counters(fold(name), address)
    )
    if wait := _take(counters):
        raise FormError(429, "Too many attempts, please wait", field, wait)
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        user = await (users.get(user_id) if user_id else users.find(name))
        is_right = await users.check_user(user, password, hasher)
    except BaseException:  # it was not checked: too busy, no database, or the client left
        _give_back(counters)
        raise
    if user is None or not is_right:
        took = clock() - began
        await asyncio.sleep(math.ceil(took / ANSWER_GRID) * ANSWER_GRID - took)
        raise FormError(401, wrong, field)
    _give_back(counters)
    return user


def _take(counters: Counters) -> float:
    """Count an attempt and return 0, or return the seconds to wait."""
    for number, (limit, key) in enumerate(counters):
        if wait := limit.take(key):
            _give_back(counters[:number])
            return wait
    return 0.0


def _give_back(counters: Counters) -> None:
    """Remove an attempt that was right or could not be checked."""
    for limit, key in counters:
        limit.give_back(key)


def _digest(*texts: str) -> bytes:
    # Names are made up by clients, and folding makes some of them 18 times as long.
    text = " ".join(texts).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
