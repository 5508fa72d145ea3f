"""`jobs.*`: the queue with a no-op tool, against a plain SKIP LOCKED claim and update; a job's overhead over a direct
call of its handler; what a crowd before it costs a lone account; and how soon a dead executor's job goes on."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import uvloop
from scrip.catalog.v1 import catalog_pb2

from bench.ledger.ground import Ground
from bench.report import line, percentile, progress
from services.cli.local import nats
from services.executor.running.pool import WorkerPool
from services.executor.running.worker import ToolCall
from services.runtime import clock, topology
from tests.executor.saga import Saga
from tests.harness.databases import Database
from tests.harness.processes import Services
from tests.harness.waiting import eventually

QUEUED = 4_000
ALONE = 300
CROWD = 10_000
LOST = 5
CALLERS = 64
CLAIMERS = 8
CREDITS = 1_000_000
NOTHING = {"message": "x"}
SLOW_SECONDS = 30
# The executor's own default.
LEASE_SECONDS = 15.0
_FLOOR_TABLE = "CREATE TABLE task (id int PRIMARY KEY, state text NOT NULL, body text NOT NULL)"
_FLOOR_FILL = "INSERT INTO task SELECT n, 'queued', repeat('x', 500) FROM generate_series(1, %s) AS n"
_FLOOR_CLAIM = """
UPDATE task SET state = 'running'
 WHERE id = (SELECT id FROM task WHERE state = 'queued' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id
"""
_FLOOR_END = "UPDATE task SET state = 'done' WHERE id = %s"


def run() -> None:
    """Measures on a PostgreSQL, a NATS and services of its own."""
    call = asyncio.run(_direct_calls())
    with (
        Ground.opened() as ground,
        tempfile.TemporaryDirectory(prefix="scrip-bench-") as name,
        nats.Server.throwaway(Path(name) / "nats") as server,
    ):
        uvloop.run(_measure(ground, server.broker.url, Path(name), call))


async def _measure(ground: Ground, nats_url: str, folder: Path, direct: list[float]) -> None:
    await topology.declare(nats_url)
    services = Services(ground.databases, nats_url, folder)
    try:
        progress("jobs: starting ledger, catalog and executor")
        await services.start("ledger", "catalog", "executor")
        saga = Saga(services)
        for account in ("crowd", "lone"):
            await saga.account(account, CREDITS)
        await _run_through(saga, "crowd", 50)
        await _queued(ground, saga)
        await _alone(saga, direct)
        await _fair(saga)
        await _lost(saga)
    finally:
        await services.stop()


async def _direct_calls() -> list[float]:
    """Milliseconds of calls of the handler in a tool process, with nothing around it."""
    pool = WorkerPool(2, 2048)
    try:
        times = []
        for _ in range(ALONE + 50):
            began = clock.monotonic()
            await pool.run(ToolCall("echo", json.dumps(NOTHING).encode()), 10)
            times.append((clock.monotonic() - began) * 1_000)
    finally:
        await asyncio.to_thread(pool.stop)
    return times[50:]


async def _queued(ground: Ground, saga: Saga) -> None:
    """Jobs a second from the first submission to the last settlement, all reservations made before."""
    progress(f"jobs.queued: {QUEUED} no-op jobs, and as many rows claimed and updated")
    quotes = await _reserved(saga, "crowd", QUEUED)
    began = clock.monotonic()
    await _submit(saga, quotes)
    await _all_settled(saga, "crowd")
    seconds = clock.monotonic() - began
    with_floor = ground.databases.create("executor")
    try:
        floor = await asyncio.to_thread(_claims, with_floor)
    finally:
        ground.databases.drop(with_floor)
    line("jobs.queued.rate", QUEUED / seconds, "jobs/s", floor, QUEUED)


def _claims(database: Database) -> float:
    """Rows a second that eight sessions claim with SKIP LOCKED and update, one at a time and durably."""
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        connection.execute(_FLOOR_TABLE)
        connection.execute(_FLOOR_FILL.encode(), (QUEUED,))
    began = clock.monotonic()
    asyncio.run(_claim_all(database.owner_dsn))
    return QUEUED / (clock.monotonic() - began)


async def _claim_all(dsn: str) -> None:
    async def claimer() -> None:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            while row := await (await connection.execute(_FLOOR_CLAIM.encode())).fetchone():
                await connection.execute(_FLOOR_END.encode(), row)

    await asyncio.gather(*(claimer() for _ in range(CLAIMERS)))


async def _alone(saga: Saga, direct: list[float]) -> None:
    """Milliseconds from submission to outcome of one job at a time."""
    progress(f"jobs.alone: {ALONE} jobs one after the other, and as many direct calls")
    times = await _run_through(saga, "lone", ALONE)
    for percent in (50, 99):
        line(f"jobs.alone.p{percent}", percentile(times, percent), "ms", percentile(direct, percent), ALONE)


async def _fair(saga: Saga) -> None:
    """Milliseconds of an account's one job while another has ten thousand in the queue, against an empty queue."""
    progress(f"jobs.fair: {CROWD} jobs of one account, and one of another")
    before = await _run_through(saga, "lone", 20)
    quotes = await _reserved(saga, "crowd", CROWD)
    crowd = asyncio.create_task(_submit(saga, quotes))
    waiting = "SELECT count(*) FROM job WHERE state = 'QUEUED'"
    await crowd
    (left,) = saga.services.query("executor", waiting)[0]
    times = await _run_through(saga, "lone", 5)
    progress(f"jobs.fair: {left} were waiting")
    line("jobs.fair.wait", percentile(times, 50), "ms", percentile(before, 50), len(times))
    await _all_settled(saga, "crowd")


async def _lost(saga: Saga) -> None:
    """Seconds from the death of an executor to the next attempt of its job by the one that takes its place, against the
    lease, which is what must run out."""
    progress(f"jobs.lost: {LOST} executors killed")
    services, times = saga.services, []
    for _ in range(LOST):
        job_id = await saga.begin("lone", NOTHING | {"delay_seconds": SLOW_SECONDS})
        await _attempted(services, job_id, 1)
        services.kill("executor")
        began = clock.monotonic()
        await services.restart("executor")
        await _attempted(services, job_id, 2)
        times.append(clock.monotonic() - began)
    line("jobs.lost.next_step", percentile(times, 50), "s", LEASE_SECONDS, LOST)


async def _attempted(services: Services, job_id: str, times: int) -> None:
    """Returns when a job has had so many attempts."""
    statement = "SELECT count(*) FROM attempt WHERE job_id = %s"
    await eventually(lambda: services.query("executor", statement, job_id) == [(times,)], 60)


async def _run_through(saga: Saga, account: str, n: int) -> list[float]:
    """Milliseconds of `n` jobs, each from its submission to its outcome."""
    times = []
    for quote in await _reserved(saga, account, n):
        began = clock.monotonic()
        await saga.submit(quote, NOTHING)
        await saga.watch(account, quote.job_id)
        times.append((clock.monotonic() - began) * 1_000)
    return times


async def _reserved(saga: Saga, account: str, n: int) -> list[catalog_pb2.Quote]:
    """Quotes with their reservations; long ones, for who is submitted last waits."""
    return await _each([None] * n, lambda _: _one(saga, account))


async def _one(saga: Saga, account: str) -> catalog_pb2.Quote:
    quote = await saga.quote(account, "echo", NOTHING)
    await saga.reserve(quote, ttl_seconds=3600)
    return quote


async def _submit(saga: Saga, quotes: list[catalog_pb2.Quote]) -> None:
    await _each(quotes, lambda quote: saga.submit(quote, NOTHING))


async def _each(items: list[Any], do: Any) -> list[Any]:
    """`do(item)` of all, so many at a time; answers in their order."""
    found: list[Any] = [None] * len(items)
    left = iter(enumerate(items))

    async def caller() -> None:
        for place, item in left:
            found[place] = await do(item)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return found


async def _all_settled(saga: Saga, account: str) -> None:
    statement = "SELECT count(*) FROM job WHERE settlement = 'PENDING' AND account_id = %s"
    await eventually(lambda: saga.services.query("executor", statement, account) == [(0,)], 300)
