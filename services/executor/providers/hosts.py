"""Which hosts may be called: those a manifest names; where a provider gives the URL, none with a private address."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

HTTPS_PORT = 443
RESOLVE_SECONDS = 5.0
# A name in letters of its own is written with these (IDNA).
_HOST = re.compile(r"[\w.:-]+", re.ASCII)
# In these an IPv4 address stands at the end: nobody uses the first any more, by the second it is reached.
_COMPATIBLE = ipaddress.ip_network("::/96")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# NAT64 of somebody's own net.
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")


class ForbiddenHostError(Exception):
    """A URL that may not be called; the text says why."""


def host_of(url: str) -> str:
    """The host of an https URL without a user in it; raises ForbiddenHostError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenHostError("the provider gave a URL that is none") from error
    if not url.isprintable() or not _HOST.fullmatch(parts.hostname or ""):
        raise ForbiddenHostError("the provider gave a URL that is none")
    if parts.scheme != "https" or parts.username is not None or port not in (None, HTTPS_PORT):
        raise ForbiddenHostError("the provider gave a URL that is not https on its usual port")
    return str(parts.hostname)


def check_host(url: str, allowed: Iterable[str]) -> None:
    """Raises ForbiddenHostError where the URL's host is not one of `allowed`; `*.example.com` is all below one."""
    host = host_of(url)
    if not any(_fits(host, pattern) for pattern in allowed):
        raise ForbiddenHostError(f"the provider gave a URL of {host}, which the manifest does not allow")


def _fits(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return host == pattern.lower()


async def public_address(host: str) -> str:
    """An address of the host, all of which must be public ones; raises ForbiddenHostError, or OSError for none."""
    async with asyncio.timeout(RESOLVE_SECONDS):
        found = await asyncio.get_running_loop().getaddrinfo(
            host, HTTPS_PORT, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not is_public(address):
            raise ForbiddenHostError(f"the provider gave a URL of {host}, which is not a public address")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address is of the internet and no other net."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if not parsed.is_global or parsed.is_multicast:
        return False
    return isinstance(parsed, ipaddress.IPv4Address) or _leads_to_public(parsed)


def _leads_to_public(address: ipaddress.IPv6Address) -> bool:
    if address.is_site_local or address in _COMPATIBLE or address in _NAT64_LOCAL:
        return False
    within = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        within = ipaddress.IPv4Address(address.packed[-4:])
    return within is None or within.is_global


def redirected(url: str, bases: Mapping[str, str]) -> tuple[str, bool]:
    """The URL where the operator wants it called (by `https://host`), and whether that is elsewhere."""
    given = urlsplit(url)
    called = f"{given.scheme}://{given.netloc}".lower().removesuffix(f":{HTTPS_PORT}")
    for base, other in bases.items():
        if called == base.lower():
            wanted = urlsplit(other)
            path = wanted.path.rstrip("/") + given.path
            return urlunsplit((wanted.scheme, wanted.netloc, path, given.query, "")), True
    return url, False
