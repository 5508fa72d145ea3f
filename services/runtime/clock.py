"""The only place that reads a clock, so that everything else can be told the time."""

import time
from datetime import UTC, datetime, timedelta

MICROS_PER_SECOND = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """The present in UTC."""
    return datetime.now(UTC)


def now_us() -> int:
    """The present in microseconds since the Unix epoch."""
    return time.time_ns() // 1_000


def monotonic() -> float:
    """Seconds on a clock that never goes back; for durations and deadlines."""
    return time.monotonic()


def from_us(micros: int) -> datetime:
    """Microseconds since the Unix epoch as a time in UTC, without passing through a float."""
    return EPOCH + timedelta(microseconds=micros)


def to_us(moment: datetime) -> int:
    """A time with a zone as microseconds since the Unix epoch, without passing through a float."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * MICROS_PER_SECOND + since.microseconds
