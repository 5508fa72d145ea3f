"""Credits that leave for another account, arrive, or come back."""

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import Account, Transfer
from services.ledger.domain.evolve.grants import answer_transfer, reduced
from services.ledger.domain.evolve.moves import give_back
from services.ledger.domain.journal import Journal


def sent(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Credits have left, and the account remembers them until the transfer has ended."""
    reduced(account, event, at, journal)
    more = account.more
    transfers = more.transfers
    if transfers is None:
        transfers = {}
    elif journal:
        journal.member(account, transfers, event.transfer_id)
    account.more = more._replace(transfers=transfers, transferred_out=more.transferred_out + event.amount_micros)
    transfers[event.transfer_id] = Transfer(
        transfer_id=event.transfer_id,
        to_account_id=event.counterpart_account_id,
        amount=event.amount_micros,
        expires_at=event.expires_at,
        created_at=at,
        parts=tuple(zip(event.allocation_grants, event.allocation_amounts_micros, strict=True)),
    )


def completed(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """The other account has them."""
    transfers = account.more.transfers
    if transfers:
        if journal:
            journal.member(account, transfers, event.transfer_id)
        transfers.pop(event.transfer_id, None)


def returned(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """They are back."""
    completed(account, event, at, journal)
    account.voided -= event.amount_micros
    account.more = account.more._replace(transferred_out=account.more.transferred_out - event.amount_micros)
    give_back(account, event, at, journal)


def rejected(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """There was no room for them here, and there never will be."""
    answer_transfer(account, event.transfer_id, False, journal)
