"""What a check of the log reads: commits, entries and snapshots, page by page, in a time of its own."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from services.ledger.store.entries import COLUMNS, CONSUMER
from services.ledger.store.log import Commit
from services.ledger.store.snapshots import FOLD_VERSION, Snapshot
from services.runtime import chain, clock
from services.runtime.packing import unpack
from services.runtime.postgres import Pool

PAGE_COMMITS = 64
PAGE_ENTRIES = 4_096
# Counting the entries of a shard looks at all of them.
COUNT_MS = 900_000

# One statement for all shards: what is sent by one and arrived at another is then seen at both.
_HEADS = """
SELECT c.shard, h.seq FROM cursor c
CROSS JOIN LATERAL (SELECT seq FROM log WHERE shard = c.shard ORDER BY seq DESC LIMIT 1) AS h
WHERE c.consumer = 'relay' ORDER BY c.shard
"""
_COMMITS = """
SELECT seq, first_position, n, at, writer, hash, body FROM log
WHERE shard = %s AND seq > %s AND seq <= %s ORDER BY seq LIMIT %s
"""
# By the primary key, row by row: entries of a shard stand among those of all others.
_ENTRIES = f"""
SELECT e.* FROM unnest(%s::text[], %s::bigint[]) AS u (account_id, position)
CROSS JOIN LATERAL (
    SELECT {", ".join(COLUMNS)}
    FROM entry WHERE account_id = u.account_id AND position = u.position OFFSET 0) AS e
"""
_COUNT = """
SELECT count(*) FILTER (WHERE position <= %(last)s),
       count(*) FILTER (WHERE position > (
           SELECT first_position + n - 1 FROM log WHERE shard = %(shard)s ORDER BY seq DESC LIMIT 1))
FROM entry WHERE shard = %(shard)s
"""
_SNAPSHOTS = """
SELECT s.shard, s.seq, s.at, s.hash, s.next_position, s.part_digests,
       EXISTS (SELECT FROM log l WHERE l.shard = s.shard AND l.seq = s.seq)
FROM snapshot s WHERE s.shard = %s AND s.fold_version = %s ORDER BY s.seq
"""
_COUNT_PARTS = """
SELECT (SELECT count(*) FROM snapshot_part p WHERE (p.shard, p.seq, p.fold_version) = (s.shard, s.seq, s.fold_version))
FROM snapshot s WHERE s.shard = %s AND s.seq = %s AND s.fold_version = %s
"""
_PART = "SELECT body FROM snapshot_part WHERE shard = %s AND seq = %s AND fold_version = %s AND number = %s"


async def heads(pool: Pool) -> dict[int, int]:
    """The last commit of every shard, all at one moment."""
    async with _cursor(pool) as cursor:
        await cursor.execute(_HEADS)
        return dict(await cursor.fetchall())


async def commits(pool: Pool, shard: int, until: int) -> AsyncIterator[list[Commit]]:
    """The commits of a shard in pages, as the log has them, whatever is wrong with them."""
    seq, previous_hash = 0, chain.GENESIS_HASH
    while seq < until:
        async with _cursor(pool) as cursor:
            await cursor.execute(_COMMITS, (shard, seq, until, PAGE_COMMITS))
            rows = await cursor.fetchall()
        if not rows:
            return
        page: list[Commit] = []
        for seq, first_position, n, at, writer, digest, stored in rows:
            body = unpack(stored)
            page.append(Commit(shard, seq, first_position, n, clock.to_us(at), writer, previous_hash, digest, body))
            previous_hash = digest
        yield page


async def entries(pool: Pool, keys: Sequence[tuple[str, int]]) -> dict[int, tuple[Any, ...]]:
    """The entries at (account, position), by position: columns in the order of `entries.row_of`."""
    found: dict[int, tuple[Any, ...]] = {}
    for start in range(0, len(keys), PAGE_ENTRIES):
        page = keys[start : start + PAGE_ENTRIES]
        async with _cursor(pool) as cursor:
            await cursor.execute(_ENTRIES, ([account for account, _ in page], [position for _, position in page]))
            found.update((row[1], row) for row in await cursor.fetchall())
    return found


async def projected(pool: Pool, shard: int) -> int:
    """The last commit whose entries are written."""
    async with _cursor(pool) as cursor:
        await cursor.execute("SELECT seq FROM cursor WHERE consumer = %s AND shard = %s", (CONSUMER, shard))
        row = await cursor.fetchone()
        return row[0] if row else 0


async def count_entries(pool: Pool, shard: int, last: int) -> tuple[int, int]:
    """How many entries a shard has up to a position, and how many beyond the end of its log."""
    async with _cursor(pool) as cursor, cursor.connection.transaction():
        await cursor.execute(f"SET LOCAL statement_timeout = {COUNT_MS}".encode())
        await cursor.execute(_COUNT, {"shard": shard, "last": last})
        row = await cursor.fetchone()
        return (row[0], row[1]) if row else (0, 0)


async def snapshots(pool: Pool, shard: int) -> list[tuple[Snapshot, bool]]:
    """Every snapshot of this program, oldest first, and whether the log has its commit."""
    async with _cursor(pool) as cursor:
        await cursor.execute(_SNAPSHOTS, (shard, FOLD_VERSION))
        return [
            (Snapshot(number, seq, clock.to_us(at), digest, next_position, part_digests), has_commit)
            for number, seq, at, digest, next_position, part_digests, has_commit in await cursor.fetchall()
        ]


async def count_parts(pool: Pool, of: Snapshot) -> int | None:
    """How many parts a snapshot has; None where it was deleted meanwhile."""
    async with _cursor(pool) as cursor:
        await cursor.execute(_COUNT_PARTS, (of.shard, of.seq, FOLD_VERSION))
        row = await cursor.fetchone()
        return row[0] if row else None


async def part(pool: Pool, of: Snapshot, number: int) -> bytes | None:
    """One part of a snapshot as it is stored."""
    async with _cursor(pool) as cursor:
        await cursor.execute(_PART, (of.shard, of.seq, FOLD_VERSION, number))
        row = await cursor.fetchone()
        return row[0] if row else None


@contextlib.asynccontextmanager
async def _cursor(pool: Pool) -> AsyncIterator[psycopg.AsyncCursor[tuple[Any, ...]]]:
    async with pool.connection() as connection, connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        yield cursor
