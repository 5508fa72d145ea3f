"""The course of one call of a provider: what is known of it while it is under way, and by whoever has to end it."""

from dataclasses import dataclass
from typing import Any

from services.executor.jobs import NO_REPORT, ProviderReport


@dataclass(slots=True)
class Course:
    """Grows as the call goes on, and outlives it."""

    submitted: Any = None
    """What the provider answered when it was asked for the work; None: nothing is known to be under way there."""
    report: ProviderReport = NO_REPORT
    """For whoever compares its bill with ours; there when the call is over, however it ended."""
