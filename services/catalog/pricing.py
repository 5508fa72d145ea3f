"""What a call costs: exact integers of microcredits, never a float. Pure."""

import re
from dataclasses import dataclass, replace
from typing import Any

from services.runtime.expressions import ExpressionError, evaluate
from services.runtime.tariff import Tariff

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
class Variant:
    """What a call costs for whose input the JMESPath `when` is true."""

    when: str
    tariff: Tariff


@dataclass(frozen=True, slots=True)
class Price:
    """What a call costs, and what of that each ending does. The first variant that fits takes the tariff's place."""

    tariff: Tariff
    charging: Charging
    variants: tuple[Variant, ...] = ()
    cached: int = 0
    """Microcredits of an output that is given again."""

    @property
    def tariffs(self) -> list[Tariff]:
        """All that a call may cost."""
        return [self.tariff, *(variant.tariff for variant in self.variants)]

    @property
    def sole_unit(self) -> str:
        """The unit, where there is one and no other."""
        rates = self.tariff.rates
        return rates[0].unit if len(rates) == 1 else ""

    def of(self, value: dict[str, Any]) -> "Price":
        """The price of a call with this (valid) input: without variants."""
        if not self.variants:
            return self
        fitting = (variant.tariff for variant in self.variants if _is_true(variant.when, value))
        return replace(self, tariff=next(fitting, self.tariff), variants=())


def _is_true(expression: str, value: dict[str, Any]) -> bool:
    """Of an input it cannot be applied to, nothing is true."""
    try:
        return bool(evaluate(expression, {"input": value}))
    except ExpressionError:
        return False


def parse_credits(text: str) -> int:
    """Credits as people write them ("0.001") in microcredits; raises ValueError with what is wrong."""
    match = _CREDITS.fullmatch(text)
    if match is None:
        raise ValueError(f"must be credits, digits with at most {PLACES_MAX} places after a point, such as 0.25")
    micros = int(match["whole"]) * MICROS_PER_CREDIT + int((match["part"] or "0").ljust(PLACES_MAX, "0"))
    if micros > MICROS_MAX:
        raise ValueError(f"is more than {MICROS_MAX // MICROS_PER_CREDIT} credits")
    return micros


def started_megabytes(size_bytes: int) -> int:
    """Megabytes of 1,000,000 bytes, the last one counted whole."""
    return -(-size_bytes // BYTES_PER_MEGABYTE)
