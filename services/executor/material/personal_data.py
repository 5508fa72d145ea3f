"""Personal data in a text, told by shape and proved by check digits and numbering plans where there are any.

Every pattern takes time in proportion to the text, whatever is in it.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from services.executor.material.checked_numbers import cards, ibans
from services.executor.material.phone_numbers import matches, span
from services.executor.material.secret_shapes import secrets

Span = tuple[int, int]

_EMAIL = re.compile(
    r"(?<![\w.%+-])\w[\w.!#$%&'*+/=?^`{|}~-]{0,63}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?!\w)"
)
_IPV4 = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\w|\.[0-9])", re.ASCII)
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]{1,4})?(?![\w:]|\.[0-9])",
    re.ASCII | re.IGNORECASE,
)
_US_SSN = re.compile(r"(?<![\w-])(?!000|666|9)[0-9]{3}([ -])(?!00)[0-9]{2}\1(?!0000)[0-9]{4}(?![\w-])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entity:
    """Something found: its type, and where in code points."""

    type: str
    start: int
    end: int


def find(text: str, types: Iterable[str] | None = None, region: str | None = None) -> list[Entity]:
    """What of these `types` (all where None) is in the text, in order, none over another.

    `region` is the country whose telephone numbers need no country code. Raises REGION_UNKNOWN.
    """
    wanted = set(_FINDERS if types is None else types)
    taken = bytearray(len(text))
    found = []
    for kind, finder in _FINDERS.items():
        if kind not in wanted:
            continue
        for start, end in finder(text, region):
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                found.append(Entity(kind, start, end))
    return sorted(found, key=lambda entity: entity.start)


def _emails(text: str, _region: str | None) -> Iterator[Span]:
    return (found.span() for found in _EMAIL.finditer(text))


def _ip_addresses(text: str, _region: str | None) -> Iterator[Span]:
    for pattern in (_IPV6, _IPV4):
        for found in pattern.finditer(text):
            # "a::b" is more often a name in a program.
            if _is_address(found.group()) and any(map(str.isdigit, found.group())):
                yield found.span()


def _is_address(written: str) -> bool:
    try:
        ipaddress.ip_address(written)
    except ValueError:
        return False
    return True


def _us_ssns(text: str, _region: str | None) -> Iterator[Span]:
    return (found.span() for found in _US_SSN.finditer(text))


def _phones(text: str, region: str | None) -> Iterator[Span]:
    return (span(match) for match in matches(text, region))


# Of two that overlap the first here is kept: what proves itself comes before what has a shape only.
_FINDERS: dict[str, Callable[[str, str | None], Iterable[Span]]] = {
    "secret": lambda text, _: secrets(text),
    "email": _emails,
    "iban": lambda text, _: ibans(text),
    "credit_card": lambda text, _: cards(text),
    "ip_address": _ip_addresses,
    "us_ssn": _us_ssns,
    "phone": _phones,
}
