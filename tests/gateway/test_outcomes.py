"""Waiting for jobs and following them, where an executor tells what it is made to tell."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest
from scrip.executor.v1 import executor_pb2

from services.gateway.outcomes import Outcomes
from services.gateway.waiting import Waits
from services.runtime.errors import Refusal, unavailable

Job = executor_pb2.Job
RUNNING = Job(job_id="job_1", state=Job.STATE_RUNNING, settlement=Job.SETTLEMENT_PENDING)
UNKNOWN = Job(job_id="job_1", state=Job.STATE_INDETERMINATE, settlement=Job.SETTLEMENT_PENDING)
ENDED = Job(job_id="job_1", state=Job.STATE_SUCCEEDED, settlement=Job.SETTLEMENT_PENDING)
SETTLED = Job(job_id="job_1", state=Job.STATE_SUCCEEDED, settlement=Job.SETTLEMENT_SETTLED)
LONG = 3_600.0


class Executor:
    """Tells each of its scripts to one watcher after the other, and nothing more to the last."""

    def __init__(self, *scripts: Sequence[executor_pb2.Job | Refusal]) -> None:
        self.peer = self.stub = self
        self.WatchJob = "WatchJob"
        self._scripts = list(scripts)

    async def stream(
        self, _method: object, _request: object, timeout: float
    ) -> AsyncIterator[executor_pb2.WatchJobResponse]:
        for told in self._scripts.pop(0):
            if isinstance(told, Refusal):
                raise told
            yield executor_pb2.WatchJobResponse(job=told)
        if not self._scripts:
            await asyncio.sleep(timeout)


def outcomes(*scripts: Sequence[executor_pb2.Job | Refusal], waits: Waits | None = None) -> Outcomes:
    return Outcomes(cast("Any", Executor(*scripts)), waits or Waits())


async def followed(watching: Outcomes, job: executor_pb2.Job) -> list[executor_pb2.Job]:
    async with asyncio.timeout(20):
        return [changed async for changed in watching.follow(job, LONG)]


@pytest.mark.parametrize(
    ("told", "known"),
    [([RUNNING, ENDED, SETTLED], SETTLED), ([RUNNING, UNKNOWN], UNKNOWN), ([RUNNING, ENDED], ENDED)],
)
async def test_a_wait_ends_with_what_can_be_known(told: list[executor_pb2.Job], known: executor_pb2.Job) -> None:
    """When the job is settled, when nobody knows its outcome, and soon after it ended where the ledger is away."""
    async with asyncio.timeout(20):
        assert await outcomes(told).wait(RUNNING, LONG) == known


async def test_a_job_that_had_ended_is_not_waited_for_long() -> None:
    """However long the caller would wait: its outcome is there, and only the ledger's acknowledgement is not."""
    async with asyncio.timeout(20):
        assert await outcomes([ENDED]).wait(ENDED, LONG) == ENDED


async def test_a_follower_is_told_each_change_once() -> None:
    """Until the job is settled, through an unknown outcome too, and over an executor that goes and comes back."""
    watching = outcomes([RUNNING, unavailable("executor")], [RUNNING, UNKNOWN], [UNKNOWN, ENDED, SETTLED])
    assert await followed(watching, RUNNING) == [UNKNOWN, ENDED, SETTLED]
    assert await followed(outcomes([]), SETTLED) == []


async def test_a_follower_is_let_go_when_the_gateway_stops() -> None:
    """With a word that the job goes on."""
    waits = Waits()
    watching = asyncio.create_task(followed(outcomes([RUNNING], waits=waits), RUNNING))
    await asyncio.sleep(0)
    waits.end()
    with pytest.raises(Refusal) as refused:
        await watching
    assert (refused.value.reason, refused.value.metadata["job_id"]) == ("UPSTREAM_UNAVAILABLE", "job_1")


async def test_a_refusal_ends_the_following() -> None:
    """What is no outage reaches the follower, and ends a wait with what is known."""
    refusal = Refusal("RATE_LIMITED", "too many follow")
    with pytest.raises(Refusal) as refused:
        await followed(outcomes([refusal]), RUNNING)
    assert refused.value is refusal
    assert await outcomes([refusal]).wait(RUNNING, LONG) == RUNNING
