"""Domain answers → messages, filled in place: what a message has that is zero or absent is not touched."""

from google.protobuf.timestamp_pb2 import Timestamp
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.ledger.application.reads.grants import GrantTold
from services.ledger.application.reads.past import Moment
from services.ledger.application.reads.reservations import ReservationTold
from services.ledger.domain.account import Account, Grant, Reservation
from services.ledger.domain.balance import Balance
from services.ledger.domain.grant_history import made_by
from services.ledger.store.entry_pages import Entry

_SECOND = 1_000_000


def fill_time(target: Timestamp, micros: int) -> None:
    """Microseconds since the epoch."""
    target.seconds, rest = divmod(micros, _SECOND)
    if rest:
        target.nanos = rest * 1_000


def fill_account(target: ledger_pb2.Account, value: Account) -> None:
    """An account."""
    target.account_id = value.account_id
    target.state = value.state.value  # type: ignore[assignment]
    fill_time(target.created_at, value.created_at)
    target.credit_limit_micros = value.credit_limit
    target.owed_micros = value.owed


def fill_grant(target: ledger_pb2.Grant, account_id: str, value: Grant) -> None:
    """A grant as memory has it: without what was paid for it, its reference and its transfer."""
    target.grant_id = value.grant_id
    target.account_id = account_id
    target.amount_micros = value.amount
    target.available_micros = value.available
    target.reserved_micros = value.reserved
    target.source = value.source  # type: ignore[assignment]
    target.priority = value.priority
    fill_time(target.effective_at, value.effective_at)
    if value.expires_at:
        fill_time(target.expires_at, value.expires_at)
    fill_time(target.created_at, value.created_at)
    target.state = value.state.value  # type: ignore[assignment]


def fill_told_grant(target: ledger_pb2.Grant, told: GrantTold) -> None:
    """A grant as it is now, with all that its making says."""
    _fill_whole_grant(target, told.grant, told.made)


def fill_made_grant(target: ledger_pb2.Grant, made: events_pb2.Event, at: int) -> None:
    """A grant as the event recorded at `at` made it."""
    _fill_whole_grant(target, made_by(made, at), made)


def _fill_whole_grant(target: ledger_pb2.Grant, value: Grant, made: events_pb2.Event) -> None:
    fill_grant(target, made.account_id, value)
    if made.paid_currency:
        target.paid.amount_micros = made.paid_amount_micros
        target.paid.currency = made.paid_currency
    target.reference = made.reference
    target.transfer_id = made.transfer_id


def fill_reservation(target: ledger_pb2.Reservation, account_id: str, value: Reservation) -> None:
    """A reservation, in the path of nearly every command."""
    target.reservation_id = value.reservation_id
    target.account_id = account_id
    target.state = value.state  # type: ignore[assignment]
    if value.amount:
        target.amount_micros = value.amount
    if value.reserved:
        target.reserved_micros = value.reserved
    if value.captured:
        target.captured_micros = value.captured
    if value.released:
        target.released_micros = value.released
    if value.shortfall:
        target.shortfall_micros = value.shortfall
    fill_time(target.expires_at, value.expires_at)
    fill_time(target.created_at, value.created_at)
    if value.ended_at:
        fill_time(target.ended_at, value.ended_at)


def fill_told_reservation(target: ledger_pb2.Reservation, account_id: str, told: ReservationTold) -> None:
    """A reservation with what was refunded of it."""
    fill_reservation(target, account_id, told.reservation)
    target.refunded_micros = told.refunded


def fill_credits(target: ledger_pb2.Credits, value: Balance) -> None:
    """The six amounts."""
    target.granted_micros = value.granted
    target.available_micros = value.available
    target.reserved_micros = value.reserved
    target.spent_micros = value.spent
    target.expired_micros = value.expired
    target.voided_micros = value.voided


def fill_moment(target: ledger_pb2.GetBalanceResponse, found: Moment) -> None:
    """A balance and what it is made of."""
    account_id, balance = found.account.account_id, found.balance
    fill_account(target.account, found.account)
    fill_credits(target.credits, balance)
    fill_time(target.as_of, found.at)
    for grant in balance.grants:
        fill_grant(target.grants.add(), account_id, grant)
    for reservation in balance.reservations:
        fill_reservation(target.reservations.add(), account_id, reservation)
    target.open_reservations = balance.open_reservations


def fill_entry(target: ledger_pb2.Entry, shard: int, entry: Entry) -> None:
    """A line of a statement."""
    event = entry.event
    target.position = f"{shard}:{entry.position}"
    fill_time(target.recorded_at, entry.at)
    for name in _COPIED:
        setattr(target, name, getattr(event, name))
    subject = target.subject
    for name in _OF_SUBJECT:
        setattr(subject, name, getattr(event, name))
    subject.labels.update(event.labels)


_COPIED = (
    "kind", "account_id", "amount_micros", "available_after_micros", "reserved_after_micros", "grant_id",
    "reservation_id", "request_id", "actor", "trace_id", "reason", "counterpart_account_id", "transfer_id",
)  # fmt: skip
_OF_SUBJECT = (
    "reference", "key_id", "tool", "tool_version", "price_version", "provider_request_id", "provider_cost_micros",
    "provider_cost_currency", "trace_id",
)  # fmt: skip
