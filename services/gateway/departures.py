"""Clients that go away from the stream of an execution: that cancels its job where the tool says so, else nothing."""

import asyncio

from scrip.executor.v1 import executor_pb2

from services.gateway.peers import Executor
from services.gateway.tool_copies import ToolCopies
from services.runtime import logs
from services.runtime.errors import Refusal

log = logs.get("departures")

CANCEL_SECONDS = 5.0


class Departures:
    """All of this process."""

    def __init__(self, copies: ToolCopies, executor: Executor) -> None:
        self._copies = copies
        self._executor = executor
        self._tasks: set[asyncio.Task[None]] = set()

    def left(self, job: executor_pb2.Job) -> None:
        """The client of this job went away before its outcome. Waits for nothing: the request is over."""
        task = asyncio.create_task(self._leave(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _leave(self, job: executor_pb2.Job) -> None:
        try:
            cancels = await self._copies.cancels_on_disconnect(job.tool)
            log.info("client_left", job_id=job.job_id, tool=job.tool, cancels=cancels)
            if cancels:
                request = executor_pb2.CancelJobRequest(account_id=job.account_id, job_id=job.job_id)
                await self._executor.peer.call(self._executor.stub.CancelJob, request, CANCEL_SECONDS)
        except Refusal as refusal:
            if refusal.reason != "JOB_ENDED":
                log.warning("client_left_unheard", job_id=job.job_id, tool=job.tool, reason=refusal.reason)
