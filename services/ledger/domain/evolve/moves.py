"""What all events are made of: credits that become available or are taken, grants that come and go."""

from bisect import insort

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import CREDIT, Account, Grant, GrantState
from services.ledger.domain.journal import Journal


def parts_of(event: pb.Event) -> dict[int, int]:
    """What an event took from, or gave to, each grant; nearly always it is one."""
    numbers, amounts = event.allocation_grants, event.allocation_amounts_micros
    if len(numbers) == 1:
        return {numbers[0]: amounts[0]}
    return dict(zip(numbers, amounts, strict=True))


def new_grant(account: Account, event: pb.Event, at: int, amount: int, journal: Journal | None) -> Grant:
    """A grant with nothing available yet."""
    grant = Grant(
        number=event.grant_number,
        grant_id=event.grant_id,
        amount=amount,
        available=0,
        reserved=0,
        source=event.source,
        priority=event.priority,
        effective_at=event.effective_at,
        expires_at=event.expires_at,
        created_at=at,
    )
    if journal:
        grant.epoch = journal.epoch
        journal.member(account, account.grants, grant.number)
    account.grants[grant.number] = grant
    account.grants_made = grant.number
    return grant


def begin(account: Account, grant: Grant) -> None:
    """A grant's credits can be used, until they lapse."""
    grant.state = GrantState.LIVE
    give(account, grant, grant.amount)
    if grant.expires_at:
        account.add_deadline((grant.expires_at, grant.number, ""))


def give(account: Account, grant: Grant, amount: int) -> None:
    """Makes an amount available in a grant that was saved; one that had nothing burns, or lapses, again."""
    if grant.available == 0:
        if grant.state is GrantState.LIVE:
            insort(account.burn, grant, key=Grant.burn_key)
        else:
            account.lapsing = (*account.lapsing, grant)
    grant.available += amount
    account.available += amount


def take(account: Account, grant: Grant, amount: int, journal: Journal | None) -> None:
    """Takes an amount that is available out of a grant; an empty one no longer burns."""
    if journal and grant.epoch != journal.epoch:
        journal.grant(account, grant)
    grant.available -= amount
    account.available -= amount
    if grant.available == 0:
        account.burn.remove(grant)


def give_back(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Gives an event's amount to the grants of its allocations, and what is left of it to a new grant."""
    left = event.amount_micros
    for number, part in parts_of(event).items():
        left -= part
        if number == CREDIT:
            account.owed -= part
            account.available += part
            continue
        grant = account.grants[number]
        if journal and grant.epoch != journal.epoch:
            journal.grant(account, grant)
        give(account, grant, part)
    if left:
        begin(account, new_grant(account, event, at, left, journal))


def die(account: Account, grant: Grant, state: GrantState, journal: Journal | None) -> None:
    """A grant loses what is available in it; what is reserved of it stays until its reservations end."""
    if journal and grant.epoch != journal.epoch:
        journal.grant(account, grant)
    if grant.available:
        account.available -= grant.available
        grant.available = 0
        if grant.state is GrantState.LIVE:
            account.burn.remove(grant)
        else:
            account.lapsing = tuple(other for other in account.lapsing if other is not grant)
    grant.state = state
    if not grant.reserved:
        drop(account, grant, journal)


def drop(account: Account, grant: Grant, journal: Journal | None) -> None:
    """A dead grant of which nothing is reserved leaves memory."""
    if journal:
        journal.member(account, account.grants, grant.number)
    del account.grants[grant.number]
