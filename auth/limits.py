"""How often somebody may do something, and whom an address stands for."""

import time
from ipaddress import IPv6Address, ip_address

from aiohttp import web

from settings import SETTINGS

SWEEP_AT = 10_000  # keys; then those whose time is up are forgotten


class Limit:
    """At most `count` times at once and on average per `seconds`, for each key.

    The generic cell rate algorithm (ITU-T I.371): one number per key, the time at which
    its bucket is empty again. A count of 0 turns the limit off.
    """

    def __init__(self, count: int, seconds: float, burst: int | None = None) -> None:
        self._interval = seconds / count if count else 0.0
        self._window = self._interval * (burst or count)
        self._empty_at: dict[str, float] = {}
        self._sweep_at = SWEEP_AT

    def take(self, key: str) -> float:
        """Count one use; return 0, or the seconds until another is allowed, uncounted."""
        now = time.monotonic()
        empty_at = max(self._empty_at.get(key, now), now) + self._interval
        wait = empty_at - now - self._window
        if wait > 1e-9:
            return wait
        self._empty_at[key] = empty_at
        if len(self._empty_at) > self._sweep_at:
            self._sweep(now)
        return 0.0

    def give_back(self, key: str) -> None:
        """Uncount one use that turned out well."""
        if key in self._empty_at:
            self._empty_at[key] -= self._interval

    def _sweep(self, now: float) -> None:
        self._empty_at = {key: at for key, at in self._empty_at.items() if at > now}
        self._sweep_at = max(SWEEP_AT, 2 * len(self._empty_at))


def client_address(request: web.Request) -> str:
    """Return whom to count: the client's address, behind proxies the one they vouch for.

    With N trusted proxies that is the Nth entry from the right over all X-Forwarded-For
    headers: what stands further left anybody can make up.
    """
    proxies = request.app[SETTINGS].TRUSTED_PROXIES
    peer = request.remote or ""
    if proxies:
        hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        if len(hops) >= proxies:
            return _network(hops[-proxies].strip()) or _network(peer) or peer
    return _network(peer) or peer


def _network(text: str) -> str | None:
    """Return an IPv4 address as it is, an IPv6 address as its /64: one customer owns it whole."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return IPv6Address(int(address) >> 64 << 64).compressed + "/64"
    return str(address)
