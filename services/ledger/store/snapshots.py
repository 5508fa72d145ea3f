"""The tables `snapshot` and `snapshot_part`: what a shard held after a commit, in parts."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg.types.numeric import Int4, Int8

from services.ledger.store.log import LogStore
from services.runtime import clock
from services.runtime.postgres import Pool

# Which program folds to the state that is stored. To be raised with every change of what an event does to an account,
# of what a shard remembers, or of how that is serialized: then the log is folded from its beginning once.
FOLD_VERSION = 2
KEPT = 2
CONNECT_SECONDS = 5
# Writing a snapshot of gigabytes, part by part, in one transaction.
WRITE_MS = 600_000

# Its commit must be the log's, to the last field: after a restore it may be another one.
_USABLE = """
SELECT s.seq, s.at, s.hash, s.next_position, s.part_digests FROM snapshot s JOIN log l USING (shard, seq)
WHERE s.shard = %s AND s.fold_version = %s
  AND s.hash = l.hash AND s.at = l.at AND s.next_position = l.first_position + l.n
ORDER BY s.seq DESC LIMIT %s
"""
_PART = "SELECT body FROM snapshot_part WHERE shard = %s AND seq = %s AND fold_version = %s AND number = %s"
_INSERT = """
INSERT INTO snapshot (shard, seq, fold_version, at, hash, next_position, part_digests)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
# With older ones go those of other programs: whoever goes back to one folds from the beginning.
_DELETE = """
DELETE FROM snapshot WHERE shard = %s AND seq < (
    SELECT min(seq) FROM (
        SELECT seq FROM snapshot WHERE shard = %s AND fold_version = %s ORDER BY seq DESC LIMIT %s) AS kept)
"""
_TAILS = """
SELECT c.shard, h.next_position - coalesce(
    (SELECT max(s.next_position) FROM snapshot s WHERE s.shard = c.shard AND s.fold_version = %s), 1)
FROM cursor c CROSS JOIN LATERAL (
    SELECT first_position + n AS next_position FROM log WHERE shard = c.shard ORDER BY seq DESC LIMIT 1) AS h
WHERE c.consumer = 'relay' ORDER BY c.shard
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is stored beside the parts; `at` is microseconds since the Unix epoch."""

    shard: int
    seq: int
    at: int
    hash: bytes
    next_position: int
    part_digests: list[bytes]

    @property
    def digest(self) -> str:
        """Of the whole state, in hex."""
        return hashlib.sha256(b"".join(self.part_digests)).hexdigest()


async def usable(log: LogStore, shard: int) -> list[Snapshot]:
    """Snapshots of this program that stand on the log as it is, newest first."""
    rows = await log.fetch(_USABLE, (Int4(shard), Int4(FOLD_VERSION), Int4(KEPT)))
    return [Snapshot(shard, seq, clock.to_us(at), *others) for seq, at, *others in rows]


async def part(log: LogStore, of: Snapshot, number: int) -> bytes | None:
    """One part, from 0; None where the snapshot was deleted, or the part is not what was written."""
    rows = await log.fetch(_PART, (Int4(of.shard), Int8(of.seq), Int4(FOLD_VERSION), Int4(number)))
    if not rows or hashlib.sha256(rows[0][0]).digest() != of.part_digests[number]:
        return None
    body: bytes = rows[0][0]
    return body


async def write(dsn: str, of: Snapshot, parts: Iterable[bytes]) -> tuple[Snapshot, int]:
    """Stores a snapshot, whose digests are those of `parts`, and deletes older ones; answers it and its bytes.

    Raises psycopg.errors.UniqueViolation where it is there already.
    """
    size = 0
    async with (
        await psycopg.AsyncConnection.connect(
            dsn,
            connect_timeout=CONNECT_SECONDS,
            application_name="scrip-ledger-snapshot",
            options=f"-c statement_timeout={WRITE_MS}",
        ) as connection,
        connection.cursor() as cursor,
    ):
        async with cursor.copy(
            "COPY snapshot_part (shard, seq, fold_version, number, body) FROM STDIN (FORMAT BINARY)"
        ) as copy:
            copy.set_types(["int4", "int8", "int4", "int4", "bytea"])
            for number, body in enumerate(parts):
                of.part_digests.append(hashlib.sha256(body).digest())
                size += len(body)
                await copy.write_row((of.shard, of.seq, FOLD_VERSION, number, body))
        await cursor.execute(
            _INSERT,
            (of.shard, of.seq, FOLD_VERSION, clock.from_us(of.at), of.hash, of.next_position, of.part_digests),
        )
        await cursor.execute(_DELETE, (of.shard, of.shard, FOLD_VERSION, KEPT))
    return of, size


async def tails(pool: Pool) -> dict[int, int]:
    """How many events of each shard stand after its last snapshot."""
    async with pool.connection() as connection:
        cursor = await connection.execute(_TAILS, (FOLD_VERSION,))
        return {int(str(shard)): int(str(events)) for shard, events in await cursor.fetchall()}
