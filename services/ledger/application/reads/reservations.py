"""Reservations of an account: open ones from memory, ended ones from the entries."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.ledger import Ledger
from services.ledger.application.reads.statements import Statements
from services.ledger.application.results import BrokenChainError
from services.ledger.application.shard import Shard
from services.ledger.domain import errors
from services.ledger.domain.account import Reservation, ReservationState
from services.ledger.domain.reservation_history import refunded_of, reservation_of
from services.ledger.store import entry_pages
from services.ledger.store.entry_pages import Entry, Filter
from services.runtime.postgres import Pool

LOOK_ENTRIES = 200
_ENDINGS = {
    ReservationState.CAPTURED: pb.EVENT_KIND_RESERVATION_CAPTURED,
    ReservationState.RELEASED: pb.EVENT_KIND_RESERVATION_RELEASED,
    ReservationState.EXPIRED: pb.EVENT_KIND_RESERVATION_EXPIRED,
}


@dataclass(frozen=True, slots=True)
class ReservationTold:
    """A reservation as it is now, what was refunded of it, and, where it has ended, the position of that."""

    reservation: Reservation
    refunded: int
    ended_position: int = 0

    @property
    def place(self) -> tuple[int, str] | tuple[int]:
        """Its place in a list: of ended ones by when they ended, of open ones by when they were made, and id."""
        if self.ended_position:
            return (self.ended_position,)
        return self.reservation.created_at, self.reservation.reservation_id


class Reservations:
    """Reads reservations."""

    def __init__(self, ledger: Ledger, pool: Pool, statements: Statements) -> None:
        self._ledger = ledger
        self._pool = pool
        self._statements = statements

    async def one(self, account_id: str, reservation_id: str) -> ReservationTold:
        """One reservation, open or ended; raises AccountNotFound, ReservationNotFound."""

        def look(shard: Shard) -> tuple[Reservation | None, int]:
            account = shard.accounts.get(account_id)
            if account is None:
                raise errors.AccountNotFoundError(account_id=account_id)
            found = account.open_reservations.get(reservation_id)
            return found.copy() if found else None, account.refunds.get(reservation_id, 0)

        number = self._ledger.shard_number(account_id)
        found, refunded = await self._ledger.read_shard(number, look)
        if found is None:
            found = await self._ledger.history.reservation(number, account_id, reservation_id)
        if found is None:
            raise errors.ReservationNotFoundError(account_id=account_id, reservation_id=reservation_id)
        return ReservationTold(found, refunded)

    async def open(
        self, account_id: str, after: tuple[int, str], created_before: int, limit: int
    ) -> tuple[list[ReservationTold], str]:
        """At most `limit` open ones, oldest first, after (when one was made, its id); and the position of the head."""

        def look(shard: Shard) -> tuple[list[ReservationTold], str]:
            account = shard.accounts.get(account_id)
            if account is None:
                raise errors.AccountNotFoundError(account_id=account_id)
            wanted = (
                one
                for one in account.open_reservations.values()
                if one.created_at < created_before and (one.created_at, one.reservation_id) > after
            )
            oldest = heapq.nsmallest(limit, wanted, key=lambda one: (one.created_at, one.reservation_id))
            refunds = account.refunds
            told = [ReservationTold(one.copy(), refunds.get(one.reservation_id, 0)) for one in oldest]
            return told, f"{shard.number}:{shard.next_position - 1}"

        return await self._ledger.read_shard(self._ledger.shard_number(account_id), look)

    async def ended(
        self, account_id: str, state: ReservationState, after: int, created_before: int, limit: int
    ) -> tuple[list[ReservationTold], str]:
        """At most `limit` that ended so after a position, in the order in which they ended."""
        as_of = await self._statements.reach(account_id)
        found: list[ReservationTold] = []
        which = Filter(kinds=(_ENDINGS[state],), after=after)
        while len(found) < limit:
            some = await entry_pages.page(self._pool, account_id, which, LOOK_ENTRIES, oldest_first=True)
            # A capture that is not final ends nothing.
            endings = [entry for entry in some if state is not ReservationState.CAPTURED or entry.event.final]
            found += [
                told for told in await self._tell(account_id, endings) if told.reservation.created_at < created_before
            ]
            if len(some) < LOOK_ENTRIES:
                break
            which = replace(which, after=some[-1].position)
        return found[:limit], as_of

    async def _tell(self, account_id: str, endings: Sequence[Entry]) -> list[ReservationTold]:
        if not endings:
            return []
        ids = [ending.event.reservation_id for ending in endings]
        entries: dict[str, list[Entry]] = {}
        for entry in await entry_pages.of_reservations(self._pool, account_id, ids):
            entries.setdefault(entry.event.reservation_id, []).append(entry)
        return [_ended(ending, entries[ending.event.reservation_id]) for ending in endings]


def _ended(ending: Entry, entries: Sequence[Entry]) -> ReservationTold:
    """Long after it has ended, its id may have been used again: only what came before the ending tells of it."""
    reservation = reservation_of((one.event, one.at) for one in entries if one.position <= ending.position)
    if reservation is None:
        raise BrokenChainError(f"position {ending.position} ends a reservation that was never made")
    return ReservationTold(reservation, refunded_of((one.event, one.at) for one in entries), ending.position)
