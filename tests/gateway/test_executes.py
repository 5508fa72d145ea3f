"""Executes of both doors: what was begun is finished, and no more are begun than the limit."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.gateway.executes import Executes
from services.runtime.errors import Refusal
from tests.gateway.doubles import State
from tests.gateway.world import ORDER, World, opened
from tests.harness.databases import Databases
from tests.harness.waiting import eventually


@pytest.fixture
async def world(databases: Databases) -> AsyncIterator[World]:
    async with opened(databases) as world:
        yield world


@pytest.mark.parametrize("refusal", [None, Refusal("RATE_LIMITED", "full")])
async def test_a_caller_that_goes_does_not_stop_the_saga(world: World, refusal: Refusal | None) -> None:
    """Cancelled in the middle of a submit, the saga comes to its job, or gives back what it reserved."""
    executes = Executes(world.saga, world.keyed)
    go_on, submit = asyncio.Event(), world.executor.SubmitJob

    async def slow_submit(request: Any) -> Any:
        world.executor.calls.append("begun")
        await go_on.wait()
        if refusal:
            raise refusal
        return await submit(request)

    world.executor.SubmitJob = slow_submit  # type: ignore[method-assign]
    call = asyncio.create_task(executes.start(ORDER, "k"))
    await eventually(lambda: "begun" in world.executor.calls)
    call.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert list(world.executor.jobs) == ([] if refusal else ["job_1"])
    assert world.state("job_1") == (State.STATE_RELEASED if refusal else State.STATE_OPEN)


async def test_there_is_a_limit(world: World) -> None:
    """Beyond it an execute is UPSTREAM_UNAVAILABLE, and there is room again when one has ended."""
    executes = Executes(world.saga, world.keyed, limit=1)
    with executes.one_more(), pytest.raises(Refusal) as refused, executes.one_more():
        pass
    assert (refused.value.reason, refused.value.metadata["limit"]) == ("UPSTREAM_UNAVAILABLE", "1")
    with executes.one_more():
        pass
