"""`limits.*`: checks of hourly rates, as the gateway makes them, against one plain UPDATE … RETURNING for each."""

from collections.abc import Awaitable, Callable

import uvloop
from scrip.catalog.v1 import catalog_pb2

from bench.ledger.ground import Ground
from bench.load import account_name, rate
from bench.report import line, percentile, progress
from services.gateway.rate_limits import RateLimits
from services.gateway.rate_store import RateStore
from services.runtime import clock, lifecycle, postgres
from services.runtime.postgres import Pool

SECONDS = 1.5
WARM_UP_SECONDS = 0.5
# As many as keep batches full; and as many as one gateway has on an ordinary day.
CALLERS = 512
CALLERS_OF_LATENCY = 32
KEYS = {"many": 10_000, "hot": 1}
NAMES = [account_name(number) for number in range(max(KEYS.values()))]
TOOL = "echo"
# Nobody is refused.
RATE_PER_HOUR = 2_000_000_000
_FLOOR = b"UPDATE rate SET full_at_ns = full_at_ns + 1 WHERE account_id = %s AND tool = %s RETURNING full_at_ns"
_FILL = b"INSERT INTO rate SELECT account_id, %s, 0 FROM unnest(%s::text[]) AS account_id"

Check = Callable[[str], Awaitable[None]]


def run() -> None:
    """Measures on a PostgreSQL of its own."""
    with Ground.opened() as ground:
        uvloop.run(_measure(ground.databases.create("gateway").dsn))


async def _measure(dsn: str) -> None:
    async with postgres.open_pool(dsn, "gateway") as pool:
        limits = RateLimits(RateStore(pool))

        quoted = catalog_pb2.Limits(rate_per_hour=RATE_PER_HOUR)
        quotes = {name: catalog_pb2.Quote(account_id=name, tool=TOOL, limits=quoted) for name in NAMES}

        async def check(account_id: str) -> None:
            await limits.count(quotes[account_id])

        async def update(account_id: str) -> None:
            async with pool.connection() as connection:
                await (await connection.execute(_FLOOR, (account_id, TOOL))).fetchone()

        await _fill(pool)
        async with lifecycle.background(limits.run):
            for name, keys in KEYS.items():
                progress(f"limits.{name}: {CALLERS} callers on {keys} keys, the checks and plain updates")
                value, n = await _rate(check, keys)
                floor, _ = await _rate(update, keys)
                line(f"limits.{name}.rate", value, "checks/s", floor, n)
            progress(f"limits.{CALLERS_OF_LATENCY}: as many callers on many keys")
            times = await _times(check)
            floor_times = await _times(update)
        for name, percent in (("p50", 50), ("p99", 99)):
            value, floor = percentile(times, percent), percentile(floor_times, percent)
            line(f"limits.{CALLERS_OF_LATENCY}.{name}", value, "ms", floor, len(times))


async def _fill(pool: Pool) -> None:
    """A row for every key, as after an hour of use."""
    async with pool.connection() as connection:
        await connection.execute(_FILL, (TOOL, NAMES))


async def _rate(check: Check, keys: int) -> tuple[float, int]:
    await rate(check, CALLERS, keys, WARM_UP_SECONDS)
    return await rate(check, CALLERS, keys, SECONDS)


async def _times(check: Check) -> list[float]:
    """Milliseconds of each."""
    times: list[float] = []

    async def timed(account_id: str) -> None:
        began = clock.monotonic()
        await check(account_id)
        times.append((clock.monotonic() - began) * 1_000)

    await rate(check, CALLERS_OF_LATENCY, KEYS["many"], WARM_UP_SECONDS)
    await rate(timed, CALLERS_OF_LATENCY, KEYS["many"], SECONDS)
    return times
