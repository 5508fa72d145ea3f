"""Domain answers → responses."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.ledger.application.shard import Answer
from services.ledger.domain.account import Account, Balance, Grant, Reservation


def timestamp(micros: int) -> Timestamp | None:
    """Microseconds since the epoch; 0 is no time."""
    if not micros:
        return None
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1_000)


def account(value: Account) -> ledger_pb2.Account:
    """An account."""
    return ledger_pb2.Account(
        account_id=value.account_id,
        state=value.state.value,  # type: ignore[arg-type]
        created_at=timestamp(value.created_at),
        credit_limit_micros=value.credit_limit,
    )


def grant(account_id: str, value: Grant) -> ledger_pb2.Grant:
    """A grant."""
    paid = (
        ledger_pb2.Paid(amount_micros=value.paid_amount, currency=value.paid_currency) if value.paid_currency else None
    )
    return ledger_pb2.Grant(
        grant_id=value.grant_id,
        account_id=account_id,
        amount_micros=value.amount,
        available_micros=value.available,
        reserved_micros=value.reserved,
        source=value.source,  # type: ignore[arg-type]
        priority=value.priority,
        effective_at=timestamp(value.effective_at),
        expires_at=timestamp(value.expires_at),
        paid=paid,
        reference=value.reference,
        created_at=timestamp(value.created_at),
    )


def reservation(account_id: str, value: Reservation) -> ledger_pb2.Reservation:
    """A reservation."""
    return ledger_pb2.Reservation(
        reservation_id=value.reservation_id,
        account_id=account_id,
        state=value.state.value,  # type: ignore[arg-type]
        amount_micros=value.amount,
        reserved_micros=value.reserved,
        captured_micros=value.captured,
        released_micros=value.released,
        expires_at=timestamp(value.expires_at),
        created_at=timestamp(value.created_at),
        ended_at=timestamp(value.ended_at),
        shortfall_micros=value.shortfall,
    )


def credits(value: Balance) -> ledger_pb2.Credits:
    """The six amounts."""
    return ledger_pb2.Credits(
        granted_micros=value.granted,
        available_micros=value.available,
        reserved_micros=value.reserved,
        spent_micros=value.spent,
        expired_micros=value.expired,
        voided_micros=value.voided,
    )


def fill(response: Any, answer: Answer, account_id: str, shard: int) -> Any:
    """Puts an answer into the response of its command."""
    match answer.subject:
        case Reservation() as subject:
            response.reservation.CopyFrom(reservation(account_id, subject))
        case Grant() as subject:
            response.grant.CopyFrom(grant(account_id, subject))
        case Account() as subject:
            response.account.CopyFrom(account(subject))
    response.replayed = answer.replayed
    if answer.position:
        response.position = f"{shard}:{answer.position}"
    return response


def entry(shard: int, position: int, at: int, event: events_pb2.Event) -> ledger_pb2.Entry:
    """A line of a statement."""
    return ledger_pb2.Entry(
        position=f"{shard}:{position}",
        recorded_at=timestamp(at),
        kind=event.kind,
        account_id=event.account_id,
        amount_micros=event.amount_micros,
        available_after_micros=event.available_after_micros,
        reserved_after_micros=event.reserved_after_micros,
        grant_id=event.grant_id,
        reservation_id=event.reservation_id,
        request_id=event.request_id,
        subject=ledger_pb2.Subject(
            reference=event.reference,
            labels=event.labels,
            key_id=event.key_id,
            tool=event.tool,
            tool_version=event.tool_version,
            price_version=event.price_version,
            provider_request_id=event.provider_request_id,
            provider_cost_micros=event.provider_cost_micros,
            provider_cost_currency=event.provider_cost_currency,
            trace_id=event.trace_id,
        ),
        actor=event.actor,
        trace_id=event.trace_id,
        reason=event.reason,
    )
