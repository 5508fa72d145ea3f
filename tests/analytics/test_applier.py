"""Each event counts once, in order, whoever brings it and however often."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from services.analytics import applier as applier_module
from services.analytics import metrics
from services.analytics.applier import Applier
from services.analytics.continuation import Ending
from services.runtime import postgres
from tests.analytics.logs import NOON, WrittenLog, credit, executions, job
from tests.analytics.support import analyst_sees, apply, applying, content
from tests.harness.databases import Database, Databases
from tests.harness.waiting import eventually


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.create("analytics")


def logs_of_executions(count: int) -> list[WrittenLog]:
    """A day's logs: two shards of the ledger and two of the executor."""
    logs = [WrittenLog(source, shard) for source in ("ledger", "executor") for shard in (0, 1)]
    for number, (credits, jobs) in enumerate(executions(range(count))):
        logs[number % 2].write(*credits)
        for event in jobs:
            logs[2 + number % 2].write(event)
    return logs


def cursor(database: Database, source: str = "ledger", shard: int = 0) -> tuple[Any, ...]:
    """seq, position and reason of a shard."""
    with psycopg.connect(database.owner_dsn) as connection:
        row = connection.execute(
            "SELECT seq, position, stopped_reason FROM analytics.source_shard WHERE source = %s AND shard = %s",
            (source, shard),
        ).fetchone()
    assert row is not None
    return row


async def test_the_same_commits_again_change_nothing(database: Database) -> None:
    """What was applied is passed over, alone or together with what follows."""
    logs = logs_of_executions(20)
    async with applying(database) as (_, applier):
        for log in logs:
            await apply(applier, log)
        once = content(database)
        for log in logs:
            result = await apply(applier, log)
            assert (result.commits, result.ending) == ([], Ending.COMPLETE)
    assert content(database) == once


@pytest.mark.parametrize("seed", range(5))
async def test_content_depends_on_the_logs_alone(databases: Databases, seed: int) -> None:
    """However commits are cut into batches, doubled and shuffled, the projections end with the same content."""
    logs = logs_of_executions(60)
    contents = []
    for draw in (None, random.Random(seed)):
        database = databases.create("analytics")
        async with applying(database) as (_, applier):
            for log in logs:
                at = 0
                while draw and at < len(log.commits):
                    offered = log.commits[max(0, at - draw.randrange(4)) : at + draw.randrange(1, 9)] * 2
                    draw.shuffle(offered)
                    at += len((await apply(applier, log, offered)).commits)
                await apply(applier, log)
        contents.append(content(database))
    assert contents[0] == contents[1]
    assert len(contents[0]["movement"]) == 120


async def test_two_replicas_apply_each_commit_once(database: Database) -> None:
    """The cursor's row decides between replicas that bring the same commits at the same time."""
    logs = logs_of_executions(80)
    async with applying(database) as (_, one), applying(database) as (_, other):

        async def bring(applier: Applier, log: WrittenLog, step: int) -> None:
            for at in range(0, len(log.commits), step):
                await apply(applier, log, log.commits[: at + step])
            await apply(applier, log)

        await asyncio.gather(*(bring(who, log, step) for log in logs for who, step in ((one, 3), (other, 5), (one, 7))))
    ledger = analyst_sees(
        database, "SELECT count(*) AS n, count(DISTINCT position) AS d FROM analytics.credit_movements"
    )
    assert ledger == [{"n": 160, "d": 160}]
    (total,) = analyst_sees(
        database, "SELECT sum(total_jobs) AS jobs, sum(total_credits) AS credits FROM analytics.tool_usage_daily"
    )
    assert total == {"jobs": 80, "credits": Decimal(sum(1_000 + n for n in range(80))) / 1_000_000}


async def test_a_gap_applies_what_comes_before_it(database: Database) -> None:
    """Nothing behind a gap is applied, and nothing is lost by having been offered too early."""
    log = WrittenLog("ledger")
    for _ in range(5):
        log.write(credit("CREDITS_GRANTED"))
    async with applying(database) as (_, applier):
        early = await apply(applier, log, [log.commits[0], log.commits[3], log.commits[4]])
        assert ([commit.seq for commit in early.commits], early.ending) == ([1], Ending.GAP)
        assert cursor(database)[:2] == (1, 1)
        late = await apply(applier, log)
        assert [commit.seq for commit in late.commits] == [2, 3, 4, 5]


async def test_nothing_of_a_commit_with_an_unknown_event_is_applied(database: Database) -> None:
    """A kind this program does not know stops before its commit; what came before it stays."""
    log = WrittenLog("executor")
    log.write(job("JOB_SUCCEEDED", "job_a"))
    unknown = job("JOB_SUCCEEDED", "job_b")
    unknown.kind = 99  # type: ignore[assignment]  # as a newer executor would
    log.write(job("JOB_SUCCEEDED", "job_c"), unknown)
    async with applying(database) as (_, applier):
        result = await apply(applier, log)
    assert (result.ending, cursor(database, "executor")[0]) == (Ending.UNKNOWN_KIND, 1)
    (row,) = analyst_sees(database, "SELECT total_jobs FROM analytics.tool_usage_daily")
    assert row["total_jobs"] == 1


async def test_many_commits_are_cut_into_transactions(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction is bounded; when a later one fails, earlier ones stand."""
    monkeypatch.setattr(applier_module, "EVENTS_MAX", 10)
    log = WrittenLog("ledger")
    for _ in range(7):
        log.write(*(credit("CREDITS_GRANTED") for _ in range(4)))
    log.write(credit("CREDITS_GRANTED", -1))
    async with applying(database) as (_, applier):
        before = metrics.EVENTS.labels("ledger")._value.get()
        result = await apply(applier, log)
    assert (result.ending, len(result.commits)) == (Ending.UNSTORABLE, 6)
    assert metrics.EVENTS.labels("ledger")._value.get() - before == 24
    assert "amount is not negative" in result.reason
    assert cursor(database)[:2] == (6, 24)


async def test_what_cannot_be_stored_says_why(database: Database) -> None:
    """Rows the database refuses leave cursor and rows as they were, and the answer names the rule."""
    log = WrittenLog("ledger")
    log.write(credit("CREDITS_GRANTED", account_id="nul\0"))
    async with applying(database) as (_, applier):
        result = await apply(applier, log)
        assert (result.ending, result.commits) == (Ending.UNSTORABLE, [])
        assert result.reason.startswith("after commit 0: ")
    assert analyst_sees(database, "SELECT * FROM analytics.credit_movements") == []


async def test_an_unreachable_database_is_an_outage(database: Database, databases: Databases) -> None:
    """An outage is no fault of the rows: it is raised, to be tried again, and trying again applies."""
    log = WrittenLog("ledger")
    log.write(credit("CREDITS_GRANTED"))
    async with applying(database) as (_, applier):
        await apply(applier, log)
        log.write(credit("CREDITS_GRANTED"))
        databases.disconnect(database)
        with pytest.raises(postgres.OUTAGES):
            await apply(applier, log)

        async def applied() -> bool:
            # Every connection of the pool that was cut is an error of its own.
            with contextlib.suppress(*postgres.OUTAGES):
                return len((await apply(applier, log)).commits) == 1
            return False

        await eventually(applied)
    assert cursor(database)[0] == 2


async def test_a_shard_that_stands_still_is_told(database: Database) -> None:
    """The reason is in the metric and the cursor's row until a commit is applied again."""
    log = WrittenLog("ledger", shard=5)
    log.write(credit("CREDITS_GRANTED"))
    async with applying(database) as (_, applier):
        await applier.stop("ledger", 5, "for a test")
        assert metrics.STOPPED.labels("ledger", 5)._value.get() == 1
        assert cursor(database, shard=5) == (0, 0, "for a test")
        await apply(applier, log)
    assert cursor(database, shard=5) == (1, 1, None)


Forge = Callable[[WrittenLog], Any]


@pytest.mark.parametrize(
    "forge",
    [
        lambda log: replace(log.commits[1], previous_hash=bytes(32)),
        lambda log: replace(log.commits[0], hash=b"\1" * 32),
    ],
    ids=["the next", "the last"],
)
async def test_a_broken_chain_is_not_applied(database: Database, forge: Forge) -> None:
    """A commit that does not follow, or is not the one that was applied, changes nothing."""
    log = WrittenLog("ledger")
    log.write(credit("CREDITS_GRANTED"), at=NOON)
    log.write(credit("CREDITS_GRANTED"), at=NOON)
    async with applying(database) as (_, applier):
        await apply(applier, log, log.commits[:1])
        assert (await apply(applier, log, [forge(log)])).ending is Ending.DIVERGED
    assert cursor(database)[:2] == (1, 1)
