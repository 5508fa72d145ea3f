"""Reservations of an account: open ones from memory, ended ones from the entries."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.ledger import Ledger
from services.ledger.application.reads.statements import Statements
from services.ledger.application.results import BrokenChainError
from services.ledger.application.shard import Shard
from services.ledger.domain import errors
from services.ledger.domain.account import Reservation, ReservationState
from services.ledger.domain.reservation_history import refunded_of, reservation_of
from services.ledger.store import entries, entry_pages
from services.ledger.store.entry_pages import Entry, Filter
from services.runtime.postgres import Pool

LOOK_ENTRIES = 200
Name = tuple[str, str]
"""Account and reservation."""
Place = tuple[int, str, str]
"""Shard, account and reservation: where one is in the list of all open ones."""
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

    async def many(self, names: Sequence[Name]) -> list[tuple[str, ReservationTold]]:
        """Those of many reservations that there are, open or ended, each with its account; in no order."""
        by_shard: dict[int, list[Name]] = {}
        for name in dict.fromkeys(names):
            by_shard.setdefault(self._ledger.shard_number(name[0]), []).append(name)
        found: list[tuple[str, ReservationTold]] = []
        for number, wanted in by_shard.items():
            still_open = await self._ledger.read_shard(number, _look_for(wanted))
            found += still_open
            known = {(account_id, told.reservation.reservation_id) for account_id, told in still_open}
            found += await self._ended_of(number, [name for name in wanted if name not in known])
        return found

    async def _ended_of(self, number: int, names: Sequence[Name]) -> list[tuple[str, ReservationTold]]:
        if not names:
            return []
        events: dict[Name, list[tuple[pb.Event, int]]] = {}
        for event, at in await entries.of_reservations(self._pool, number, names):
            events.setdefault((event.account_id, event.reservation_id), []).append((event, at))
        told = [(name[0], reservation_of(own), refunded_of(own)) for name, own in events.items()]
        return [(account_id, ReservationTold(one, refunded)) for account_id, one, refunded in told if one]

    async def open_of_all(self, after: Place, created_before: int, limit: int) -> list[tuple[Place, ReservationTold]]:
        """At most `limit` open ones of all accounts, each with its place, in order of shard, account and id."""
        first, *rest = after
        found: list[tuple[Place, ReservationTold]] = []
        for number in range(first, self._ledger.shards):
            beyond = (str(rest[0]), str(rest[1])) if number == first else ("", "")
            look = _look_beyond(beyond, created_before, limit - len(found))
            found += await self._ledger.read_shard(number, look)
            if len(found) >= limit:
                break
        return found

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
        by_id: dict[str, list[Entry]] = {}
        for entry in await entry_pages.of_reservations(self._pool, account_id, ids):
            by_id.setdefault(entry.event.reservation_id, []).append(entry)
        return [_ended(ending, by_id[ending.event.reservation_id]) for ending in endings]


def _look_for(names: Sequence[Name]) -> Callable[[Shard], list[tuple[str, ReservationTold]]]:
    def look(shard: Shard) -> list[tuple[str, ReservationTold]]:
        """The open ones of these, with their accounts."""
        found = []
        for account_id, reservation_id in names:
            account = shard.accounts.get(account_id)
            one = account.open_reservations.get(reservation_id) if account else None
            if account and one:
                found.append((account_id, ReservationTold(one.copy(), account.refunds.get(reservation_id, 0))))
        return found

    return look


def _look_beyond(
    beyond: Name, created_before: int, limit: int
) -> Callable[[Shard], list[tuple[Place, ReservationTold]]]:
    def look(shard: Shard) -> list[tuple[Place, ReservationTold]]:
        """The next open ones; every account is looked at, which takes a few milliseconds for a hundred thousand."""
        wanted = (
            (account.account_id, reservation_id)
            for account in shard.accounts.values()
            if account.open_reservations and account.account_id >= beyond[0]
            for reservation_id, one in account.open_reservations.items()
            if one.created_at < created_before and (account.account_id, reservation_id) > beyond
        )
        found: list[tuple[Place, ReservationTold]] = []
        for account_id, reservation_id in heapq.nsmallest(limit, wanted):
            account = shard.accounts[account_id]
            told = ReservationTold(
                account.open_reservations[reservation_id].copy(), account.refunds.get(reservation_id, 0)
            )
            found.append(((shard.number, account_id, reservation_id), told))
        return found

    return look


def _ended(ending: Entry, lines: Sequence[Entry]) -> ReservationTold:
    """Long after it has ended, its id may have been used again: only what came before the ending tells of it."""
    reservation = reservation_of((one.event, one.at) for one in lines if one.position <= ending.position)
    if reservation is None:
        raise BrokenChainError(f"position {ending.position} ends a reservation that was never made")
    return ReservationTold(reservation, refunded_of((one.event, one.at) for one in lines), ending.position)
