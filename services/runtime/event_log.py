"""A service's log of events in its own database, written in the transaction that changes its state; never deleted.

Tables (each owner's first migration makes them): `log (shard, seq, first_position, n, at, writer, hash, body)`,
`head (shard, seq, next_position, hash)`, `cursor (consumer, shard, seq)`.

Order: a commit's number is taken from the row of `head`, which is locked by the same statement and stays locked until
that transaction ends. So number n+1 is given only after the holder of n is committed or gone: sequence order is commit
order, gapless, and a reader that has seen n can never find a smaller number later. The lock is taken last in a
transaction, to be held for one round trip. The ledger's log has its own writer, without a head row; reading is the same
for all.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from services.runtime import chain, clock, lifecycle
from services.runtime.lifecycle import Signal
from services.runtime.packing import unpack
from services.runtime.postgres import Pool

_APPEND = b"""
WITH moved AS (
    UPDATE head SET seq = %(seq)s, next_position = %(next_position)s, hash = %(hash)b
     WHERE shard = %(shard)s AND seq = %(previous_seq)s AND hash = %(previous_hash)b
    RETURNING shard)
INSERT INTO log (shard, seq, first_position, n, at, writer, hash, body)
SELECT shard, %(seq)s, %(first_position)s, %(n)s, %(at)s, %(writer)s, %(hash)b, %(body)b FROM moved
"""
READ_ROWS_MAX = 256
FOLLOW_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Head:
    """Where a shard's log ends."""

    seq: int
    next_position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class LogRow:
    """One commit."""

    shard: int
    seq: int
    hash: bytes
    body: bytes


class EventLog:
    """Writes commits; `appended` is poked after each, for the relay. One an owner and process."""

    def __init__(self, batch_type: type[Any], shards: int, writer: str) -> None:
        self._batch_type = batch_type
        self.shards = shards
        self._writer = writer
        self.appended = Signal()
        self._heads: dict[int, _Head] = {}

    async def append(self, connection: psycopg.AsyncConnection[Any], events: Iterable[tuple[int, Any]]) -> None:
        """Adds `(shard, event)` pairs inside the caller's transaction; call it last in there.

        Shards are locked in ascending order, so two transactions cannot wait for each other.
        """
        by_shard: dict[int, list[Any]] = {}
        for shard, event in events:
            by_shard.setdefault(shard, []).append(event)
        for shard in sorted(by_shard):
            await self._append(connection, shard, by_shard[shard])
        self.appended.poke()

    async def _append(self, connection: psycopg.AsyncConnection[Any], shard: int, events: Sequence[Any]) -> None:
        head = self._heads.get(shard)
        if head is None or not await self._write(connection, shard, head, events):
            # Another process wrote, or a transaction of ours was undone: the row itself tells where the log ends.
            cursor = await connection.execute(
                "SELECT seq, next_position, hash FROM head WHERE shard = %s FOR UPDATE", (shard,)
            )
            row = await cursor.fetchone()
            if row is None:
                raise LookupError(f"shard {shard} has no head; was the database migrated?")
            if not await self._write(connection, shard, _Head(*row), events):
                raise LookupError(f"the head of shard {shard} changed under its lock")

    async def _write(
        self, connection: psycopg.AsyncConnection[Any], shard: int, head: "_Head", events: Sequence[Any]
    ) -> bool:
        """Adds a commit after `head` and locks the head's row, in one statement; false where the head is another."""
        at_us = clock.now_us()
        batch = self._batch_type(
            shard=shard,
            seq=head.seq + 1,
            first_position=head.next_position,
            previous_hash=head.hash,
            writer=self._writer,
        )
        batch.recorded_at.FromMicroseconds(at_us)
        batch.events.extend(events)
        body = batch.SerializeToString(deterministic=True)
        n = len(events)
        digest = chain.link(head.hash, shard, head.seq + 1, head.next_position, n, at_us, self._writer, body)
        following = _Head(head.seq + 1, head.next_position + n, digest)
        cursor = await connection.execute(
            _APPEND,
            {
                "shard": shard,
                "seq": following.seq,
                "first_position": head.next_position,
                "n": n,
                # Summed up here: psycopg sends small numbers as smallint, and two of those must not add up to more.
                "next_position": following.next_position,
                "at": clock.from_us(at_us),
                "writer": self._writer,
                "hash": digest,
                "body": body,
                "previous_seq": head.seq,
                "previous_hash": head.hash,
            },
        )
        # Right or wrong, it is only a guess for the next time.
        self._heads[shard] = following
        return cursor.rowcount == 1


async def read(pool: Pool, shard: int, after_seq: int, limit: int = READ_ROWS_MAX) -> list[LogRow]:
    """The commits of one shard after a number, in order, at most `limit`. Works for the ledger's log too."""
    async with pool.connection() as connection, connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT shard, seq, hash, body FROM log WHERE shard = %s AND seq > %s ORDER BY seq LIMIT %s",
            (shard, after_seq, limit),
        )
        rows = await cursor.fetchall()
    return [LogRow(number, seq, digest, unpack(body)) for number, seq, digest, body in rows]


async def heads(pool: Pool) -> dict[int, int]:
    """The number of the last commit of each shard."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT shard, (SELECT max(seq) FROM log WHERE log.shard = cursor.shard)"
            " FROM cursor WHERE consumer = 'relay'"
        )
        return {int(str(shard)): int(str(seq)) for shard, seq in await cursor.fetchall()}


async def follow(pool: Pool, cursors: dict[int, int], keep_open: bool, appended: Signal) -> AsyncIterator[LogRow]:
    """The commits after `cursors` (shard → number), then, kept open, later ones. Order holds within a shard.

    A shard that is not named is read from its beginning: its first commit must not escape a reader that cannot know it.
    """
    all_heads = await heads(pool)
    cursors = dict(cursors)
    while True:
        for shard, head in all_heads.items():
            while cursors.setdefault(shard, 0) < head:
                rows = await read(pool, shard, cursors[shard])
                for row in rows:
                    yield row
                    cursors[shard] = row.seq
                if not rows:
                    break
        if not keep_open or lifecycle.stopping():
            return
        await appended.wait(FOLLOW_SECONDS)
        all_heads = await heads(pool)
