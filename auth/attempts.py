"""Checking a password, and limiting how often somebody may get it wrong."""

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from aiohttp import web

from auth.models import User
from auth.passwords import HASHER
from pages.forms import FormError
from security.limits import Limit
from server.relay import Relay
from storage.database import DB, Document

FIVE_MINUTES = 300
# Failed log-ins in five minutes. The first is what people need; the others slow down an attacker
# with many addresses, or with many names.
PER_NAME_AND_ADDRESS, PER_NAME, PER_ADDRESS = 5, 50, 20
KNOWN_ADDRESSES = 100_000  # by name; in memory, about 100 bytes each
ANSWER_GRID = 0.05  # seconds; wrong passwords are answered at multiples, whatever the check took

Attempt = Sequence[tuple[str, bytes]]  # what it counts under: names of limits, each with a key


class WrongPassword(Exception):
    """There is no such account, or it has another password."""


class TooManyAttempts(Exception):
    """There were too many wrong passwords; another may be tried in `wait` seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait


class AttemptLimits:
    """Limits failed log-ins by name and by address, and registrations by address.

    A name is what was typed, a login or an e-mail address: if attempts counted by account, the
    limit would tell which names belong to one account. An address from which somebody has logged in
    does not count by name: otherwise strangers could lock people out of their accounts.
    """

    def __init__(self, registrations_per_hour: int, relay: Relay) -> None:
        self._limits = {
            "address": Limit(PER_ADDRESS, FIVE_MINUTES),
            "name": Limit(PER_NAME, FIVE_MINUTES),
            "name and address": Limit(PER_NAME_AND_ADDRESS, FIVE_MINUTES),
            "registration": Limit(registrations_per_hour, 3600),
        }
        self._known: dict[bytes, None] = {}  # names with addresses, the latest last
        self._relay = relay
        relay.listen("attempt", self.hear_attempt)

    def log_in(self, name: str, address: str) -> Attempt:
        """Return an attempt to log in with a name from an address."""
        both = _digest(name, address)
        attempt = [("address", _digest(address)), ("name and address", both)]
        return attempt if both in self._known else [*attempt, ("name", _digest(name))]

    def on_account_page(self, user_id: str, address: str) -> Attempt:
        """Return an attempt on the account page, which strangers must not lock."""
        both = _digest("account page", user_id, address)
        return [("address", _digest(address)), ("name and address", both)]

    def registration(self, address: str) -> Attempt:
        """Return an attempt to register from an address."""
        return [("registration", _digest(address))]

    def take(self, attempt: Attempt) -> float:
        """Count an attempt and return 0, or return the seconds to wait."""
        for number, (name, key) in enumerate(attempt):
            if wait := self._limits[name].refused_for(key):
                self._give_back(attempt[:number])
                return wait
        self._tell("taken", attempt)
        return 0.0

    @contextmanager
    def counted(self, attempt: Attempt) -> Iterator[None]:
        """Count an attempt, and let a block check the password.

        It counts from its start, so parallel guesses all count; and no longer if the password was
        right, or could not be checked: too busy, no database, or the client left. Raises
        TooManyAttempts.
        """
        if wait := self.take(attempt):
            raise TooManyAttempts(wait)
        is_wrong = False
        try:
            yield
        except WrongPassword:
            is_wrong = True
            raise
        finally:
            if not is_wrong:
                self.give_back(attempt)

    def give_back(self, attempt: Attempt) -> None:
        """Remove an attempt that was right or could not be checked."""
        self._give_back(attempt)
        self._tell("given back", attempt)

    def remember(self, name: str, address: str) -> None:
        """Remember that somebody has signed in with a name from an address."""
        both = _digest(name, address)
        self._remember(both)
        self._tell("remembered", [("name and address", both)])

    def hear_attempt(self, told: tuple[str, Attempt]) -> None:
        """Count what happened in another process, too.

        Raises LookupError, TypeError, ValueError for anything else.
        """
        what, attempt = told
        if what == "taken":
            for name, key in attempt:
                self._limits[name].add(key)
        elif what == "given back":
            self._give_back(attempt)
        elif what == "remembered":
            for _, key in attempt:
                self._remember(key)

    def _tell(self, what: str, attempt: Attempt) -> None:
        self._relay.tell_others("attempt", (what, attempt))

    def _give_back(self, attempt: Attempt) -> None:
        for name, key in attempt:
            self._limits[name].give_back(key)

    def _remember(self, both: bytes) -> None:
        self._known.pop(both, None)
        self._known[both] = None
        if len(self._known) > KNOWN_ADDRESSES:
            del self._known[next(iter(self._known))]


LIMITS = web.AppKey("limits", AttemptLimits)


async def authenticate(
    request: web.Request,
    attempt: Attempt,
    find: Callable[[], Awaitable[Document | None]],
    password: str,
    *,
    field: str,
    wrong: str,
) -> Document:
    """Return the account that `find` finds, if that is its password.

    Raises FormError beside the field, with the text `wrong` if the password is wrong; Busy;
    DatabaseUnavailable.
    """
    try:
        return await check_password(request, attempt, find, password)
    except TooManyAttempts as error:
        raise FormError(429, "Too many attempts, please wait", field, error.wait) from None
    except WrongPassword:
        raise FormError(401, wrong, field) from None


async def check_password(
    request: web.Request,
    attempt: Attempt,
    find: Callable[[], Awaitable[Document | None]],
    password: str,
) -> Document:
    """Return the account that `find` finds, if that is its password.

    Without an account, the answer and the time that it takes are the same. Raises WrongPassword,
    TooManyAttempts, Busy, DatabaseUnavailable.
    """
    hasher, users = request.app[HASHER], User(request[DB])
    hasher.check_room()
    clock = asyncio.get_running_loop().time
    with request.app[LIMITS].counted(attempt):
        began = clock()
        user = await find()
        is_right = await users.check_user(user, password, hasher)
        if user and is_right:
            return user
        took = clock() - began
        await asyncio.sleep(math.ceil(took / ANSWER_GRID) * ANSWER_GRID - took)
        raise WrongPassword


def _digest(*texts: str) -> bytes:
    # Names are made up by clients, and folding makes some of them 18 times as long.
    text = " ".join(texts).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
