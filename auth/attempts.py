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
# Failed log-ins in five minutes. The first is what people need; the others slow down an attacker
# with many addresses, or with many accounts.
PER_ACCOUNT_AND_ADDRESS, PER_ACCOUNT, PER_ADDRESS = 5, 50, 20


class AttemptLimits:
    """Limits failed log-ins by account and by address, and registrations by address."""

    def __init__(self, registrations_per_hour: int) -> None:
        self._by_both = Limit(PER_ACCOUNT_AND_ADDRESS, FIVE_MINUTES)
        self._by_account = Limit(PER_ACCOUNT, FIVE_MINUTES)
        self._by_address = Limit(PER_ADDRESS, FIVE_MINUTES)
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
    request: web.Request,
    user: Document | None,
    name: str,
    password: str,
    *,
    field: str,
    wrong: str,
) -> Document:
    """Check the password of an account, and return the account.

    `user` is None if there is no account; that takes the same time. Failed attempts count by
    account, or by the typed `name` without one. An attempt counts from its start, so parallel
    guesses all count. Raises FormError beside the field, with the text `wrong` if the password is
    wrong; Busy; DatabaseUnavailable.
    """
    limits = request.app[LIMITS]
    account = str(user["_id"]) if user else fold(name)
    address = client_address(request)
    if wait := limits.take(account, address):
        raise FormError(429, "Too many attempts, please wait", field, wait)
    try:
        is_right = await User(request[DB]).check_user(user, password, request.app[HASHER])
    except BaseException:  # it was not checked: too busy, no database, or the client left
        limits.give_back(account, address)
        raise
    if user is None or not is_right:
        raise FormError(401, wrong, field)
    limits.give_back(account, address)
    return user
