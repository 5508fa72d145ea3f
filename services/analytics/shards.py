"""How far each shard of each log is applied: the rows of analytics.source_shard."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from services.analytics.commits import Commit
from services.runtime.postgres import Pool

# A crash may lose the last transactions, cursor and rows together: they are applied again from the owner's log. So
# nobody waits for the disk here.
_LOCK = (
    "SELECT seq, hash, position, set_config('synchronous_commit', 'off', true)"
    " FROM analytics.source_shard WHERE source = %s AND shard = %s FOR UPDATE"
)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last commit of a shard that was applied."""

    seq: int
    hash: bytes
    position: int


@dataclass(frozen=True, slots=True)
class ShardState:
    """A cursor, and why its shard stands still, if it does."""

    shard: int
    seq: int
    stopped_reason: str | None


async def lock(connection: psycopg.AsyncConnection[Any], source: str, shard: int) -> Cursor:
    """The cursor of a shard, locked until the transaction ends: one applier at a time, in whatever process."""
    found = await (await connection.execute(_LOCK, (source, shard))).fetchone()
    if found is None:
        await connection.execute(
            "INSERT INTO analytics.source_shard (source, shard) VALUES (%s, %s) ON CONFLICT DO NOTHING", (source, shard)
        )
        found = await (await connection.execute(_LOCK, (source, shard))).fetchone()
    if found is None:
        raise LookupError(f"no cursor for shard {shard} of {source}")
    return Cursor(int(found[0]), bytes(found[1]), int(found[2]))


async def advance(connection: psycopg.AsyncConnection[Any], cursor: Cursor, last: Commit) -> None:
    """Moves the locked cursor to a commit."""
    position = last.first_position + len(last.events) - 1 if last.events else cursor.position
    await connection.execute(
        "UPDATE analytics.source_shard SET seq = %s, hash = %s, position = %s, recorded_at = %s, stopped_reason = NULL"
        " WHERE source = %s AND shard = %s",
        (last.seq, last.hash, position, last.recorded_at, last.source, last.shard),
    )


async def load(pool: Pool, source: str) -> list[ShardState]:
    """All shards of a source that were seen."""
    async with pool.connection() as connection:
        rows = await connection.execute(
            "SELECT shard, seq, stopped_reason FROM analytics.source_shard WHERE source = %s ORDER BY shard", (source,)
        )
        found: list[Any] = await rows.fetchall()
    return [ShardState(*row) for row in found]


async def confirm(pool: Pool, source: str, stopped: Iterable[int], seconds_ago: float) -> None:
    """Notes that, so many seconds ago, every shard of a source but those stopped held all that its owner had."""
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE analytics.source_shard"
            " SET confirmed_at = clock_timestamp() - make_interval(secs => %s), stopped_reason = NULL"
            " WHERE source = %s AND NOT shard = ANY(%s)",
            (seconds_ago, source, sorted(stopped)),
        )


async def note_stopped(pool: Pool, source: str, shard: int, reason: str) -> None:
    """Notes why a shard stands still."""
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO analytics.source_shard (source, shard, stopped_reason)"
            " VALUES (%(source)s, %(shard)s, %(reason)s)"
            " ON CONFLICT (source, shard) DO UPDATE SET stopped_reason = %(reason)s",
            {"source": source, "shard": shard, "reason": reason},
        )
