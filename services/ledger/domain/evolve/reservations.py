"""Reserved, extended, captured, ended."""

from collections.abc import Iterable

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import (
    CREDIT,
    NO_RESERVATIONS,
    Account,
    Allocation,
    GrantState,
    Reservation,
    ReservationState,
    deadlines_of,
)
from services.ledger.domain.evolve.moves import drop, give, parts_of, take
from services.ledger.domain.journal import Journal


def reserved(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Credits are set aside from the grants of the event's parts."""
    reservation_id, amount, expires_at = event.reservation_id, event.amount_micros, event.expires_at
    holds = parts_of(event)
    for number, part in holds:
        if number == CREDIT:
            account.more = account.more._replace(on_credit=account.on_credit + part)
            account.available -= part
        else:
            grant = account.grant(number)
            take(account, grant, part, journal)
            grant.reserved += part
    account.reserved += amount
    reservation = Reservation(reservation_id, amount, amount, expires_at, at, holds, event.remember_until)
    if journal:
        reservation.epoch = journal.epoch
    if not account.open_reservations:
        account.open_reservations = {reservation_id: reservation}
    else:
        if journal:
            journal.member(account, account.open_reservations, reservation_id)
        account.open_reservations[reservation_id] = reservation
    account.add_deadline((expires_at, 0, reservation_id))


def extended(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """The earlier deadline is passed over when it comes up."""
    reservation = _touched(account, event.reservation_id, journal)
    reservation.expires_at = event.expires_at
    account.add_deadline((event.expires_at, 0, event.reservation_id))


def captured(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """Reserved credits, and available ones beyond them, are spent; a final capture gives back the rest."""
    reservation = _touched(account, event.reservation_id, journal)
    holds = dict(reservation.holds)
    for number, part in parts_of(event):
        held = min(holds.get(number, 0), part)
        if held:
            holds[number] -= held
        _spend(account, number, part, held, journal)
    amount = event.amount_micros
    held = amount - event.overage_micros
    account.spent += amount
    account.reserved -= held
    reservation.reserved -= held
    reservation.captured = event.captured_total_micros
    # Captures name cumulative totals, so what is missing of the last one is all that is missing.
    reservation.shortfall = event.shortfall_micros
    if event.final:
        _end(account, reservation, holds.items(), ReservationState.CAPTURED, at, journal)
    else:
        reservation.holds = tuple(hold for hold in holds.items() if hold[1])


def _spend(account: Account, number: int, part: int, held: int, journal: Journal | None) -> None:
    """Spends a part of one grant: first what the reservation held of it, then what is available."""
    if number == CREDIT:
        account.more = account.more._replace(on_credit=account.on_credit - held, owed=account.owed + held)
        return
    grant = account.grant(number)
    if journal and grant.epoch != journal.epoch:
        journal.grant(account, grant)
    grant.reserved -= held
    if part > held:
        take(account, grant, part - held, journal)
    if grant.state is not GrantState.LIVE and not grant.reserved and not grant.available:
        drop(account, grant)


def released(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    """By command, or because its time ran out."""
    reservation = _touched(account, event.reservation_id, journal)
    state = ReservationState.EXPIRED if event.kind == pb.EVENT_KIND_RESERVATION_EXPIRED else ReservationState.RELEASED
    _end(account, reservation, reservation.holds, state, at, journal)


def _end(
    account: Account,
    reservation: Reservation,
    holds: Iterable[Allocation],
    state: ReservationState,
    at: int,
    journal: Journal | None,
) -> None:
    """Gives what a reservation still holds back to its grants, dead ones too: those then lapse by an event."""
    for number, held in holds:
        if number == CREDIT:
            account.more = account.more._replace(on_credit=account.on_credit - held)
            account.available += held
        elif held:
            grant = account.grant(number)
            if journal and grant.epoch != journal.epoch:
                journal.grant(account, grant)
            grant.reserved -= held
            give(account, grant, held)
    account.reserved -= reservation.reserved
    reservation.released += reservation.reserved
    reservation.reserved = 0
    reservation.holds = ()
    reservation.state = state
    reservation.ended_at = at
    if len(account.open_reservations) == 1:
        account.open_reservations = NO_RESERVATIONS
    else:
        if journal:
            journal.member(account, account.open_reservations, reservation.reservation_id)
        del account.open_reservations[reservation.reservation_id]
    _forget_deadline(account, reservation.reservation_id)


def _forget_deadline(account: Account, reservation_id: str) -> None:
    """Deadlines of what ended early would stay for up to 30 days. The last one made, which mostly is the last to lapse,
    goes at once; the others once they are most of the heap."""
    deadlines = account.deadlines
    if deadlines and deadlines[-1][2] == reservation_id:
        deadlines.pop()
        if not deadlines:
            account.deadlines = None
    elif deadlines and len(deadlines) > 8 + 2 * (len(account.open_reservations) + len(account.grants)):
        account.deadlines = deadlines_of(account)


def _touched(account: Account, reservation_id: str, journal: Journal | None) -> Reservation:
    """An open reservation that is about to change."""
    reservation = account.open_reservations[reservation_id]
    if journal and reservation.epoch != journal.epoch:
        journal.reservation(account, reservation)
    return reservation
