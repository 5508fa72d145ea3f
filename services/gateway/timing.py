"""When a job may begin, by when it must have ended, and whether somebody waits for it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from services.gateway import shapes, times
from services.runtime import clock
from services.runtime.errors import invalid

RUN_AFTER_HOURS_MAX = 24
CANCEL_AFTER_DAYS_MAX = 30


@dataclass(frozen=True, slots=True)
class Timing:
    """As an order has it; `said` is what of it the request's body says, for its fingerprint."""

    run_after: Timestamp | None = None
    cancel_after: Timestamp | None = None
    is_batch: bool = False
    said: tuple[str, ...] = ()


ANY_TIME = Timing()


def of(
    run_after: datetime | None, cancel_after: datetime | None, priority: shapes.Priority | None, respond_async: bool
) -> Timing:
    """The timing of a request, in UTC; raises REQUEST_INVALID.

    Times that have passed are taken as they are: a request said again is answered, however late.
    """
    now = clock.now()
    begins = _stamp("run_after", run_after, now + timedelta(hours=RUN_AFTER_HOURS_MAX), "24 hours")
    ends = _stamp("cancel_after", cancel_after, now + timedelta(days=CANCEL_AFTER_DAYS_MAX), "30 days")
    if run_after and cancel_after and cancel_after <= run_after:
        raise invalid("cancel_after", "must be after run_after")
    said = {
        "run_after": begins and begins.ToJsonString(),
        "cancel_after": ends and ends.ToJsonString(),
        "priority": priority,
    }
    return Timing(
        begins,
        ends,
        is_batch=(priority or ("batch" if respond_async else "interactive")) == "batch",
        said=tuple(f"{name}={value}" for name, value in said.items() if value),
    )


def _stamp(field: str, moment: datetime | None, latest: datetime, words: str) -> Timestamp | None:
    if moment is None:
        return None
    if moment > latest:
        raise invalid(field, f"must be at most {words} ahead")
    return times.stamp(field, moment)
