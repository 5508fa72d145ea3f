"""Opening, freezing, closing; the credit limit."""

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain import errors
from services.ledger.domain.account import Account, AccountState, GrantState
from services.ledger.domain.commands import OpenAccount, UpdateAccount
from services.ledger.domain.decide.events import event_of
from services.ledger.domain.decide.grants import refuse_out_of_range


def open_(account: Account | None, command: OpenAccount) -> pb.Event | None:
    """An account that is open is answered as it is, unless another credit limit is asked for."""
    if account is None:
        return pb.Event(
            kind=pb.EVENT_KIND_ACCOUNT_OPENED,
            account_id=command.account_id,
            credit_limit_micros=command.credit_limit,
            **command.cause,
        )
    if command.credit_limit and command.credit_limit != account.credit_limit:
        raise errors.AccountExistsError(
            account_id=account.account_id,
            credit_limit_micros=account.credit_limit,
            requested_micros=command.credit_limit,
        )
    return None


def update(account: Account, command: UpdateAccount) -> pb.Event | None:
    """One transition, or another limit."""
    if account.state is AccountState.CLOSED and command.state is not AccountState.CLOSED:
        raise errors.AccountClosedError(account_id=account.account_id)
    if command.credit_limit is not None:
        return _change_limit(account, command, command.credit_limit)
    if command.state is account.state:
        return None
    match command.state:
        case AccountState.FROZEN:
            kind = pb.EVENT_KIND_ACCOUNT_FROZEN
        case AccountState.CLOSED:
            return _close(account, command)
        case _:
            kind = pb.EVENT_KIND_ACCOUNT_UNFROZEN
    return event_of(account, kind, command.cause, reason=command.reason)


def _change_limit(account: Account, command: UpdateAccount, limit: int) -> pb.Event | None:
    if limit == account.credit_limit:
        return None
    used = account.owed + account.on_credit
    if limit < used:
        raise errors.CreditLimitBelowUsedError(requested_micros=limit, used_micros=used)
    refuse_out_of_range(account, 0, limit)
    return event_of(
        account,
        pb.EVENT_KIND_CREDIT_LIMIT_CHANGED,
        command.cause,
        credit_limit_micros=limit,
        reason=command.reason,
    )


def _close(account: Account, command: UpdateAccount) -> pb.Event:
    """Nothing may be reserved, owed or on its way; what is available goes only where that was declared."""
    available = sum(grant.available for grant in account.burn)
    scheduled = sum(g.amount for g in account.grants if g.state is GrantState.SCHEDULED)
    transit = sum(transfer.amount for transfer in account.transfers.values())
    busy = account.open_reservations or account.reserved or account.owed or transit
    if busy or ((available or scheduled) and not command.void_available):
        raise errors.AccountNotEmptyError(
            account_id=account.account_id,
            available_micros=available,
            scheduled_micros=scheduled,
            reserved_micros=account.reserved,
            owed_micros=account.owed,
            transit_micros=transit,
        )
    return event_of(
        account,
        pb.EVENT_KIND_ACCOUNT_CLOSED,
        command.cause,
        available_change=-available,
        amount_micros=available,
        allocation_grants=[grant.number for grant in account.burn],
        allocation_amounts_micros=[grant.available for grant in account.burn],
        reason=command.reason,
    )
