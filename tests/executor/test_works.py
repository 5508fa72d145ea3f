"""Work that providers have begun, in the database: kept by who holds the job, gone on with until its time is over."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from scrip.executor.v1 import events_pb2

from services.executor import events
from services.executor.rules.jobs import Charge, Ending, Retry, State, Terms, Transition, after_lost_look
from services.executor.store import attempts, claims, lost, submissions, works
from services.executor.store.lost import Lost
from services.executor.store.rows import Claim
from services.executor.store.works import Beginning
from services.runtime import postgres
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool
from services.runtime.tariff import Tariff
from tests.executor.samples import submission
from tests.harness.databases import Database, Databases

LEASE = 15.0
ANSWER = b'{"body":{"id":"t1"}}'
LOG = EventLog(events_pb2.EventBatch, events.SHARDS, "test")


@pytest.fixture
def database(databases: Databases) -> Database:
    """The executor's, with one job."""
    return databases.create("executor")


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    """Connections as the service's role."""
    async with postgres.open_pool(database.dsn, "test") as pool:
        await submissions.accept(pool, LOG, [submission()], "one", 0, LEASE)
        yield pool


async def claimed(pool: Pool) -> Claim:
    (claim,) = await claims.claim(pool, "one", 1, LEASE)
    return claim


async def begun(pool: Pool, retry: Retry = Retry.UNSAFE) -> Claim:
    """The job, during an attempt whose worker is silent."""
    claim = await claimed(pool)
    beginning = attempts.Beginning(claim.job.job_id, claim.job.fence, "one", retry, 20, 0)
    assert await attempts.begin(pool, LOG, [beginning]) != [None]
    return claim


async def keep(pool: Pool, claim: Claim, seconds_left: float = 20) -> bool:
    job = claim.job
    (kept,) = await works.keep(pool, [Beginning(job.job_id, job.fence, ANSWER, "t1", seconds_left)])
    return kept


def next_step(found: Lost) -> Transition:
    assert found.may_resume is not None
    terms = Terms(700, Tariff(base=100), charges={})
    return after_lost_look(found.job.job_id, found.job.fence, terms, found.may_resume)


async def recovered(pool: Pool) -> tuple[Transition, State]:
    ((step, job),) = await lost.recover(pool, LOG, next_step)
    return step, job.state


def work_is_over(database: Database) -> None:
    with psycopg.connect(database.owner_dsn, autocommit=True) as owner:
        owner.execute("UPDATE work SET begun_at = begun_at - interval '1 h', until = until - interval '1 h'")


async def test_work_comes_with_the_next_claim(pool: Pool) -> None:
    """With what is left of its time; the first claim has none."""
    first = await begun(pool)
    assert first.work is None
    assert await keep(pool, first)
    assert (await recovered(pool))[1] is State.QUEUED
    second = await claimed(pool)
    assert second.work is not None
    assert (second.work.answer_json, second.work.provider_request_id) == (ANSWER, "t1")
    assert 0 < second.work.seconds_left <= 20


async def test_only_who_holds_the_job_keeps_its_work(pool: Pool) -> None:
    """And after doubt about a commit it is still its own."""
    first = await begun(pool, Retry.SAFE)
    assert await keep(pool, first)
    assert await keep(pool, first)
    await recovered(pool)
    assert not await keep(pool, first)
    second = await begun(pool)
    assert not await keep(pool, second), "it was not this attempt that asked for the work"
    assert second.work is not None


async def test_work_is_gone_on_with_as_often_as_its_time_lets(pool: Pool, database: Database) -> None:
    """Also beyond the attempts that a tool has; after its time is over, once more."""
    await keep(pool, await begun(pool))
    for _ in range(5):
        step, state = await recovered(pool)
        assert (state, step.cause) == (State.QUEUED, "RESUMABLE")
        await begun(pool)
    work_is_over(database)
    assert (await recovered(pool))[1] is State.FAILED
    with psycopg.connect(database.owner_dsn) as owner:
        assert owner.execute("SELECT error_reason, charge_micros FROM job").fetchall() == [("TIMED_OUT", 0)]


async def test_work_that_nobody_looked_at_in_time_gets_a_last_look(pool: Pool, database: Database) -> None:
    """Its worker was lost before the time was over, so it may be done by now."""
    await keep(pool, await begun(pool))
    work_is_over(database)
    with psycopg.connect(database.owner_dsn, autocommit=True) as owner:
        owner.execute(
            "UPDATE attempt SET started_at = started_at - interval '2 h', deadline_at = deadline_at - interval '1 h'"
        )
    assert (await recovered(pool))[1] is State.QUEUED
    late = await claimed(pool)
    assert late.work is not None
    assert late.work.seconds_left < 0


def test_what_was_lost_over_the_last_look_costs_what_a_time_out_does() -> None:
    """By the rule of the tool."""
    terms = Terms(700, Tariff(base=100), charges={Ending.TIMED_OUT: Charge.BASE})
    step = after_lost_look("job", 1, terms, may_resume=False)
    assert (step.after, step.reason, step.cost.charge) == (State.FAILED, "TIMED_OUT", 100)
