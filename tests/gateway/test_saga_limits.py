"""What counts against a tool's hourly rate, and what does not: the saga on a real database and doubles of the peers."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from scrip_client import sender
from services.runtime.errors import Refusal, unavailable
from tests.gateway.world import ORDER, World, opened
from tests.harness.databases import Databases


@pytest.fixture
async def world(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """The tool may be executed twice at once."""
    monkeypatch.setattr(sender, "PAUSE_SECONDS_MAX", 0.005)
    async with opened(databases) as world:
        world.catalog.rate_per_hour = 2
        yield world


async def left(world: World) -> int:
    """Executions that may be started now; they are started."""
    for n in range(10):
        try:
            await world.saga.start(ORDER)
        except Refusal as refusal:
            assert refusal.reason == "RATE_LIMITED"
            return n
    raise AssertionError("there is no end")


async def test_executions_beyond_the_rate_are_refused_before_anything_is_reserved(world: World) -> None:
    """The third of two is refused with the numbers, and the ledger is not asked."""
    for _ in range(2):
        await world.saga.start(ORDER)
    asked = len(world.ledger.calls)
    refusal = await world.refused(keyed=False)
    assert (refusal.reason, refusal.metadata["limit"], refusal.metadata["window_seconds"]) == (
        *("RATE_LIMITED", "2", "3600"),
    )
    assert 1 <= int(refusal.metadata["retry_after_seconds"]) <= 1_800
    assert len(world.ledger.calls) == asked


async def test_the_answer_says_what_is_left(world: World) -> None:
    """Counted once: how things stand comes with the job, and a replay was not counted."""
    (standing,) = (await world.start()).standings
    assert (standing.rate.limit, standing.remaining) == (2, 1)
    assert (await world.start()).standings == ()


async def test_replays_do_not_count(world: World) -> None:
    """The same key again and again is one execution."""
    for _ in range(5):
        await world.start()
    assert await left(world) == 1


async def test_a_retry_after_a_failure_does_not_count_again(world: World) -> None:
    """The row remembers that its execution was counted, also when it is led to another quote."""
    world.executor.fail("SubmitJob", unavailable("executor"))
    assert (await world.refused()).reason == "UPSTREAM_UNAVAILABLE"
    world.ledger.end("job_1")
    assert (await world.start()).job.job_id == "job_2"
    assert await left(world) == 1


async def test_a_retry_after_a_driver_that_died_uncounted_counts(world: World) -> None:
    """A row that was made and not driven is counted by whoever drives it."""
    quote = await world.saga.quote("acme", "echo", ORDER.input)
    await world.store.begin("acme", "k", b"c", quote)
    world.pass_time()
    assert (await world.start()).job.job_id == "job_1"
    assert await left(world) == 1


async def test_many_at_once_under_one_key_count_once(world: World) -> None:
    """Only who holds the row counts."""
    await asyncio.gather(*(world.start() for _ in range(10)), return_exceptions=True)
    assert (await world.start()).replayed
    assert await left(world) == 1


async def test_a_refused_execution_leaves_its_key_free(world: World) -> None:
    """429 is not stored: the same key, also with other content, gets its job when there is room again."""
    await left(world)
    assert (await world.refused()).reason == "RATE_LIMITED"
    with psycopg.connect(world.database.owner_dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM rate")
    assert (await world.start(content=b"other")).replayed is False


async def test_a_key_whose_day_is_over_counts_anew(world: World) -> None:
    """The row of yesterday says nothing of today's execution."""
    await world.start()
    with psycopg.connect(world.database.owner_dsn, autocommit=True) as connection:
        connection.execute("UPDATE idempotency SET expires_at = now()")
    assert (await world.start(content=b"other")).replayed is False
    assert await left(world) == 0


async def test_without_a_limit_nothing_is_counted(world: World) -> None:
    """No row of the table is touched, and the answer says nothing of limits."""
    world.catalog.rate_per_hour = 0
    assert (await world.start()).standings == ()
    with psycopg.connect(world.database.owner_dsn, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM rate").fetchone() == (0,)
