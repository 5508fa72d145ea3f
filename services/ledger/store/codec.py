"""Domain events ↔ the flat protobuf `Event` of the log. The only place that knows both."""

from collections.abc import Callable
from typing import Any, assert_never

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain import events as ev
from services.ledger.domain.commands import Cause

# Bytes of an event without its ids, texts and allocations, estimated high; keeps a batch below its limit without
# measuring it.
EVENT_BYTES = 160


class UnknownEventError(Exception):
    """The log holds a kind of event this program does not know: it must not go on folding."""


def size_estimate(event: ev.Event) -> int:
    """About how many bytes the event takes; never much less than it does."""
    size = EVENT_BYTES + len(event.account_id) + len(getattr(event, "reservation_id", ""))
    size += 16 * (len(getattr(event, "allocations", ())) + len(getattr(event, "releases", ())))
    if isinstance(event, (ev.GrantExpired, ev.ReservationExpired)):
        return size
    cause = event.cause
    size += len(cause.request_id) + _bytes_at_most(cause.reference) + _bytes_at_most(cause.tool)
    size += _bytes_at_most(cause.key_id) + _bytes_at_most(cause.provider_request_id)
    for name, value in cause.labels.items():
        size += 8 + _bytes_at_most(name) + _bytes_at_most(value)
    return size


def _bytes_at_most(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)


def add(batch: pb.EventBatch, event: ev.Event) -> None:  # noqa: PLR0915 (one case a kind of event)
    """Appends the event to the batch."""
    fields: dict[str, Any] = {
        "account_id": event.account_id,
        "available_after_micros": event.available_after,
        "reserved_after_micros": event.reserved_after,
    }
    match event:
        case ev.CreditsReserved():
            kind = pb.EVENT_KIND_CREDITS_RESERVED
            fields["reservation_id"] = event.reservation_id
            fields["amount_micros"] = event.amount
            fields["expires_at"] = event.expires_at
            _add_allocations(fields, event.allocations)
        case ev.ReservationCaptured():
            kind = pb.EVENT_KIND_RESERVATION_CAPTURED
            fields["reservation_id"] = event.reservation_id
            fields["amount_micros"] = event.amount
            fields["captured_total_micros"] = event.captured_total
            fields["final"] = event.final
            fields["released_micros"] = event.released
            fields["shortfall_micros"] = event.shortfall
            fields["overage_micros"] = event.overage
            _add_allocations(fields, event.allocations)
            fields["released_grants"] = [number for number, _ in event.releases]
            fields["released_amounts_micros"] = [part for _, part in event.releases]
        case ev.ReservationReleased():
            kind = pb.EVENT_KIND_RESERVATION_RELEASED
            fields["reservation_id"] = event.reservation_id
            fields["amount_micros"] = event.amount
            _add_allocations(fields, event.allocations)
        case ev.ReservationExpired():
            kind = pb.EVENT_KIND_RESERVATION_EXPIRED
            fields["reservation_id"] = event.reservation_id
            fields["amount_micros"] = event.amount
            _add_allocations(fields, event.allocations)
            fields["actor"] = "time"
        case ev.ReservationExtended():
            kind = pb.EVENT_KIND_RESERVATION_EXTENDED
            fields["reservation_id"] = event.reservation_id
            fields["expires_at"] = event.expires_at
        case ev.CreditsGranted():
            kind = pb.EVENT_KIND_CREDITS_GRANTED
            fields["grant_id"] = event.grant_id
            fields["grant_number"] = event.grant_number
            fields["amount_micros"] = event.amount
            fields["source"] = event.source
            fields["priority"] = event.priority
            fields["effective_at"] = event.effective_at
            fields["expires_at"] = event.expires_at
            fields["paid_amount_micros"] = event.paid_amount
            fields["paid_currency"] = event.paid_currency
        case ev.GrantExpired():
            kind = pb.EVENT_KIND_GRANT_EXPIRED
            fields["grant_id"] = event.grant_id
            fields["grant_number"] = event.grant_number
            fields["amount_micros"] = event.amount
            fields["actor"] = "time"
        case ev.AccountOpened():
            kind = pb.EVENT_KIND_ACCOUNT_OPENED
        case ev.RequestRefused():
            kind = pb.EVENT_KIND_REQUEST_REFUSED
            fields["reservation_id"] = event.reservation_id
            fields["amount_micros"] = event.amount
            fields["reason"] = event.reason
        case _:
            assert_never(event)
    if not isinstance(event, (ev.GrantExpired, ev.ReservationExpired)):
        _add_cause(fields, event.cause)
    batch.events.add(kind=kind, **fields)


def _add_allocations(fields: dict[str, Any], allocations: tuple[ev.Allocation, ...]) -> None:
    fields["allocation_grants"] = [number for number, _ in allocations]
    fields["allocation_amounts_micros"] = [part for _, part in allocations]


def _add_cause(fields: dict[str, Any], cause: Cause) -> None:
    fields["request_id"] = cause.request_id
    fields["fingerprint"] = cause.fingerprint
    fields["remember_until"] = cause.remember_until
    fields["actor"] = cause.actor
    fields["trace_id"] = cause.trace_id
    if cause.tool:
        fields["tool"] = cause.tool
        fields["tool_version"] = cause.tool_version
        fields["price_version"] = cause.price_version
    if cause.key_id:
        fields["key_id"] = cause.key_id
    if cause.reference:
        fields["reference"] = cause.reference
    if cause.labels:
        fields["labels"] = cause.labels
    if cause.provider_request_id:
        fields["provider_request_id"] = cause.provider_request_id
    if cause.provider_cost:
        fields["provider_cost_micros"] = cause.provider_cost
        fields["provider_cost_currency"] = cause.provider_cost_currency


def decode(event: pb.Event) -> ev.Event:
    """The domain's event; raises UnknownEventError."""
    read = _READERS.get(event.kind)
    if read is None:
        raise UnknownEventError(f"event kind {event.kind} of account {event.account_id}")
    return read(event)


def _cause(e: pb.Event) -> Cause:
    return Cause(
        request_id=e.request_id,
        remember_until=e.remember_until,
        actor=e.actor,
        trace_id=e.trace_id,
        reference=e.reference,
        labels=dict(e.labels),
        key_id=e.key_id,
        tool=e.tool,
        tool_version=e.tool_version,
        price_version=e.price_version,
        provider_request_id=e.provider_request_id,
        provider_cost=e.provider_cost_micros,
        provider_cost_currency=e.provider_cost_currency,
        fingerprint=e.fingerprint,
    )


def _allocations(e: pb.Event) -> tuple[ev.Allocation, ...]:
    return tuple(zip(e.allocation_grants, e.allocation_amounts_micros, strict=True))


def _credits_reserved(e: pb.Event) -> ev.Event:
    return ev.CreditsReserved(
        account_id=e.account_id,
        cause=_cause(e),
        available_after=e.available_after_micros,
        reserved_after=e.reserved_after_micros,
        reservation_id=e.reservation_id,
        amount=e.amount_micros,
        expires_at=e.expires_at,
        allocations=_allocations(e),
    )


def _reservation_captured(e: pb.Event) -> ev.Event:
    return ev.ReservationCaptured(
        account_id=e.account_id,
        cause=_cause(e),
        available_after=e.available_after_micros,
        reserved_after=e.reserved_after_micros,
        reservation_id=e.reservation_id,
        amount=e.amount_micros,
        captured_total=e.captured_total_micros,
        final=e.final,
        released=e.released_micros,
        shortfall=e.shortfall_micros,
        overage=e.overage_micros,
        allocations=_allocations(e),
        releases=tuple(zip(e.released_grants, e.released_amounts_micros, strict=True)),
    )


def _reservation_released(e: pb.Event) -> ev.Event:
    return ev.ReservationReleased(
        account_id=e.account_id,
        cause=_cause(e),
        available_after=e.available_after_micros,
        reserved_after=e.reserved_after_micros,
        reservation_id=e.reservation_id,
        amount=e.amount_micros,
        allocations=_allocations(e),
    )


def _reservation_expired(e: pb.Event) -> ev.Event:
    return ev.ReservationExpired(
        account_id=e.account_id,
        available_after=e.available_after_micros,
        reserved_after=e.reserved_after_micros,
        reservation_id=e.reservation_id,
        amount=e.amount_micros,
        allocations=_allocations(e),
    )


def _reservation_extended(e: pb.Event) -> ev.Event:
    return ev.ReservationExtended(
        account_id=e.account_id,
        cause=_cause(e),
        available_after=e.available_after_micros,
        reserved_after=e.reserved_after_micros,
        reservation_id=e.reservation_id,
        expires_at=e.expires_at,
    )


def _credits_granted(e: pb.Event) -> ev.Event:
    return ev.CreditsGranted(
        account_id=e.account_id,
        cause=_cause(e),
        available_after=e.available_after_micros,
        reserved_after=e.reserved_after_micros,
        grant_id=e.grant_id,
        grant_number=e.grant_number,
        amount=e.amount_micros,
        source=e.source,
        priority=e.priority,
        effective_at=e.effective_at,
        expires_at=e.expires_at,
        paid_amount=e.paid_amount_micros,
        paid_currency=e.paid_currency,
    )


def _grant_expired(e: pb.Event) -> ev.Event:
    return ev.GrantExpired(
        account_id=e.account_id,
        available_after=e.available_after_micros,
        reserved_after=e.reserved_after_micros,
        grant_id=e.grant_id,
        grant_number=e.grant_number,
        amount=e.amount_micros,
    )


def _account_opened(e: pb.Event) -> ev.Event:
    return ev.AccountOpened(account_id=e.account_id, cause=_cause(e))


def _request_refused(e: pb.Event) -> ev.Event:
    return ev.RequestRefused(
        account_id=e.account_id,
        cause=_cause(e),
        available_after=e.available_after_micros,
        reserved_after=e.reserved_after_micros,
        reservation_id=e.reservation_id,
        amount=e.amount_micros,
        reason=e.reason,
    )


_READERS: dict[int, Callable[[pb.Event], ev.Event]] = {
    pb.EVENT_KIND_ACCOUNT_OPENED: _account_opened,
    pb.EVENT_KIND_CREDITS_GRANTED: _credits_granted,
    pb.EVENT_KIND_GRANT_EXPIRED: _grant_expired,
    pb.EVENT_KIND_CREDITS_RESERVED: _credits_reserved,
    pb.EVENT_KIND_RESERVATION_EXTENDED: _reservation_extended,
    pb.EVENT_KIND_RESERVATION_CAPTURED: _reservation_captured,
    pb.EVENT_KIND_RESERVATION_RELEASED: _reservation_released,
    pb.EVENT_KIND_RESERVATION_EXPIRED: _reservation_expired,
    pb.EVENT_KIND_REQUEST_REFUSED: _request_refused,
}
