"""What happened, in the past tense. Events are outcomes and are for ever.

`available_after` and `reserved_after` are the account's credits once the event is applied. `cause` is the command
behind it; what time alone caused has none.
"""

from dataclasses import dataclass

from services.ledger.domain.commands import Cause

# A part of an amount: (number of the grant within its account, microcredits).
Allocation = tuple[int, int]


@dataclass(slots=True)
class AccountOpened:
    """An account was opened."""

    account_id: str
    cause: Cause
    available_after: int = 0
    reserved_after: int = 0


@dataclass(slots=True)
class CreditsGranted:
    """Credits came in as a new grant."""

    account_id: str
    cause: Cause
    available_after: int
    reserved_after: int
    grant_id: str
    grant_number: int
    amount: int
    source: int
    priority: int
    effective_at: int
    expires_at: int
    paid_amount: int
    paid_currency: str


@dataclass(slots=True)
class GrantExpired:
    """What was available of a grant lapsed."""

    account_id: str
    available_after: int
    reserved_after: int
    grant_id: str
    grant_number: int
    amount: int


@dataclass(slots=True)
class CreditsReserved:
    """Credits were set aside from the grants in `allocations`, which are in burn order."""

    account_id: str
    cause: Cause
    available_after: int
    reserved_after: int
    reservation_id: str
    amount: int
    expires_at: int
    allocations: tuple[Allocation, ...]


@dataclass(slots=True)
class ReservationExtended:
    """A reservation holds longer."""

    account_id: str
    cause: Cause
    available_after: int
    reserved_after: int
    reservation_id: str
    expires_at: int


@dataclass(slots=True)
class ReservationCaptured:
    """Credits were spent: `amount`, of which `overage` came from beyond the reservation.

    `allocations` says from which grants. A final capture ends the reservation and gives `released` back to those in
    `releases`.
    """

    account_id: str
    cause: Cause
    available_after: int
    reserved_after: int
    reservation_id: str
    amount: int
    captured_total: int
    final: bool
    released: int
    shortfall: int
    overage: int
    allocations: tuple[Allocation, ...]
    releases: tuple[Allocation, ...]


@dataclass(slots=True)
class ReservationReleased:
    """A reservation ended and gave `amount` back to the grants in `allocations`."""

    account_id: str
    cause: Cause
    available_after: int
    reserved_after: int
    reservation_id: str
    amount: int
    allocations: tuple[Allocation, ...]


@dataclass(slots=True)
class ReservationExpired:
    """A reservation's time ran out; it gave `amount` back to the grants in `allocations`."""

    account_id: str
    available_after: int
    reserved_after: int
    reservation_id: str
    amount: int
    allocations: tuple[Allocation, ...]


@dataclass(slots=True)
class RequestRefused:
    """A reserve was refused for lack of credits: `amount` was required. Kept, so that a replay answers the same."""

    account_id: str
    cause: Cause
    available_after: int
    reserved_after: int
    reservation_id: str
    amount: int
    reason: str


Event = (
    AccountOpened
    | CreditsGranted
    | GrantExpired
    | CreditsReserved
    | ReservationExtended
    | ReservationCaptured
    | ReservationReleased
    | ReservationExpired
    | RequestRefused
)
