"""What all events are made of: credits that become available or are taken, grants that come and go."""

from bisect import bisect

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import CREDIT, Account, Allocation, Grant, GrantState
from services.ledger.domain.journal import Journal


def parts_of(event: pb.Event) -> tuple[Allocation, ...]:
    """What an event took from, or gave to, each grant; nearly always it is one."""
    numbers, amounts = event.allocation_grants, event.allocation_amounts_micros
    if len(numbers) == 1:
        return ((numbers[0], amounts[0]),)
    return tuple(zip(numbers, amounts, strict=True))


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
        effective_at=at if event.effective_at == at else event.effective_at,
        expires_at=event.expires_at,
        created_at=at,
    )
    if journal:
        grant.epoch = journal.epoch
    account.grants = (*account.grants, grant)
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
            _burn(account, grant)
        else:
            account.more = account.more._replace(lapsing=(*account.lapsing, grant))
    # Of most accounts the only amount there is: one number for all that are equal.
    grant.available = grant.available + amount if grant.available else amount
    account.available = account.available + amount if account.available else amount


def take(account: Account, grant: Grant, amount: int, journal: Journal | None) -> None:
    """Takes an amount that is available out of a grant; an empty one no longer burns."""
    if journal and grant.epoch != journal.epoch:
        journal.grant(account, grant)
    grant.available -= amount
    account.available -= amount
    if grant.available == 0:
        account.burn = _without(account.burn, grant)


def _burn(account: Account, grant: Grant) -> None:
    """Puts a grant into burn order."""
    burn = account.burn
    if burn:
        place = bisect(burn, grant.burn_key(), key=Grant.burn_key)
        account.burn = (*burn[:place], grant, *burn[place:])
    else:
        # An account's only grant needs no second tuple.
        account.burn = account.grants if len(account.grants) == 1 else (grant,)


def _without(grants: tuple[Grant, ...], grant: Grant) -> tuple[Grant, ...]:
    if len(grants) == 1:
        return ()
    place = grants.index(grant)
    return (*grants[:place], *grants[place + 1 :])


def give_back(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Gives an event's amount to the grants of its allocations, and what is left of it to a new grant."""
    left = event.amount_micros
    for number, part in parts_of(event):
        left -= part
        if number == CREDIT:
            account.more = account.more._replace(owed=account.owed - part)
            account.available += part
            continue
        grant = account.grant(number)
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
            account.burn = _without(account.burn, grant)
        else:
            account.more = account.more._replace(lapsing=_without(account.lapsing, grant))
    grant.state = state
    if not grant.reserved:
        drop(account, grant)


def drop(account: Account, grant: Grant) -> None:
    """A dead grant of which nothing is reserved leaves memory."""
    account.grants = _without(account.grants, grant)
