"""What an account has, as it is told."""

import copy
from dataclasses import dataclass
from itertools import islice

from services.ledger.domain.account import Account, Grant, Reservation
from services.ledger.domain.due import due
from services.ledger.domain.evolve import evolve

RESERVATIONS_SHOWN = 100


@dataclass(slots=True)
class Balance:
    """Credits of an account at a time, what is due counted as done, with its usable or pinned grants in burn order,
    100 of its open reservations at most, and how many there are."""

    granted: int
    available: int
    reserved: int
    spent: int
    expired: int
    voided: int
    grants: list[Grant]
    reservations: list[Reservation]
    open_reservations: int


def balance_at(account: Account, at: int) -> Balance:
    """The balance at a time not before the last event; appends nothing."""
    event = due(account, at)
    if event is not None:
        # Seldom: the loop applies what is due before anyone looks, a thousand a batch.
        account = copy.deepcopy(account)
        while event is not None:
            evolve(account, event, at)
            event = due(account, at)
    return Balance(
        granted=account.granted,
        available=account.available,
        reserved=account.reserved,
        spent=account.spent,
        expired=account.expired,
        voided=account.voided,
        grants=sorted(
            (grant.copy() for grant in account.grants if grant.available or grant.reserved),
            key=Grant.burn_key,
        ),
        reservations=[r.copy() for r in islice(account.open_reservations.values(), RESERVATIONS_SHOWN)],
        open_reservations=len(account.open_reservations),
    )
