"""`ledger.wal`, `ledger.replay`: what the log costs to write, and how fast it is read back."""

from collections.abc import AsyncIterator

import psycopg
from scrip.ledger.v1 import events_pb2 as pb

from bench.ledger import engine
from bench.ledger.ground import Ground
from bench.ledger.size import Size
from bench.report import line, progress
from services.ledger.application.proof import replay as replaying
from services.ledger.store.log import Commit, LogStore
from services.runtime import chain, clock

# Of one commit; a call holds so many for each shard, and some more, as accounts spread unevenly.
BATCH_LEAST = 1_000
SPREAD = 1.3


async def wal(ground: Ground, size: Size) -> None:
    """Bytes of WAL a command in commits of at least 1,000 events, against the bodies as they are stored."""
    # Many for each shard, so that they spread evenly, however small the measurement.
    accounts = max(size.accounts, 2_000)
    with ground.database() as database:
        async with engine.opened(database.dsn) as ledger:
            await ledger.fill(engine.names(accounts))
            with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
                before, filled = _wal_bytes(connection), _commits(connection)
                progress("  large calls between two readings of pg_current_wal_lsn()")
                call = round(engine.SHARDS * BATCH_LEAST * SPREAD)
                _, commands = await ledger.bulk(accounts, call, size.seconds)
                written = _wal_bytes(connection) - before
                commits, body_bytes = (now - then for now, then in zip(_commits(connection), filled, strict=True))
    if commands / commits < BATCH_LEAST:
        raise AssertionError(f"{commands / commits:.0f} commands a commit; it shall be {BATCH_LEAST} at least")
    line("ledger.wal", written / commands, "bytes/command", body_bytes / commands, commands)


def _wal_bytes(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
    return int(row[0]) if row else 0


def _commits(connection: psycopg.Connection) -> tuple[int, int]:
    """How many, and the bytes of their bodies as they are stored."""
    row = connection.execute("SELECT count(*), sum(length(body)) FROM log").fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


async def replay(ground: Ground, size: Size) -> None:
    """Events a second from the database into memory, hashes checked, against the same without applying them."""
    with ground.database() as database:
        async with engine.opened(database.dsn) as ledger:
            await ledger.fill(engine.names(size.accounts))
            events = size.accounts * 2
            progress(f"  writing a log of {size.log_events} events")
            while events < size.log_events:
                await ledger.bulk(size.accounts, size.bulk_commands, 0.01)
                events += size.bulk_commands
        progress("  reading, checking and parsing it; then folding it")
        floor, n = await _parse(database.dsn)
        folded, seconds = 0, 0.0
        for number in range(engine.SHARDS):
            done = await replaying.replay(database.dsn, number)
            folded, seconds = folded + done.events, seconds + done.seconds
    if folded != n:
        raise AssertionError(f"{folded} events were folded, {n} are in the log")
    line("ledger.replay", folded / seconds, "events/s", floor, n)


async def _parse(dsn: str) -> tuple[float, int]:
    """(events a second, events) of all shards: read, checked and parsed."""
    log = LogStore(dsn)
    began, n = clock.monotonic(), 0
    try:
        for number in range(engine.SHARDS):
            async for c in commits_of(log, number):
                linked = chain.link(c.previous_hash, number, c.seq, c.first_position, c.n, c.at, c.writer, c.body)
                if linked != c.hash:
                    raise AssertionError(f"commit {c.seq} of shard {number} does not fit")
                n += len(pb.EventBatch.FromString(c.body).events)
    finally:
        await log.close()
    return n / (clock.monotonic() - began), n


async def commits_of(log: LogStore, number: int) -> AsyncIterator[Commit]:
    """A shard's commits, read as the ledger reads them."""
    seq, digest = 0, chain.GENESIS_HASH
    while commits := await log.read(number, seq, digest, replaying.FOLD_COMMITS):
        for commit in commits:
            yield commit
        seq, digest = commits[-1].seq, commits[-1].hash
