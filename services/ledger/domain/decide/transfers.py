"""Credits from account to account: sent, received, then completed or returned; one way, whatever the shards."""

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain import errors
from services.ledger.domain.account import Account, AccountState, Transfer
from services.ledger.domain.allocations import give_back, take_available
from services.ledger.domain.commands import CompleteTransfer, ReceiveTransfer, ReturnTransfer, SendTransfer
from services.ledger.domain.decide.events import event_of, refusal_of, refuse_closed
from services.ledger.domain.decide.grants import PRIORITY_DEFAULT, refuse_too_much, rest_as_grant


def send(account: Account, command: SendTransfer) -> pb.Event:
    """What arrives lapses when the first of the grants it came from would have: a transfer extends nothing."""
    refuse_closed(account)
    if account.state is AccountState.FROZEN:
        raise errors.AccountFrozenError(account_id=account.account_id)
    if command.amount > account.available:
        return refusal_of(account, command.cause, command.amount, counterpart_account_id=command.to_account_id)
    numbers, amounts = take_available(account, command.amount)
    lapses = [expires_at for number in numbers if (expires_at := account.grant(number).expires_at)]
    return event_of(
        account,
        pb.EVENT_KIND_TRANSFER_SENT,
        command.cause,
        available_change=-command.amount,
        transfer_id=command.transfer_id,
        counterpart_account_id=command.to_account_id,
        amount_micros=command.amount,
        expires_at=min(lapses, default=0),
        allocation_grants=numbers,
        allocation_amounts_micros=amounts,
    )


def receive(account: Account, command: ReceiveTransfer, at: int) -> pb.Event | None:
    """A new grant; None where it has arrived before.

    Where there is no room for it, that is an event too: another attempt must not find room when the sender, told of the
    refusal, has taken the credits back. (A closed account stays closed, so that needs none.)
    """
    taken_in = account.received.get(command.transfer_id)
    if taken_in is not None:
        if not taken_in:
            raise errors.TransferRejectedError(account_id=account.account_id, transfer_id=command.transfer_id)
        return None
    refuse_closed(account)
    try:
        refuse_too_much(account, command.amount)
    except errors.CommandRefusedError as error:
        return event_of(
            account,
            pb.EVENT_KIND_TRANSFER_REJECTED,
            command.cause,
            transfer_id=command.transfer_id,
            counterpart_account_id=command.from_account_id,
            amount_micros=command.amount,
            reason=error.reason,
        )
    return event_of(
        account,
        pb.EVENT_KIND_CREDITS_GRANTED,
        command.cause,
        available_change=command.amount,
        transfer_id=command.transfer_id,
        counterpart_account_id=command.from_account_id,
        grant_id=f"grant_{command.transfer_id}",
        grant_number=account.grants_made + 1,
        amount_micros=command.amount,
        source=pb.GRANT_SOURCE_TRANSFER,
        priority=PRIORITY_DEFAULT,
        effective_at=at,
        expires_at=command.expires_at,
    )


def complete(account: Account, command: CompleteTransfer) -> pb.Event:
    """The other account has them."""
    transfer = _under_way(account, command.transfer_id)
    return event_of(
        account,
        pb.EVENT_KIND_TRANSFER_COMPLETED,
        command.cause,
        transfer_id=transfer.transfer_id,
        counterpart_account_id=transfer.to_account_id,
        amount_micros=transfer.amount,
    )


def return_(account: Account, command: ReturnTransfer, at: int) -> pb.Event:
    """Back to the grants they came from; for what came from dead ones, a new grant."""
    transfer = _under_way(account, command.transfer_id)
    numbers, amounts = give_back(account, transfer.parts, transfer.amount)
    return event_of(
        account,
        pb.EVENT_KIND_TRANSFER_RETURNED,
        command.cause,
        available_change=transfer.amount,
        transfer_id=transfer.transfer_id,
        counterpart_account_id=transfer.to_account_id,
        amount_micros=transfer.amount,
        allocation_grants=numbers,
        allocation_amounts_micros=amounts,
        reason=command.reason,
        **rest_as_grant(account, command.grant_id, transfer.amount - sum(amounts), at),
    )


def _under_way(account: Account, transfer_id: str) -> Transfer:
    transfer = account.transfers.get(transfer_id)
    if transfer is None:
        raise errors.TransferNotFoundError(account_id=account.account_id, transfer_id=transfer_id)
    return transfer
