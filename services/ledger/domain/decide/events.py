"""Making an event: what all have in common."""

from typing import Any

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain import errors
from services.ledger.domain.account import Account, AccountState
from services.ledger.domain.commands import Cause


def event_of(
    account: Account,
    kind: pb.EventKind,
    cause: Cause,
    available_change: int = 0,
    reserved_change: int = 0,
    **fields: Any,
) -> pb.Event:
    """An event of the account; the changes are those of its available and reserved credits."""
    return pb.Event(
        kind=kind,
        account_id=account.account_id,
        available_after_micros=account.available + available_change,
        reserved_after_micros=account.reserved + reserved_change,
        **fields,
        **cause,
    )


def refusal_of(account: Account, cause: Cause, amount: int, **fields: Any) -> pb.Event:
    """Credits are lacking: kept, so that a replay gives the first answer and the refusal can be explained."""
    return event_of(
        account,
        pb.EVENT_KIND_REQUEST_REFUSED,
        cause,
        amount_micros=amount,
        credit_limit_micros=account.credit_limit,
        reason=errors.InsufficientCreditsError.reason,
        **fields,
    )


def refuse_closed(account: Account) -> None:
    """Raises where nothing may happen any more."""
    if account.state is AccountState.CLOSED:
        raise errors.AccountClosedError(account_id=account.account_id)
