"""Group commit: what arrives during one batch goes together as the next."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import psycopg
import pytest

from services.runtime.errors import Refusal
from services.runtime.grouping import Grouped
from tests.harness.waiting import eventually


@contextlib.asynccontextmanager
async def running(group: Grouped[int, int]) -> AsyncIterator[None]:
    task = asyncio.create_task(group.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_arrivals_during_a_batch_are_the_next_batch() -> None:
    """No timer: alone at once, under load together."""
    batches: list[list[int]] = []
    gate = asyncio.Event()

    async def commit(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        await gate.wait()
        return [item * 2 for item in items]

    group: Grouped[int, int] = Grouped("executor", "test", commit)
    async with running(group):
        first = asyncio.create_task(group.do(1))
        await eventually(lambda: batches)
        rest = [asyncio.create_task(group.do(item)) for item in (2, 3, 4)]
        await asyncio.sleep(0)
        gate.set()
        assert await asyncio.gather(first, *rest) == [2, 4, 6, 8]
    assert batches == [[1], [2, 3, 4]]


async def test_a_bad_item_fails_alone() -> None:
    """An item that cannot be committed takes nobody along."""

    async def commit(items: Sequence[int]) -> list[int]:
        if 3 in items:
            raise ValueError("3")
        return list(items)

    group: Grouped[int, int] = Grouped("executor", "test", commit)
    tasks = [asyncio.create_task(group.do(item)) for item in (1, 2, 3, 4)]
    await asyncio.sleep(0)
    async with running(group):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [result for result in results if isinstance(result, int)] == [1, 2, 4]
    assert isinstance(results[2], ValueError)


async def test_an_outage_is_told_to_all_that_wait_and_survived() -> None:
    """The database being away fails a batch, not the loop."""
    down = True

    async def commit(items: Sequence[int]) -> list[int]:
        if down:
            raise psycopg.OperationalError("away")
        return list(items)

    group: Grouped[int, int] = Grouped("executor", "test", commit)
    async with running(group):
        with pytest.raises(psycopg.OperationalError):
            await group.do(1)
        down = False
        assert await group.do(2) == 2


async def test_a_caller_that_went_away_does_not_stop_the_loop() -> None:
    """A cancelled waiter's item is committed all the same."""
    committed: list[int] = []

    async def commit(items: Sequence[int]) -> list[int]:
        committed.extend(items)
        return list(items)

    group: Grouped[int, int] = Grouped("executor", "test", commit)
    gone = asyncio.create_task(group.do(1))
    await asyncio.sleep(0)
    gone.cancel()
    async with running(group):
        assert await group.do(2) == 2
    assert committed == [1, 2]


async def test_a_full_queue_refuses() -> None:
    """Every queue has an end: RATE_LIMITED."""

    async def commit(items: Sequence[int]) -> list[int]:
        return list(items)

    group: Grouped[int, int] = Grouped("executor", "test", commit, waiting_max=2)
    waiting = [asyncio.create_task(group.do(item)) for item in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await group.do(3)
    assert refused.value.reason == "RATE_LIMITED"
    async with running(group):
        assert await asyncio.gather(*waiting) == [1, 2]


async def test_the_end_of_the_loop_releases_whoever_waits() -> None:
    """Nobody waits for a loop that is gone."""
    started = asyncio.Event()

    async def commit(items: Sequence[int]) -> list[int]:
        started.set()
        await asyncio.Event().wait()
        return list(items)

    group: Grouped[int, int] = Grouped("executor", "test", commit)
    async with running(group):
        waiting = asyncio.create_task(group.do(1))
        await started.wait()
        queued = asyncio.create_task(group.do(2))
        await asyncio.sleep(0)
    for task in (waiting, queued):
        with pytest.raises(Refusal) as refused:
            await task
        assert (refused.value.reason, refused.value.metadata["dependency"]) == ("UPSTREAM_UNAVAILABLE", "executor")
