"""The course of one call of a provider: what is known of it while it is under way, and by whoever has to end it."""

from dataclasses import dataclass
from typing import Any

from services.executor.providers.metering import Meter
from services.executor.rules.jobs import NO_REPORT, ProviderReport


@dataclass(slots=True)
class Course:
    """Grows as the call goes on, and outlives it."""

    submitted: Any = None
    """What the provider answered when it was asked for the work; None: nothing is known to be under way there."""
    meter: Meter | None = None
    """What it says and uses, where its answer is read as it comes."""
    report: ProviderReport = NO_REPORT
    """For whoever compares its bill with ours; there when the call is over, however it ended."""

    @property
    def metered(self) -> dict[str, int] | None:
        """Units used so far; None where they are not counted here."""
        return self.meter.units() if self.meter else None
