"""The logs of some shards over one connection: append after exactly what was folded, read, confirm heads.

The primary key (shard, seq) is the lock: of two processes that append the same number one gets the row, the other
nothing. The statement checks each commit's predecessor, so a log that is behind or other than what was folded (a
failover to a lagging standby, a restore) is noticed instead of extended, and a writer whose clock is ahead is refused.
Commits of several shards go in one statement, one round trip and one fsync; each stands or falls by itself. They are
inserted in the order of their shards, so two writers that meet on several cannot wait for each other.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from psycopg.types.numeric import Int4, Int8

from services.runtime import clock
from services.runtime.packing import pack, unpack

CONNECT_SECONDS = 3
STATEMENT_MS = 5_000
# A server or network that says nothing at all cannot end a statement: then the client does.
ANSWER_SECONDS = 10

# The bounds follow from the rest; they let the server look into the partitions of these numbers only.
_APPEND = """
INSERT INTO log (shard, seq, first_position, n, at, writer, hash, body)
SELECT c.shard, c.seq, c.first_position, c.n, c.at, %b, c.hash, c.body
FROM unnest(%b::int[], %b::bigint[], %b::bigint[], %b::int[], %b::timestamptz[], %b::bytea[], %b::bytea[], %b::bytea[])
     AS c (shard, seq, first_position, n, at, previous_hash, hash, body)
CROSS JOIN LATERAL (
    SELECT p.hash, p.at FROM log p
    WHERE p.shard = c.shard AND p.seq = c.seq - 1 AND p.seq BETWEEN %b AND %b OFFSET 0) AS p
WHERE p.hash = c.previous_hash AND c.at <= greatest(p.at, clock_timestamp() + interval '1 s')
ON CONFLICT DO NOTHING
RETURNING shard
"""
_READ = """
SELECT seq, first_position, n, at, writer, hash, body FROM log WHERE shard = %s AND seq > %s ORDER BY seq LIMIT %s
"""
_HEADS = """
SELECT s.shard, h.seq, h.hash, clock_timestamp() FROM unnest(%s::int[]) AS s (shard)
CROSS JOIN LATERAL (SELECT seq, hash FROM log WHERE shard = s.shard ORDER BY seq DESC LIMIT 1) AS h
"""
# Bounds what a process that is frozen while it holds the lock costs its rivals (PostgreSQL 17 and later).
_LOCKED_MS = "SET LOCAL transaction_timeout = 250"
_LOCK = "SELECT pg_advisory_xact_lock(%s, %s)"
# The first key of a shard's advisory lock; the second is its number.
LOCK_CLASS = 7_272_748
_HASH = "SELECT hash FROM log WHERE shard = %s AND seq = %s"


@dataclass(frozen=True, slots=True)
class Commit:
    """One row of the log; `at` is microseconds since the Unix epoch."""

    shard: int
    seq: int
    first_position: int
    n: int
    at: int
    writer: str
    previous_hash: bytes
    hash: bytes
    body: bytes


class Head(NamedTuple):
    """The last commit of a shard, the genesis row where there is none; and the database's time, in microseconds."""

    seq: int
    hash: bytes
    now: int


class LogStore:
    """A connection to the log; after an error of the driver it must be closed, and opens anew at the next call."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def append(self, commits: Sequence[Commit]) -> set[int]:
        """Shards whose commit is now durable; for the others the log tells why not. An exception: nobody knows."""
        ordered = sorted(commits, key=lambda commit: commit.shard)
        cursor = await self._execute(
            _APPEND,
            (
                ordered[0].writer,
                [Int4(c.shard) for c in ordered],
                [Int8(c.seq) for c in ordered],
                [Int8(c.first_position) for c in ordered],
                [Int4(c.n) for c in ordered],
                [clock.from_us(c.at) for c in ordered],
                [c.previous_hash for c in ordered],
                [c.hash for c in ordered],
                [pack(c.body) for c in ordered],
                Int8(min(c.seq for c in ordered) - 1),
                Int8(max(c.seq for c in ordered) - 1),
            ),
        )
        return {shard for (shard,) in await cursor.fetchall()}

    @contextlib.asynccontextmanager
    async def locked(self, shard: int) -> AsyncIterator[None]:
        """Holds a shard's lock while the body reads and appends, a quarter of a second at most; commits at its end."""
        connection = await self._open()
        async with asyncio.timeout(ANSWER_SECONDS), connection.transaction():
            async with connection.pipeline():
                await connection.execute(_LOCKED_MS)
                await connection.execute(_LOCK, (Int4(LOCK_CLASS), Int4(shard)))
            yield

    async def heads(self, shards: Sequence[int]) -> dict[int, Head]:
        """Where the logs of some shards end."""
        cursor = await self._execute(_HEADS, ([Int4(shard) for shard in shards],))
        return {shard: Head(seq, digest, clock.to_us(now)) for shard, seq, digest, now in await cursor.fetchall()}

    async def hash_of(self, shard: int, seq: int) -> bytes | None:
        """Hash of one commit; None where the log has none of that number."""
        row = await (await self._execute(_HASH, (Int4(shard), Int8(seq)))).fetchone()
        return row[0] if row else None

    async def read(self, shard: int, after_seq: int, previous_hash: bytes, limit: int) -> list[Commit]:
        """Commits after a number, in order; `previous_hash` is that of the one before them."""
        cursor = await self._execute(_READ, (Int4(shard), Int8(after_seq), Int4(limit)))
        commits: list[Commit] = []
        for seq, first_position, n, at, writer, digest, stored in await cursor.fetchall():
            body = unpack(stored)
            commits.append(Commit(shard, seq, first_position, n, clock.to_us(at), writer, previous_hash, digest, body))
            previous_hash = digest
        return commits

    async def fetch(self, question: str, parameters: Sequence[Any]) -> list[Any]:
        """The rows of another question over the same connection, with the same deadlines."""
        return await (await self._execute(question, parameters)).fetchall()

    async def close(self) -> None:
        """Drops the connection; what was under way on it may still happen, and only the log will tell."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _execute(self, statement: str, parameters: Sequence[Any]) -> psycopg.AsyncCursor[Any]:
        connection = await self._open()
        async with asyncio.timeout(ANSWER_SECONDS):
            return await connection.execute(statement.encode(), parameters, prepare=True, binary=True)

    async def _open(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._dsn,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                application_name="scrip-ledger-log",
                # A plan made while the table is small must not scan it when it is large; and one is made but once.
                options=f"-c statement_timeout={STATEMENT_MS} -c enable_seqscan=off"
                " -c plan_cache_mode=force_generic_plan",
            )
        return self._connection
