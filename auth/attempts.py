"""Checking a password, and limiting how often somebody may get it wrong."""

from aiohttp import web

from address import client_address
from auth.models import User
from auth.passwords import HASHER
from auth.spelling import fold
from database import DB, Document
from forms import FormError
from limits import Limit

FIVE_MINUTES = 300


class AttemptLimits:
    """Limits failed log-ins by account and by address, and registrations by address."""

    def __init__(self, registrations_per_hour: int) -> None:
        self._by_both = Limit(5, FIVE_MINUTES)
        self._by_account = Limit(50, FIVE_MINUTES)
        self._by_address = Limit(20, FIVE_MINUTES)
        self.registrations = Limit(registrations_per_hour, 3600)

    def take(self, account: str, address: str) -> float:
        """Count an attempt to log in and return 0, or return the seconds to wait."""
        counted: list[tuple[Limit, str]] = []
        for limit, key in self._counters(account, address):
            if wait := limit.take(key):
                for earlier, its_key in counted:
                    earlier.give_back(its_key)
                return wait
            counted.append((limit, key))
        return 0.0

    def give_back(self, account: str, address: str) -> None:
        """Remove an attempt that was right or could not be checked."""
        for limit, key in self._counters(account, address):
            limit.give_back(key)

    def _counters(self, account: str, address: str) -> list[tuple[Limit, str]]:
        return [
            (self._by_address, address),
            (self._by_account, account),
            (self._by_both, f"{account} {address}"),
        ]


LIMITS = web.AppKey("limits", AttemptLimits)


async def authenticate(
    request: web.Request, user: Document | None, name: str, password: str, field: str, wrong: str
) -> Document:
    """Return the account `user` if the password is right. Takes the same time without an account.

    Failed attempts count by account, or by the typed `name` if there is none. An attempt counts
    from its start, so parallel guesses all count. Raises FormError beside the field, with the text
    `wrong` if the password is; Busy; DatabaseUnavailable.
    """
    limits = request.app[LIMITS]
    keys = str(user["_id"]) if user else fold(name), client_address(request)
    if wait := limits.take(*keys):
        raise FormError(429, "Too many attempts, please wait", field, wait)
    is_right = None
    try:
        is_right = await User(request[DB]).check_user(user, password, request.app[HASHER])
    finally:
        if is_right is not False:  # the password is right, or could not be checked
            limits.give_back(*keys)
    if user is None or not is_right:
        raise FormError(401, wrong, field)
    return user
