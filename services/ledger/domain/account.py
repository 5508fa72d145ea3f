"""The state of one account, as its events made it. Plain slotted classes, changed in place for speed.

`epoch` on each is the journal's mark of the batch that saved it last; it is no part of the state.

A million accounts fit in memory, and a command waits for few cache lines, because there is little of each: what most
accounts do not have is made when it is first needed, and short collections are tuples, which also makes undoing exact.
"""

import copy
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappush
from typing import NamedTuple

# Later than every time there is: what never lapses sorts last.
NEVER = 1 << 62
# The number that stands for the account's credit in allocations.
CREDIT = 0
# When something lapses: (time, grant number or 0, reservation id).
Deadline = tuple[int, int, str]
# A part of an amount: (number of the grant within its account, microcredits).
Allocation = tuple[int, int]


class AccountState(IntEnum):
    """What an account may do."""

    ACTIVE = 1
    FROZEN = 2
    CLOSED = 3


class GrantState(IntEnum):
    """Where a grant stands; credits that come back to an expired or voided one go the same way."""

    SCHEDULED = 1
    LIVE = 2
    EXPIRED = 3
    VOIDED = 4


class ReservationState(IntEnum):
    """Where a reservation stands."""

    OPEN = 1
    CAPTURED = 2
    RELEASED = 3
    EXPIRED = 4


@dataclass(slots=True, eq=False)
class Grant:
    """Credits that came in together; `available + reserved` of its `amount` are left."""

    number: int
    grant_id: str
    amount: int
    available: int
    reserved: int
    source: int
    priority: int
    effective_at: int
    expires_at: int
    created_at: int
    state: GrantState = GrantState.LIVE
    epoch: int = 0

    def burn_key(self) -> tuple[int, int, int, str]:
        """Burn order: priority, expiry (none last), creation, id."""
        return (self.priority, self.expires_at or NEVER, self.created_at, self.grant_id)

    def next_deadline(self) -> int:
        """When it becomes effective, or lapses; 0: never, or it is over."""
        if self.state is GrantState.SCHEDULED:
            return self.effective_at
        return self.expires_at if self.state is GrantState.LIVE else 0

    def copy(self) -> "Grant":
        """The grant as it is now."""
        return copy.copy(self)


@dataclass(slots=True, eq=False)
class Reservation:
    """Credits set aside; `holds` is what is left of them by the grants they came from, in burn order.

    `remember_until` is until when its id is known after it has ended, so that it cannot be made again.
    """

    reservation_id: str
    amount: int
    reserved: int
    expires_at: int
    created_at: int
    holds: tuple[Allocation, ...]
    remember_until: int = 0
    state: ReservationState = ReservationState.OPEN
    captured: int = 0
    released: int = 0
    shortfall: int = 0
    ended_at: int = 0
    epoch: int = 0

    def copy(self) -> "Reservation":
        """The reservation as it is now, without its holds; by hand, for it is in the path of every command."""
        return Reservation(
            self.reservation_id,
            self.amount,
            self.reserved,
            self.expires_at,
            self.created_at,
            (),
            self.remember_until,
            self.state,
            self.captured,
            self.released,
            self.shortfall,
            self.ended_at,
        )


@dataclass(frozen=True, slots=True)
class Transfer:
    """Credits that left for another account and have neither arrived nor come back."""

    transfer_id: str
    to_account_id: str
    amount: int
    expires_at: int
    created_at: int
    parts: tuple[Allocation, ...]


class _NoReservations(dict[str, Reservation]):
    """What accounts without open reservations share; it stays empty."""

    def __setitem__(self, reservation_id: str, reservation: Reservation) -> None:
        raise TypeError("an account's first reservation needs a dict of its own")


NO_RESERVATIONS = _NoReservations()


class More(NamedTuple):
    """What few accounts have: credit, transfers, refunds, and credits that came back to dead grants.

    Unchanging but for its mappings, which are made when they are first needed.
    """

    credit_limit: int = 0
    owed: int = 0
    on_credit: int = 0
    transferred_in: int = 0
    transferred_out: int = 0
    # Dead grants to which something came back; it lapses by the next event.
    lapsing: tuple[Grant, ...] = ()
    # By reservation: what was refunded of its captures.
    refunds: dict[str, int] | None = None
    # Transfers under way from here, by id.
    transfers: dict[str, Transfer] | None = None
    # Transfers that came here, and whether they were taken in: for ever, for each may be sent again and arrives once.
    received: dict[str, bool] | None = None


# Of most accounts.
NO_MORE = More()


@dataclass(slots=True, eq=False)
class Account:
    """An account: totals, grants, open reservations, and the times at which something lapses.

    `available` is what its grants have left less what is on credit: `owed` (spent) and `on_credit` (reserved).
    """

    account_id: str
    created_at: int
    state: AccountState = AccountState.ACTIVE
    granted: int = 0
    available: int = 0
    reserved: int = 0
    spent: int = 0
    expired: int = 0
    voided: int = 0
    # How many grants there ever were: the number of the last one.
    grants_made: int = 0
    # Grants that are scheduled, live, or dead with something still reserved of them, in order of their numbers.
    grants: tuple[Grant, ...] = ()
    # Live grants with something available, in burn order.
    burn: tuple[Grant, ...] = ()
    # NO_RESERVATIONS when there are none.
    open_reservations: dict[str, Reservation] = field(default_factory=lambda: NO_RESERVATIONS)
    more: More = NO_MORE
    # A heap of what lapses when; entries that no longer hold are skipped when they come up.
    deadlines: list[Deadline] | None = None
    epoch: int = 0

    @property
    def credit_limit(self) -> int:
        """How far below zero available credits may go."""
        return self.more.credit_limit

    @property
    def owed(self) -> int:
        """What was spent on credit and is not repaid."""
        return self.more.owed

    @property
    def on_credit(self) -> int:
        """What is reserved on credit."""
        return self.more.on_credit

    @property
    def refunds(self) -> Mapping[str, int]:
        """By reservation: what was refunded of its captures."""
        return self.more.refunds or {}

    @property
    def transfers(self) -> Mapping[str, Transfer]:
        """Transfers under way from here, by id."""
        return self.more.transfers or {}

    @property
    def received(self) -> Mapping[str, bool]:
        """Transfers that came here, and whether they were taken in."""
        return self.more.received or {}

    @property
    def lapsing(self) -> tuple[Grant, ...]:
        """Dead grants to which something came back."""
        return self.more.lapsing

    def grant(self, number: int) -> Grant:
        """The grant of a number; raises KeyError where there is none."""
        grants = self.grants
        # Most accounts have one.
        if len(grants) == 1 and grants[0].number == number:
            return grants[0]
        found = self.find_grant(number)
        if found is None:
            raise KeyError(number)
        return found

    def find_grant(self, number: int) -> Grant | None:
        """The grant of a number, if it is still here."""
        grants = self.grants
        if not grants:
            return None
        # Numbers follow each other where none is gone.
        place = number - grants[0].number
        if not 0 <= place < len(grants) or grants[place].number != number:
            place = bisect_left(grants, number, key=_number_of)
        if place < len(grants) and grants[place].number == number:
            return grants[place]
        return None

    def add_deadline(self, deadline: Deadline) -> None:
        """Lets something lapse at a time."""
        if self.deadlines is None:
            self.deadlines = [deadline]
        else:
            heappush(self.deadlines, deadline)

    def order_grants(self) -> None:
        """Derives burn order from the grants; for state that was restored."""
        self.burn = tuple(
            sorted((g for g in self.grants if g.available and g.state is GrantState.LIVE), key=Grant.burn_key)
        )
        lapsing = tuple(g for g in self.grants if g.available and g.state is not GrantState.LIVE)
        if lapsing:
            self.more = self.more._replace(lapsing=lapsing)


def reservations_by_id(reservations: Iterable[Reservation]) -> dict[str, Reservation]:
    """Open reservations as an account has them."""
    return {reservation.reservation_id: reservation for reservation in reservations} or NO_RESERVATIONS


def _number_of(grant: Grant) -> int:
    return grant.number


def deadlines_of(account: Account) -> list[Deadline]:
    """The heap of what lapses when, without entries that no longer hold."""
    found = [(r.expires_at, 0, r.reservation_id) for r in account.open_reservations.values()]
    found += [(moment, g.number, "") for g in account.grants if (moment := g.next_deadline())]
    # Sorted is a heap.
    found.sort()
    return found
