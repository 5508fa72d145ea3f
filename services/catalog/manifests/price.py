"""What a call costs, as a manifest says it."""

from typing import Literal

from services.catalog import pricing
from services.catalog.manifests.part import Credits, Part
from services.catalog.pricing import Charging, Price

ChargeWord = Literal["nothing", "base", "measured"]


class ChargingPart(Part):
    """What each kind of ending costs; the defaults charge for success alone."""

    succeeded: ChargeWord = "measured"
    failed: ChargeWord = "nothing"
    refused: ChargeWord = "nothing"
    timed_out: ChargeWord = "nothing"
    canceled: ChargeWord = "nothing"
    unknown: ChargeWord = "nothing"


class PricePart(Part):
    """Credits as quoted decimal strings with at most six places."""

    base: Credits = "0"
    per_unit: Credits = "0"
    unit: Literal["", "character", "token", "image", "second", "page", "request", "megabyte"] = ""
    minimum: Credits = "0"
    charging: ChargingPart = ChargingPart()

    def price(self) -> Price:
        """The price in microcredits."""
        return Price(
            base_micros=pricing.parse_credits(self.base),
            per_unit_micros=pricing.parse_credits(self.per_unit),
            unit=self.unit,
            minimum_micros=pricing.parse_credits(self.minimum),
            charging=Charging(**self.charging.model_dump()),
        )
