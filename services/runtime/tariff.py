"""What units cost: the arithmetic of whoever quotes a price and of whoever charges it. Exact; never a float. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

SOLE = ""
"""Name of the units of a tariff that has but one rate, where they were measured without saying which they are."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Tier:
    """The units of a call above `above` cost `micros` instead, for as many units as their rate says."""

    above: int
    micros: int


@dataclass(frozen=True, slots=True)
class Rate:
    """What units of one kind cost: `micros` microcredits for `per` of them. `tiers` ascend."""

    unit: str
    micros: int
    per: int = 1
    tiers: tuple[Tier, ...] = ()

    def cost(self, units: int) -> Fraction:
        """Microcredits of so many units of one call; grows with them."""
        total, micros, begin = 0, self.micros, 0
        for tier in self.tiers:
            if units <= tier.above:
                break
            total += micros * (tier.above - begin)
            micros, begin = tier.micros, tier.above
        return Fraction(total + micros * (units - begin), self.per)


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a call costs, microcredits: `base` and its units, but never less than `minimum`."""

    base: int = 0
    minimum: int = 0
    rates: tuple[Rate, ...] = ()

    def amount(self, units: Mapping[str, int]) -> int:
        """Microcredits of a call that used these units. Rounded once, up: a part of a microcredit counts whole."""
        used = sum((rate.cost(units.get(rate.unit, 0)) for rate in self.rates), Fraction(self.base))
        return max(self.minimum, math.ceil(used))

    def named(self, units: Mapping[str, Value]) -> dict[str, Value]:
        """Units, or what is known of them, by the names that the rates give them; the sole ones may have come without.
        Others cost nothing, and are left out."""
        if len(self.rates) == 1 and SOLE in units:
            return {self.rates[0].unit: units[SOLE]}
        return {rate.unit: units[rate.unit] for rate in self.rates if rate.unit in units}
