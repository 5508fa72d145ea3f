"""`ledger.rivals.*`, `ledger.routed.*`, `ledger.failover`: ledgers in several processes on one database."""

import asyncio
import contextlib
import statistics
from collections.abc import Mapping, Sequence

from bench.ledger import engine
from bench.ledger.ground import Ground
from bench.ledger.size import Size
from bench.ledger.worker import Worker
from bench.load import account_name
from bench.report import line, progress
from scrip_client.routing import ranking
from services.ledger.application.ledger import shard_of
from services.runtime import clock
from tests.harness.databases import Database

ALL_SHARDS = range(engine.SHARDS)
# The one that rivals meet on.
SHARD = 0
NAMES = ("first", "second")


async def rivals(ground: Ground, size: Size) -> None:
    """Two ledgers on one shard, half of the callers at each: pairs a second against one alone with all of them."""
    accounts = on_shards([SHARD], size.accounts)
    for callers in size.callers:
        progress(f"  {callers} callers: one ledger, then two")
        with ground.database() as database:
            await _fill(database, accounts)
            alone, _ = await _rate(database, {"alone": [SHARD]}, {"alone": accounts}, callers, size)
            both, pairs = await _rate(
                database, {name: [SHARD] for name in NAMES}, dict.fromkeys(NAMES, accounts), callers, size
            )
        line(f"ledger.rivals.{callers}", both, "pairs/s", alone, pairs)


async def routed(ground: Ground, size: Size) -> None:
    """Two ledgers, callers going to each shard's first: pairs a second against one alone with all of them."""
    callers = size.callers[-1]
    accounts = on_shards(ALL_SHARDS, size.accounts)
    shards = {name: [n for n in ALL_SHARDS if ranking(n, NAMES)[0] == name] for name in NAMES}
    own = {name: [a for a in accounts if shard_of(a, engine.SHARDS) in shards[name]] for name in NAMES}
    parts = " and ".join(str(len(numbers)) for numbers in shards.values())
    progress(f"  {callers} callers: one ledger, then two with {parts} shards")
    with ground.database() as database:
        await _fill(database, accounts)
        alone, _ = await _rate(database, {"alone": ALL_SHARDS}, {"alone": accounts}, callers, size)
        both, pairs = await _rate(database, shards, own, callers, size)
    line(f"ledger.routed.{callers}", both, "pairs/s", alone, pairs)


async def failover(ground: Ground, size: Size) -> None:
    """Milliseconds from kill -9 of a ledger under load to the next commit of another on its shard.

    The longest of several, against an ordinary commit of that other; both as seen from here, through a pipe.
    """
    accounts = on_shards([SHARD], size.accounts)
    gaps: list[float] = []
    usual: list[float] = []
    with ground.database() as database:
        await _fill(database, accounts)
        async with Worker.started(database.dsn, "heir", ALL_SHARDS) as heir:
            for number in range(size.failovers):
                progress(f"  kill {number + 1} of {size.failovers}")
                usual.append(await _commit_ms(heir, accounts[0]))
                async with Worker.started(database.dsn, f"victim-{number}", [SHARD]) as victim:
                    # It is killed long before the load ends.
                    victim.tell(load={"callers": 32, "seconds": 60, "accounts": accounts})
                    await asyncio.sleep(size.warm_up_seconds / 2)
                    began = clock.monotonic()
                    victim.kill()
                    await heir.ask(commit=accounts[0])
                    gaps.append((clock.monotonic() - began) * 1_000)
    progress(f"  {sorted(round(gap, 1) for gap in gaps)} ms")
    line("ledger.failover", max(gaps), "ms", statistics.median(usual), len(gaps))


async def _commit_ms(worker: Worker, account_id: str) -> float:
    began = clock.monotonic()
    await worker.ask(commit=account_id)
    return (clock.monotonic() - began) * 1_000


async def _rate(
    database: Database,
    shards: Mapping[str, Sequence[int]],
    accounts: Mapping[str, Sequence[str]],
    callers: int,
    size: Size,
) -> tuple[float, int]:
    """(pairs a second, pairs) of ledgers at once, by name, among which the callers are divided."""
    async with contextlib.AsyncExitStack() as stack:
        started = await asyncio.gather(
            *(
                stack.enter_async_context(Worker.started(database.dsn, name, numbers))
                for name, numbers in shards.items()
            )
        )
        total = (0.0, 0)
        for seconds in (size.warm_up_seconds, size.seconds):
            answers = await asyncio.gather(
                *(
                    worker.ask(
                        load={"callers": callers // len(started), "seconds": seconds, "accounts": accounts[name]}
                    )
                    for name, worker in zip(shards, started, strict=True)
                )
            )
            total = sum(answer["rate"] for answer in answers), int(sum(answer["pairs"] for answer in answers))
        return total


def on_shards(shards: Sequence[int], count: int) -> list[str]:
    """So many ids of accounts on some shards."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        name = account_name(number)
        if shard_of(name, engine.SHARDS) in shards:
            found.append(name)
        number += 1
    return found


async def _fill(database: Database, accounts: Sequence[str]) -> None:
    async with engine.opened(database.dsn) as ledger:
        await ledger.fill(accounts)
