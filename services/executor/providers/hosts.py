"""Which hosts may be called: those a manifest names; where a provider gives the URL, none with a private address."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

HTTPS_PORT = 443
RESOLVE_SECONDS = 5.0


class ForbiddenHostError(Exception):
    """A URL that may not be called; the text says why."""


def host_of(url: str) -> str:
    """The host of an https URL without a user in it; raises ForbiddenHostError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenHostError("the provider gave a URL that is none") from error
    if parts.scheme != "https" or not parts.hostname or parts.username is not None or port not in (None, HTTPS_PORT):
        raise ForbiddenHostError("the provider gave a URL that is not https on its usual port")
    return parts.hostname.lower()


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
    mapped = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    return parsed.is_global and not parsed.is_multicast and (mapped is None or mapped.is_global)


def redirected(url: str, bases: Mapping[str, str]) -> tuple[str, bool]:
    """The URL where the operator wants it called (by `https://host`), and whether that is elsewhere."""
    for base, other in bases.items():
        if url == base or url.startswith((f"{base}/", f"{base}?")):
            given, wanted = urlsplit(url), urlsplit(other)
            path = wanted.path.rstrip("/") + given.path
            return urlunsplit((wanted.scheme, wanted.netloc, path, given.query, "")), True
    return url, False
