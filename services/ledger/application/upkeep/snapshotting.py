"""Snapshots of shards: made from the one before and the log, never from memory that may hold an undecided batch."""

import asyncio
import contextlib
import sys
from collections.abc import Collection
from dataclasses import dataclass

import psycopg

from services.ledger.application.proof.replay import fold_tail
from services.ledger.application.shard import Shard
from services.ledger.application.upkeep.parts import add_part, parts_of, snapshot_of
from services.ledger.store import snapshots
from services.ledger.store.log import LogStore
from services.ledger.store.snapshots import Snapshot
from services.runtime import clock, logs
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("snapshots")

# A shard with a longer tail after its last snapshot gets a new one: a second or two of folding.
TAIL_EVENTS = 200_000
LOOK_SECONDS = 30.0
# For one snapshot; then it is given up, and begun again at the next look.
MAKE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Made:
    """A snapshot that is stored now: accounts in it, bytes of its parts."""

    snapshot: Snapshot
    accounts: int
    bytes: int


async def load_latest(store: LogStore, number: int) -> Shard:
    """A shard as its newest usable snapshot has it; a new one where there is none. Other work goes on meanwhile."""
    for snapshot in await snapshots.usable(store, number):
        shard = await _load(store, snapshot)
        if shard is not None:
            return shard
        log.warning("snapshot_passed_over", shard=number, seq=snapshot.seq)
    return Shard(number)


async def _load(store: LogStore, snapshot: Snapshot) -> Shard | None:
    shard = Shard(snapshot.shard)
    for number in range(len(snapshot.part_digests)):
        body = await snapshots.part(store, snapshot, number)
        if body is None:
            return None
        add_part(shard, body)
        await asyncio.sleep(0)
    shard.seq, shard.hash, shard.at = snapshot.seq, snapshot.hash, snapshot.at
    shard.next_position = snapshot.next_position
    return shard


async def make(dsn: str, number: int) -> Made | None:
    """Loads the last snapshot of a shard, folds what came after it, and stores that; None where nothing came."""
    store = LogStore(dsn)
    try:
        shard = await load_latest(store, number)
        last = shard.seq
        await fold_tail(store, shard)
    finally:
        await store.close()
    if shard.seq == last:
        return None
    # Whoever made the same one meanwhile made the same bytes.
    with contextlib.suppress(psycopg.errors.UniqueViolation):
        snapshot, size = await snapshots.write(dsn, snapshot_of(shard, []), parts_of(shard))
        return Made(snapshot, len(shard.accounts), size)
    return None


class Snapshots:
    """Starts a process of its own for each shard whose tail has become long, one after the other."""

    def __init__(self, pool: Pool, numbers: Collection[int]) -> None:
        self._pool = pool
        self._numbers = frozenset(numbers)

    async def run(self) -> None:
        """Looks for ever; a snapshot that fails is told and tried again, and nobody depends on it."""
        while True:
            try:
                for number, events in (await snapshots.tails(self._pool)).items():
                    if number in self._numbers and events >= TAIL_EVENTS:
                        await self._make(number, events)
            except OUTAGES as error:
                log.warning("snapshots_wait", error=type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def _make(self, number: int, events: int) -> None:
        began = clock.monotonic()
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.ledger.snapshot", str(number))
        try:
            async with asyncio.timeout(MAKE_SECONDS):
                status: int | str = await process.wait()
        except TimeoutError:
            status = "took too long"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        seconds = round(clock.monotonic() - began, 1)
        if status == 0:
            log.info("snapshot_made", shard=number, tail=events, seconds=seconds)
        else:
            log.error("snapshot_failed", shard=number, tail=events, seconds=seconds, status=status)
