"""Cancelling, settling and time, on the jobs table: who wins a race, and what is refused."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import events_pb2

from services.executor import events, mapping, requests
from services.executor.providers.course import Course
from services.executor.rules import endings, wishes
from services.executor.rules.jobs import NO_ANSWER, Cost, Priority, Retry, State, Transition, Wish, after_lost_attempt
from services.executor.rules.wishes import Settling
from services.executor.store import attempts, claims, due, lost, output_files, queries, submissions
from services.executor.store import wishes as store_wishes
from services.executor.store.attempts import Beginning
from services.executor.store.due import Quoted
from services.executor.store.rows import Job
from services.executor.store.submissions import Submission
from services.executor.upkeep import reaper
from services.executor.upkeep.due import late_step
from services.runtime import clock, event_log, postgres
from services.runtime.errors import Refusal
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool
from tests.executor.samples import quote, request
from tests.harness.databases import Database, Databases

LEASE = 15.0
ME, OTHER = "executor-me", "executor-other"
WISH = Wish("service:gateway", "key9")
WORD = Wish("service:gateway", "key9", "the provider's bill has it")


def submission(account_id: str = "acme", **members: Any) -> Submission:
    """Of a quote whose canceled and unknown calls cost the base price."""
    made = quote(account_id)
    made.price.charging.canceled = made.price.charging.unknown = catalog_pb2.CHARGE_BASE
    return replace(requests.submission_of(request(made)), **members)


class Store:
    """The store as executors use it."""

    def __init__(self, pool: Pool, database: Database) -> None:
        self.pool = pool
        self.database = database
        self.log = EventLog(events_pb2.EventBatch, events.SHARDS, "test")

    async def accept(self, *items: Submission, claim_max: int = 0) -> list[Job]:
        accepted = await submissions.accept(self.pool, self.log, items, ME, claim_max, LEASE)
        return [one.job for one in accepted]

    async def claim(self, n: int = 100, worker: str = ME) -> list[Job]:
        return [claim.job for claim in await claims.claim(self.pool, worker, n, LEASE)]

    async def begin(self, job: Job, retry: Retry = Retry.SAFE, lease: float = LEASE) -> Job | None:
        beginning = Beginning(job.job_id, job.fence, ME, retry, 20, lease)
        return (await attempts.begin(self.pool, self.log, [beginning]))[0]

    async def running(self, item: Submission | None = None, retry: Retry = Retry.SAFE, lease: float = LEASE) -> Job:
        await self.accept(item or submission())
        (job,) = await self.claim()
        begun = await self.begin(job, retry, lease)
        assert begun
        return begun

    async def indeterminate(self) -> Job:
        job = await self.running(retry=Retry.UNSAFE)
        moved = await self.move(after_lost_attempt(*key(job), terms(), Retry.UNSAFE, 1, NO_ANSWER, 7))
        assert moved and moved.state is State.INDETERMINATE
        return moved

    async def move(self, step: Transition) -> Job | None:
        return (await attempts.move(self.pool, self.log, [step]))[0]

    async def cancel(self, job_id: str, wish: Wish = WISH) -> Job:
        decided = await store_wishes.decide(self.pool, self.log, job_id, lambda found: wishes.cancel(found, wish))
        assert decided
        return decided[0]

    async def settle(self, settling: Settling) -> tuple[Job, bool]:
        decided = await store_wishes.decide(
            self.pool, self.log, settling.job_id, lambda found: wishes.settle(found, settling)
        )
        assert decided
        return decided

    async def recover(self) -> list[Job]:
        return [job for _, job in await lost.recover(self.pool, self.log, reaper.next_step)]

    async def job(self, job_id: str) -> Job:
        return (await queries.jobs(self.pool, [job_id]))[job_id]

    async def events(self, job_id: str) -> list[events_pb2.Event]:
        rows = [row async for row in event_log.follow(self.pool, {}, False, self.log.appended)]
        found = [event for row in rows for event in events_pb2.EventBatch.FromString(row.body).events]
        return [event for event in found if event.job_id == job_id]

    def time_passes(self, column: str, seconds: float) -> None:
        """For one kind of time."""
        with psycopg.connect(self.database.owner_dsn, autocommit=True) as owner:
            owner.execute(f"UPDATE job SET {column} = {column} - make_interval(secs => %s)".encode(), (seconds,))


def key(job: Job) -> tuple[str, int]:
    return job.job_id, job.fence


def terms() -> Any:
    return mapping.stored_terms(submission().quote)


def succeeded(job: Job) -> Transition:
    return Transition(*key(job), State.RUNNING, State.SUCCEEDED, "ANSWERED", output_json=b"{}", cost=Cost(100, 0))


@pytest.fixture
async def store(databases: Databases) -> AsyncIterator[Store]:
    database = databases.create("executor")
    async with postgres.open_pool(database.dsn, "executor") as pool:
        yield Store(pool, database)


async def refused(action: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await action
    return caught.value


async def test_before_its_call_a_job_is_canceled_at_once_for_nothing(store: Store) -> None:
    """Also where an executor has claimed it, which then cannot begin it; the event names who wished it."""
    for claimed in (0, 1):
        (job,) = await store.accept(submission(), claim_max=claimed)
        ended = await store.cancel(job.job_id)
        assert (ended.state, ended.charge_micros, ended.error_reason) == (State.CANCELED, 0, "CANCELED")
        assert await store.begin(job) is None
        assert await store.claim() == []
        event = (await store.events(job.job_id))[-1]
        assert (event.kind, event.cause) == (events_pb2.EVENT_KIND_JOB_CANCELED, "CANCEL_REQUESTED")
        assert (event.actor, event.actor_key_id) == ("service:gateway", "key9")


async def test_a_cancellation_said_again_answers_the_job_as_it_is(store: Store) -> None:
    """Whether the job has ended by it or is about to; there is one event."""
    (waiting,) = await store.accept(submission())
    assert await store.cancel(waiting.job_id) == await store.cancel(waiting.job_id, Wish("service:other", "key2"))
    running = await store.running()
    first, again = await store.cancel(running.job_id), await store.cancel(running.job_id, Wish("x", "y"))
    assert first == again and again.wished_key_id == "key9"
    assert [event.kind for event in await store.events(waiting.job_id)] == [
        events_pb2.EVENT_KIND_JOB_QUEUED,
        events_pb2.EVENT_KIND_JOB_CANCELED,
    ]


async def test_who_runs_a_job_learns_of_the_wish_and_ends_it_by_the_tools_rule(store: Store) -> None:
    """Renewing its lease tells; the event names who wished it, not who wrote it."""
    job = await store.running()
    assert await claims.renew(store.pool, [key(job)], LEASE) == {key(job): False}
    asked = await store.cancel(job.job_id)
    assert asked.state is State.RUNNING and asked.cancel_requested_at
    assert await claims.renew(store.pool, [key(job)], LEASE) == {key(job): True}
    ended = await store.move(endings.canceled(key(job), terms(), 250, Course()))
    assert ended and (ended.state, ended.charge_micros, ended.duration_ms) == (State.CANCELED, 100, 250)
    event = (await store.events(job.job_id))[-1]
    assert (event.kind, event.actor_key_id) == (events_pb2.EVENT_KIND_JOB_CANCELED, "key9")
    assert await store.cancel(job.job_id) == ended


async def test_an_outcome_that_is_written_first_stays(store: Store) -> None:
    """Whether it came before the wish, which is refused then, or between the wish and the end."""
    job = await store.running()
    await store.move(succeeded(job))
    refusal = await refused(store.cancel(job.job_id))
    assert (refusal.reason, refusal.metadata["state"]) == ("JOB_ENDED", "SUCCEEDED")
    job = await store.running()
    await store.cancel(job.job_id)
    ended = await store.move(succeeded(job))
    assert ended and ended.state is State.SUCCEEDED
    assert await store.move(endings.canceled(key(job), terms(), 0, Course())) is None
    event = (await store.events(job.job_id))[-1]
    assert (event.kind, event.actor) == (events_pb2.EVENT_KIND_JOB_SUCCEEDED, "service:executor")


async def test_a_wish_and_an_outcome_at_once_leave_one_ending(store: Store) -> None:
    """Whatever comes first, many times: one ending, and a cancellation that is refused changes nothing."""
    items = [submission(f"a{n}") for n in range(30)]
    await store.accept(*items)
    jobs = [await store.begin(job) for job in await store.claim()]

    async def wish(job: Job) -> None:
        with _accepting_refusals():
            await store.cancel(job.job_id)

    async def outcome(job: Job) -> None:
        await store.move(succeeded(job))

    await asyncio.gather(*(action(job) for job in jobs if job for action in (wish, outcome)))
    for job in jobs:
        assert job
        assert (await store.job(job.job_id)).state is State.SUCCEEDED
        assert len(await store.events(job.job_id)) == 3


class _accepting_refusals:  # noqa: N801 (reads as a statement)
    """A body that may be refused with JOB_ENDED."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: object, _trace: object) -> bool:
        return isinstance(error, Refusal) and error.reason == "JOB_ENDED"


async def test_a_job_to_be_canceled_never_goes_back_to_the_queue(store: Store) -> None:
    """Nor is it left open: whoever would do that is refused, and ends it."""
    job = await store.running()
    await store.cancel(job.job_id)
    for step in (
        endings.not_called(key(job)),
        endings.handed_over(key(job), terms(), Retry.SAFE, 9, resumable=False),
        after_lost_attempt(*key(job), terms(), Retry.UNSAFE, 1, NO_ANSWER),
    ):
        assert await store.move(step) is None
        assert endings.canceled_instead(step, terms(), begun=False).after is State.CANCELED
    resumed = endings.canceled_instead(endings.not_called(key(job)), terms(), begun=True)
    assert resumed.cost.charge == 100, "its provider has been at it"
    unbegun = endings.canceled_instead(endings.not_called(key(job)), terms(), begun=False)
    ended = await store.move(unbegun)
    assert ended and (ended.state, ended.charge_micros) == (State.CANCELED, 0)


@pytest.mark.parametrize("retry", Retry)
async def test_a_lost_worker_of_a_job_to_be_canceled_ends_it(store: Store, retry: Retry) -> None:
    """When its lease has ended, by the tool's rule; nobody waits for a call that nobody wants."""
    job = await store.running(retry=retry, lease=0)
    await store.cancel(job.job_id)
    (ended,) = await store.recover()
    assert (ended.state, ended.charge_micros, ended.wished_key_id) == (State.CANCELED, 100, "key9")
    assert await store.move(succeeded(job)) is None
    assert await store.claim() == []


async def test_what_is_not_known_cannot_be_canceled(store: Store) -> None:
    """It is being settled."""
    job = await store.indeterminate()
    refusal = await refused(store.cancel(job.job_id))
    assert (refusal.reason, refusal.metadata["state"]) == ("JOB_ENDED", "INDETERMINATE")


async def test_a_canceled_job_lets_the_next_one_through_its_gate(store: Store) -> None:
    """Whether it was beyond the gate or before it."""
    items = [submission(concurrency=1) for _ in range(4)]
    for item in items:
        await store.accept(item)
    await store.cancel(items[1].job_id)
    assert [job.job_id for job in await store.claim()] == [items[0].job_id]
    await store.cancel(items[0].job_id)
    assert [job.job_id for job in await store.claim()] == [items[2].job_id]


async def test_cancelling_before_a_gate_and_opening_it_do_not_wait_for_each_other(store: Store) -> None:
    """Many of both at once: everything ends, and the bound holds."""
    items = [submission(concurrency=2) for _ in range(30)]
    for item in items:
        await store.accept(item)

    async def run_all() -> None:
        while jobs := await store.claim(2):
            for job in jobs:
                if begun := await store.begin(job):
                    await store.move(succeeded(begun))

    async def cancel_all() -> None:
        for item in reversed(items):
            with _accepting_refusals():
                await store.cancel(item.job_id)

    async with asyncio.timeout(30):
        await asyncio.gather(run_all(), cancel_all(), cancel_all())
        await run_all()
    states = {(await store.job(item.job_id)).state for item in items}
    assert states <= {State.SUCCEEDED, State.CANCELED}


async def test_an_operator_settles_what_is_not_known_once(store: Store) -> None:
    """At the price of the units; said again it is the same, said otherwise it is refused."""
    job = await store.indeterminate()
    settling = Settling(job.job_id, State.SUCCEEDED, {"second": 3}, b'{"seconds": 3}', WORD)
    ended, changed = await store.settle(settling)
    assert changed and (ended.state, ended.charge_micros, ended.units) == (State.SUCCEEDED, 130, {"second": 3})
    assert (ended.error_reason, ended.duration_ms) == ("", 7)
    event = (await store.events(job.job_id))[-1]
    assert (event.kind, event.cause) == (events_pb2.EVENT_KIND_JOB_SUCCEEDED, "SETTLED_BY_OPERATOR")
    assert (event.actor, event.actor_key_id, event.reason) == (WORD.actor, WORD.key_id, WORD.reason)
    assert await store.settle(settling) == (ended, False)
    for other in (
        replace(settling, units={"second": 4}),
        replace(settling, output_json=b"{}"),
        replace(settling, state=State.FAILED, output_json=b""),
        replace(settling, wish=Wish(WORD.actor, WORD.key_id, "another reason")),
    ):
        refusal = await refused(store.settle(other))
        assert (refusal.reason, "settled otherwise" in refusal.message) == ("JOB_ENDED", True)


async def test_large_files_of_what_an_operator_says_was_made_are_beside_it(store: Store) -> None:
    """As if the tool had made them; said again it is the same."""
    job = await store.indeterminate()
    url = f"data:image/png;base64,{base64.b64encode(bytes(70_000)).decode()}"
    given = Settling(job.job_id, State.SUCCEEDED, {}, json.dumps({"image": url, "text": url}).encode(), WORD)
    settling = wishes.with_files(given, [("image",)])
    ended, changed = await store.settle(settling)
    assert changed
    (file,) = settling.output_files
    output = (await queries.outputs(store.pool, [job.job_id]))[job.job_id]
    assert json.loads(output) == {"image": f"file:{file.file_id}", "text": url}
    found = await output_files.find(store.pool, "acme", [file.file_id], timedelta(days=1))
    assert found[file.file_id].size_bytes == 70_000
    assert await store.settle(wishes.with_files(given, [("image",)])) == (ended, False)
    assert wishes.with_files(given, [("other",)]) is given


async def test_two_operators_at_once_settle_it_once(store: Store) -> None:
    """The one who comes second is refused, or finds that it was said already."""
    job = await store.indeterminate()
    one = Settling(job.job_id, State.SUCCEEDED, {}, b"{}", WORD)
    other = replace(one, state=State.FAILED, output_json=b"")
    said = await asyncio.gather(*(store.settle(how) for how in (one, other, one, other)), return_exceptions=True)
    answers = [answer for answer in said if not isinstance(answer, BaseException)]
    assert sum(changed for _, changed in answers) == 1
    assert len({answer.state for answer, _ in answers}) == 1
    assert all(isinstance(answer, Refusal) for answer in said if isinstance(answer, BaseException))
    assert len(await store.events(job.job_id)) == 4


async def test_settled_as_failed_it_costs_what_an_unknown_ending_does(store: Store) -> None:
    """By the tool's rule; the message says why."""
    job = await store.indeterminate()
    ended, _ = await store.settle(Settling(job.job_id, State.FAILED, {}, b"", WORD))
    assert (ended.state, ended.charge_micros, ended.error_reason) == (State.FAILED, 100, "OUTCOME_UNKNOWN")
    assert "the provider's bill has it" in ended.error_message


async def test_only_what_is_not_known_is_settled(store: Store) -> None:
    """A job that waits or runs ends by itself; one that has ended has."""
    (waiting,) = await store.accept(submission())
    how = Settling(waiting.job_id, State.FAILED, {}, b"", WORD)
    assert (await refused(store.settle(how))).reason == "JOB_NOT_INDETERMINATE"
    await store.cancel(waiting.job_id)
    assert (await refused(store.settle(how))).reason == "JOB_ENDED"
    running = await store.running()
    assert (await refused(store.settle(replace(how, job_id=running.job_id)))).reason == "JOB_NOT_INDETERMINATE"
    await store.move(succeeded(running))
    assert (await refused(store.settle(replace(how, job_id=running.job_id)))).reason == "JOB_ENDED"


async def test_what_is_not_known_for_long_ends_by_the_tools_rule(store: Store) -> None:
    """Not before the time, nor before a lease after the time of its call; with a cause of its own."""
    job = await store.indeterminate()
    assert (await due.indeterminate(store.pool))[0] == 1

    async def ended(seconds: float) -> list[Job]:
        return await due.end_unknown(store.pool, store.log, seconds, LEASE, lambda found: unknown_step(found, seconds))

    assert await ended(60) == []
    store.time_passes("indeterminate_at", 61)
    assert (await due.indeterminate(store.pool))[1] > 60
    assert await ended(60) == [], "the call might still be under way elsewhere"
    with psycopg.connect(store.database.owner_dsn, autocommit=True) as owner:
        owner.execute(
            "UPDATE attempt SET started_at = started_at - interval '1 h', deadline_at = deadline_at - interval '1 h'"
        )
    assert await ended(3600) == []
    (late,) = await ended(60)
    assert (late.state, late.charge_micros, late.error_reason) == (State.FAILED, 100, "OUTCOME_UNKNOWN")
    event = (await store.events(job.job_id))[-1]
    assert (event.cause, event.actor, event.reason) == ("UNKNOWN_FOR_LONG", "service:executor", "")
    assert await due.indeterminate(store.pool) == (0, 0)


def unknown_step(found: Quoted, seconds: float) -> Transition:
    """Time's word."""
    return wishes.unknown_for_long(found.job, mapping.stored_terms(found.quote), seconds)


async def test_a_delayed_job_is_outside_the_queue_until_its_time(store: Store) -> None:
    """It takes its turn when it comes, so a flood of delayed jobs holds up nobody; and it is not held from birth."""
    later = clock.now() + timedelta(hours=1)
    flood = [submission("flood", run_after=later) for _ in range(5)]
    assert all(job.fence == 0 for job in await store.accept(*flood, claim_max=9))
    await store.accept(now := submission("flood"))
    assert await due.to_queue(store.pool) == 0
    assert [job.job_id for job in await store.claim()] == [now.job_id]
    store.time_passes("due_at", 3600)
    assert await due.to_queue(store.pool) == 5
    await store.accept(other := submission("other"))
    served = await store.claim(2)
    assert other.job_id in [job.job_id for job in served]
    assert len(await store.claim()) == 4
    assert (await store.job(flood[0].job_id)).run_after == later


async def test_a_delayed_job_with_a_limit_comes_to_its_gate(store: Store) -> None:
    """Before its time it is not let through, and nobody waits behind it."""
    first = submission(concurrency=1, run_after=clock.now() + timedelta(hours=1))
    await store.accept(first)
    await store.accept(second := submission(concurrency=1))
    (job,) = await store.claim()
    assert job.job_id == second.job_id
    store.time_passes("due_at", 3600)
    assert await due.to_queue(store.pool) == 1
    assert await store.claim() == []
    await store.cancel(job.job_id)
    assert [one.job_id for one in await store.claim()] == [first.job_id]


async def test_a_delayed_job_can_be_canceled(store: Store) -> None:
    """As any that waits."""
    (job,) = await store.accept(submission(run_after=clock.now() + timedelta(hours=1)))
    assert (await store.cancel(job.job_id)).state is State.CANCELED
    store.time_passes("due_at", 3600)
    assert await due.to_queue(store.pool) == 0


async def test_a_job_not_begun_by_its_deadline_ends_for_nothing(store: Store) -> None:
    """Whether it waits, is delayed, is before a gate or is held: it does not begin, and is canceled."""
    soon = clock.now() + timedelta(seconds=60)
    items = [
        submission(cancel_after=soon),
        submission(cancel_after=soon, concurrency=1),
        submission(cancel_after=soon, concurrency=1),
        submission(cancel_after=soon, run_after=clock.now() + timedelta(hours=1)),
    ]
    for item in items:
        await store.accept(item)
    (held,) = await store.claim(1)
    assert await due.end_late(store.pool, store.log, late_step) == []
    store.time_passes("cancel_after", 61)
    assert await store.begin(held) is None
    assert await store.claim() == []
    ended = await due.end_late(store.pool, store.log, late_step)
    assert {job.job_id for job in ended} == {item.job_id for item in items}
    for job in ended:
        assert (job.state, job.error_reason, job.charge_micros) == (State.CANCELED, "DEADLINE_PASSED", 0)
    event = (await store.events(held.job_id))[-1]
    assert (event.cause, event.actor) == ("DEADLINE_PASSED", "service:executor")


async def test_a_batch_waits_behind_what_somebody_waits_for(store: Store) -> None:
    """Within a round; an account's batch holds up none of its own interactive jobs, and is not starved by others'."""
    batch = [submission("acme", priority=Priority.BATCH) for _ in range(5)]
    for item in batch:
        await store.accept(item)
    await store.accept(mine := submission("acme"))
    others = [submission("other") for _ in range(5)]
    for item in others:
        await store.accept(item)
    served = [job.job_id for job in await store.claim(3)]
    assert set(served) == {mine.job_id, others[0].job_id, batch[0].job_id}
    assert served[-1] == batch[0].job_id


async def test_two_executors_look_for_what_is_due_at_once(store: Store) -> None:
    """Each job is moved once."""
    past = clock.now() - timedelta(seconds=1)
    await store.accept(*(submission(f"a{n}", cancel_after=past) for n in range(20)))
    ended = await asyncio.gather(*(due.end_late(store.pool, store.log, late_step) for _ in range(4)))
    assert sum(map(len, ended)) == 20
