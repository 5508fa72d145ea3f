"""Some of one account's entries: a page of a statement, what has ended, everything up to a position."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg.rows import tuple_row
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.store import entries
from services.runtime.clock import from_us, to_us
from services.runtime.packing import unpack
from services.runtime.postgres import Pool

# Beyond every position.
END = 1 << 62
FOLD_ENTRIES = 500
# Nearly all entries are of these kinds; the others have an index of their own.
_DENSE_KINDS = frozenset(
    {
        pb.EVENT_KIND_CREDITS_RESERVED,
        pb.EVENT_KIND_RESERVATION_EXTENDED,
        pb.EVENT_KIND_RESERVATION_CAPTURED,
    }
)
_RARE = "kind NOT IN (4, 5, 6)"
# The first commit of which something holds that holds of all that follow: a search by halves, for numbers have no gap.
_FIRST_COMMIT = """
WITH RECURSIVE search (low, high) AS (
    SELECT 0::bigint, (SELECT max(seq) + 1 FROM log WHERE shard = %(shard)s)
    UNION ALL
    SELECT CASE WHEN l.holds THEN s.low ELSE l.seq END, CASE WHEN l.holds THEN l.seq ELSE s.high END
      FROM search s CROSS JOIN LATERAL (
          SELECT seq, {holds} AS holds FROM log WHERE shard = %(shard)s AND seq = (s.low + s.high) / 2 OFFSET 0) AS l
     WHERE s.high - s.low > 1
)
"""
_POSITION_FROM = (
    _FIRST_COMMIT.format(holds="at >= %(at)s")
    + "SELECT first_position FROM log WHERE shard = %(shard)s AND seq = (SELECT min(high) FROM search)"
)
_TIME_OF = (
    _FIRST_COMMIT.format(holds="first_position > %(position)s")
    + "SELECT at FROM log WHERE shard = %(shard)s AND seq = (SELECT min(high) - 1 FROM search)"
)


class Entry(NamedTuple):
    """A line of a statement; `at` is when it was recorded, in microseconds."""

    position: int
    at: int
    event: pb.Event


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries: of some kinds (none: all), of one reservation, of one grant or of any, after and before a
    position."""

    kinds: tuple[int, ...] = ()
    reservation_id: str = ""
    grant_id: str = ""
    of_grants: bool = False
    after: int = 0
    before: int = END


async def page(pool: Pool, account_id: str, which: Filter, limit: int, oldest_first: bool = False) -> list[Entry]:
    """Entries of an account as far as they are projected, newest first unless said."""
    conditions = ["account_id = %(account_id)s", "position > %(after)s", "position < %(before)s"]
    if which.kinds:
        conditions.append("kind = ANY(%(kinds)s)")
    if which.reservation_id:
        conditions.append("reservation_id = %(reservation_id)s AND reservation_id <> ''")
    if which.grant_id:
        conditions.append("grant_id = %(grant_id)s")
    if which.of_grants:
        conditions.append("grant_id <> ''")
    if which.grant_id or which.of_grants or (which.kinds and _DENSE_KINDS.isdisjoint(which.kinds)):
        conditions.append(_RARE)
    query = (
        f"SELECT position, at, event FROM entry WHERE {' AND '.join(conditions)}"
        f" ORDER BY position {'ASC' if oldest_first else 'DESC'} LIMIT %(limit)s"
    )
    return await _entries(
        pool,
        query,
        {
            "account_id": account_id,
            "after": which.after,
            "before": which.before,
            "kinds": list(which.kinds),
            "reservation_id": which.reservation_id,
            "grant_id": which.grant_id,
            "limit": limit,
        },
    )


async def first_of_grants(pool: Pool, account_id: str, kinds: Sequence[int], grant_ids: Sequence[str]) -> list[Entry]:
    """The first entry of some rare kinds of each grant that has one."""
    query = (
        f"SELECT DISTINCT ON (grant_id) position, at, event FROM entry WHERE account_id = %(account_id)s AND {_RARE}"
        " AND kind = ANY(%(kinds)s) AND grant_id = ANY(%(grant_ids)s) ORDER BY grant_id, position"
    )
    return await _entries(pool, query, {"account_id": account_id, "kinds": list(kinds), "grant_ids": list(grant_ids)})


async def of_reservations(pool: Pool, account_id: str, reservation_ids: Sequence[str]) -> list[Entry]:
    """Every entry of some reservations, oldest first."""
    query = (
        "SELECT position, at, event FROM entry WHERE account_id = %(account_id)s"
        " AND reservation_id = ANY(%(reservation_ids)s) AND reservation_id <> '' ORDER BY position"
    )
    return await _entries(pool, query, {"account_id": account_id, "reservation_ids": list(reservation_ids)})


async def of_request(pool: Pool, account_id: str, request_id: str) -> Entry | None:
    """The entry a command led to. Looks at all of the account's: for ids that no memory holds any more."""
    query = (
        "SELECT position, at, event FROM entry WHERE account_id = %(account_id)s"
        " AND position(%(request_id)s::bytea IN event) > 0 ORDER BY position DESC"
    )
    found = await _entries(pool, query, {"account_id": account_id, "request_id": request_id.encode()})
    return next((entry for entry in found if entry.event.request_id == request_id), None)


async def of_account(pool: Pool, shard: int, account_id: str, before: int) -> AsyncIterator[list[Entry]]:
    """Everything of an account before a position, in order, in parts; what is not projected is read from the log."""
    seq = await entries.projected(pool, shard)
    after = 0
    while some := await page(pool, account_id, Filter(after=after, before=before), FOLD_ENTRIES, oldest_first=True):
        after = some[-1].position
        yield some
    # What was projected in the meantime is found twice; the position tells.
    while commits := await _commits(pool, shard, seq):
        for seq, batch in commits:  # noqa: B007 (where to go on)
            at, first = batch.recorded_at.ToMicroseconds(), batch.first_position
            if first >= before:
                return
            yield [
                Entry(position, at, event)
                for position, event in enumerate(batch.events, first)
                if event.account_id == account_id and after < position < before
            ]


async def position_from(pool: Pool, shard: int, at: int) -> int:
    """The first position of a shard that was recorded at a time or later; END where there is none."""
    async with pool.connection() as connection:
        cursor = await connection.execute(_POSITION_FROM.encode(), {"shard": shard, "at": from_us(at)})
        row = await cursor.fetchone()
    return int(str(row[0])) if row else END


async def time_of(pool: Pool, shard: int, position: int) -> int:
    """When the event at a position was recorded, in microseconds; the position must be in the log."""
    async with pool.connection() as connection, connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_TIME_OF.encode(), {"shard": shard, "position": position})
        row = await cursor.fetchone()
    if row is None:
        raise LookupError(f"shard {shard} has no position {position}")
    return to_us(row[0])


async def _commits(pool: Pool, shard: int, after_seq: int) -> list[tuple[int, pb.EventBatch]]:
    async with pool.connection() as connection, connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT seq, body FROM log WHERE shard = %s AND seq > %s ORDER BY seq LIMIT %s",
            (shard, after_seq, entries.COMMITS_MAX),
        )
        return [(seq, pb.EventBatch.FromString(unpack(body))) for seq, body in await cursor.fetchall()]


async def _entries(pool: Pool, query: str, parameters: dict[str, Any]) -> list[Entry]:
    async with pool.connection() as connection, connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query.encode(), parameters)
        return [
            Entry(position, to_us(at), pb.Event.FromString(event)) for position, at, event in await cursor.fetchall()
        ]
