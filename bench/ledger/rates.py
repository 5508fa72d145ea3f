"""`ledger.engine.*`, `ledger.bulk.*`: how much one ledger does in process."""

from bench import naive
from bench.ledger import engine
from bench.ledger.commands import Author, new_id
from bench.ledger.ground import Ground
from bench.ledger.size import Size
from bench.load import account_name, rate
from bench.report import line, percentile, progress
from services.runtime import clock

# The naive design is slow to warm up to nothing: it needs no longer than this.
FLOOR_CLIENTS = 32


async def callers(ground: Ground, size: Size) -> None:
    """Pairs a second of many callers, against a row lock a command (`bench/naive.py`)."""
    rates: dict[str, float] = {}
    for count in size.callers:
        for kind, accounts in (("cold", size.accounts), ("hot", 1)):
            progress(f"  {count} callers, {kind}: the naive design, then the ledger")
            with ground.database() as database:
                floor = await naive.pairs_a_second(database.owner_dsn, accounts, count, size.seconds)
                async with engine.opened(database.dsn) as ledger:
                    await ledger.fill(engine.names(accounts))
                    await rate(ledger.pair, count, accounts, size.warm_up_seconds)
                    rates[kind], pairs = await rate(ledger.pair, count, accounts, size.seconds)
            line(f"ledger.engine.{count}.{kind}", rates[kind], "pairs/s", floor, pairs)
    line("ledger.engine.hot_over_cold", rates["hot"], "pairs/s", rates["cold"], 1)
    await _alone(ground, size)


async def _alone(ground: Ground, size: Size) -> None:
    """A lone caller: milliseconds a command, against a pgbench transaction at one client."""
    progress("  one caller: pgbench -N at one client, then the ledger")
    floor = (await ground.transactions(1, size)).latency_ms
    times: list[float] = []
    with ground.database() as database:
        async with engine.opened(database.dsn) as ledger:
            await ledger.fill(engine.names(1))
            await rate(ledger.pair, 1, 1, size.warm_up_seconds)
            for _ in range(size.singles):
                command = Author().reserve(account_name(0), new_id())
                began = clock.monotonic()
                await ledger.execute([command])
                times.append((clock.monotonic() - began) * 1_000)
    line("ledger.engine.1.p50", percentile(times, 50), "ms", floor, len(times))


async def bulk(ground: Ground, size: Size) -> None:
    """Commands a second in large calls, against pgbench transactions at 32 clients."""
    progress("  pgbench -N at 32 clients, then the ledger")
    floor = (await ground.transactions(FLOOR_CLIENTS, size)).rate
    with ground.database() as database:
        async with engine.opened(database.dsn) as ledger:
            await ledger.fill(engine.names(size.accounts))
            await ledger.bulk(size.accounts, size.bulk_commands, size.warm_up_seconds)
            seconds, commands = await ledger.bulk(size.accounts, size.bulk_commands, size.seconds)
    line(f"ledger.bulk.{size.bulk_commands}", 1 / seconds, "commands/s", floor, commands)
