"""The log of one shard: append after exactly what was folded, read, confirm the head.

The primary key (shard, seq) is the lock: of two processes that append the same number one gets the row, the other
nothing. The statement checks its predecessor, so a log that is behind or other than what was folded (a failover to a
lagging standby, a restore) is noticed instead of extended, and a writer whose clock is ahead is refused.
"""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.types.numeric import Int4, Int8

from services.runtime import clock

CONNECT_SECONDS = 3
STATEMENT_MS = 5_000

_APPEND = """
INSERT INTO log (shard, seq, first_position, n, at, writer, hash, body)
SELECT %s, %s, %s, %s, %s, %s, %s, %s FROM log p
WHERE p.shard = %s AND p.seq = %s AND p.hash = %s AND %s <= greatest(p.at, clock_timestamp() + interval '1 s')
ON CONFLICT DO NOTHING
"""
_READ = """
SELECT seq, first_position, n, at, writer, hash, body FROM log WHERE shard = %s AND seq > %s ORDER BY seq LIMIT %s
"""
_HEAD = "SELECT seq, hash FROM log WHERE shard = %s ORDER BY seq DESC LIMIT 1"
_AT = "SELECT hash FROM log WHERE shard = %s AND seq = %s"
_COMMIT = "SELECT body FROM log WHERE shard = %s AND seq = %s"


@dataclass(frozen=True, slots=True)
class Commit:
    """One row of the log; `at` is microseconds since the Unix epoch."""

    seq: int
    first_position: int
    n: int
    at: int
    writer: str
    hash: bytes
    body: bytes


class ShardLog:
    """One shard's log over a connection of its own; any error of the driver leaves it closed, to be opened anew."""

    def __init__(self, dsn: str, shard: int) -> None:
        self._dsn = dsn
        self.shard = shard
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None

    async def _connected(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._dsn,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                application_name=f"scrip-ledger-{self.shard}",
                options=f"-c statement_timeout={STATEMENT_MS} -c tcp_user_timeout=5000",
            )
        return self._connection

    async def append(self, commit: Commit, previous_seq: int, previous_hash: bytes) -> bool:
        """Whether the commit is now durable. False: it is not, and the log tells why. An exception: nobody knows."""
        connection = await self._connected()
        at = clock.from_us(commit.at)
        shard = Int4(self.shard)
        cursor = await connection.execute(
            _APPEND,
            (
                shard,
                Int8(commit.seq),
                Int8(commit.first_position),
                Int4(commit.n),
                at,
                commit.writer,
                commit.hash,
                commit.body,
                shard,
                Int8(previous_seq),
                previous_hash,
                at,
            ),
            prepare=True,
            binary=True,
        )
        return cursor.rowcount == 1

    async def head(self) -> tuple[int, bytes]:
        """Number and hash of the last commit; of the genesis row where there is none."""
        connection = await self._connected()
        cursor = await connection.execute(_HEAD, (Int4(self.shard),), prepare=True, binary=True)
        row = await cursor.fetchone()
        if row is None:
            raise LookupError(f"shard {self.shard} has no genesis row; was the database migrated?")
        return int(str(row[0])), _bytes(row[1])

    async def hash_at(self, seq: int) -> bytes | None:
        """Hash of one commit; None where the log has none of that number."""
        connection = await self._connected()
        cursor = await connection.execute(_AT, (Int4(self.shard), Int8(seq)))
        row = await cursor.fetchone()
        return None if row is None else _bytes(row[0])

    async def read(self, after_seq: int, limit: int) -> list[Commit]:
        """Commits after a number, in order."""
        connection = await self._connected()
        cursor = await connection.execute(
            _READ, (Int4(self.shard), Int8(after_seq), Int4(limit)), prepare=True, binary=True
        )
        rows = await cursor.fetchall()
        return [_commit(row) for row in rows]

    async def body(self, seq: int) -> bytes:
        """The stored bytes of one commit."""
        connection = await self._connected()
        cursor = await connection.execute(_COMMIT, (Int4(self.shard), Int8(seq)), prepare=True, binary=True)
        row = await cursor.fetchone()
        if row is None:
            raise LookupError(f"shard {self.shard} has no commit {seq}")
        return _bytes(row[0])

    async def close(self) -> None:
        """Drops the connection; what was under way on it may still happen, and only the log will tell."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _commit(row: tuple[object, ...]) -> Commit:
    seq, first_position, n, at, writer, digest, body = row
    if not isinstance(at, datetime):
        raise TypeError(f"log.at is {type(at).__name__}")
    return Commit(
        seq=int(str(seq)),
        first_position=int(str(first_position)),
        n=int(str(n)),
        at=clock.to_us(at),
        writer=str(writer),
        hash=_bytes(digest),
        body=_bytes(body),
    )


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"expected bytes, not {type(value).__name__}")
    return value
