"""ExecutorService over gRPC. Identity, deadlines and errors are the door's (services/runtime/grpc_server.py)."""

from collections.abc import AsyncIterator
from typing import Any

from scrip.executor.v1 import events_pb2, executor_pb2, executor_pb2_grpc

from services.executor import mapping, requests
from services.executor.following import executions
from services.executor.following.live import Live
from services.executor.following.watch import Watches
from services.executor.output_files import OutputFiles
from services.executor.rules import wishes
from services.executor.rules.jobs import State
from services.executor.running.intake import Intake
from services.executor.store import queries
from services.executor.store.rows import Job
from services.executor.upkeep.control import Control
from services.executor.upkeep.reconciler import Reconciler
from services.runtime import event_log, pages
from services.runtime.lifecycle import Signal
from services.runtime.postgres import Pool

Context = Any


class ExecutorServicer(executor_pb2_grpc.ExecutorServiceServicer):
    """Each method answers or raises a Refusal."""

    def __init__(
        self,
        pool: Pool,
        intake: Intake,
        control: Control,
        watches: Watches,
        live: Live,
        files: OutputFiles,
        reconciler: Reconciler,
        appended: Signal,
    ) -> None:
        self._pool = pool
        self._intake = intake
        self._control = control
        self._watches = watches
        self._reconciler = reconciler
        self._live = live
        self._files = files
        self._appended = appended

    async def SubmitJob(  # noqa: N802 (the proto's name)
        self, request: executor_pb2.SubmitJobRequest, _context: Context
    ) -> executor_pb2.SubmitJobResponse:
        """Accepts a job; a repeated one is answered as it is."""
        return await self._submitted(request)

    async def ExecuteTool(  # noqa: N802
        self, request: executor_pb2.ExecuteToolRequest, _context: Context
    ) -> AsyncIterator[executor_pb2.ExecuteToolResponse]:
        """Accepts a job in the same way, and tells what becomes of it."""
        submitted = await self._submitted(request.submission)
        async for response in executions.told(self._live, submitted.job):
            yield response

    async def GetJob(  # noqa: N802
        self, request: executor_pb2.GetJobRequest, _context: Context
    ) -> executor_pb2.GetJobResponse:
        """One job with its output and its attempts."""
        job = (await queries.jobs(self._pool, [request.job_id])).get(request.job_id)
        if job is None:
            raise wishes.not_found(request.job_id)
        wishes.check_owner(job, request.account_id)
        message = await self._message(job)
        message.attempts_made.extend(map(mapping.attempt_message, await queries.attempts(self._pool, job.job_id)))
        return executor_pb2.GetJobResponse(job=message)

    async def ListJobs(  # noqa: N802
        self, request: executor_pb2.ListJobsRequest, _context: Context
    ) -> executor_pb2.ListJobsResponse:
        """Jobs, newest first, without their outputs."""
        wanted = requests.filter_of(request)
        size = pages.size_of(request.page_size)
        bound = pages.filter_of(request)
        place = requests.place_of(request.page_token, bound)
        found = await queries.page(self._pool, wanted, place, size + 1)
        return executor_pb2.ListJobsResponse(
            jobs=[mapping.job_message(job) for job in found[:size]],
            next_page_token=requests.page_token(found[size - 1], bound) if len(found) > size else "",
        )

    async def CancelJob(  # noqa: N802
        self, request: executor_pb2.CancelJobRequest, _context: Context
    ) -> executor_pb2.CancelJobResponse:
        """The job, canceled or asked to stop; said again, the job as it is."""
        job = await self._control.cancel(request.account_id, request.job_id, requests.wish_of(request))
        return executor_pb2.CancelJobResponse(job=mapping.job_message(job))

    async def SettleJob(  # noqa: N802
        self, request: executor_pb2.SettleJobRequest, _context: Context
    ) -> executor_pb2.SettleJobResponse:
        """The job, ended as an operator says; said again, the job as it is."""
        job, replayed = await self._control.settle(requests.settling_of(request))
        return executor_pb2.SettleJobResponse(job=await self._message(job), replayed=replayed)

    async def WatchJob(  # noqa: N802
        self, request: executor_pb2.WatchJobRequest, _context: Context
    ) -> AsyncIterator[executor_pb2.WatchJobResponse]:
        """The job as it is, and after each change, until it has ended and is settled."""
        if not request.live:
            async for job in self._watches.follow(request.account_id, request.job_id):
                yield executor_pb2.WatchJobResponse(job=job)
            return
        async for item in self._live.follow(request.account_id, request.job_id):
            if isinstance(item, executor_pb2.Chunk):
                yield executor_pb2.WatchJobResponse(chunk=item)
            else:
                yield executor_pb2.WatchJobResponse(job=item)

    async def GetFiles(  # noqa: N802
        self, request: executor_pb2.GetFilesRequest, _context: Context
    ) -> executor_pb2.GetFilesResponse:
        """Files of outputs that are there."""
        account_id, file_ids = requests.files_of(request)
        found = await self._files.find(account_id, file_ids, request.keep)
        return executor_pb2.GetFilesResponse(files=map(mapping.file_message, found.values()))

    async def ReadFile(  # noqa: N802
        self, request: executor_pb2.ReadFileRequest, _context: Context
    ) -> AsyncIterator[executor_pb2.ReadFileResponse]:
        """What a file is, and its content."""
        file = await self._files.get(requests.account_of(request.account_id), request.file_id)
        yield executor_pb2.ReadFileResponse(file=mapping.file_message(file))
        async for data in self._files.read(file):
            yield executor_pb2.ReadFileResponse(data=data)

    async def DeleteFile(  # noqa: N802
        self, request: executor_pb2.DeleteFileRequest, _context: Context
    ) -> executor_pb2.DeleteFileResponse:
        """Nobody finds the file any more."""
        await self._files.delete(requests.account_of(request.account_id), request.file_id)
        return executor_pb2.DeleteFileResponse()

    async def ReconcileJobs(  # noqa: N802
        self, request: executor_pb2.ReconcileJobsRequest, _context: Context
    ) -> executor_pb2.ReconcileJobsResponse:
        """Compares jobs with reservations now."""
        return mapping.report_message(await self._reconciler.run_now(requests.grace_of(request)))

    async def ReadEvents(  # noqa: N802
        self, request: executor_pb2.ReadEventsRequest, _context: Context
    ) -> AsyncIterator[executor_pb2.ReadEventsResponse]:
        """Commits of the event log in order."""
        cursors = requests.cursors_of(request)
        async for row in event_log.follow(self._pool, cursors, request.follow, self._appended):
            batch = events_pb2.EventBatch.FromString(row.body)
            yield executor_pb2.ReadEventsResponse(batch=batch, hash=row.hash)

    async def _submitted(self, request: executor_pb2.SubmitJobRequest) -> executor_pb2.SubmitJobResponse:
        accepted = await self._intake.submit(requests.submission_of(request))
        job = await self._message(accepted.job) if accepted.replayed else mapping.job_message(accepted.job)
        return executor_pb2.SubmitJobResponse(job=job, replayed=accepted.replayed)

    async def _message(self, job: Job) -> executor_pb2.Job:
        output = b""
        if job.state is State.SUCCEEDED:
            output = (await queries.outputs(self._pool, [job.job_id])).get(job.job_id, b"")
        return mapping.job_message(job, output)
