"""Which tool versions an executor can run now: what executors said, forgotten after 30 seconds. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

GOOD_SECONDS = 30.0
NO_EXECUTOR = "NO_EXECUTOR"
# Where executors give different reasons, the first of these is told: it is the one an operator can act on.
REASONS = ("MISSING_SECRET", "MISSING_PACKAGE", "PROVIDER_DOWN", NO_EXECUTOR)
AVAILABLE = ""

# executor, slug, version
Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """What one executor said of one version; `until` is on the monotonic clock, `reason` empty where it can run it."""

    reason: str
    until: float


class Availability:
    """Everything that was said and is still good."""

    def __init__(self, reports: Mapping[Key, Report] | None = None) -> None:
        self._reports = dict(reports or {})
        self._by_version: dict[tuple[str, int], list[Report]] = {}
        for (_, slug, version), report in self._reports.items():
            self._by_version.setdefault((slug, version), []).append(report)

    def merged(self, read: Iterable[tuple[Key, Report]], now: float) -> "Availability":
        """This with what was read from the database, which is newer.

        What the database no longer has stays until its time is over: its table is emptied when PostgreSQL crashes, and
        the executors are as able as before.
        """
        kept = {key: report for key, report in self._reports.items() if report.until > now}
        return Availability(kept | dict(read))

    def reason(self, slug: str, version: int, now: float) -> str:
        """Why no executor can run this version; AVAILABLE where one can."""
        reasons = {report.reason for report in self._by_version.get((slug, version), ()) if report.until > now}
        if AVAILABLE in reasons:
            return AVAILABLE
        return next((reason for reason in REASONS if reason in reasons), NO_EXECUTOR)
