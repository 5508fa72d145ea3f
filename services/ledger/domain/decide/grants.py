"""Credits that come in or are taken away: grants, voids, refunds, adjustments."""

from typing import Any

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain import errors
from services.ledger.domain.account import Account, GrantState
from services.ledger.domain.allocations import give_back, take_available
from services.ledger.domain.commands import AdjustBalance, GrantCredits, RefundCapture, VoidGrant
from services.ledger.domain.decide.events import event_of, refusal_of, refuse_closed

# An int64 of microcredits, with room for sums: nine quintillion.
TOTAL_MICROS_MAX = (1 << 63) - 1
# Of one account and not spent, so that an event that draws on all of them fits into a message.
GRANTS_MAX = 10_000
# A refund into a new grant is valid for at least so long.
REFUND_LASTS = 30 * 24 * 3600 * 1_000_000
PRIORITY_DEFAULT = 100


def grant(account: Account, command: GrantCredits, at: int) -> pb.Event:
    """Now, or scheduled for a time ahead."""
    refuse_closed(account)
    if command.expires_at and command.expires_at <= at:
        raise errors.ExpiryPassedError(field="expires_at", expires_at=command.expires_at, now=at)
    refuse_too_much(account, command.amount)
    scheduled = command.effective_at > at
    return event_of(
        account,
        pb.EVENT_KIND_CREDITS_GRANTED,
        command.cause,
        available_change=0 if scheduled else command.amount,
        grant_id=command.grant_id,
        grant_number=account.grants_made + 1,
        amount_micros=command.amount,
        source=command.source,
        priority=command.priority,
        effective_at=max(command.effective_at, at),
        expires_at=command.expires_at,
        paid_amount_micros=command.paid_amount,
        paid_currency=command.paid_currency,
        reason=command.reason,
    )


def refuse_too_much(account: Account, amount: int) -> None:
    """Raises where another grant would be one too many, or totals would no longer fit."""
    usable = len(account.burn)
    if len(account.grants) >= GRANTS_MAX:
        usable += sum(g.state is GrantState.SCHEDULED for g in account.grants)
    if usable >= GRANTS_MAX:
        raise errors.TooManyGrantsError(account_id=account.account_id, grants=usable, limit=GRANTS_MAX)
    refuse_out_of_range(account, amount, account.credit_limit)


def refuse_out_of_range(account: Account, amount: int, credit_limit: int) -> None:
    """Raises where a total might not fit: all that came in, and what is lent beyond it, may be reserved or spent."""
    ahead = sum(g.amount for g in account.grants if g.state is GrantState.SCHEDULED)
    if account.granted + ahead + amount + credit_limit > TOTAL_MICROS_MAX:
        raise errors.AmountOutOfRangeError(limit_micros=TOTAL_MICROS_MAX)


def void(account: Account, command: VoidGrant) -> pb.Event:
    """What is available in it; what is reserved of it is withdrawn when it comes back."""
    refuse_closed(account)
    found = next((g for g in account.grants if g.grant_id == command.grant_id), None)
    if found is None:
        raise errors.GrantNotFoundError(account_id=account.account_id, grant_id=command.grant_id)
    if found.state not in (GrantState.SCHEDULED, GrantState.LIVE):
        raise errors.GrantEndedError(grant_id=found.grant_id, state=found.state.name)
    return event_of(
        account,
        pb.EVENT_KIND_GRANT_VOIDED,
        command.cause,
        available_change=-found.available,
        grant_id=found.grant_id,
        grant_number=found.number,
        amount_micros=found.available,
        reason=command.reason,
    )


def refund(account: Account, command: RefundCapture, at: int) -> pb.Event:
    """Back to the grants the capture drew on, the last one first; for what came from dead ones, a new grant."""
    refuse_closed(account)
    if command.captured is None:
        raise errors.ReservationNotFoundError(account_id=account.account_id, reservation_id=command.reservation_id)
    captured = sum(part for _, part in command.captured)
    refunded = account.refunds.get(command.reservation_id, 0)
    if command.amount > captured - refunded:
        raise errors.RefundExceedsCapturedError(
            requested_micros=command.amount, captured_micros=captured, refunded_micros=refunded
        )
    numbers, amounts = give_back(account, command.captured, command.amount, passing_over=refunded)
    return event_of(
        account,
        pb.EVENT_KIND_CAPTURE_REFUNDED,
        command.cause,
        available_change=command.amount,
        reservation_id=command.reservation_id,
        amount_micros=command.amount,
        refunded_total_micros=refunded + command.amount,
        allocation_grants=numbers,
        allocation_amounts_micros=amounts,
        reason=command.reason,
        **rest_as_grant(account, command.grant_id, command.amount - sum(amounts), at),
    )


def rest_as_grant(account: Account, grant_id: str, rest: int, at: int) -> dict[str, Any]:
    """The fields of the new grant for credits whose grants are dead; none where nothing is left over."""
    if not rest:
        return {}
    return {
        "grant_id": grant_id,
        "grant_number": account.grants_made + 1,
        "source": pb.GRANT_SOURCE_REFUND,
        "priority": PRIORITY_DEFAULT,
        "effective_at": at,
        "expires_at": at + REFUND_LASTS,
    }


def reduce(account: Account, command: AdjustBalance) -> pb.Event:
    """From what is available, in burn order; never on credit."""
    refuse_closed(account)
    if command.amount > account.available:
        return refusal_of(account, command.cause, command.amount)
    numbers, amounts = take_available(account, command.amount)
    return event_of(
        account,
        pb.EVENT_KIND_BALANCE_REDUCED,
        command.cause,
        available_change=-command.amount,
        amount_micros=command.amount,
        allocation_grants=numbers,
        allocation_amounts_micros=amounts,
        reason=command.reason,
    )
