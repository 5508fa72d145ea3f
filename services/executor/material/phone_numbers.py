"""Where telephone numbers are in a text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from services.executor.material.errors import ToolError

if TYPE_CHECKING:
    from phonenumbers import PhoneNumberMatch


def matches(text: str, region: str | None) -> "Iterator[PhoneNumberMatch]":
    """Every valid number: those with a country code, and with a region those as they are written in it.

    Raises REGION_UNKNOWN.
    """
    import phonenumbers

    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        raise ToolError("REGION_UNKNOWN", f"region: {region} is no country with telephone numbers; GB and US are two")
    # By default the search ends after 65,535 places that look like a number.
    yield from phonenumbers.PhoneNumberMatcher(text, region, max_tries=len(text))


def span(match: "PhoneNumberMatch") -> tuple[int, int]:
    """Where the number is, without a bracket that opens before it and closes after it."""
    is_open = match.raw_string.startswith("(") and ")" not in match.raw_string
    return match.start + is_open, match.end
