"""Whether a request is well formed; each complaint names the field, the limit and what was given."""

import re
from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services.runtime import clock
from services.runtime.errors import invalid

_ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_VISIBLE = re.compile(r"[\x21-\x7e]{1,128}")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

SECOND = clock.MICROS_PER_SECOND
DAY = 24 * 3600 * SECOND
HORIZON = 30 * DAY
# The last time a Timestamp can hold.
_LATEST = 253_402_300_799 * SECOND
LABELS_MAX = 8
LABEL_NAME_MAX = 64
TEXT_MAX = 128


def account_id(value: str) -> str:
    """`^[a-z0-9][a-z0-9_-]{0,62}$`."""
    if not _ACCOUNT_ID.fullmatch(value):
        raise invalid("account_id", "must be 1 to 63 of a-z, 0-9, _ and -, and begin with a letter or digit")
    return value


def visible(field: str, value: str) -> str:
    """1 to 128 visible ASCII characters."""
    if not _VISIBLE.fullmatch(value):
        raise invalid(field, "must be 1 to 128 visible ASCII characters", length=len(value), limit=128)
    return value


def amount(field: str, value: int, least: int) -> int:
    """Microcredits, at least `least`; an int64 as the wire has it."""
    if value < least:
        raise invalid(field, f"must be at least {least}, not {value}", limit=least, value=value)
    return value


def ttl(value: Duration) -> int:
    """Microseconds, one second to 30 days."""
    micros = value.seconds * SECOND + value.nanos // 1_000
    if not SECOND <= micros <= HORIZON:
        raise invalid(
            "ttl", f"must be 1 to {HORIZON // SECOND} seconds", limit_seconds=HORIZON // SECOND, seconds=value.seconds
        )
    return micros


def not_after(value: Timestamp | None, now: int, default: int) -> int:
    """Microseconds since the epoch; at most 30 days ahead. One that has passed is for the decider to refuse."""
    if value is None:
        return now + default
    micros = moment("not_after", value)
    if micros > now + HORIZON:
        raise invalid("not_after", "must be at most 30 days ahead", limit_seconds=HORIZON // SECOND)
    return micros


def moment(field: str, value: Timestamp) -> int:
    """A timestamp as microseconds since the epoch."""
    micros = value.seconds * SECOND + value.nanos // 1_000
    if not 0 < micros <= _LATEST or not 0 <= value.nanos < 1_000_000_000:
        raise invalid(field, "must be a time from 1970 to 9999")
    return micros


def ahead(field: str, value: Timestamp, now: int) -> int:
    """A time that lies ahead."""
    micros = moment(field, value)
    if micros <= now:
        raise invalid(field, f"must lie ahead; it is {value.ToJsonString()}")
    return micros


def text(field: str, value: str, limit: int = TEXT_MAX) -> str:
    """Text without control characters, at most `limit` characters."""
    if len(value) > limit:
        raise invalid(
            field, f"has {len(value)} characters, at most {limit} are allowed", limit=limit, length=len(value)
        )
    if _CONTROL.search(value):
        raise invalid(field, "holds a control character")
    return value


def trace_id(field: str, value: str) -> str:
    """32 hex digits, or nothing."""
    if value and not _TRACE_ID.fullmatch(value):
        raise invalid(field, "must be 32 hex digits, in lower case")
    return value


def labels(value: Mapping[str, str]) -> dict[str, str]:
    """At most 8 pairs."""
    if len(value) > LABELS_MAX:
        raise invalid("labels", f"{len(value)} pairs, at most {LABELS_MAX} are allowed", limit=LABELS_MAX)
    for name, content in value.items():
        if not name:
            raise invalid("labels", "a name is empty")
        text("labels", name, LABEL_NAME_MAX)
        text(f"labels[{name}]", content)
    return dict(value)


def currency(field: str, value: str) -> str:
    """An ISO 4217 code."""
    if not _CURRENCY.fullmatch(value):
        raise invalid(field, "must be an ISO 4217 code such as EUR")
    return value
