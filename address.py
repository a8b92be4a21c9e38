"""The client's address, by which log-ins and registrations are limited."""

from ipaddress import IPv6Address, ip_address

from aiohttp import web

from settings import SETTINGS


def client_address(request: web.Request) -> str:
    """Return the client's IP address, or its network for IPv6.

    Behind N trusted proxies it is the Nth entry from the right over all X-Forwarded-For headers:
    clients can make up everything further left.
    """
    proxies = request.app[SETTINGS].TRUSTED_PROXIES
    peer = request.remote or ""
    if proxies:
        hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        if len(hops) >= proxies:
            return _network(hops[-proxies].strip()) or network(peer)
    return network(peer)


def network(peer: str) -> str:
    """Return an IPv4 address, or the /64 of an IPv6 one, because a customer gets a whole /64."""
    return _network(peer) or peer


def _network(text: str) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return IPv6Address(int(address) >> 64 << 64).compressed + "/64"
    return str(address)
