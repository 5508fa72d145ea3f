"""Applies an event to its account. Total: it never refuses and never decides, live and on replay alike."""

import heapq
from bisect import insort
from typing import assert_never

from services.ledger.domain.account import (
    Account,
    Grant,
    RequestRecord,
    Reservation,
    ReservationState,
)
from services.ledger.domain.events import (
    AccountOpened,
    Allocation,
    CreditsGranted,
    CreditsReserved,
    Event,
    GrantExpired,
    RequestRefused,
    ReservationCaptured,
    ReservationExpired,
    ReservationExtended,
    ReservationReleased,
)


def evolve(account: Account | None, event: Event, at: int, seq: int, index: int) -> Account:
    """The account after `event`, event number `index` of commit `seq` recorded at `at`; changed in place."""
    if isinstance(event, AccountOpened):
        account = Account(event.account_id, created_at=at)
    elif account is None:
        raise LookupError(f"the log names account {event.account_id} before it was opened")
    if not isinstance(event, (GrantExpired, ReservationExpired)):
        cause = event.cause
        account.requests[cause.request_id] = RequestRecord(
            cause.fingerprint, cause.remember_until, seq, index, isinstance(event, RequestRefused)
        )
    match event:
        case CreditsReserved():
            _reserved(account, event, at)
        case ReservationCaptured():
            _captured(account, event, at)
        case ReservationReleased():
            _ended(account, event.reservation_id, ReservationState.RELEASED, at)
        case ReservationExpired():
            _ended(account, event.reservation_id, ReservationState.EXPIRED, at)
        case ReservationExtended():
            account.open_reservations[event.reservation_id].expires_at = event.expires_at
            heapq.heappush(account.deadlines, (event.expires_at, 0, event.reservation_id))
        case CreditsGranted():
            _granted(account, event, at)
        case GrantExpired():
            _take(account, account.grants[event.grant_number], event.amount)
            account.expired += event.amount
        case AccountOpened() | RequestRefused():
            pass
        case _:
            assert_never(event)
    return account


def _granted(account: Account, event: CreditsGranted, at: int) -> None:
    grant = Grant(
        number=event.grant_number,
        grant_id=event.grant_id,
        amount=event.amount,
        available=0,
        reserved=0,
        source=event.source,
        priority=event.priority,
        effective_at=event.effective_at,
        expires_at=event.expires_at,
        created_at=at,
        paid_amount=event.paid_amount,
        paid_currency=event.paid_currency,
        reference=event.cause.reference,
    )
    account.grants[grant.number] = grant
    account.granted += event.amount
    _give(account, grant, event.amount)


def _reserved(account: Account, event: CreditsReserved, at: int) -> None:
    for number, part in event.allocations:
        grant = account.grants[number]
        _take(account, grant, part)
        grant.reserved += part
    account.reserved += event.amount
    account.open_reservations[event.reservation_id] = Reservation(
        reservation_id=event.reservation_id,
        amount=event.amount,
        reserved=event.amount,
        expires_at=event.expires_at,
        created_at=at,
        holds=dict(event.allocations),
    )
    heapq.heappush(account.deadlines, (event.expires_at, 0, event.reservation_id))


def _captured(account: Account, event: ReservationCaptured, at: int) -> None:
    reservation = account.open_reservations[event.reservation_id]
    for number, part in event.allocations:
        _spend(account, reservation, (number, part))
    account.spent += event.amount
    held = event.amount - event.overage
    account.reserved -= held
    reservation.reserved -= held
    reservation.captured = event.captured_total
    # Captures name cumulative totals, so what is missing of the last one is all that is missing.
    reservation.shortfall = event.shortfall
    if event.final:
        _ended(account, event.reservation_id, ReservationState.CAPTURED, at)


def _spend(account: Account, reservation: Reservation, allocation: Allocation) -> None:
    """Spends a part of one grant: first what the reservation holds of it, then what is available."""
    number, part = allocation
    grant = account.grants[number]
    held = min(reservation.holds.get(number, 0), part)
    if held:
        reservation.holds[number] -= held
        grant.reserved -= held
    if part > held:
        _take(account, grant, part - held)


def _ended(account: Account, reservation_id: str, state: ReservationState, at: int) -> None:
    """Gives what a reservation still holds back to its grants, dead ones too: those then lapse by an event."""
    reservation = account.open_reservations.pop(reservation_id)
    for number, held in reservation.holds.items():
        grant = account.grants[number]
        grant.reserved -= held
        _give(account, grant, held)
    account.reserved -= reservation.reserved
    reservation.released += reservation.reserved
    reservation.reserved = 0
    reservation.holds = {}
    reservation.state = state
    reservation.ended_at = at
    account.ended_reservations[reservation_id] = reservation
    _forget_idle_deadlines(account)


def _forget_idle_deadlines(account: Account) -> None:
    """Drops deadlines of what ended early, once they are most of the heap; they would stay for up to 30 days."""
    if len(account.deadlines) > 64 + 4 * (len(account.open_reservations) + len(account.burn)):
        account.deadlines = [(r.expires_at, 0, r.reservation_id) for r in account.open_reservations.values()]
        account.deadlines += [(g.expires_at, g.number, "") for g in account.burn if g.expires_at]
        heapq.heapify(account.deadlines)


def _give(account: Account, grant: Grant, amount: int) -> None:
    """Makes an amount available in a grant; one that had nothing burns and lapses again."""
    if amount == 0:
        return
    if grant.available == 0:
        insort(account.burn, grant, key=Grant.burn_key)
        if grant.expires_at:
            heapq.heappush(account.deadlines, (grant.expires_at, grant.number, ""))
    grant.available += amount
    account.available += amount


def _take(account: Account, grant: Grant, amount: int) -> None:
    """Takes an amount that is available out of a grant; an empty one no longer burns."""
    grant.available -= amount
    account.available -= amount
    if grant.available == 0:
        account.burn.remove(grant)
