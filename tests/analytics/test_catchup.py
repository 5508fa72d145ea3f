"""What messages do not bring is read from the owner, and the owner's log decides."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.analytics import catchup as catchup_module
from services.analytics import metrics
from services.analytics.applier import Applier
from services.analytics.catchup import Catchup
from services.analytics.commits import from_message
from services.analytics.projections import KNOWN_KINDS
from services.runtime import clock, event_log, lifecycle
from tests.analytics.logs import WrittenLog, credit, job
from tests.analytics.owner import Owner
from tests.analytics.support import analyst_sees, apply, applying
from tests.harness.databases import Database, Databases
from tests.harness.waiting import eventually


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.create("analytics")


@pytest.fixture
async def ledger(databases: Databases, tmp_path: Path) -> AsyncIterator[Owner]:
    """An owner of ledger events, writing."""
    owner = Owner("ledger", databases.create("executor"), tmp_path)
    async with owner.writing():
        yield owner


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup_module, "PAUSE_SECONDS_MAX", 0.5)


@contextlib.asynccontextmanager
async def catching_up(database: Database, owner: Owner) -> AsyncIterator[tuple[Catchup, Applier]]:
    """The worker, running."""
    async with applying(database) as (pool, applier):
        peer = owner.peer()
        catchup = Catchup(pool, applier, owner.source, peer)
        async with lifecycle.background(catchup.run):
            yield catchup, applier
        await peer.close()


def amounts(database: Database) -> list[int]:
    rows = analyst_sees(database, "SELECT (amount * 1000000)::bigint AS amount FROM analytics.credit_movements")
    return sorted(row["amount"] for row in rows)


def shard_row(database: Database, shard: int) -> dict[str, Any]:
    with psycopg.connect(database.owner_dsn, row_factory=psycopg.rows.dict_row) as connection:
        row = connection.execute(
            "SELECT * FROM analytics.freshness_by_source WHERE source = 'ledger' AND shard = %s", (shard,)
        ).fetchone()
    return row or {}


async def test_everything_is_read_without_any_message(database: Database, ledger: Owner) -> None:
    """The owner's log alone fills the projections, all shards, and what is written later follows within seconds."""
    for n in range(1, 11):
        await ledger.commit(n % 4, credit("CREDITS_GRANTED", n))
    async with ledger.serving(), catching_up(database, ledger):
        await eventually(lambda: amounts(database) == list(range(1, 11)))
        await ledger.commit(2, credit("CREDITS_GRANTED", 11))
        started = clock.monotonic()
        await eventually(lambda: amounts(database) == list(range(1, 12)))
        assert clock.monotonic() - started < 5


async def test_a_shard_that_speaks_late_is_read_from_its_beginning(database: Database, ledger: Owner) -> None:
    """The first commit of a shard that was silent so far is found, though nobody here knew of the shard."""
    await ledger.commit(0, credit("CREDITS_GRANTED", 1))
    async with ledger.serving(), catching_up(database, ledger) as (catchup, _):
        await eventually(lambda: amounts(database) == [1])
        await ledger.commit(3, credit("CREDITS_GRANTED", 2))
        await catchup.fill(3, timeout=5)
        assert amounts(database) == [1, 2]


async def test_a_fill_reads_all_that_was_there_when_it_was_asked_for(database: Database, ledger: Owner) -> None:
    """Whoever met a gap can wait until it is filled."""
    async with ledger.serving(), catching_up(database, ledger) as (catchup, _):
        for n in range(1, 40):
            await ledger.commit(0, credit("CREDITS_GRANTED", n))
            if n % 10 == 0:
                await catchup.fill(0, timeout=5)
                assert amounts(database) == list(range(1, n + 1))


async def test_an_owner_that_is_down_is_waited_for(database: Database, ledger: Owner) -> None:
    """While the owner is away nobody waits for it and lag grows; when it is back, all is read."""
    await ledger.commit(0, credit("CREDITS_GRANTED", 1))
    async with catching_up(database, ledger) as (catchup, _):
        async with ledger.serving():
            await eventually(lambda: amounts(database) == [1])
            await ledger.commit(0, credit("CREDITS_GRANTED", 2))
        await eventually(lambda: catchup._failing)
        started = clock.monotonic()
        await catchup.fill(0, timeout=30)
        assert clock.monotonic() - started < 1
        first = shard_row(database, 0)["lag_seconds"]
        await eventually(lambda: shard_row(database, 0)["lag_seconds"] > first + 1)
        async with ledger.serving():
            await eventually(lambda: amounts(database) == [1, 2])
            await eventually(lambda: shard_row(database, 0)["lag_seconds"] < 1)


async def test_a_long_backlog_is_read_in_bounded_pieces(
    database: Database, ledger: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces are bounded in commits and events, and a call that ends early is simply gone on with."""
    monkeypatch.setattr(catchup_module, "COMMITS_MAX", 7)
    monkeypatch.setattr(catchup_module, "EVENTS_MAX", 11)
    monkeypatch.setattr(catchup_module, "STREAM_SECONDS", 0.15)
    total = 0
    for n in range(120):
        events = [credit("CREDITS_GRANTED", total + i + 1) for i in range(n % 5)]
        total += len(events)
        if events:
            await ledger.commit(0, *events)
    async with ledger.serving(), catching_up(database, ledger):
        await eventually(lambda: amounts(database) == list(range(1, total + 1)), seconds=20)


async def test_a_restored_owner_stops_its_shard(
    database: Database, ledger: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An owner whose log ends before what was applied has lost commits: its shard stands still, told, others go on."""
    monkeypatch.setattr(catchup_module, "VERIFY_SECONDS", 0.0)
    for n in (1, 2, 3):
        await ledger.commit(0, credit("CREDITS_GRANTED", n))
    async with ledger.serving(), catching_up(database, ledger) as (catchup, _):
        await eventually(lambda: amounts(database) == [1, 2, 3])
        with psycopg.connect(ledger.database.owner_dsn) as connection:
            connection.execute("DELETE FROM log WHERE shard = 0 AND seq = 3")
        await catchup.fill(0, timeout=5)
        await eventually(lambda: shard_row(database, 0)["stopped_reason"])
        assert shard_row(database, 0)["stopped_reason"] == "the owner's log ends before commit 3, which was applied"
        assert metrics.STOPPED.labels("ledger", 0)._value.get() == 1
        await ledger.commit(1, credit("CREDITS_GRANTED", 4))
        await catchup.fill(1, timeout=5)
        await eventually(lambda: amounts(database) == [1, 2, 3, 4])
        assert shard_row(database, 0)["stopped_reason"]
        assert shard_row(database, 1)["stopped_reason"] is None


async def test_a_shard_whose_chain_is_broken_stands_still(
    database: Database, ledger: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong previous hash from the owner itself stops that shard, its lag rises, and once repaired it goes on."""
    monkeypatch.setattr(catchup_module, "STOPPED_SECONDS", 0.5)
    other = WrittenLog("ledger", 0)
    other.write(credit("CREDITS_GRANTED", 9))
    await ledger.commit(0, credit("CREDITS_GRANTED", 1))
    async with ledger.serving(), catching_up(database, ledger) as (catchup, _):
        await eventually(lambda: amounts(database) == [1])
        await ledger.commit(0, credit("CREDITS_GRANTED", 2))
        with psycopg.connect(ledger.database.owner_dsn) as connection:
            kept = connection.execute("SELECT body FROM log WHERE shard = 0 AND seq = 2").fetchone()
            assert kept
            forged = ledger.source.batch_type.FromString(kept[0])
            forged.previous_hash = other.commits[0].hash
            connection.execute("UPDATE log SET body = %s WHERE shard = 0 AND seq = 2", (forged.SerializeToString(),))
        await eventually(lambda: shard_row(database, 0)["stopped_reason"])
        assert shard_row(database, 0)["stopped_reason"] == "commit 2 does not follow from commit 1"
        lag = shard_row(database, 0)["lag_seconds"]
        await eventually(lambda: shard_row(database, 0)["lag_seconds"] > lag + 1)
        assert amounts(database) == [1]
        with psycopg.connect(ledger.database.owner_dsn) as connection:
            connection.execute("UPDATE log SET body = %s WHERE shard = 0 AND seq = 2", (kept[0],))
        await eventually(lambda: amounts(database) == [1, 2])
        await eventually(lambda: shard_row(database, 0)["stopped_reason"] is None)
        await catchup.fill(0, timeout=5)
        assert metrics.STOPPED.labels("ledger", 0)._value.get() == 0


async def test_a_newer_owners_event_stops_until_this_program_knows_it(
    database: Database, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown kind is not passed over; a program that knows it goes on from there by itself."""
    monkeypatch.setattr(catchup_module, "STOPPED_SECONDS", 0.3)
    executor = Owner("executor", databases.create("executor"), tmp_path)
    async with executor.writing():
        await executor.commit(0, job("JOB_SUCCEEDED", "job_a"))
        await executor.commit(0, job("JOB_SUCCEEDED", "job_b"))
        jobs = "SELECT coalesce(sum(total_jobs), 0)::int AS n FROM analytics.tool_usage_daily"
        older = {**KNOWN_KINDS, "executor": KNOWN_KINDS["executor"] - {job("JOB_SUCCEEDED").kind}}
        with monkeypatch.context() as patched:
            patched.setattr("services.analytics.applier.KNOWN_KINDS", older)
            async with executor.serving(), catching_up(database, executor):
                await eventually(lambda: metrics.STOPPED.labels("executor", 0)._value.get() == 1)
                assert analyst_sees(database, jobs) == [{"n": 0}]
        async with executor.serving(), catching_up(database, executor):
            await eventually(lambda: analyst_sees(database, jobs) == [{"n": 2}])
            await eventually(lambda: metrics.STOPPED.labels("executor", 0)._value.get() == 0)


async def test_messages_and_owner_together_count_once(database: Database, ledger: Owner) -> None:
    """Commits that come both ways at the same time are applied once."""
    async with ledger.serving(), catching_up(database, ledger) as (catchup, applier):
        for n in range(1, 31):
            await ledger.commit(0, credit("CREDITS_GRANTED", n))
        log = WrittenLog("ledger", 0)
        for row in await event_log.read(ledger.pool, 0, 0):
            log.commits.append(from_message("ledger", ledger.source.batch_type, 0, row.body))
        await asyncio.gather(
            catchup.fill(0, timeout=5),
            *(apply(applier, log, log.commits[:n]) for n in range(1, 31)),
            catchup.fill(0, 5),
        )
        assert amounts(database) == list(range(1, 31))


async def test_a_published_commit_has_the_chain_value_its_owner_wrote(ledger: Owner) -> None:
    """What is computed from a message's bytes is the hash in the owner's log, so either can go on from the other."""
    await ledger.commit(2, credit("CREDITS_GRANTED", 1), credit("CREDITS_RESERVED", 2, labels={"b": "1", "a": "2"}))
    await ledger.commit(2, credit("CREDITS_GRANTED", 3))
    rows = await event_log.read(ledger.pool, 2, 0)
    commits = [from_message("ledger", ledger.source.batch_type, 2, row.body) for row in rows]
    assert [commit.hash for commit in commits] == [row.hash for row in rows]
    assert commits[1].previous_hash == commits[0].hash
