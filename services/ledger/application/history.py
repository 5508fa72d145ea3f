"""What memory no longer holds, read back: first answers of request ids, ended reservations, captures, transfers.

The table `entry` finds the events of a reservation; what it has not reached yet is read from the log's tail.
"""

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.results import (
    Answer,
    BrokenChainError,
    NotOpen,
    Recorded,
    Refused,
    Result,
    insufficient,
)
from services.ledger.domain import commands as cmd
from services.ledger.domain import errors
from services.ledger.domain.account import Allocation, Reservation, ReservationState
from services.ledger.domain.reservation_history import captured_of, refunded_of, reservation_of
from services.ledger.store import entries
from services.runtime.postgres import Pool

Events = list[tuple[pb.Event, int]]


class History:
    """Reads what was, over the service's pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def recorded(self, found: list[Recorded]) -> list[Result]:
        """The first answers of request ids; each commit is read once."""
        batches: dict[tuple[int, int], pb.EventBatch] = {}
        for one in found:
            if (one.shard, one.seq) not in batches:
                batches[one.shard, one.seq] = await entries.batch(self._pool, one.shard, one.seq)
        return [_first_answer(batches[one.shard, one.seq], one.index) for one in found]

    async def not_open(self, found: NotOpen) -> Result:
        """How a reservation that is not open ended; whether that answers its command or refuses it."""
        command = found.command
        if not isinstance(
            command, cmd.ReserveCredits | cmd.CaptureReservation | cmd.ReleaseReservation | cmd.ExtendReservation
        ):
            raise TypeError(f"{type(command).__name__} is about no reservation")
        reservation = await self.reservation(found.shard, command.account_id, command.reservation_id)
        # One that is open was made after the command was decided.
        if reservation is None or (reservation.state is ReservationState.OPEN and not found.replayed):
            return Refused(
                errors.ReservationNotFoundError(account_id=command.account_id, reservation_id=command.reservation_id)
            )
        if found.replayed:
            return Answer(reservation, True, 0)
        return Refused(_ended(reservation))

    async def reservation(self, shard: int, account_id: str, reservation_id: str) -> Reservation | None:
        """A reservation as its events tell it; None where there never was one."""
        return reservation_of(await self._of_reservation(shard, account_id, reservation_id))

    async def captured(self, shard: int, account_id: str, reservation_id: str) -> tuple[Allocation, ...] | None:
        """From which grants a reservation captured how much; None where there never was one."""
        events = await self._of_reservation(shard, account_id, reservation_id)
        # A refused reserve names it too.
        return captured_of(events) if reservation_of(events) else None

    async def refunded(self, shard: int, account_id: str, reservation_id: str) -> int:
        """How much was refunded of a reservation's captures."""
        return refunded_of(await self._of_reservation(shard, account_id, reservation_id))

    async def transfer_ending(self, shard: int, account_id: str, transfer_id: str, sent: int) -> pb.Event | None:
        """The event that completed or returned a transfer that left at position `sent`; None while it is under way."""
        kinds = (pb.EVENT_KIND_TRANSFER_COMPLETED, pb.EVENT_KIND_TRANSFER_RETURNED)
        rows = await entries.of_kinds(self._pool, shard, account_id, kinds, after=sent)
        return next((event for event, _ in rows if event.transfer_id == transfer_id), None)

    async def _of_reservation(self, shard: int, account_id: str, reservation_id: str) -> Events:
        return await entries.of_reservation(self._pool, shard, account_id, reservation_id)


def _first_answer(batch: pb.EventBatch, index: int) -> Result:
    event = batch.events[index]
    if event.kind == pb.EVENT_KIND_REQUEST_REFUSED:
        return Refused(insufficient(event))
    if event.kind not in _TOLD_BY_EVENT:
        raise BrokenChainError(f"commit {batch.seq} does not hold the answer its request id points to")
    return Answer(event, True, batch.first_position + index, batch.recorded_at.ToMicroseconds())


_TOLD_BY_EVENT = frozenset(
    {
        pb.EVENT_KIND_CREDITS_GRANTED,
        pb.EVENT_KIND_GRANT_VOIDED,
        pb.EVENT_KIND_CAPTURE_REFUNDED,
        pb.EVENT_KIND_BALANCE_REDUCED,
        pb.EVENT_KIND_TRANSFER_SENT,
    }
)


def _ended(reservation: Reservation) -> errors.CommandRefusedError:
    if reservation.state is ReservationState.EXPIRED:
        return errors.ReservationExpiredError(
            reservation_id=reservation.reservation_id, captured_micros=reservation.captured
        )
    return errors.ReservationEndedError(
        reservation_id=reservation.reservation_id,
        state=reservation.state.name,
        captured_micros=reservation.captured,
    )
