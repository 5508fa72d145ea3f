"""Tools that let so many jobs of an account run at once: two executors on one database, and never one job too many."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import psycopg
import pytest
from scrip.executor.v1 import events_pb2

from services.executor import events
from services.executor.rules.jobs import LEASE_EXPIRED, Cost, Retry, State, Terms, Transition, after_lost_attempt
from services.executor.store import attempts, claims, lost, queries, submissions
from services.executor.store.attempts import Beginning
from services.executor.store.rows import Job
from services.executor.store.submissions import Submission
from services.runtime import postgres
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool
from tests.executor.samples import submission
from tests.harness.databases import Database, Databases

LEASE = 15.0


@dataclass
class Executor:
    """The store as one executor uses it."""

    name: str
    pool: Pool
    log: EventLog = field(init=False)

    def __post_init__(self) -> None:
        self.log = EventLog(events_pb2.EventBatch, events.SHARDS, self.name)

    async def accept(self, *items: Submission, claim_max: int = 0) -> list[bool]:
        """Whether each is held from birth."""
        accepted = await submissions.accept(self.pool, self.log, items, self.name, claim_max, LEASE)
        return [one.claimed for one in accepted]

    async def claim(self, n: int = 100) -> list[Job]:
        return [claim.job for claim in await claims.claim(self.pool, self.name, n, LEASE)]

    async def begin(self, job: Job, retry: Retry = Retry.SAFE, lease: float = LEASE) -> Job:
        beginning = Beginning(job.job_id, job.fence, self.name, retry, 20, lease)
        (begun,) = await attempts.begin(self.pool, self.log, [beginning])
        assert begun
        return begun

    async def finish(self, *jobs: Job) -> None:
        assert all(await attempts.move(self.pool, self.log, [succeeded(job) for job in jobs]))

    async def recover(self) -> list[State]:
        """Moves lost attempts on; answers where to."""
        return [job.state for _, job in await lost.recover(self.pool, self.log, next_step)]

    async def state(self, job_id: str) -> State:
        return (await queries.jobs(self.pool, [job_id]))[job_id].state


def succeeded(job: Job) -> Transition:
    return Transition(
        job.job_id, job.fence, State.RUNNING, State.SUCCEEDED, "ANSWERED", output_json=b"{}", cost=Cost(100, 0)
    )


def next_step(found: lost.Lost) -> Transition:
    job = found.job
    return after_lost_attempt(job.job_id, job.fence, Terms(700), found.retry, job.losses + 1, LEASE_EXPIRED)


def limited(n: int, account_id: str = "acme", concurrency: int = 2, tool: str = "echo") -> list[Submission]:
    """So many jobs of a tool with a limit."""
    return [replace(submission(account_id), concurrency=concurrency, tool=tool) for _ in range(n)]


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.create("executor")


@pytest.fixture
async def executors(database: Database) -> AsyncIterator[tuple[Executor, Executor]]:
    async with postgres.open_pool(database.dsn, "executor") as one, postgres.open_pool(database.dsn, "executor") as two:
        yield Executor("alice", one), Executor("bob", two)


async def test_so_many_are_claimed_and_the_others_wait(executors: tuple[Executor, Executor]) -> None:
    """In the order they came, whoever asks; the end of one lets the next one through."""
    alice, bob = executors
    for item in (items := limited(5)):
        await alice.accept(item)
    first, second = await alice.claim()
    assert [first.job_id, second.job_id] == [item.job_id for item in items[:2]]
    assert await bob.claim() == []
    await alice.begin(first)
    assert await bob.claim() == []
    await alice.finish(first)
    (third,) = await bob.claim()
    assert third.job_id == items[2].job_id
    assert await alice.state(items[3].job_id) is State.QUEUED


async def test_other_tools_and_accounts_go_on(executors: tuple[Executor, Executor]) -> None:
    """Who waits before a gate is nobody's way: not of other accounts, nor of the account's other tools."""
    alice, _ = executors
    await alice.accept(*limited(50, concurrency=1))
    await alice.accept(*limited(1, "other", 1), *limited(1, tool="other-tool"), submission("acme"), submission("third"))
    claimed = Counter((job.account_id, job.tool) for job in await alice.claim())
    assert claimed == {
        ("acme", "echo"): 2,
        ("acme", "other-tool"): 1,
        ("other", "echo"): 1,
        ("third", "echo"): 1,
    }


async def test_those_who_wait_take_no_turns(executors: tuple[Executor, Executor]) -> None:
    """An account's job without a limit is not put behind all that wait before its gate."""
    alice, _ = executors
    await alice.accept(*limited(50, concurrency=1))
    await alice.accept(submission("other"))
    await alice.accept(own := submission("acme"))
    await alice.accept(submission("other"), submission("other"))
    assert own.job_id in [job.job_id for job in await alice.claim(3)]


async def test_a_job_with_a_limit_is_not_held_from_birth(executors: tuple[Executor, Executor]) -> None:
    """It must pass its gate first; the room is for others."""
    alice, _ = executors
    one, two = limited(1)[0], submission("acme")
    held = await alice.accept(one, two, claim_max=1)
    assert held == [False, True]
    assert [job.job_id for job in await alice.claim()] == [one.job_id]


async def test_the_bound_holds_while_executors_race(executors: tuple[Executor, Executor]) -> None:
    """Two executors that accept, claim, begin and end at the same time never have more than the limit, and end all."""
    items = [item for n in range(2) for item in limited(40, f"account-{n}", 3)]
    most: Counter[str] = Counter()
    left = len(items)

    async def submit(executor: Executor, share: list[Submission]) -> None:
        for place in range(0, len(share), 4):
            await executor.accept(*share[place : place + 4])

    async def work(executor: Executor) -> None:
        nonlocal left
        while left:
            for job in await executor.claim(4):
                await executor.finish(await executor.begin(job))
                left -= 1

    async def watch(pool: Pool) -> None:
        while left:
            async with pool.connection() as connection:
                found = await connection.execute(
                    "SELECT account_id, count(*) FROM job"
                    " WHERE state = 'RUNNING' OR (state = 'QUEUED' AND worker <> '') GROUP BY account_id"
                )
                for account_id, n in await found.fetchall():
                    most[str(account_id)] = max(most[str(account_id)], int(str(n)))

    async with asyncio.timeout(60):
        await asyncio.gather(
            watch(executors[0].pool),
            *(submit(executor, items[n::2]) for n, executor in enumerate(executors)),
            *(work(executor) for executor in executors for _ in range(3)),
        )
    assert most == {"account-0": 3, "account-1": 3}
    assert await executors[0].claim() == []


async def test_a_job_that_goes_back_to_the_queue_keeps_its_place(executors: tuple[Executor, Executor]) -> None:
    """A claim that was given back, a lease that ended, an attempt that was lost: still the same jobs and no other."""
    alice, bob = executors
    items = limited(4)
    await alice.accept(*items)
    jobs = await alice.claim()
    await claims.put_back(alice.pool, [(job.job_id, job.fence) for job in jobs], 0)
    again = await bob.claim()
    assert {job.job_id for job in again} == {job.job_id for job in jobs}
    await bob.begin(again[0], lease=0)
    assert await alice.recover() == [State.QUEUED]
    assert await alice.claim() == [], "it waits a moment before its next attempt"


async def test_a_job_of_which_nothing_is_known_lets_the_next_one_through(
    executors: tuple[Executor, Executor], database: Database
) -> None:
    """INDETERMINATE is not running: its worker is gone and its call's time is over."""
    alice, bob = executors
    await alice.accept(*limited(2, concurrency=1))
    (job,) = await alice.claim()
    await alice.begin(job, retry=Retry.UNSAFE, lease=0)
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        connection.execute("UPDATE job SET held_until = now() - interval '21 seconds' WHERE state = 'RUNNING'")
    assert await bob.recover() == [State.INDETERMINATE]
    assert len(await bob.claim()) == 1


async def test_many_ends_at_once_let_as_many_through(executors: tuple[Executor, Executor]) -> None:
    """In one transaction or in several at the same time; nobody who waits is forgotten."""
    alice, bob = executors
    await alice.accept(*limited(12, concurrency=4))
    jobs = [await alice.begin(job) for job in await alice.claim()]
    await asyncio.gather(alice.finish(*jobs[:2]), bob.finish(jobs[2]), bob.finish(jobs[3]))
    assert len(await bob.claim()) == 4
    assert await alice.claim() == []


async def test_a_lower_limit_of_a_new_version_is_kept(executors: tuple[Executor, Executor]) -> None:
    """Each job keeps to the limit it was quoted with: the first of a limit of one waits until it is alone."""
    alice, _ = executors
    await alice.accept(*limited(2, concurrency=3))
    old = [await alice.begin(job) for job in await alice.claim()]
    await alice.accept(*limited(2, concurrency=1))
    await alice.finish(old[0])
    assert await alice.claim() == []
    await alice.finish(old[1])
    assert len(await alice.claim()) == 1


async def test_the_same_job_is_let_through_once(executors: tuple[Executor, Executor]) -> None:
    """Both executors are given it at the same time."""
    items = limited(6, concurrency=2)
    orders = (items, items[::-1])
    await asyncio.gather(*(executor.accept(*order) for executor, order in zip(executors, orders, strict=True)))
    assert len(await executors[0].claim()) == 2
