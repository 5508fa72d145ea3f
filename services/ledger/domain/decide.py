"""Which event a command, or time, leads to. Reads state, changes none."""

import heapq
from typing import assert_never

from services.ledger.domain import errors
from services.ledger.domain.account import Account, AccountState, Reservation, ReservationState
from services.ledger.domain.commands import (
    CaptureReservation,
    Command,
    ExtendReservation,
    GrantCredits,
    OpenAccount,
    ReleaseReservation,
    ReserveCredits,
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

# An int64 of microcredits, with room for sums: nine quintillion.
TOTAL_MICROS_MAX = (1 << 63) - 1


def decide(account: Account | None, command: Command, at: int) -> Event | None:
    """The event `command` leads to at time `at`; None where all is as it asks already. Refuses by raising.

    The caller looked for the request id and applied what was due before.
    """
    if command.not_after < at:
        raise errors.RequestExpiredError(not_after=command.not_after)
    if isinstance(command, OpenAccount):
        return AccountOpened(command.account_id, command.cause) if account is None else None
    if account is None:
        raise errors.AccountNotFoundError(account_id=command.account_id)
    match command:
        case ReserveCredits():
            return _reserve(account, command, at)
        case CaptureReservation():
            return _capture(account, command)
        case ReleaseReservation():
            return _release(account, command)
        case ExtendReservation():
            return _extend(account, command, at)
        case GrantCredits():
            return _grant(account, command, at)
        case _:
            assert_never(command)


def due(account: Account, at: int) -> Event | None:
    """The earliest lapse that is due (`expires_at ≤ at`) and not yet an event; None when there is none.

    Takes deadlines that no longer hold off the account's heap; the one it answers stays until its event is applied.
    """
    deadlines = account.deadlines
    while deadlines and deadlines[0][0] <= at:
        moment, grant_number, reservation_id = deadlines[0]
        if grant_number:
            grant = account.grants[grant_number]
            if grant.available:
                return GrantExpired(
                    account_id=account.account_id,
                    available_after=account.available - grant.available,
                    reserved_after=account.reserved,
                    grant_id=grant.grant_id,
                    grant_number=grant_number,
                    amount=grant.available,
                )
        else:
            reservation = account.open_reservations.get(reservation_id)
            if reservation is not None and reservation.expires_at == moment:
                return ReservationExpired(
                    account_id=account.account_id,
                    available_after=account.available + reservation.reserved,
                    reserved_after=account.reserved - reservation.reserved,
                    reservation_id=reservation_id,
                    amount=reservation.reserved,
                    allocations=tuple(_take_held(reservation, reservation.reserved)),
                )
        heapq.heappop(deadlines)
    return None


def _grant(account: Account, command: GrantCredits, at: int) -> Event:
    _refuse_closed(account)
    if account.granted + command.amount > TOTAL_MICROS_MAX:
        raise errors.AmountOutOfRangeError(limit_micros=TOTAL_MICROS_MAX)
    return CreditsGranted(
        account_id=account.account_id,
        cause=command.cause,
        available_after=account.available + command.amount,
        reserved_after=account.reserved,
        grant_id=command.grant_id,
        grant_number=len(account.grants) + 1,
        amount=command.amount,
        source=command.source,
        priority=command.priority,
        effective_at=at,
        expires_at=command.expires_at,
        paid_amount=command.paid_amount,
        paid_currency=command.paid_currency,
    )


def _reserve(account: Account, command: ReserveCredits, at: int) -> Event | None:
    _refuse_closed(account)
    known = account.reservation(command.reservation_id)
    if known is not None:
        if known.amount != command.amount:
            raise errors.ReservationReusedError(
                reservation_id=known.reservation_id, amount_micros=known.amount, requested_micros=command.amount
            )
        return None
    if account.state is AccountState.FROZEN:
        raise errors.AccountFrozenError(account_id=account.account_id)
    if command.amount > account.available:
        return RequestRefused(
            account_id=account.account_id,
            cause=command.cause,
            available_after=account.available,
            reserved_after=account.reserved,
            reservation_id=command.reservation_id,
            amount=command.amount,
            reason=errors.InsufficientCreditsError.reason,
        )
    return CreditsReserved(
        account_id=account.account_id,
        cause=command.cause,
        available_after=account.available - command.amount,
        reserved_after=account.reserved + command.amount,
        reservation_id=command.reservation_id,
        amount=command.amount,
        expires_at=at + command.ttl,
        allocations=tuple(_take_available(account, command.amount)),
    )


def _extend(account: Account, command: ExtendReservation, at: int) -> Event | None:
    reservation = _open_reservation(account, command.reservation_id)
    expires_at = at + command.ttl
    if expires_at <= reservation.expires_at:
        return None
    return ReservationExtended(
        account_id=account.account_id,
        cause=command.cause,
        available_after=account.available,
        reserved_after=account.reserved,
        reservation_id=command.reservation_id,
        expires_at=expires_at,
    )


def _capture(account: Account, command: CaptureReservation) -> Event | None:
    reservation = _open_reservation(account, command.reservation_id)
    wanted = command.captured_total - reservation.captured
    if wanted < 0:
        raise errors.CaptureBelowCapturedError(
            requested_micros=command.captured_total, captured_micros=reservation.captured
        )
    if wanted == 0 and not command.final:
        return None
    beyond = max(wanted - reservation.reserved, 0)
    if beyond and not command.up_to_available:
        raise errors.CaptureExceedsReservedError(requested_micros=wanted, reserved_micros=reservation.reserved)
    overage = min(beyond, max(account.available, 0))
    held = min(wanted, reservation.reserved)
    amount = held + overage
    released = reservation.reserved - held if command.final else 0
    return ReservationCaptured(
        account_id=account.account_id,
        cause=command.cause,
        available_after=account.available + released - overage,
        reserved_after=account.reserved - held - released,
        reservation_id=command.reservation_id,
        amount=amount,
        captured_total=reservation.captured + amount,
        final=command.final,
        released=released,
        shortfall=beyond - overage,
        overage=overage,
        allocations=tuple(_take_held(reservation, held) + _take_available(account, overage)),
        releases=tuple(_take_held(reservation, released, passing_over=held)),
    )


def _release(account: Account, command: ReleaseReservation) -> Event:
    reservation = _open_reservation(account, command.reservation_id)
    return ReservationReleased(
        account_id=account.account_id,
        cause=command.cause,
        available_after=account.available + reservation.reserved,
        reserved_after=account.reserved - reservation.reserved,
        reservation_id=command.reservation_id,
        amount=reservation.reserved,
        allocations=tuple(_take_held(reservation, reservation.reserved)),
    )


def _take_available(account: Account, amount: int) -> list[Allocation]:
    """Parts of `amount` from the grants in burn order."""
    parts: list[Allocation] = []
    for grant in account.burn:
        if amount == 0:
            break
        part = min(grant.available, amount)
        parts.append((grant.number, part))
        amount -= part
    return parts


def _take_held(reservation: Reservation, amount: int, passing_over: int = 0) -> list[Allocation]:
    """Parts of `amount` from the grants a reservation holds, in burn order, after the first `passing_over` of it."""
    parts: list[Allocation] = []
    for number, held in reservation.holds.items():
        if amount == 0:
            break
        passed = min(held, passing_over)
        passing_over -= passed
        part = min(held - passed, amount)
        if part:
            parts.append((number, part))
            amount -= part
    return parts


def _refuse_closed(account: Account) -> None:
    if account.state is AccountState.CLOSED:
        raise errors.AccountClosedError(account_id=account.account_id)


def _open_reservation(account: Account, reservation_id: str) -> Reservation:
    reservation = account.reservation(reservation_id)
    if reservation is None:
        raise errors.ReservationNotFoundError(account_id=account.account_id, reservation_id=reservation_id)
    if reservation.state is ReservationState.OPEN:
        return reservation
    if reservation.state is ReservationState.EXPIRED:
        raise errors.ReservationExpiredError(reservation_id=reservation_id, captured_micros=reservation.captured)
    raise errors.ReservationEndedError(
        reservation_id=reservation_id, state=reservation.state.name, captured_micros=reservation.captured
    )
