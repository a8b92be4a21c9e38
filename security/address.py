"""Addresses: the client's, by which log-ins and registrations are limited, and the chat's own."""

import re
from ipaddress import IPv6Address, ip_address

from aiohttp import hdrs, web

from settings import SETTINGS, Settings

DEFAULT_PORTS = {"http": "80", "https": "443"}
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "localhost"}  # to listen on, and one to open
# A host and its port, as in the header Host: an address of IPv6, or a name or an address of IPv4.
HOST = re.compile(
    r"(?:\[([0-9a-f:.]+)\]|([-\w.]+?))\.?(?::([0-9]{0,5}))?", re.ASCII | re.IGNORECASE
)
# An entry of X-Forwarded-For. Some proxies write the client's port behind its address, and quotes
# and brackets as in RFC 7239, 6.
HOP = re.compile(r'("?)(?:\[([^\[\]]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+|([^"\[\]]+))\1')


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
            return _network(_without_port(hops[-proxies])) or network(peer)
    return network(peer)


def network(peer: str) -> str:
    """Return an IPv4 address, or the /64 of an IPv6 one, because a customer gets a whole /64."""
    return _network(peer) or peer


def own_address(settings: Settings) -> str:
    """Return the address at which one opens the pages, without a slash at its end.

    If PUBLIC_ORIGINS has none, it is one for this machine.
    """
    if settings.PUBLIC_ORIGINS:
        return settings.PUBLIC_ORIGINS[0]
    host = EVERY_ADDRESS.get(settings.SITE_HOST, settings.SITE_HOST)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.SITE_PORT}"


def own_origin(request: web.Request) -> str:
    """Return the origin of the chat's pages as the browser sees it."""
    scheme = "https" if request.app[SETTINGS].SECURE_COOKIES else request.scheme
    return f"{scheme}://{normal_host(scheme, request.headers.get(hdrs.HOST, ''))}"


def normal_host(scheme: str, host: str) -> str:
    """Return a host in the form in which equal ones are the same text (RFC 9110, 4.2.3).

    That is in small letters, without a dot at the end and the default port of the scheme, and an
    IPv6 address as short as it can be. What is no host stays as it is.
    """
    match = HOST.fullmatch(host)
    if not match:
        return host
    address, name, port = match.groups()
    try:
        name = f"[{IPv6Address(address).compressed}]" if address else name.lower()
    except ValueError:
        return host
    return name if not port or port == DEFAULT_PORTS.get(scheme) else f"{name}:{port}"


def normal_origin(origin: str) -> str:
    """Return an origin in the form in which equal ones are the same text."""
    scheme, separator, host = origin.partition("://")
    return scheme.lower() + separator + normal_host(scheme.lower(), host)


def is_loopback(host: str) -> bool:
    """Return whether a host, with or without a port, can only be this machine."""
    is_bare_ipv6 = host.count(":") > 1 and "[" not in host
    match = HOST.fullmatch(f"[{host}]" if is_bare_ipv6 else host)
    name = (match[1] or match[2]).lower() if match else ""
    try:
        address = ip_address("127.0.0.1" if name == "localhost" else name)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _without_port(hop: str) -> str:
    """Return what an entry of X-Forwarded-For has for the address; "" if it makes no sense."""
    match = HOP.fullmatch(hop.strip())  # \s* on both sides would take minutes for a line of spaces
    return next(filter(None, match.groups()[1:]), "") if match else ""


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
