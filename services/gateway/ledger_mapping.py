"""From the messages of the ledger to the shapes of the HTTP API, and its words to their numbers."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, UnsetType
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.gateway import ledger_shapes as shapes
from services.gateway.credits import show
from services.gateway.mapping import time_of

SOURCES: Mapping[str, events_pb2.GrantSource] = {
    "purchase": events_pb2.GRANT_SOURCE_PURCHASE,
    "promotion": events_pb2.GRANT_SOURCE_PROMOTION,
    "plan": events_pb2.GRANT_SOURCE_PLAN,
    "adjustment": events_pb2.GRANT_SOURCE_ADJUSTMENT,
    "refund": events_pb2.GRANT_SOURCE_REFUND,
    "transfer": events_pb2.GRANT_SOURCE_TRANSFER,
}
# A statement's words are those of the analysts' view credit_movements.
KINDS: Mapping[str, events_pb2.EventKind] = {
    "opened": events_pb2.EVENT_KIND_ACCOUNT_OPENED,
    "granted": events_pb2.EVENT_KIND_CREDITS_GRANTED,
    "grant_expired": events_pb2.EVENT_KIND_GRANT_EXPIRED,
    "reserved": events_pb2.EVENT_KIND_CREDITS_RESERVED,
    "extended": events_pb2.EVENT_KIND_RESERVATION_EXTENDED,
    "captured": events_pb2.EVENT_KIND_RESERVATION_CAPTURED,
    "released": events_pb2.EVENT_KIND_RESERVATION_RELEASED,
    "reservation_expired": events_pb2.EVENT_KIND_RESERVATION_EXPIRED,
    "refused": events_pb2.EVENT_KIND_REQUEST_REFUSED,
    "frozen": events_pb2.EVENT_KIND_ACCOUNT_FROZEN,
    "unfrozen": events_pb2.EVENT_KIND_ACCOUNT_UNFROZEN,
    "closed": events_pb2.EVENT_KIND_ACCOUNT_CLOSED,
    "credit_limit_changed": events_pb2.EVENT_KIND_CREDIT_LIMIT_CHANGED,
    "grant_effective": events_pb2.EVENT_KIND_GRANT_EFFECTIVE,
    "grant_voided": events_pb2.EVENT_KIND_GRANT_VOIDED,
    "refunded": events_pb2.EVENT_KIND_CAPTURE_REFUNDED,
    "reduced": events_pb2.EVENT_KIND_BALANCE_REDUCED,
    "transfer_sent": events_pb2.EVENT_KIND_TRANSFER_SENT,
    "transfer_completed": events_pb2.EVENT_KIND_TRANSFER_COMPLETED,
    "transfer_returned": events_pb2.EVENT_KIND_TRANSFER_RETURNED,
    "repaid": events_pb2.EVENT_KIND_CREDIT_REPAID,
    "transfer_rejected": events_pb2.EVENT_KIND_TRANSFER_REJECTED,
}
_SOURCE_WORDS: dict[int, str] = {number: word for word, number in SOURCES.items()}
KIND_WORDS: dict[int, str] = {number: word for word, number in KINDS.items()}


def _states(numbers: Any) -> dict[str, Any]:
    return {name.removeprefix("STATE_"): number for name, number in numbers.items() if number}


GRANT_STATES = _states(ledger_pb2.Grant.State)
RESERVATION_STATES = _states(ledger_pb2.Reservation.State)
_ACCOUNT_WORDS: dict[int, Any] = {number: word for word, number in _states(ledger_pb2.Account.State).items()}
_GRANT_WORDS: dict[int, Any] = {number: word for word, number in GRANT_STATES.items()}
_RESERVATION_WORDS: dict[int, Any] = {number: word for word, number in RESERVATION_STATES.items()}
_TRANSFER_WORDS: dict[int, Any] = {number: word for word, number in _states(ledger_pb2.Transfer.State).items()}
_JOB_ID_PREFIX = "job_"


def account(message: ledger_pb2.GetBalanceResponse) -> shapes.Account:
    """An account with its credits and grants."""
    return shapes.Account(
        account_id=message.account.account_id,
        state=_ACCOUNT_WORDS[message.account.state],
        created_at=time_of(message.account.created_at),
        credits=credits(message.credits),
        credit_limit=show(message.account.credit_limit_micros),
        owed=show(message.account.owed_micros),
        open_reservations=message.open_reservations,
        grants=[grant(one) for one in message.grants],
        as_of=time_of(message.as_of),
        as_of_position=message.position,
    )


def credits(message: ledger_pb2.Credits) -> shapes.AccountCredits:
    """The six amounts."""
    return shapes.AccountCredits(
        granted=show(message.granted_micros),
        available=show(message.available_micros),
        reserved=show(message.reserved_micros),
        spent=show(message.spent_micros),
        expired=show(message.expired_micros),
        voided=show(message.voided_micros),
    )


def grant(message: ledger_pb2.Grant) -> shapes.Grant:
    """A grant."""
    paid: shapes.Paid | UnsetType = UNSET
    if message.HasField("paid"):
        paid = shapes.Paid(message.paid.amount_micros, message.paid.currency)
    return shapes.Grant(
        grant_id=message.grant_id,
        account_id=message.account_id,
        state=_GRANT_WORDS[message.state],
        credits=show(message.amount_micros),
        available=show(message.available_micros),
        reserved=show(message.reserved_micros),
        source=_SOURCE_WORDS.get(message.source, "other"),
        priority=message.priority,
        effective_at=time_of(message.effective_at),
        expires_at=time_of(message.expires_at) if message.HasField("expires_at") else None,
        created_at=time_of(message.created_at),
        paid=paid,
        reference=message.reference or UNSET,
        transfer_id=message.transfer_id or UNSET,
    )


def reservation(message: ledger_pb2.Reservation) -> shapes.Reservation:
    """A reservation."""
    return shapes.Reservation(
        reservation_id=message.reservation_id,
        account_id=message.account_id,
        state=_RESERVATION_WORDS[message.state],
        credits=show(message.amount_micros),
        reserved=show(message.reserved_micros),
        captured=show(message.captured_micros),
        released=show(message.released_micros),
        refunded=show(message.refunded_micros),
        shortfall=show(message.shortfall_micros),
        created_at=time_of(message.created_at),
        expires_at=time_of(message.expires_at) if message.HasField("expires_at") else None,
        ended_at=time_of(message.ended_at) if message.HasField("ended_at") else None,
        job_id=_job_id(message.reservation_id),
    )


def entry(message: ledger_pb2.Entry) -> shapes.Entry:
    """A line of a statement."""
    subject = message.subject
    return shapes.Entry(
        position=message.position,
        recorded_at=time_of(message.recorded_at),
        kind=KIND_WORDS.get(message.kind, "other"),
        amount=show(message.amount_micros),
        available_after=show(message.available_after_micros),
        reserved_after=show(message.reserved_after_micros),
        grant_id=message.grant_id or UNSET,
        reservation_id=message.reservation_id or UNSET,
        job_id=_job_id(message.reservation_id),
        transfer_id=message.transfer_id or UNSET,
        counterpart_account_id=message.counterpart_account_id or UNSET,
        tool=subject.tool or UNSET,
        tool_version=subject.tool_version or UNSET,
        price_version=subject.price_version or UNSET,
        reference=subject.reference or UNSET,
        labels=dict(subject.labels) or UNSET,
        reason=message.reason or UNSET,
        request_id=message.request_id or UNSET,
        key_id=subject.key_id or UNSET,
        actor=message.actor or UNSET,
        trace_id=message.trace_id or UNSET,
    )


def transfer(message: ledger_pb2.Transfer) -> shapes.Transfer:
    """A transfer."""
    return shapes.Transfer(
        transfer_id=message.transfer_id,
        account_id=message.account_id,
        to_account_id=message.to_account_id,
        credits=show(message.amount_micros),
        state=_TRANSFER_WORDS[message.state],
        created_at=time_of(message.created_at),
        reason=message.reason or UNSET,
    )


def totals(message: ledger_pb2.GetTotalsResponse) -> shapes.Totals:
    """The books."""
    return shapes.Totals(
        available=show(message.available_micros),
        reserved=show(message.reserved_micros),
        revenue=show(message.revenue_micros),
        breakage=show(message.breakage_micros),
        transit=show(message.transit_micros),
        issuance=show(message.issuance_micros),
        positions=list(message.positions),
    )


def _job_id(reservation_id: str) -> str | UnsetType:
    return reservation_id if reservation_id.startswith(_JOB_ID_PREFIX) else UNSET
