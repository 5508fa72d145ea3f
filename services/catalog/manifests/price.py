"""What a call costs, as a manifest says it."""

import itertools
from typing import Annotated, Literal

from pydantic import Field, model_validator

from services.catalog import pricing
from services.catalog.manifests.part import Credits, Expression, Part
from services.catalog.pricing import Charging, Price, Variant
from services.runtime.tariff import Rate, Tariff, Tier

ChargeWord = Literal["nothing", "base", "measured"]
UnitWord = Literal[
    "character", "token", "input_token", "output_token", "image", "second", "page", "request", "megabyte"
]
PER_MAX = 1_000_000
TIERS_MAX = 10
VARIANTS_MAX = 50


class ChargingPart(Part):
    """What each kind of ending costs; the defaults charge for success alone."""

    succeeded: ChargeWord = "measured"
    failed: ChargeWord = "nothing"
    refused: ChargeWord = "nothing"
    timed_out: ChargeWord = "nothing"
    canceled: ChargeWord = "nothing"
    unknown: ChargeWord = "nothing"


class TierPart(Part):
    """What the units of a call cost beyond so many."""

    above: int = Field(ge=1, description="units of one call that cost what is said before this")
    per_unit: Credits


class RatePart(Part):
    """What units of one kind cost."""

    per_unit: Credits = "0"
    per: int = Field(default=1, ge=1, le=PER_MAX, description="how many units `per_unit` is for")
    tiers: list[TierPart] = Field(default=[], max_length=TIERS_MAX, description="other credits for what is beyond")

    @model_validator(mode="after")
    def _ascending(self) -> "RatePart":
        places = [tier.above for tier in self.tiers]
        if any(later <= earlier for earlier, later in itertools.pairwise(places)):
            raise ValueError("tiers must begin at more and more units")
        return self

    def rate(self, unit: str) -> Rate:
        """The rate in microcredits."""
        tiers = tuple(Tier(tier.above, pricing.parse_credits(tier.per_unit)) for tier in self.tiers)
        return Rate(unit, pricing.parse_credits(self.per_unit), self.per, tiers)


class TariffPart(RatePart):
    """Credits as quoted decimal strings with at most six places: of each call, and of its units, which are of one kind,
    or of several (`rates`)."""

    base: Credits = "0"
    rates: dict[UnitWord, RatePart] = Field(default={}, description="by unit, where there are several kinds of them")
    minimum: Credits = "0"

    @model_validator(mode="after")
    def _one_way(self) -> "TariffPart":
        if self.rates and (self.per_unit != "0" or self.tiers):
            raise ValueError("must have per_unit and tiers in each of rates, or no rates")
        return self

    def tariff(self, unit: str) -> Tariff:
        """The tariff in microcredits; `unit` is the name of the one kind of units, empty where there is none."""
        rates = [part.rate(name) for name, part in self.rates.items()]
        if unit:
            rates = [self.rate(unit)]
        return Tariff(pricing.parse_credits(self.base), pricing.parse_credits(self.minimum), tuple(rates))


class VariantPart(TariffPart):
    """What a call costs in place of that where `when` is true, such as one with another model."""

    when: Annotated[Expression, Field(description="JMESPath over input")]


class PricePart(TariffPart):
    """What a call costs."""

    unit: Literal[UnitWord, ""] = ""
    cached: Credits = Field(default="0", description="an output that is given again, where the tool has a cache")
    variants: list[VariantPart] = Field(default=[], max_length=VARIANTS_MAX, description="the first that fits counts")
    charging: ChargingPart = ChargingPart()

    @property
    def units(self) -> frozenset[str]:
        """All that it counts."""
        return frozenset({self.unit} if self.unit else self.rates)

    def price(self) -> Price:
        """The price in microcredits."""
        return Price(
            self.tariff(self.unit),
            Charging(**self.charging.model_dump()),
            tuple(Variant(variant.when, variant.tariff(self.unit)) for variant in self.variants),
            pricing.parse_credits(self.cached),
        )
