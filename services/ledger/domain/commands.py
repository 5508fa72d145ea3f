"""What callers ask for, in the imperative. Well-formedness was checked before a command is made."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Cause:
    """Who asked, under which request id and about what; its events carry it. No part of the fingerprint."""

    request_id: str
    remember_until: int
    actor: str = ""
    trace_id: str = ""
    reference: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    key_id: str = ""
    tool: str = ""
    tool_version: int = 0
    price_version: int = 0
    provider_request_id: str = ""
    provider_cost: int = 0
    provider_cost_currency: str = ""
    fingerprint: bytes = b""


@dataclass(slots=True)
class OpenAccount:
    """Open an account."""

    account_id: str
    cause: Cause
    not_after: int


@dataclass(slots=True)
class GrantCredits:
    """Add credits as a grant with an id of its own."""

    account_id: str
    cause: Cause
    not_after: int
    grant_id: str
    amount: int
    source: int
    priority: int
    expires_at: int
    paid_amount: int
    paid_currency: str


@dataclass(slots=True)
class ReserveCredits:
    """Set credits aside for `ttl` microseconds."""

    account_id: str
    cause: Cause
    not_after: int
    reservation_id: str
    amount: int
    ttl: int


@dataclass(slots=True)
class ExtendReservation:
    """Let a reservation hold for `ttl` microseconds from now, if that is later than it does."""

    account_id: str
    cause: Cause
    not_after: int
    reservation_id: str
    ttl: int


@dataclass(slots=True)
class CaptureReservation:
    """Spend reserved credits up to a cumulative total."""

    account_id: str
    cause: Cause
    not_after: int
    reservation_id: str
    captured_total: int
    final: bool
    up_to_available: bool


@dataclass(slots=True)
class ReleaseReservation:
    """Give back what a reservation still holds, and end it."""

    account_id: str
    cause: Cause
    not_after: int
    reservation_id: str


Command = OpenAccount | GrantCredits | ReserveCredits | ExtendReservation | CaptureReservation | ReleaseReservation


def fingerprint(command: Command) -> bytes:
    """Eight bytes over kind, account, ids and amounts: what makes two commands of one request id the same."""
    content: tuple[object, ...]
    match command:
        case ReserveCredits():
            content = ("reserve", command.account_id, command.reservation_id, command.amount)
        case CaptureReservation():
            content = (
                "capture",
                command.account_id,
                command.reservation_id,
                command.captured_total,
                command.final,
                command.up_to_available,
            )
        case ReleaseReservation():
            content = ("release", command.account_id, command.reservation_id)
        case ExtendReservation():
            content = ("extend", command.account_id, command.reservation_id)
        case GrantCredits():
            content = ("grant", command.account_id, command.amount, command.source, command.priority)
            content += (command.expires_at, command.paid_amount, command.paid_currency)
        case OpenAccount():
            content = ("open", command.account_id)
    return hashlib.blake2b("\0".join(map(str, content)).encode(), digest_size=8).digest()
