"""Waiting for a job: until it has ended and is settled, for as long as the caller wants."""

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


class Outcomes:
    """Watches jobs; the executor may go and come back meanwhile."""

    def __init__(self, executor: Executor, waits: Waits) -> None:
        self._executor = executor
        self._waits = waits

    async def wait(self, job: executor_pb2.Job, seconds: float) -> executor_pb2.Job:
        """The job as it is known when it is settled, when its outcome is unknown, or when the time is over."""
        if seconds <= 0 or is_final(job):
            return job
        request = executor_pb2.WatchJobRequest(account_id=job.account_id, job_id=job.job_id)
        async with self._waits.up_to(seconds) as limit:
            while True:
                try:
                    watch = self._executor.peer.stream(self._executor.stub.WatchJob, request, seconds + 5)
                    async with contextlib.aclosing(cast("_Watch", watch)):
                        async for response in watch:
                            if has_ended(response.job) and not has_ended(job):
                                limit.reschedule(asyncio.get_running_loop().time() + SETTLED_SECONDS)
                            job = response.job
                            if is_final(job):
                                return job
                except Refusal as refusal:
                    if refusal.code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL):
                        return job
                await asyncio.sleep(AGAIN_SECONDS)
        return job


def is_final(job: executor_pb2.Job) -> bool:
    """Whether waiting longer can tell nothing more."""
    if job.state == executor_pb2.Job.STATE_INDETERMINATE:
        return True
    return has_ended(job) and job.settlement != executor_pb2.Job.SETTLEMENT_PENDING
