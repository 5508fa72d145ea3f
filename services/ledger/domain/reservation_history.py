"""What became of one reservation, told from its events alone; for those that have ended and left memory."""

from collections.abc import Iterable

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import Allocation, Reservation, ReservationState


def reservation_of(events: Iterable[tuple[pb.Event, int]]) -> Reservation | None:
    """The reservation after its events, each with when it was recorded, in order; None where it was never made."""
    found: Reservation | None = None
    for event, at in events:
        kind = event.kind
        if kind == pb.EVENT_KIND_CREDITS_RESERVED:
            amount = event.amount_micros
            found = Reservation(event.reservation_id, amount, amount, event.expires_at, at, (), event.remember_until)
        elif found is None:
            continue
        elif kind == pb.EVENT_KIND_RESERVATION_EXTENDED:
            found.expires_at = event.expires_at
        elif kind == pb.EVENT_KIND_RESERVATION_CAPTURED:
            found.captured = event.captured_total_micros
            found.shortfall = event.shortfall_micros
            found.reserved -= event.amount_micros - event.overage_micros
            if event.final:
                _end(found, ReservationState.CAPTURED, at)
        elif kind == pb.EVENT_KIND_RESERVATION_RELEASED:
            _end(found, ReservationState.RELEASED, at)
        elif kind == pb.EVENT_KIND_RESERVATION_EXPIRED:
            _end(found, ReservationState.EXPIRED, at)
    return found


def captured_of(events: Iterable[tuple[pb.Event, int]]) -> tuple[Allocation, ...]:
    """From which grants a reservation captured how much, in order; what was refunded of it meanwhile stands last,
    where the next refund passes over it, although more may have been captured since."""
    parts: list[Allocation] = []
    refunded: list[Allocation] = []
    for event, _ in events:
        if event.kind == pb.EVENT_KIND_RESERVATION_CAPTURED:
            parts += zip(event.allocation_grants, event.allocation_amounts_micros, strict=True)
        elif event.kind == pb.EVENT_KIND_CAPTURE_REFUNDED:
            left = event.amount_micros
            while left:
                number, took = parts.pop()
                part = min(took, left)
                refunded.append((number, part))
                left -= part
                if took > part:
                    parts.append((number, took - part))
    return (*parts, *refunded)


def refunded_of(events: Iterable[tuple[pb.Event, int]]) -> int:
    """How much of its captures was refunded."""
    return max((e.refunded_total_micros for e, _ in events if e.kind == pb.EVENT_KIND_CAPTURE_REFUNDED), default=0)


def _end(reservation: Reservation, state: ReservationState, at: int) -> None:
    reservation.released += reservation.reserved
    reservation.reserved = 0
    reservation.state = state
    reservation.ended_at = at
