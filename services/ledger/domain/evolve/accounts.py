"""Opened, frozen, closed; the credit limit, and what is repaid of it."""

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import Account, AccountState, GrantState
from services.ledger.domain.evolve.moves import die, parts_of, take
from services.ledger.domain.journal import Journal


def frozen(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Nothing new may be reserved or sent."""
    account.state = AccountState.FROZEN


def unfrozen(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """It is active again."""
    account.state = AccountState.ACTIVE


def closed(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Whatever was in its grants is withdrawn with it."""
    account.state = AccountState.CLOSED
    account.voided += event.amount_micros
    for grant in account.grants:
        die(account, grant, GrantState.VOIDED, journal)


def limit_changed(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Available credits may go to minus this."""
    account.more = account.more._replace(credit_limit=event.credit_limit_micros)


def repaid(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Grants pay what was spent on credit; what is available stays the same."""
    for number, part in parts_of(event):
        take(account, account.grant(number), part, journal)
        account.more = account.more._replace(owed=account.owed - part)
        account.available += part
