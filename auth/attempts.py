"""Checking a password, and limiting how often somebody may get it wrong."""

from aiohttp import web

from auth.models import User
from auth.passwords import HASHER
from auth.spelling import fold
from database import DB, Document
from forms import FormError
from limits import Limit, client_address

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
        """Uncount an attempt that did not fail."""
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
    request: web.Request, user: Document | None, name: str, password: str, field: str
) -> Document | None:
    """Return the account if the password is its own, else None. Takes as long for no account.

    `name` is what was typed, and counts where there is no account. Attempts made at the same time
    all count. Raises FormError beside the field, Busy, DatabaseUnavailable.
    """
    limits = request.app[LIMITS]
    counted = str(user["_id"]) if user else fold(name), client_address(request)
    if wait := limits.take(*counted):
        raise FormError(429, "Too many attempts, please wait", field, wait)
    is_right = None
    try:
        is_right = await User(request[DB]).check_user(user, password, request.app[HASHER])
    finally:
        if is_right is not False:  # the password is right, or could not be checked
            limits.give_back(*counted)
    return user if is_right else None
