"""Reserve, extend, capture, release."""

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain import errors
from services.ledger.domain.account import Account, AccountState, Reservation
from services.ledger.domain.allocations import Parts, take_available, take_held
from services.ledger.domain.commands import CaptureReservation, ExtendReservation, ReleaseReservation, ReserveCredits
from services.ledger.domain.decide.events import event_of, refusal_of, refuse_closed


def reserve(account: Account, command: ReserveCredits, at: int) -> pb.Event | None:
    """A reservation that is open under this id is answered as it is; one that has ended, the caller knows of."""
    if account.state is not AccountState.ACTIVE:
        refuse_closed(account)
    known = account.open_reservations.get(command.reservation_id)
    amount = command.amount
    if known is not None:
        if known.amount != amount:
            raise errors.ReservationReusedError(
                reservation_id=known.reservation_id, amount_micros=known.amount, requested_micros=amount
            )
        return None
    if account.state is AccountState.FROZEN:
        raise errors.AccountFrozenError(account_id=account.account_id)
    if amount > account.available + account.credit_limit:
        return refusal_of(account, command.cause, amount, reservation_id=command.reservation_id)
    numbers, amounts = take_available(account, amount)
    return pb.Event(
        kind=pb.EVENT_KIND_CREDITS_RESERVED,
        account_id=account.account_id,
        available_after_micros=account.available - amount,
        reserved_after_micros=account.reserved + amount,
        reservation_id=command.reservation_id,
        amount_micros=amount,
        expires_at=at + command.ttl,
        allocation_grants=numbers,
        allocation_amounts_micros=amounts,
        **command.cause,
    )


def extend(account: Account, command: ExtendReservation, at: int) -> pb.Event | None:
    """Never to an earlier time."""
    reservation = _open(account, command.reservation_id)
    expires_at = at + command.ttl
    if expires_at <= reservation.expires_at:
        return None
    return event_of(
        account,
        pb.EVENT_KIND_RESERVATION_EXTENDED,
        command.cause,
        reservation_id=command.reservation_id,
        expires_at=expires_at,
    )


def capture(account: Account, command: CaptureReservation) -> pb.Event | None:
    """Up to a cumulative total; what is beyond the reservation only where the command says so, and never on credit."""
    reservation = _open(account, command.reservation_id)
    wanted = command.captured_total - reservation.captured
    if wanted < 0:
        raise errors.CaptureBelowCapturedError(
            requested_micros=command.captured_total, captured_micros=reservation.captured
        )
    if wanted == 0 and not command.final:
        return None
    held, beyond = wanted, 0
    if wanted > reservation.reserved:
        held = reservation.reserved
        beyond = wanted - held
        if not command.up_to_available:
            raise errors.CaptureExceedsReservedError(requested_micros=wanted, reserved_micros=held)
    overage = min(beyond, max(account.available, 0)) if beyond else 0
    amount = held + overage
    released = reservation.reserved - held if command.final else 0
    numbers, amounts = take_held(reservation, held)
    if overage:
        numbers, amounts = _joined((numbers, amounts), take_available(account, overage))
    event = pb.Event(
        kind=pb.EVENT_KIND_RESERVATION_CAPTURED,
        account_id=account.account_id,
        available_after_micros=account.available + released - overage,
        reserved_after_micros=account.reserved - held - released,
        reservation_id=command.reservation_id,
        amount_micros=amount,
        captured_total_micros=reservation.captured + amount,
        final=command.final,
        allocation_grants=numbers,
        allocation_amounts_micros=amounts,
        **command.cause,
    )
    if released:
        event.released_micros = released
        numbers, amounts = take_held(reservation, released, passing_over=held)
        event.released_grants.extend(numbers)
        event.released_amounts_micros.extend(amounts)
    if beyond:
        event.overage_micros = overage
        event.shortfall_micros = beyond - overage
    return event


def release(account: Account, command: ReleaseReservation) -> pb.Event:
    """All that is left of it."""
    reservation = _open(account, command.reservation_id)
    numbers, amounts = take_held(reservation, reservation.reserved)
    return event_of(
        account,
        pb.EVENT_KIND_RESERVATION_RELEASED,
        command.cause,
        available_change=reservation.reserved,
        reserved_change=-reservation.reserved,
        reservation_id=command.reservation_id,
        amount_micros=reservation.reserved,
        allocation_grants=numbers,
        allocation_amounts_micros=amounts,
    )


def _joined(held: Parts, beyond: Parts) -> Parts:
    """A grant that was reserved of and is drawn on beyond that stands once: fold and refunds go by grant."""
    by_grant = dict(zip(*held, strict=True))
    for number, part in zip(*beyond, strict=True):
        by_grant[number] = by_grant.get(number, 0) + part
    return list(by_grant), list(by_grant.values())


def _open(account: Account, reservation_id: str) -> Reservation:
    reservation = account.open_reservations.get(reservation_id)
    if reservation is None:
        raise errors.ReservationNotOpenError(account_id=account.account_id, reservation_id=reservation_id)
    return reservation
