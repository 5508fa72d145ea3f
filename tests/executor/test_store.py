"""The jobs table: accepting once, the queue and its fairness, leases and fences, outcomes written once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from scrip.executor.v1 import events_pb2

from services.executor import events
from services.executor.rules.jobs import (
    WORKER_CRASHED,
    Cost,
    Retry,
    Settlement,
    State,
    Terms,
    Transition,
    after_lost_attempt,
)
from services.executor.store import attempts, claims, lost, queries, settlements, submissions
from services.executor.store.attempts import Beginning
from services.executor.store.claims import Shunned
from services.executor.store.rows import InputFile, Job, StoredFile
from services.executor.store.settlements import Settled
from services.executor.store.submissions import Accepted, Submission
from services.runtime import event_log, postgres
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool
from tests.executor.samples import submission
from tests.harness.databases import Database, Databases

LEASE = 15.0
CONTENT = timedelta(days=30)
ALICE, BOB = "executor-alice", "executor-bob"


class Store:
    """The store's functions on one database."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.log = EventLog(events_pb2.EventBatch, events.SHARDS, "test")

    async def accept(self, *items: Submission, claim_max: int = 0) -> list[Accepted]:
        return await submissions.accept(self.pool, self.log, items, ALICE, claim_max, LEASE)

    async def claim(self, n: int = 1, worker: str = ALICE, lease: float = LEASE) -> list[Job]:
        return [claim.job for claim in await claims.claim(self.pool, worker, n, lease)]

    async def begin(self, job: Job, worker: str = ALICE, retry: Retry = Retry.SAFE, lease: float = LEASE) -> Job | None:
        beginning = Beginning(job.job_id, job.fence, worker, retry, 20, lease)
        return (await attempts.begin(self.pool, self.log, [beginning]))[0]

    async def move(self, *steps: Transition) -> list[Job | None]:
        return await attempts.move(self.pool, self.log, steps)

    async def kinds(self) -> list[tuple[str, str]]:
        """Job id and kind of every event, in order of the shards."""
        rows = [row async for row in event_log.follow(self.pool, {}, False, self.log.appended)]
        found = [event for row in rows for event in events_pb2.EventBatch.FromString(row.body).events]
        return [(event.job_id, events_pb2.EventKind.Name(event.kind).removeprefix("EVENT_KIND_")) for event in found]


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.create("executor")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    async with postgres.open_pool(database.dsn, "executor") as pool:
        yield Store(pool)


def succeeded(job: Job) -> Transition:
    return Transition(
        job.job_id, job.fence, State.RUNNING, State.SUCCEEDED, "ANSWERED", output_json=b"{}", cost=Cost(100, 0)
    )


async def test_a_job_is_accepted_once(store: Store) -> None:
    """The same job id again, also in the same batch or from another executor at once, is the same job."""
    one = submission()
    first, again = await store.accept(one, one)
    assert (first.replayed, again.replayed) == (False, True)
    rivals = [submission() for _ in range(20)]
    results = await asyncio.gather(*(store.accept(*order) for order in (rivals, rivals[::-1], rivals)))
    assert sum(not accepted.replayed for batch in results for accepted in batch) == 20
    assert len(await store.kinds()) == 21


async def test_jobs_claimed_at_birth_are_not_in_the_queue(store: Store) -> None:
    """The first new jobs are held by the executor that accepted them; the others wait."""
    accepted = await store.accept(*(submission() for _ in range(3)), claim_max=2)
    assert sum(item.claimed for item in accepted) == 2
    claimed = await store.claim(10, BOB)
    assert {job.job_id for job in claimed} == {item.job.job_id for item in accepted if not item.claimed}


FILES = (
    InputFile("pdf", "application/pdf", b"\x00\xff"),
    InputFile("png", "image/png", b""),
    InputFile("wav", "audio/wav", b"", StoredFile("file_1", 3_000_000_000, "ab" * 32)),
)


async def test_files_come_with_the_claim(store: Store) -> None:
    """What was submitted is what the worker gets."""
    given = replace(submission(), files=FILES)
    await store.accept(given)
    (claim,) = await claims.claim(store.pool, ALICE, 1, LEASE)
    assert claim.files == {"pdf": b"\x00\xff", "png": b""}
    assert claim.stored == {"wav": FILES[2].stored}
    assert claim.media_types == {"pdf": "application/pdf", "png": "image/png", "wav": "audio/wav"}
    assert claim.input_json == given.input_json
    assert claim.quote == given.quote


async def test_one_accounts_many_jobs_do_not_starve_anothers_one(store: Store) -> None:
    """Each round of the queue has one job of each account; within an account the order is by age."""
    flood = [submission("flood") for _ in range(20)]
    for item in flood:
        await store.accept(item)
    served = await store.claim(5)
    assert [job.job_id for job in served] == [item.job_id for item in flood[:5]]
    late = submission("late")
    await store.accept(late)
    assert late.job_id in [job.job_id for job in await store.claim(2)]
    two = [submission("two"), submission("two")]
    await store.accept(*two)
    order = [job.account_id for job in await store.claim(4)]
    assert order.count("two") == 2


async def test_each_job_is_claimed_by_one_executor(store: Store) -> None:
    """Executors that claim at the same time never get the same job."""
    await store.accept(*(submission(f"a{n % 7}") for n in range(60)))
    batches = await asyncio.gather(*(store.claim(7, f"executor-{n}") for n in range(9)))
    ids = [job.job_id for batch in batches for job in batch]
    assert len(ids) == len(set(ids)) == 60


async def test_a_claim_whose_lease_ended_is_claimed_again(store: Store) -> None:
    """Without an attempt a job simply waits again; the former holder's fence is worth nothing."""
    await store.accept(submission())
    (old,) = await store.claim(lease=0)
    (new,) = await store.claim(worker=BOB)
    assert (old.job_id, new.fence) == (new.job_id, old.fence + 1)
    assert await store.begin(old) is None
    assert await claims.renew(store.pool, [(old.job_id, old.fence)], LEASE) == {}
    assert await claims.renew(store.pool, [(new.job_id, new.fence)], LEASE) == {(new.job_id, new.fence): False}
    assert await store.begin(new, BOB)


async def test_what_is_put_back_can_be_claimed_after_its_delay(store: Store) -> None:
    """Put back is not an attempt and leaves no event."""
    await store.accept(submission())
    (job,) = await store.claim()
    await claims.put_back(store.pool, [(job.job_id, job.fence)], 60)
    assert await store.claim() == []
    (row,) = (await queries.jobs(store.pool, [job.job_id])).values()
    assert (row.state, row.attempts, row.fence) == (State.QUEUED, 0, job.fence + 1)
    assert len(await store.kinds()) == 1


async def test_what_could_not_be_admitted_is_left_in_the_queue(store: Store, database: Database) -> None:
    """All jobs of a provider without a place; of one that is down, those that were not begun and can still wait."""
    await store.accept(submission())
    full = Shunned(full=["echo/1"])
    down = Shunned(down=["echo/1"], down_seconds=3600)
    assert await claims.claim(store.pool, ALICE, 1, 0, full) == []
    assert await claims.claim(store.pool, ALICE, 1, 0, down) == []
    assert await claims.claim(store.pool, ALICE, 1, 0, Shunned(full=["echo/2"], down=["other/1"], down_seconds=3600))
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        connection.execute("UPDATE job SET attempts = 1")
        assert await claims.claim(store.pool, ALICE, 1, 0, down)
        connection.execute("UPDATE job SET attempts = 0, created_at = created_at - interval '2 h'")
    assert await claims.claim(store.pool, ALICE, 1, 0, down)


async def test_an_outcome_is_written_once(store: Store) -> None:
    """A second outcome, also the very same one, changes nothing; another fence's is refused."""
    await store.accept(submission())
    (job,) = await store.claim()
    assert await store.begin(job)
    (first,) = await store.move(succeeded(job))
    assert first and first.state is State.SUCCEEDED
    (again,) = await store.move(succeeded(job))
    assert again and again.finished_at == first.finished_at
    failed = Transition(job.job_id, job.fence, State.RUNNING, State.FAILED, "x", reason="X", message="x")
    assert await store.move(failed) == [None]
    assert await store.move(replace(succeeded(job), fence=job.fence + 1)) == [None]
    assert [kind for _, kind in await store.kinds()] == ["JOB_QUEUED", "JOB_STARTED", "JOB_SUCCEEDED"]


async def test_beginning_again_after_a_lost_answer_is_the_same_attempt(store: Store) -> None:
    """Doubt about a commit does not make a second attempt; another worker's is not taken for one's own."""
    await store.accept(submission())
    (job,) = await store.claim()
    first = await store.begin(job)
    again = await store.begin(job)
    assert first and again and again.attempts == 1
    assert await store.begin(job, BOB) is None
    assert [kind for _, kind in await store.kinds()] == ["JOB_QUEUED", "JOB_STARTED"]


def _recover(item: lost.Lost) -> Transition:
    return after_lost_attempt(
        item.job.job_id, item.job.fence, Terms(700), item.retry, item.job.losses + 1, WORKER_CRASHED
    )


async def test_a_lost_attempt_of_a_safe_tool_runs_again_three_times(store: Store, database: Database) -> None:
    """Attempted and safe: queued again while attempts are below three, then failed."""
    await store.accept(submission())
    for attempt in (1, 2, 3):
        (job,) = await store.claim()
        assert await store.begin(job, lease=0)
        ((step, moved),) = await lost.recover(store.pool, store.log, _recover)
        assert moved.state is (State.QUEUED if attempt < 3 else State.FAILED)
        assert await store.move(succeeded(job)) == [None], "the lost worker comes too late"
        _at_once(database)
    assert moved.error_reason == "WORKER_CRASHED"
    assert step.cost.charge == 0


async def test_an_attempt_that_was_not_called_is_no_loss(store: Store) -> None:
    """However often a job went back to the queue otherwise, its worker may still be lost."""
    await store.accept(submission())
    for _ in range(4):
        (job,) = await store.claim()
        assert await store.begin(job)
        (moved,) = await store.move(Transition(job.job_id, job.fence, State.RUNNING, State.QUEUED, "PROVIDER_DOWN"))
        assert moved and moved.state is State.QUEUED
    (job,) = await store.claim()
    assert await store.begin(job, lease=0)
    ((_, moved),) = await lost.recover(store.pool, store.log, _recover)
    assert (moved.state, moved.attempts, moved.losses) == (State.QUEUED, 5, 1)


async def test_a_lost_attempt_of_an_unsafe_tool_is_indeterminate_after_the_time_of_a_call(
    store: Store, database: Database
) -> None:
    """Never earlier than lease + call timeout; then nobody settles it."""
    await store.accept(submission())
    (job,) = await store.claim()
    assert await store.begin(job, retry=Retry.UNSAFE, lease=0)
    assert await lost.recover(store.pool, store.log, _recover) == []
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        connection.execute("UPDATE job SET held_until = now() - interval '21 seconds'")
    ((_, moved),) = await lost.recover(store.pool, store.log, _recover)
    assert (moved.state, moved.error_reason) == (State.INDETERMINATE, "OUTCOME_UNKNOWN")
    assert await settlements.take_due(store.pool, 10) == []


def _at_once(database: Database) -> None:
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        connection.execute("UPDATE job SET held_until = now() WHERE state = 'QUEUED'")
        connection.execute("UPDATE job SET settle_at = now() WHERE settle_at IS NOT NULL")


async def test_a_settlement_is_written_once_and_taken_by_one(store: Store, database: Database) -> None:
    """Ended jobs are settled by whoever takes them first, with one event."""
    await store.accept(submission())
    (job,) = await store.claim()
    await store.begin(job)
    await store.move(succeeded(job))
    assert await settlements.take_due(store.pool, 10) == [], "its own executor has ten seconds"
    _at_once(database)
    taken = await asyncio.gather(*(settlements.take_due(store.pool, 10) for _ in range(3)))
    assert sum(map(len, taken)) == 1
    answers = [Settled(job.job_id, Settlement.SETTLED, 100)]
    written = await asyncio.gather(*(settlements.settle(store.pool, store.log, answers, CONTENT) for _ in range(3)))
    assert sum(map(len, written)) == 1
    assert [kind for _, kind in await store.kinds()].count("JOB_SETTLED") == 1


async def test_what_has_not_ended_cannot_be_settled(store: Store) -> None:
    """The table itself refuses states that make no sense."""
    await store.accept(submission())
    (job,) = await store.claim()
    assert await settlements.settle(store.pool, store.log, [Settled(job.job_id, Settlement.SETTLED)], CONTENT) == []
    await store.begin(job)
    beyond = replace(succeeded(job), cost=Cost(701, 0))
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        await store.move(beyond)
    assert refused.value.diag.constraint_name == "shortfall_is_charge_beyond_reserved"


async def test_the_log_can_only_grow(store: Store) -> None:
    """The service's own role cannot change or delete what was logged, nor delete jobs."""
    await store.accept(submission())
    for statement in ("UPDATE log SET n = 0", "DELETE FROM log", "DELETE FROM job", "TRUNCATE log"):
        async with store.pool.connection() as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(statement)
