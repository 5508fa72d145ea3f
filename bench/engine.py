"""`ledger.engine.*`: the ledger in process, against the naive design and against PostgreSQL's own benchmark."""

import asyncio
import contextlib
import gc
import itertools
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop

from bench import naive
from bench.report import line, percentile, progress
from services.cli.local import postgres
from services.ledger.application.ledger import Ledger
from services.ledger.application.shard import Answer
from services.ledger.domain import commands as cmd
from services.runtime import clock, lifecycle
from tests.harness.databases import Database, Databases

SECONDS = 5.0
COLD_ACCOUNTS = 10_000
SHARDS = 16
DAY = 24 * 3600 * clock.MICROS_PER_SECOND


def run() -> None:
    """Measures on a PostgreSQL of its own, durable."""
    with (
        tempfile.TemporaryDirectory(prefix="scrip-bench-") as folder,
        postgres.Server.throwaway(Path(folder)) as server,
    ):
        databases = Databases(server)
        uvloop.run(_measure(databases, server.cluster))


async def _measure(databases: Databases, cluster: postgres.Cluster) -> None:
    rates: dict[tuple[int, str], float] = {}
    for callers in (32, 256):
        for kind, accounts in (("cold", COLD_ACCOUNTS), ("hot", 1)):
            progress(f"ledger.engine.{callers}.{kind}: naive design, then the ledger")
            database = databases.create("ledger")
            async with naive.opened(database.owner_dsn, accounts, callers) as yardstick:
                floor, _ = await naive.rate(yardstick.pair, callers, accounts, SECONDS)
            async with _engine(database, accounts) as engine:
                await naive.rate(engine.pair, callers, accounts, 1.0)
                value, pairs = await naive.rate(engine.pair, callers, accounts, SECONDS)
            line(f"ledger.engine.{callers}.{kind}", value, "pairs/s", floor, pairs)
            rates[callers, kind] = value
            databases.drop(database)
    line("ledger.engine.hot_over_cold", rates[256, "hot"], "pairs/s", rates[256, "cold"], 1)
    await _latency(databases, cluster)


async def _latency(databases: Databases, cluster: postgres.Cluster) -> None:
    """One caller: milliseconds a command, against a pgbench transaction at one client."""
    progress("ledger.engine.1.p50: pgbench -N at one client, then one caller")
    database = databases.create("ledger")
    floor = await asyncio.to_thread(_pgbench_ms, cluster, database)
    async with _engine(database, 1) as engine:
        await naive.rate(engine.pair, 1, 1, 1.0)
        times = []
        for _ in range(2_000):
            began = clock.monotonic()
            await engine.reserve("account-0", next_id())
            times.append((clock.monotonic() - began) * 1_000)
    line("ledger.engine.1.p50", percentile(times, 50), "ms", floor, len(times))
    databases.drop(database)


def _pgbench_ms(cluster: postgres.Cluster, database: Database) -> float:
    program = str(cluster.programs / "pgbench")
    environment = cluster.environment()
    subprocess.run(
        [program, "-i", "-q", "-s", "10", database.owner_dsn],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    done = subprocess.run(
        [program, "-N", "-M", "prepared", "-c", "1", "-T", "4", database.owner_dsn],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.search(r"latency average = ([\d.]+) ms", done.stdout)
    if found is None:
        raise ValueError(f"pgbench printed no latency:\n{done.stdout}")
    return float(found.group(1))


_numbers = itertools.count()


def next_id() -> str:
    """An id that costs next to nothing: what is measured is the ledger."""
    return f"{next(_numbers):032x}"


class _Engine:
    """Commands straight into the commit loops."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._not_after = clock.now_us() + DAY

    async def fill(self, accounts: int) -> None:
        """Opens rich accounts."""
        commands: list[cmd.Command] = []
        for number in range(accounts):
            account_id = f"account-{number}"
            commands.append(cmd.OpenAccount(account_id, self._cause(), self._not_after))
            commands.append(
                cmd.GrantCredits(account_id, self._cause(), self._not_after, next_id(), 10**12, 1, 100, 0, 0, "")
            )
        for start in range(0, len(commands), 8_000):
            await self._done(commands[start : start + 8_000])

    async def reserve(self, account_id: str, reservation_id: str) -> None:
        """One durable reserve."""
        await self._done([cmd.ReserveCredits(account_id, self._cause(), self._not_after, reservation_id, 1, DAY)])

    async def pair(self, account_id: str) -> None:
        """One reserve and its capture, each durable."""
        reservation_id = next_id()
        await self.reserve(account_id, reservation_id)
        cause = self._cause()
        await self._done([cmd.CaptureReservation(account_id, cause, self._not_after, reservation_id, 1, True, False)])

    def _cause(self) -> cmd.Cause:
        return cmd.Cause(next_id(), self._not_after, "service:bench", "0" * 32)

    async def _done(self, commands: list[cmd.Command]) -> None:
        for command in commands:
            command.cause.fingerprint = cmd.fingerprint(command)
        for result in await self._ledger.execute(commands):
            if not isinstance(result, Answer):
                raise AssertionError(result)  # noqa: TRY004 (a refusal is a result, not a type at fault)


@contextlib.asynccontextmanager
async def _engine(database: Database, accounts: int) -> AsyncIterator[_Engine]:
    gc.set_threshold(100_000, 20, 50)
    ledger = Ledger(database.dsn, SHARDS, "bench")
    engine = _Engine(ledger)
    async with lifecycle.background(*ledger.loops):
        await engine.fill(accounts)
        gc.freeze()
        try:
            yield engine
        finally:
            gc.unfreeze()
