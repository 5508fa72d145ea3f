"""Requests → domain commands, checked; one function a command."""

import base64
import hashlib
from typing import Any

from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.ledger.domain import commands as cmd
from services.ledger.transport import validation as check
from services.runtime import clock, identity, tracing
from services.runtime.errors import invalid

DEFAULT_PRIORITY = 100
GRANTABLE = (
    events_pb2.GRANT_SOURCE_PURCHASE,
    events_pb2.GRANT_SOURCE_PROMOTION,
    events_pb2.GRANT_SOURCE_PLAN,
    events_pb2.GRANT_SOURCE_ADJUSTMENT,
)


def derived_id(prefix: str, *parts: str) -> str:
    """An id that a retry of the same command gets again."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return prefix + base64.b32encode(digest)[:26].decode().lower()


def _cause(request: Any, not_after: int) -> cmd.Cause:
    request_id = check.visible("request_id", request.request_id)
    if not request.HasField("subject"):
        return cmd.Cause(request_id, not_after, identity.actor(), tracing.trace_id())
    subject: ledger_pb2.Subject = request.subject
    check.amount("subject.provider_cost_micros", subject.provider_cost_micros, 0)
    if subject.provider_cost_micros:
        check.currency("subject.provider_cost_currency", subject.provider_cost_currency)
    return cmd.Cause(
        request_id=request_id,
        remember_until=not_after,
        actor=identity.actor(),
        trace_id=check.trace_id("subject.trace_id", subject.trace_id) or tracing.trace_id(),
        reference=check.text("subject.reference", subject.reference),
        labels=check.labels(subject.labels),
        key_id=check.text("subject.key_id", subject.key_id, 64),
        tool=check.text("subject.tool", subject.tool, 64),
        tool_version=subject.tool_version,
        price_version=subject.price_version,
        provider_request_id=check.text("subject.provider_request_id", subject.provider_request_id),
        provider_cost=subject.provider_cost_micros,
        provider_cost_currency=subject.provider_cost_currency,
    )


def _not_after(request: Any, now: int, default: int = check.DAY) -> int:
    return check.not_after(request.not_after if request.HasField("not_after") else None, now, default)


def open_account(request: ledger_pb2.OpenAccountRequest) -> cmd.Command:
    """OpenAccount; without an id it gets one that derives from the request id."""
    not_after = _not_after(request, clock.now_us())
    cause = _cause(request, not_after)
    account_id = request.account_id or derived_id("acc-", cause.request_id)
    return _signed(cmd.OpenAccount(check.account_id(account_id), cause, not_after))


def grant_credits(request: ledger_pb2.GrantCreditsRequest) -> cmd.Command:
    """GrantCredits."""
    now = clock.now_us()
    account_id = check.account_id(request.account_id)
    not_after = _not_after(request, now, check.HORIZON)
    cause = _cause(request, not_after)
    if request.source not in GRANTABLE:
        raise invalid("source", "must be PURCHASE, PROMOTION, PLAN or ADJUSTMENT")
    priority = request.priority if request.HasField("priority") else DEFAULT_PRIORITY
    if priority > 255:
        raise invalid("priority", f"must be 0 to 255, not {priority}", limit=255, value=priority)
    paid = request.paid
    if request.HasField("paid"):
        check.amount("paid.amount_micros", paid.amount_micros, 0)
        check.currency("paid.currency", paid.currency)
    return _signed(
        cmd.GrantCredits(
            account_id=account_id,
            cause=cause,
            not_after=not_after,
            grant_id=derived_id("grant_", account_id, cause.request_id),
            amount=check.amount("amount_micros", request.amount_micros, 1),
            source=request.source,
            priority=priority,
            expires_at=check.ahead("expires_at", request.expires_at, now) if request.HasField("expires_at") else 0,
            paid_amount=paid.amount_micros,
            paid_currency=paid.currency,
        )
    )


def reserve_credits(request: ledger_pb2.ReserveCreditsRequest) -> cmd.Command:
    """ReserveCredits."""
    account_id = check.account_id(request.account_id)
    not_after = _not_after(request, clock.now_us())
    return _signed(
        cmd.ReserveCredits(
            account_id=account_id,
            cause=_cause(request, not_after),
            not_after=not_after,
            reservation_id=check.visible("reservation_id", request.reservation_id),
            amount=check.amount("amount_micros", request.amount_micros, 0),
            ttl=check.ttl(request.ttl),
        )
    )


def extend_reservation(request: ledger_pb2.ExtendReservationRequest) -> cmd.Command:
    """ExtendReservation."""
    account_id = check.account_id(request.account_id)
    not_after = _not_after(request, clock.now_us())
    return _signed(
        cmd.ExtendReservation(
            account_id=account_id,
            cause=_cause(request, not_after),
            not_after=not_after,
            reservation_id=check.visible("reservation_id", request.reservation_id),
            ttl=check.ttl(request.ttl),
        )
    )


def capture_reservation(request: ledger_pb2.CaptureReservationRequest) -> cmd.Command:
    """CaptureReservation."""
    account_id = check.account_id(request.account_id)
    not_after = _not_after(request, clock.now_us())
    return _signed(
        cmd.CaptureReservation(
            account_id=account_id,
            cause=_cause(request, not_after),
            not_after=not_after,
            reservation_id=check.visible("reservation_id", request.reservation_id),
            captured_total=check.amount("captured_total_micros", request.captured_total_micros, 0),
            final=request.final,
            up_to_available=request.capture_up_to_available,
        )
    )


def release_reservation(request: ledger_pb2.ReleaseReservationRequest) -> cmd.Command:
    """ReleaseReservation."""
    account_id = check.account_id(request.account_id)
    not_after = _not_after(request, clock.now_us())
    return _signed(
        cmd.ReleaseReservation(
            account_id=account_id,
            cause=_cause(request, not_after),
            not_after=not_after,
            reservation_id=check.visible("reservation_id", request.reservation_id),
        )
    )


def _signed(command: cmd.Command) -> cmd.Command:
    command.cause.fingerprint = cmd.fingerprint(command)
    return command


def from_batch(command: ledger_pb2.Command) -> cmd.Command:
    """Whichever command a batch's element holds."""
    match command.WhichOneof("command"):
        case "reserve_credits":
            return reserve_credits(command.reserve_credits)
        case "capture_reservation":
            return capture_reservation(command.capture_reservation)
        case "release_reservation":
            return release_reservation(command.release_reservation)
        case "extend_reservation":
            return extend_reservation(command.extend_reservation)
        case "grant_credits":
            return grant_credits(command.grant_credits)
        case "open_account":
            return open_account(command.open_account)
        case _:
            raise invalid("commands", "an element holds no command")
