"""Whether a request is well formed; each complaint names the field, the limit and what was given."""

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services.runtime import clock
from services.runtime.errors import Refusal, invalid

_ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_POSITION = re.compile(r"([0-9]{1,9}):([1-9][0-9]{0,17})")

SECOND = clock.MICROS_PER_SECOND
DAY = 24 * 3600 * SECOND
HORIZON = 30 * DAY
TEN_YEARS = 3_653 * DAY
# The last time a Timestamp can hold.
_LATEST = 253_402_300_799 * SECOND
# What an int64 holds either way; whether an account's totals still fit is for the decider to know.
MICROS_MAX = (1 << 63) - 1
ACCOUNT_ID_MAX = 63
ID_MAX = 128
LABELS_MAX = 8
LABEL_NAME_MAX = 64
TEXT_MAX = 128
PRIORITY_MAX = 255


def account_id(value: str, field: str = "account_id") -> str:
    """`^[a-z0-9][a-z0-9_-]{0,62}$`."""
    if not _ACCOUNT_ID.fullmatch(value):
        raise invalid(
            field,
            f"must be 1 to {ACCOUNT_ID_MAX} of a-z, 0-9, _ and -, and begin with a letter or digit",
            length=len(value),
            limit=ACCOUNT_ID_MAX,
        )
    return value


def visible(field: str, value: str) -> str:
    """1 to 128 visible ASCII characters."""
    if not (0 < len(value) <= ID_MAX and value.isascii() and value.isprintable() and " " not in value):
        raise invalid(
            field,
            f"must be 1 to {ID_MAX} visible ASCII characters; it has {len(value)}",
            length=len(value),
            limit=ID_MAX,
        )
    return value


def amount(field: str, value: int, least: int) -> int:
    """Microcredits, at least `least`; the wire holds no more than an int64."""
    if value < least:
        raise invalid(field, f"must be at least {least}, not {value}", limit=least, value=value)
    return value


def signed_amount(field: str, value: int) -> int:
    """Microcredits, above or below zero."""
    if not value or abs(value) > MICROS_MAX:
        raise invalid(
            field, f"must not be 0 and at most {MICROS_MAX} either way, not {value}", limit=MICROS_MAX, value=value
        )
    return value


def priority(value: int) -> int:
    """0 to 255."""
    if value > PRIORITY_MAX:
        raise invalid("priority", f"must be 0 to {PRIORITY_MAX}, not {value}", limit=PRIORITY_MAX, value=value)
    return value


def ttl(value: Duration) -> int:
    """Microseconds, one second to 30 days."""
    nanos = value.nanos
    micros = value.seconds * SECOND + nanos // 1_000
    if not SECOND <= micros <= HORIZON or not 0 <= nanos < 1_000_000_000:
        limit = HORIZON // SECOND
        raise invalid(
            "ttl", f"must be 1 to {limit} seconds, not {value.seconds}", limit_seconds=limit, seconds=value.seconds
        )
    return micros


def not_after(value: Timestamp, now: int) -> int:
    """Microseconds since the epoch; at most 30 days ahead. One that has passed is for the decider to refuse."""
    micros = moment("not_after", value)
    if micros > now + HORIZON:
        raise _too_far("not_after", "30 days", micros - now, HORIZON)
    return micros


def moment(field: str, value: Timestamp) -> int:
    """A timestamp as microseconds since the epoch."""
    micros = value.seconds * SECOND + value.nanos // 1_000
    if not 0 < micros <= _LATEST or not 0 <= value.nanos < 1_000_000_000:
        raise invalid(field, f"must be a time from 1970 to 9999, not {value.seconds} seconds", seconds=value.seconds)
    return micros


def effective_at(value: Timestamp, now: int, expires: int) -> int:
    """A time at most ten years ahead and before the expiry (0: none); one that has passed means at once."""
    micros = moment("effective_at", value)
    if micros > now + TEN_YEARS:
        raise _too_far("effective_at", "ten years", micros - now, TEN_YEARS)
    if expires and micros >= expires:
        raise invalid("effective_at", "must lie before expires_at", value=micros, expires_at=expires)
    return micros


def text(field: str, value: str, limit: int = TEXT_MAX) -> str:
    """Text without control characters, at most `limit` characters."""
    if len(value) > limit:
        raise invalid(
            field, f"has {len(value)} characters, at most {limit} are allowed", limit=limit, length=len(value)
        )
    # Nearly all texts are printable, which is sooner known.
    if not value.isprintable() and _CONTROL.search(value):
        raise invalid(field, "holds a control character")
    return value


def trace_id(field: str, value: str) -> str:
    """32 hex digits."""
    if not _TRACE_ID.fullmatch(value):
        raise invalid(field, "must be 32 hex digits, in lower case", length=len(value), limit=32)
    return value


def labels(value: Mapping[str, str]) -> dict[str, str]:
    """At most 8 pairs."""
    if len(value) > LABELS_MAX:
        raise invalid(
            "labels", f"{len(value)} pairs, at most {LABELS_MAX} are allowed", limit=LABELS_MAX, length=len(value)
        )
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


def position(field: str, value: str, shard: int) -> int:
    """The number in `shard:n`, which must be of this shard."""
    found = _POSITION.fullmatch(value)
    if not found:
        raise invalid(field, "must be shard:n, as an answer gave it")
    if int(found[1]) != shard:
        raise invalid(
            field, f"{value} is of shard {int(found[1])}, the account is on shard {shard}", value=value, shard=shard
        )
    return int(found[2])


def one_of(field: str, value: int, allowed: Mapping[int, str]) -> int:
    """A value of an enum that is allowed here; `allowed` names them."""
    if value not in allowed:
        raise invalid(field, f"must be one of {', '.join(allowed.values())}, not {value}", value=value)
    return value


def list_of(request: Any) -> str:
    """Which list a request asks for, whatever the page: what its tokens are bound to."""
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("page_size")
    rest.ClearField("page_token")
    return f"{type(request).__name__} {rest.SerializeToString(deterministic=True).hex()}"


def at_most_one(**given: bool) -> None:
    """Refuses fields that exclude each other."""
    found = [name for name, is_set in given.items() if is_set]
    if len(found) > 1:
        raise invalid(found[1], f"cannot be combined with {found[0]}", other=found[0])


def _too_far(field: str, words: str, ahead: int, limit: int) -> Refusal:
    return invalid(
        field,
        f"must be at most {words} ahead, not {ahead // SECOND} seconds",
        limit_seconds=limit // SECOND,
        seconds=ahead // SECOND,
    )
