"""Which waiting jobs have their reservation extended, by whom, and after whose death by another one."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from scrip.executor.v1 import events_pb2

from services.executor import events
from services.executor.rules.jobs import Retry
from services.executor.store import attempts, claims, submissions, waiting
from services.executor.store.attempts import Beginning
from services.runtime import postgres
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool
from tests.executor.samples import submission
from tests.harness.databases import Database, Databases

LEASE = 15.0


@pytest.fixture
def database(databases: Databases) -> Database:
    """The executor's, empty."""
    return databases.create("executor")


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    """Connections as the service's role."""
    async with postgres.open_pool(database.dsn, "test") as pool:
        yield pool


async def accept(pool: Pool, claim_max: int = 0) -> str:
    """A new job; answers its id."""
    log = EventLog(events_pb2.EventBatch, events.SHARDS, "test")
    (accepted,) = await submissions.accept(pool, log, [submission("acme")], "one", claim_max, LEASE)
    return accepted.job.job_id


async def due(pool: Pool) -> list[str]:
    return [job.job_id for job in await waiting.take_due(pool, 10)]


def time_passes(database: Database, seconds: int) -> None:
    """For what is to be kept."""
    with psycopg.connect(database.owner_dsn, autocommit=True) as owner:
        owner.execute("UPDATE job SET keep_at = keep_at - make_interval(secs => %s)", (seconds,))


async def test_a_job_that_waits_is_kept_once(pool: Pool, database: Database) -> None:
    """At once, by one executor."""
    job_id = await accept(pool)
    assert await due(pool) == [job_id]
    assert await due(pool) == []
    await waiting.kept(pool, [job_id])
    time_passes(database, 3600)
    assert await due(pool) == []


async def test_one_who_dies_over_it_is_followed_by_another(pool: Pool, database: Database) -> None:
    """Whether or not the ledger had extended it: the same request again does no harm."""
    job_id = await accept(pool)
    assert await due(pool) == [job_id]
    time_passes(database, waiting.AGAIN_SECONDS)
    assert await due(pool) == [job_id]


async def test_a_job_that_is_claimed_at_birth_is_left_to_who_drives_it(pool: Pool, database: Database) -> None:
    """Unless that one dies before it has begun."""
    job_id = await accept(pool, claim_max=1)
    assert await due(pool) == []
    time_passes(database, waiting.CLAIMED_SECONDS)
    assert await due(pool) == [job_id]


async def test_a_job_that_runs_needs_no_keeping(pool: Pool) -> None:
    """It was extended before it began."""
    job_id = await accept(pool)
    (claim,) = await claims.claim(pool, "one", 1, LEASE)
    log = EventLog(events_pb2.EventBatch, events.SHARDS, "test")
    (begun,) = await attempts.begin(pool, log, [Beginning(job_id, claim.job.fence, "one", Retry.SAFE, 20, LEASE)])
    assert begun is not None
    assert await due(pool) == []
