"""The state of one account, as its events made it. Plain slotted classes, changed in place for speed."""

import copy
from dataclasses import dataclass, field
from enum import IntEnum

# Later than every time there is: what never lapses sorts last.
NEVER = 1 << 62


class AccountState(IntEnum):
    """What an account may do."""

    ACTIVE = 1
    FROZEN = 2
    CLOSED = 3


class ReservationState(IntEnum):
    """Where a reservation stands."""

    OPEN = 1
    CAPTURED = 2
    RELEASED = 3
    EXPIRED = 4


@dataclass(slots=True)
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
    paid_amount: int = 0
    paid_currency: str = ""
    reference: str = ""

    def burn_key(self) -> tuple[int, int, int, str]:
        """Burn order: priority, expiry (none last), creation, id."""
        return (self.priority, self.expires_at or NEVER, self.created_at, self.grant_id)

    def copy(self) -> "Grant":
        """The grant as it is now."""
        return copy.copy(self)


@dataclass(slots=True)
class Reservation:
    """Credits set aside; `holds` maps the numbers of the grants they came from, in burn order, to what is left."""

    reservation_id: str
    amount: int
    reserved: int
    expires_at: int
    created_at: int
    holds: dict[int, int]
    state: ReservationState = ReservationState.OPEN
    captured: int = 0
    released: int = 0
    shortfall: int = 0
    ended_at: int = 0

    def copy(self) -> "Reservation":
        """The reservation as it is now, without its holds; by hand, for it is in the path of every command."""
        return Reservation(
            self.reservation_id,
            self.amount,
            self.reserved,
            self.expires_at,
            self.created_at,
            {},
            self.state,
            self.captured,
            self.released,
            self.shortfall,
            self.ended_at,
        )


@dataclass(slots=True)
class RequestRecord:
    """A request id that acted: where its event is, and what a replay is compared with."""

    fingerprint: bytes
    remember_until: int
    seq: int
    index: int
    refused: bool = False


@dataclass(slots=True)
class Account:
    """An account: totals, grants, reservations, request ids, and the times at which something lapses."""

    account_id: str
    created_at: int
    state: AccountState = AccountState.ACTIVE
    credit_limit: int = 0
    granted: int = 0
    available: int = 0
    reserved: int = 0
    spent: int = 0
    expired: int = 0
    voided: int = 0
    grants: dict[int, Grant] = field(default_factory=dict)
    # Grants with something available, in burn order.
    burn: list[Grant] = field(default_factory=list)
    open_reservations: dict[str, Reservation] = field(default_factory=dict)
    ended_reservations: dict[str, Reservation] = field(default_factory=dict)
    requests: dict[str, RequestRecord] = field(default_factory=dict)
    # A heap of (time, grant number or 0, reservation id); entries that no longer hold are skipped when they come up.
    deadlines: list[tuple[int, int, str]] = field(default_factory=list)

    def reservation(self, reservation_id: str) -> Reservation | None:
        """A reservation, open or ended; None where there never was one."""
        return self.open_reservations.get(reservation_id) or self.ended_reservations.get(reservation_id)


@dataclass(slots=True)
class Balance:
    """Credits of an account at a time, what is due to lapse counted as lapsed, with its live grants."""

    granted: int
    available: int
    reserved: int
    spent: int
    expired: int
    voided: int
    grants: list[Grant]


def balance_at(account: Account, at: int) -> Balance:
    """The balance at a time not before the last event; appends nothing."""
    grants = {n: grant.copy() for n, grant in account.grants.items() if grant.available or grant.reserved}
    if account.deadlines and account.deadlines[0][0] <= at:
        for reservation in account.open_reservations.values():
            if reservation.expires_at <= at:
                for number, held in reservation.holds.items():
                    # A hold that was captured whole may be the last of a grant that is no longer live.
                    if held:
                        grants[number].reserved -= held
                        grants[number].available += held
    lapsed = 0
    for grant in grants.values():
        if grant.expires_at and grant.expires_at <= at:
            lapsed += grant.available
            grant.available = 0
    available = sum(grant.available for grant in grants.values())
    live = [grant for grant in grants.values() if grant.available or grant.reserved]
    return Balance(
        granted=account.granted,
        available=available,
        reserved=sum(grant.reserved for grant in grants.values()),
        spent=account.spent,
        expired=account.expired + lapsed,
        voided=account.voided,
        grants=sorted(live, key=Grant.burn_key),
    )
