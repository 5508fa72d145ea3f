"""`ledger.growth*`, `ledger.grants.*`, `ledger.reservations.*`: whether a command costs more where there is more."""

import gc

from bench.ledger import engine
from bench.ledger.commands import Author, new_id
from bench.ledger.engine import Engine
from bench.ledger.ground import Ground
from bench.ledger.size import Size
from bench.ledger.storage import commits_of
from bench.load import account_name
from bench.report import line, progress
from services.ledger.application.upkeep import snapshotting
from services.ledger.store.log import LogStore
from services.runtime import clock
from tests.harness.databases import Database

MICROS = 1_000_000


async def growth(ground: Ground, size: Size) -> None:
    """Microseconds a command at a million accounts, against ten thousand; and the seconds to load them."""
    with ground.database() as database:
        async with engine.opened(database.dsn) as ledger:
            progress(f"  {size.accounts} accounts")
            await ledger.fill(engine.names(size.accounts))
            few, _ = await _cost(ledger, size.accounts, size)
            progress(f"  {size.accounts_many} accounts")
            await ledger.fill(map(account_name, range(size.accounts, size.accounts_many)))
            many, n = await _cost(ledger, size.accounts_many, size)
        line("ledger.growth", many * MICROS, "µs/command", few * MICROS, n)
        del ledger
        gc.collect()
        await _load(database, size)


async def _load(database: Database, size: Size) -> None:
    """Seconds until a new ledger holds all accounts, from the log and then from snapshots, against reading the log."""
    progress("  reading the log, loading from it")
    floor = await _seconds_to_read(database.dsn)
    line("ledger.growth.load", await _seconds_to_load(database.dsn, size), "s", floor, size.accounts_many)
    progress("  making snapshots, loading from them")
    for number in range(engine.SHARDS):
        await snapshotting.make(database.dsn, number)
    line("ledger.growth.load.snapshot", await _seconds_to_load(database.dsn, size), "s", floor, size.accounts_many)


async def _seconds_to_read(dsn: str) -> float:
    log = LogStore(dsn)
    began = clock.monotonic()
    try:
        for number in range(engine.SHARDS):
            async for _ in commits_of(log, number):
                pass
    finally:
        await log.close()
    return clock.monotonic() - began


async def _seconds_to_load(dsn: str, size: Size) -> float:
    began = clock.monotonic()
    async with engine.opened(dsn) as ledger:
        loaded = 0
        for number in range(engine.SHARDS):
            loaded += await ledger.ledger.read_shard(number, lambda shard: len(shard.accounts))
        seconds = clock.monotonic() - began
    if loaded != size.accounts_many:
        raise AssertionError(f"{loaded} accounts were loaded of {size.accounts_many}")
    return seconds


async def grants(ground: Ground, size: Size) -> None:
    """Microseconds a reserve and capture on accounts with so many live grants, against the fewest."""
    floor = 0.0
    for count in size.grants:
        progress(f"  {count} grants an account")
        with ground.database() as database:
            async with engine.opened(database.dsn) as ledger:
                # One account a shard or so: it is their grants that count, not their number.
                await ledger.fill(engine.names(engine.SHARDS), count)
                cost, n = await _cost(ledger, engine.SHARDS, size)
        floor = floor or cost
        line(f"ledger.grants.{count}", 2 * cost * MICROS, "µs/pair", 2 * floor * MICROS, n // 2)


async def reservations(ground: Ground, size: Size) -> None:
    """Microseconds a reserve and capture on an account with so many open reservations, against the fewest."""
    floor = 0.0
    for count in size.reservations:
        progress(f"  {count} open reservations")
        with ground.database() as database:
            async with engine.opened(database.dsn) as ledger:
                await ledger.fill(engine.names(1))
                left = count
                while left > 0:
                    author, some = Author(), min(left, size.bulk_commands)
                    await ledger.execute([author.reserve(account_name(0), new_id()) for _ in range(some)])
                    left -= some
                cost, n = await _cost(ledger, 1, size)
        floor = floor or cost
        line(f"ledger.reservations.{count}", 2 * cost * MICROS, "µs/pair", 2 * floor * MICROS, n // 2)


async def _cost(ledger: Engine, accounts: int, size: Size) -> tuple[float, int]:
    """(seconds a command, commands) in large calls, once it is warm."""
    await ledger.bulk(accounts, size.bulk_commands, size.warm_up_seconds)
    return await ledger.bulk(accounts, size.bulk_commands, size.seconds)
