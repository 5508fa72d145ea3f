"""Grants of an account, dead ones too: how each was made is in its entries, what is left of it in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.ledger import Ledger
from services.ledger.application.reads.statements import Statements
from services.ledger.application.shard import Shard
from services.ledger.domain import errors
from services.ledger.domain.account import AccountState, Grant, GrantState
from services.ledger.domain.grant_history import ENDING_KINDS, MAKING_KINDS, ending_of, made_by
from services.ledger.store import entries, entry_pages
from services.ledger.store.entry_pages import Entry, Filter
from services.runtime.postgres import Pool

# Of a filtered list, so many are looked at together.
LOOK_GRANTS = 200


@dataclass(frozen=True, slots=True)
class GrantTold:
    """A grant as it is now, and the event that made it."""

    grant: Grant
    made: pb.Event
    position: int


@dataclass(frozen=True, slots=True)
class _Living:
    """What memory holds of some grants, by number, and of their account."""

    grants: dict[int, Grant]
    is_closed: bool
    at: int


class Grants:
    """Reads grants."""

    def __init__(self, ledger: Ledger, pool: Pool, statements: Statements) -> None:
        self._ledger = ledger
        self._pool = pool
        self._statements = statements

    async def one(self, account_id: str, grant_id: str) -> GrantTold:
        """One grant; raises AccountNotFound, GrantNotFound."""
        shard = self._ledger.shard_number(account_id)
        events = await entries.of_grant(self._pool, shard, account_id, grant_id)
        made = next(((event, at) for event, at in events if event.kind in MAKING_KINDS), None)
        if made is None:
            raise errors.GrantNotFoundError(account_id=account_id, grant_id=grant_id)
        entry = Entry(0, made[1], made[0])
        living = await self._living(account_id, [entry])
        return _told(entry, [event for event, _ in events], living)

    async def page(
        self, account_id: str, state: GrantState | None, before: int, limit: int
    ) -> tuple[list[GrantTold], str]:
        """At most `limit` grants made before a position, newest first, and the position they are complete to."""
        as_of = await self._statements.reach(account_id)
        found: list[GrantTold] = []
        looked_at = limit if state is None else LOOK_GRANTS
        which = Filter(kinds=MAKING_KINDS, of_grants=True, before=before)
        while len(found) < limit:
            some = await entry_pages.page(self._pool, account_id, which, looked_at)
            told = await self._tell(account_id, some)
            found += [one for one in told if state is None or one.grant.state is state]
            if len(some) < looked_at:
                break
            which = replace(which, before=some[-1].position)
        return found[:limit], as_of

    async def _tell(self, account_id: str, made: list[Entry]) -> list[GrantTold]:
        if not made:
            return []
        ids = [entry.event.grant_id for entry in made]
        found = await entry_pages.first_of_grants(self._pool, account_id, ENDING_KINDS, ids)
        endings = {entry.event.grant_id: [entry.event] for entry in found}
        living = await self._living(account_id, made)
        return [_told(entry, endings.get(entry.event.grant_id, []), living) for entry in made]

    async def _living(self, account_id: str, made: Sequence[Entry]) -> _Living:
        """Read after the entries: what is in these and not in memory is dead."""
        numbers = [entry.event.grant_number for entry in made]

        def look(shard: Shard) -> _Living:
            account = shard.accounts.get(account_id)
            if account is None:
                raise errors.AccountNotFoundError(account_id=account_id)
            found = {number: grant.copy() for number in numbers if (grant := account.find_grant(number))}
            return _Living(found, account.state is AccountState.CLOSED, shard.at)

        return await self._ledger.read_shard(self._ledger.shard_number(account_id), look)


def _told(made: Entry, events: list[pb.Event], living: _Living) -> GrantTold:
    grant = living.grants.get(made.event.grant_number)
    if grant is None:
        grant = made_by(made.event, made.at)
        grant.available = 0
        grant.state = ending_of(events) or _ending_unsaid(grant, living)
    return GrantTold(grant, made.event, made.position)


def _ending_unsaid(grant: Grant, living: _Living) -> GrantState:
    """A closed account's grants were withdrawn with it; else the event is a moment ahead of the entries."""
    if living.is_closed or not 0 < grant.expires_at <= living.at:
        return GrantState.VOIDED
    return GrantState.EXPIRED
