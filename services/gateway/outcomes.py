"""Waiting for a job, or following it: until it has ended and is settled, for as long as the caller wants."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import cast

import grpc
from scrip.executor.v1 import executor_pb2

from services.gateway.mapping import has_ended
from services.gateway.peers import Executor
from services.gateway.waiting import Waits
from services.runtime.errors import Refusal

_Watch = AsyncGenerator[executor_pb2.WatchJobResponse, None]

# How long an outcome that is durable may wait for the ledger's acknowledgement before it is answered.
SETTLED_SECONDS = 1.0
AGAIN_SECONDS = 0.2
# Of one stream; then the next one begins.
WATCH_SECONDS = 65.0


class Outcomes:
    """Watches jobs; the executor may go and come back meanwhile."""

    def __init__(self, executor: Executor, waits: Waits) -> None:
        self._executor = executor
        self._waits = waits

    async def wait(self, job: executor_pb2.Job, seconds: float) -> executor_pb2.Job:
        """The job as it is known when it is settled, when its outcome is unknown, or when the time is over."""
        if seconds <= 0 or is_final(job):
            return job
        if has_ended(job):
            seconds = min(seconds, SETTLED_SECONDS)
        with contextlib.suppress(Refusal):
            async with self._waits.up_to(seconds) as limit, contextlib.aclosing(self._changes(job)) as changes:
                async for changed in changes:
                    if has_ended(changed) and not has_ended(job):
                        limit.reschedule(asyncio.get_running_loop().time() + SETTLED_SECONDS)
                    job = changed
                    if is_final(job):
                        break
        return job

    async def follow(self, job: executor_pb2.Job, seconds: float) -> AsyncGenerator[executor_pb2.Job, None]:
        """The job after each change, until it will not change any more.

        Raises UPSTREAM_UNAVAILABLE when the time is over before, or when this gateway stops.
        """
        until = asyncio.get_running_loop().time() + seconds
        async with contextlib.aclosing(self._changes(job)) as changes:
            while not _is_over(job):
                changed = None
                # Around the wait alone: a limit that passes while a caller takes its message would end the call.
                async with self._waits.up_to(until - asyncio.get_running_loop().time()):
                    changed = await anext(changes, None)
                if changed is None:
                    raise left_off(job.job_id)
                job = changed
                yield job

    async def _changes(self, job: executor_pb2.Job) -> AsyncGenerator[executor_pb2.Job, None]:
        """The job after each change until it is over, however often the executor goes and comes back meanwhile."""
        request = executor_pb2.WatchJobRequest(account_id=job.account_id, job_id=job.job_id)
        while True:
            try:
                watch = self._executor.peer.stream(self._executor.stub.WatchJob, request, WATCH_SECONDS)
                async with contextlib.aclosing(cast("_Watch", watch)):
                    async for response in watch:
                        if response.job != job:
                            job = response.job
                            yield job
                        if _is_over(job):
                            return
            except Refusal as refusal:
                if refusal.code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL):
                    raise
            await asyncio.sleep(AGAIN_SECONDS)


def left_off(job_id: str) -> Refusal:
    """The wait for a job's outcome is over, and the job is not."""
    return Refusal(
        "UPSTREAM_UNAVAILABLE",
        f"this gateway waits no longer for job {job_id}, which goes on; ask again",
        {"dependency": "gateway", "job_id": job_id, "retry_after_seconds": 1},
    )


def is_final(job: executor_pb2.Job) -> bool:
    """Whether waiting longer for the outcome can tell nothing more: it is settled, or nobody knows it."""
    return job.state == executor_pb2.Job.STATE_INDETERMINATE or _is_over(job)


def _is_over(job: executor_pb2.Job) -> bool:
    """Whether the job will not change any more."""
    return has_ended(job) and job.settlement != executor_pb2.Job.SETTLEMENT_PENDING
