"""What a call costs: exact integers of microcredits, never a float. Pure."""

import re
from dataclasses import dataclass

MICROS_PER_CREDIT = 1_000_000
PLACES_MAX = 6
# Amounts travel and are stored as signed 64-bit integers.
MICROS_MAX = 2**63 - 1
BYTES_PER_MEGABYTE = 1_000_000

_CREDITS = re.compile(r"(?P<whole>0|[1-9][0-9]{0,12})(?:\.(?P<part>[0-9]{1,6}))?")

CHARGES = ("nothing", "base", "measured")


@dataclass(frozen=True, slots=True)
class Charging:
    """What each kind of ending costs: one of CHARGES each. A tool that says nothing charges for success alone."""

    succeeded: str = "measured"
    failed: str = "nothing"
    refused: str = "nothing"
    timed_out: str = "nothing"
    canceled: str = "nothing"
    unknown: str = "nothing"


@dataclass(frozen=True, slots=True)
class Price:
    """What a call costs, in microcredits; `unit` is empty where nothing is measured."""

    base_micros: int
    per_unit_micros: int
    unit: str
    minimum_micros: int
    charging: Charging


def parse_credits(text: str) -> int:
    """Credits as people write them ("0.001") in microcredits; raises ValueError with what is wrong."""
    match = _CREDITS.fullmatch(text)
    if match is None:
        raise ValueError(f"must be credits, digits with at most {PLACES_MAX} places after a point, such as 0.25")
    micros = int(match["whole"]) * MICROS_PER_CREDIT + int((match["part"] or "0").ljust(PLACES_MAX, "0"))
    if micros > MICROS_MAX:
        raise ValueError(f"is more than {MICROS_MAX // MICROS_PER_CREDIT} credits")
    return micros


def amount(price: Price, units: int) -> int:
    """Microcredits of a call that used `units`: max(minimum, base + per_unit × units). Grows with `units`.

    A unit's price has six places at most, so the product is exact and there is nothing to round.
    """
    return max(price.minimum_micros, price.base_micros + price.per_unit_micros * units)


def started_megabytes(size_bytes: int) -> int:
    """Megabytes of 1,000,000 bytes, the last one counted whole."""
    return -(-size_bytes // BYTES_PER_MEGABYTE)
