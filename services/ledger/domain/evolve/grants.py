"""Grants, refunds and adjustments."""

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import Account, GrantState
from services.ledger.domain.evolve.moves import begin, die, give_back, new_grant, parts_of, take
from services.ledger.domain.journal import Journal


def granted(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Credits come in, at once or when the grant becomes effective; with a transfer's id, from another account."""
    scheduled = event.effective_at > at
    grant = new_grant(account, event, at, event.amount_micros, journal)
    if event.transfer_id:
        answer_transfer(account, event.transfer_id, True, journal)
        account.more = account.more._replace(transferred_in=account.more.transferred_in + event.amount_micros)
    if scheduled:
        grant.state = GrantState.SCHEDULED
        account.add_deadline((grant.effective_at, grant.number, ""))
    else:
        account.granted = account.granted + grant.amount if account.granted else grant.amount
        begin(account, grant)


def effective(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """A scheduled grant comes in."""
    grant = account.grant(event.grant_number)
    if journal and grant.epoch != journal.epoch:
        journal.grant(account, grant)
    account.granted += grant.amount
    begin(account, grant)


def expired(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """What was available in a grant lapsed; it is dead from here on."""
    account.expired += event.amount_micros
    die(account, account.grant(event.grant_number), GrantState.EXPIRED, journal)


def voided(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """What was available in a grant was withdrawn; it is dead from here on."""
    account.voided += event.amount_micros
    die(account, account.grant(event.grant_number), GrantState.VOIDED, journal)


def refunded(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Spent credits come back."""
    account.spent -= event.amount_micros
    refunds = account.more.refunds
    if refunds is None:
        refunds = {}
        account.more = account.more._replace(refunds=refunds)
    elif journal:
        journal.member(account, refunds, event.reservation_id)
    refunds[event.reservation_id] = event.refunded_total_micros
    give_back(account, event, at, journal)


def reduced(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Available credits were taken away."""
    account.voided += event.amount_micros
    for number, part in parts_of(event):
        take(account, account.grant(number), part, journal)


def answer_transfer(account: Account, transfer_id: str, taken_in: bool, journal: Journal | None) -> None:
    """Remembers whether a transfer was taken in."""
    received = account.more.received
    if received is None:
        received = {}
        account.more = account.more._replace(received=received)
    elif journal:
        journal.member(account, received, transfer_id)
    received[transfer_id] = taken_in
