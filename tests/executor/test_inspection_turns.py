"""Turns to inspect jobs whose outcome is not known, on the jobs table, and what is made of what was seen."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from services.executor.providers.inspections import Sight
from services.executor.rules.answers import Answer, ToolAnswer
from services.executor.rules.jobs import NO_REPORT, State, Transition
from services.executor.rules.wishes import Settling
from services.executor.store import due, inspections
from services.executor.store.due import Quoted
from services.executor.store.inspections import Turn
from services.executor.upkeep.inspector import PAUSE_FIRST_SECONDS, PAUSE_MOST_SECONDS, next_step, pause_after
from services.runtime import postgres
from tests.executor.test_control import LEASE, WORD, Store, key, unknown_step
from tests.harness.databases import Databases

TURN = 150.0
DONE = ToolAnswer(Answer.OUTPUT, b'{"seconds": 2}', units={"": 2})


@pytest.fixture
async def store(databases: Databases) -> AsyncIterator[Store]:
    """The executor's, as two executors use it."""
    database = databases.create("executor")
    async with postgres.open_pool(database.dsn, "executor") as pool:
        yield Store(pool, database)


async def turns(store: Store, n: int = 10) -> list[Turn]:
    return await inspections.take_turns(store.pool, n, TURN, LEASE)


def call_is_over(store: Store) -> None:
    with psycopg.connect(store.database.owner_dsn, autocommit=True) as owner:
        owner.execute(
            "UPDATE attempt SET started_at = started_at - interval '1 h', deadline_at = deadline_at - interval '1 h'"
        )


async def test_a_turn_is_one_executors_until_it_is_over(store: Store) -> None:
    """Only of jobs whose outcome is not known; the next turn is counted."""
    await store.running()
    job = await store.indeterminate()
    (first,) = await turns(store)
    assert (key(first.job), first.job.inspections, first.is_past_call) == (key(job), 1, False)
    assert first.input_json == b'{"message": "hi"}'
    assert await turns(store) == []
    store.time_passes("inspect_at", TURN)
    call_is_over(store)
    (second,) = await turns(store)
    assert (second.job.inspections, second.is_past_call) == (2, True)


async def test_the_next_turn_is_after_a_pause_or_never(store: Store) -> None:
    """Never where its tool cannot be inspected; the time after which its rule ends it is as it was."""
    job = await store.indeterminate()
    await turns(store)
    await inspections.postpone(store.pool, job.job_id, 60)
    assert await turns(store) == []
    store.time_passes("inspect_at", 60)
    assert len(await turns(store)) == 1
    await inspections.leave(store.pool, job.job_id)
    store.time_passes("inspect_at", 1e9)
    assert await turns(store) == []
    store.time_passes("indeterminate_at", 61)
    call_is_over(store)
    assert len(await due.end_unknown(store.pool, store.log, 60, LEASE, end_unknown)) == 1


def end_unknown(found: Quoted) -> Transition:
    return unknown_step(found, 60)


async def test_who_writes_first_has_settled_it(store: Store) -> None:
    """Inspection, operator or time; who comes later finds it ended, and says nothing."""
    for first in ("inspection", "operator", "time"):
        job = await store.indeterminate()
        (turn,) = await turns(store)
        step = next_step(turn, DONE, NO_REPORT)
        assert step
        call_is_over(store)
        store.time_passes("indeterminate_at", 61)
        if first == "operator":
            await store.settle(Settling(job.job_id, State.FAILED, {}, b"", WORD))
        elif first == "time":
            assert len(await due.end_unknown(store.pool, store.log, 60, LEASE, end_unknown)) == 1
        settled = await inspections.settle(store.pool, store.log, step)
        assert (settled is not None) == (first == "inspection")
        assert await due.end_unknown(store.pool, store.log, 60, LEASE, end_unknown) == []
        causes = [event.cause for event in await store.events(job.job_id) if event.finished_at.seconds]
        expected = {
            "inspection": "SETTLED_BY_INSPECTION",
            "operator": "SETTLED_BY_OPERATOR",
            "time": "UNKNOWN_FOR_LONG",
        }
        assert causes == [expected[first]]


async def test_what_was_found_ends_the_job_at_the_price_of_its_units(store: Store) -> None:
    """As if it had been answered: 100 and 10 a second."""
    job = await store.indeterminate()
    (turn,) = await turns(store)
    step = next_step(turn, DONE, NO_REPORT)
    assert step
    settled = await inspections.settle(store.pool, store.log, step)
    assert settled
    assert (settled.state, settled.charge_micros, settled.units) == (State.SUCCEEDED, 120, {"second": 2})
    assert settled.duration_ms == job.duration_ms


async def test_what_is_absent_is_believed_when_the_call_is_over(store: Store) -> None:
    """Before, the request may be on its way; what is under way or not told never ends a job."""
    await store.indeterminate()
    (early,) = await turns(store)
    assert next_step(early, Sight.ABSENT, NO_REPORT) is None
    call_is_over(store)
    store.time_passes("inspect_at", TURN)
    (late,) = await turns(store)
    for sight in (Sight.UNDER_WAY, Sight.UNTOLD):
        assert next_step(late, sight, NO_REPORT) is None
    step = next_step(late, Sight.ABSENT, NO_REPORT)
    assert step
    settled = await inspections.settle(store.pool, store.log, step)
    assert settled
    assert (settled.state, settled.error_reason, settled.charge_micros) == (State.FAILED, "NEVER_BEGUN", 0)


def test_looks_grow_rarer() -> None:
    """Up to a bound, so that a day's wait is not asked about every second."""
    pauses = [pause_after(turn) for turn in range(1, 100)]
    assert pauses[:3] == [PAUSE_FIRST_SECONDS, PAUSE_FIRST_SECONDS * 2, PAUSE_FIRST_SECONDS * 4]
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_MOST_SECONDS
