"""The table `entry`: a statement's lines, projected from the log a moment after each commit."""

import asyncio
from collections.abc import Callable, Sequence

import psycopg
from scrip.ledger.v1 import events_pb2 as pb

from services.runtime.clock import to_us
from services.runtime.packing import unpack
from services.runtime.postgres import Pool

COMMITS_MAX = 64
EVENTS_MAX = 2_000
# Rows that are made without a pause: about half a millisecond.
ROWS_AT_ONCE = 64
CONSUMER = "entry"
COLUMNS = (
    "account_id",
    "position",
    "shard",
    "at",
    "kind",
    "amount",
    "available_after",
    "reserved_after",
    "grant_id",
    "reservation_id",
    "event",
)

# Shards with commits that are not projected; one that another process has in hand is left to it.
_BEHIND = """
SELECT shard, seq FROM cursor c
 WHERE consumer = %s AND EXISTS (SELECT FROM log WHERE log.shard = c.shard AND log.seq = c.seq + 1)
 ORDER BY shard FOR UPDATE SKIP LOCKED
"""
_NEXT = """
SELECT c.shard, next.seq, next.at, next.body
  FROM unnest(%s::int[], %s::bigint[]) AS c (shard, seq)
 CROSS JOIN LATERAL (
       SELECT seq, at, body
         FROM (SELECT seq, at, body, sum(n) OVER (ORDER BY seq) - n AS before
                 FROM (SELECT seq, at, n, body FROM log
                        WHERE shard = c.shard AND seq > c.seq ORDER BY seq LIMIT %s) AS l) AS counted
        WHERE before < %s) AS next
 ORDER BY c.shard, next.seq
"""
_MOVE = """
UPDATE cursor SET seq = moved.seq FROM unnest(%s::int[], %s::bigint[]) AS moved (shard, seq)
 WHERE consumer = %s AND cursor.shard = moved.shard
"""


async def project(pool: Pool) -> int:
    """Writes the entries of the next commits of every shard; answers how many commits.

    Of each shard they are 64 at most, and no more once they are 2,000 events.

    The cursors' rows are locked from reading them to moving them, so replicas take turns and no entry is written twice.
    All shards go together: a round costs four statements, however many there are. Other work of the process goes on
    between the rows.
    """
    async with pool.connection() as connection, connection.transaction():
        cursor = await connection.execute(_BEHIND, (CONSUMER,))
        behind = await cursor.fetchall()
        if not behind:
            return 0
        shards, seqs = zip(*behind, strict=True)
        cursor = await connection.execute(_NEXT, (list(shards), list(seqs), COMMITS_MAX, EVENTS_MAX))
        commits = await cursor.fetchall()
        reached: dict[object, object] = {}
        async with (
            connection.cursor() as writer,
            writer.copy(f"COPY entry ({', '.join(COLUMNS)}) FROM STDIN".encode()) as copy,
        ):
            for shard, seq, at, body in commits:
                batch = pb.EventBatch()
                batch.ParseFromString(unpack(bytes(body)))  # type: ignore[call-overload]
                for offset, event in enumerate(batch.events):
                    await copy.write_row(row_of(batch.first_position + offset, batch.shard, at, event))
                    if offset % ROWS_AT_ONCE == 0:
                        await asyncio.sleep(0)
                reached[shard] = seq
        await connection.execute(_MOVE, (list(reached), list(reached.values()), CONSUMER))
        return len(commits)


def row_of(position: int, shard: int, at: object, event: pb.Event) -> tuple[object, ...]:
    """The entry of an event, column by column as `project` writes them."""
    return (
        event.account_id,
        position,
        shard,
        at,
        event.kind,
        event.amount_micros,
        event.available_after_micros,
        event.reserved_after_micros,
        event.grant_id,
        event.reservation_id,
        event.SerializeToString(),
    )


async def projected(pool: Pool, shard: int) -> int:
    """The last commit of a shard whose entries are written."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT seq FROM cursor WHERE consumer = %s AND shard = %s", (CONSUMER, shard)
        )
        row = await cursor.fetchone()
        return int(str(row[0])) if row else 0


async def batch(pool: Pool, shard: int, seq: int) -> pb.EventBatch:
    """The events of one commit."""
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT body FROM log WHERE shard = %s AND seq = %s", (shard, seq))
        row = await cursor.fetchone()
    if row is None:
        raise LookupError(f"shard {shard} has no commit {seq}")
    return pb.EventBatch.FromString(unpack(row[0]))  # type: ignore[arg-type]


async def of_reservation(pool: Pool, shard: int, account_id: str, reservation_id: str) -> list[tuple[pb.Event, int]]:
    """The events of one reservation with when each was recorded, in order, up to the log's head."""

    def belongs(event: pb.Event) -> bool:
        return event.reservation_id == reservation_id and event.account_id == account_id

    return await _found(
        pool,
        shard,
        "SELECT event, at FROM entry WHERE account_id = %s AND reservation_id = %s AND reservation_id <> ''"
        " AND position < %s ORDER BY position",
        (account_id, reservation_id),
        belongs,
    )


async def of_reservations(pool: Pool, shard: int, names: Sequence[tuple[str, str]]) -> list[tuple[pb.Event, int]]:
    """The events of some reservations of a shard, by (account, id), with when each was recorded, in order, up to the
    log's head."""
    wanted = frozenset(names)

    def belongs(event: pb.Event) -> bool:
        return (event.account_id, event.reservation_id) in wanted

    return await _found(
        pool,
        shard,
        "SELECT event, at FROM entry JOIN unnest(%s::text[], %s::text[]) AS wanted (account_id, reservation_id)"
        " USING (account_id, reservation_id) WHERE reservation_id <> '' AND position < %s ORDER BY position",
        ([account_id for account_id, _ in names], [reservation_id for _, reservation_id in names]),
        belongs,
    )


async def of_grant(pool: Pool, shard: int, account_id: str, grant_id: str) -> list[tuple[pb.Event, int]]:
    """The events of one grant with when each was recorded, in order, up to the log's head."""

    def belongs(event: pb.Event) -> bool:
        return event.grant_id == grant_id and event.account_id == account_id

    return await _found(
        pool,
        shard,
        "SELECT event, at FROM entry WHERE account_id = %s AND grant_id = %s AND kind NOT IN (4, 5, 6)"
        " AND position < %s ORDER BY position",
        (account_id, grant_id),
        belongs,
    )


async def of_kinds(
    pool: Pool, shard: int, account_id: str, kinds: Sequence[int], after: int = 0
) -> list[tuple[pb.Event, int]]:
    """The events of some rare kinds of one account after a position, with when each was recorded, in order, up to the
    log's head."""

    def belongs(event: pb.Event) -> bool:
        return event.kind in kinds and event.account_id == account_id

    return await _found(
        pool,
        shard,
        "SELECT event, at FROM entry WHERE account_id = %s AND kind = ANY(%s) AND kind NOT IN (4, 5, 6)"
        " AND position > %s AND position < %s ORDER BY position",
        (account_id, list(kinds), after),
        belongs,
    )


async def _found(
    pool: Pool, shard: int, query: str, parameters: tuple[object, ...], belongs: Callable[[pb.Event], bool]
) -> list[tuple[pb.Event, int]]:
    """What the entries hold, and what the commits hold that are not projected yet."""
    found: list[tuple[pb.Event, int]] = []
    tail: list[tuple[pb.Event, int]] = []
    async with pool.connection() as connection, connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        # The cursor first: what is projected meanwhile is then found in both, and taken from the log.
        await cursor.execute("SELECT seq FROM cursor WHERE consumer = %s AND shard = %s", (CONSUMER, shard))
        row = await cursor.fetchone()
        projected = row[0] if row else 0
        first_position = None
        while True:
            await cursor.execute(
                "SELECT seq, first_position, at, body FROM log WHERE shard = %s AND seq > %s ORDER BY seq LIMIT %s",
                (shard, projected, COMMITS_MAX),
            )
            commits = await cursor.fetchall()
            for seq, position, at, body in commits:
                first_position = position if first_position is None else first_position
                projected = seq
                events = pb.EventBatch.FromString(unpack(body)).events
                tail += [(event, to_us(at)) for event in events if belongs(event)]
            if len(commits) < COMMITS_MAX:
                break
        await cursor.execute(query.encode(), (*parameters, first_position if first_position is not None else 1 << 62))
        found += [(pb.Event.FromString(event), to_us(at)) for event, at in await cursor.fetchall()]
    return found + tail


async def position_at(pool: Pool, shard: int, seq: int) -> str:
    """`shard:n` of the last event of a commit."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT first_position + n - 1 FROM log WHERE shard = %s AND seq = %s", (shard, seq)
        )
        row = await cursor.fetchone()
        return f"{shard}:{max(int(str(row[0])), 0) if row else 0}"
