"""The table `entry`: a statement's lines, projected from the log a moment after each commit."""

import psycopg
from scrip.ledger.v1 import events_pb2 as pb

from services.runtime.clock import to_us
from services.runtime.postgres import Pool

COMMITS_MAX = 64
CONSUMER = "entry"


async def project(pool: Pool, shard: int) -> int:
    """Writes the entries of the next commits of a shard, 64 at most; answers how many commits.

    The cursor's row is locked from reading it to moving it, so replicas take turns and no entry is written twice.
    """
    async with pool.connection() as connection, connection.transaction():
        cursor = await connection.execute(
            "SELECT seq FROM cursor WHERE consumer = %s AND shard = %s FOR UPDATE SKIP LOCKED", (CONSUMER, shard)
        )
        row = await cursor.fetchone()
        if row is None:
            return 0
        cursor = await connection.execute(
            "SELECT seq, at, body FROM log WHERE shard = %s AND seq > %s ORDER BY seq LIMIT %s",
            (shard, row[0], COMMITS_MAX),
        )
        commits = await cursor.fetchall()
        if not commits:
            return 0
        async with (
            connection.cursor() as writer,
            writer.copy(
                "COPY entry (account_id, position, shard, at, kind, amount, available_after, reserved_after,"
                " grant_id, reservation_id, event) FROM STDIN"
            ) as copy,
        ):
            for _, at, body in commits:
                batch = pb.EventBatch()
                batch.ParseFromString(bytes(body))  # type: ignore[call-overload]
                for offset, event in enumerate(batch.events):
                    await copy.write_row(_row(batch.first_position + offset, shard, at, event))
        await connection.execute(
            "UPDATE cursor SET seq = %s WHERE consumer = %s AND shard = %s", (commits[-1][0], CONSUMER, shard)
        )
        return len(commits)


def _row(position: int, shard: int, at: object, event: pb.Event) -> tuple[object, ...]:
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


async def behind(pool: Pool) -> list[int]:
    """Shards with commits whose entries are not written."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT shard FROM cursor c WHERE consumer = %s AND EXISTS"
            " (SELECT FROM log WHERE log.shard = c.shard AND log.seq = c.seq + 1) ORDER BY shard",
            (CONSUMER,),
        )
        return [int(str(row[0])) for row in await cursor.fetchall()]


async def page(pool: Pool, account_id: str, before_position: int | None, limit: int) -> list[tuple[int, int, pb.Event]]:
    """(position, recorded at in microseconds, event) of an account, newest first."""
    async with pool.connection() as connection, connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        await cursor.execute(
            "SELECT position, at, event FROM entry WHERE account_id = %s AND position < %s"
            " ORDER BY position DESC LIMIT %s",
            (account_id, before_position if before_position is not None else 1 << 62, limit),
        )
        return [
            (int(position), to_us(at), pb.Event.FromString(event)) for position, at, event in await cursor.fetchall()
        ]


async def position_at(pool: Pool, shard: int, seq: int) -> str:
    """`shard:n` of the last event of a commit."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT first_position + n - 1 FROM log WHERE shard = %s AND seq = %s", (shard, seq)
        )
        row = await cursor.fetchone()
        return f"{shard}:{max(int(str(row[0])), 0) if row else 0}"
