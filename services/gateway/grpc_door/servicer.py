"""GatewayService: the whole saga in one call. Identity, deadlines and errors are `runtime/grpc_server.py`'s."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from scrip.executor.v1 import executor_pb2
from scrip.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from scrip.ledger.v1 import ledger_pb2

from services.gateway import mapping, names
from services.gateway.executes import Executes
from services.gateway.files import Files
from services.gateway.grpc_door.callers import payer
from services.gateway.grpc_door.orders import input_of, order_of, request_id_of
from services.gateway.live import Accepted, Chunk, Event, LiveJobs, Outcome, Progress
from services.gateway.outcomes import Outcomes, left_off
from services.gateway.peers import Peers
from services.gateway.saga import Saga
from services.gateway.tool_copies import ToolCopies
from services.runtime.errors import invalid

ASK_SECONDS = 5.0
# A caller without a deadline of its own is not kept for ever; the job goes on, and the same request_id waits again.
FOLLOW_SECONDS = 3_600.0

Context = Any


class GatewayServicer(gateway_pb2_grpc.GatewayServiceServicer):
    """Each method answers or raises a Refusal. Whoever calls may go at any time: that ends the call, never the job."""

    def __init__(
        self,
        peers: Peers,
        copies: ToolCopies,
        files: Files,
        saga: Saga,
        executes: Executes,
        outcomes: Outcomes,
        live: LiveJobs,
    ) -> None:
        self._ledger = peers.ledger
        self._executor = peers.executor
        self._copies = copies
        self._files = files
        self._saga = saga
        self._executes = executes
        self._outcomes = outcomes
        self._live = live

    async def QuotePrice(  # noqa: N802 (the proto's name)
        self, request: gateway_pb2.QuotePriceRequest, _context: Context
    ) -> gateway_pb2.QuotePriceResponse:
        """Has no effect."""
        account_id, tool = payer(request.account_id).account_id, names.slug(request.tool)
        given = await input_of(request, account_id, self._copies, self._files)
        quote = await self._saga.quote(account_id, tool, given)
        return gateway_pb2.QuotePriceResponse(quote=quote)

    async def ExecuteTool(  # noqa: N802
        self, request: gateway_pb2.ExecuteToolRequest, _context: Context
    ) -> AsyncIterator[gateway_pb2.ExecuteToolResponse]:
        """The job as it was accepted, or as it is where it was there before; what it says as it comes; its outcome."""
        key = request_id_of(request)
        with self._executes.one_more():
            driven = await self._executes.start(await order_of(request, self._copies, self._files), key)
            async for event in self._live.events(driven.job):
                yield execution_message(event, driven.replayed)

    async def SubmitJob(  # noqa: N802
        self, request: gateway_pb2.SubmitJobRequest, _context: Context
    ) -> gateway_pb2.SubmitJobResponse:
        """The job, as soon as the executor has it."""
        key = request_id_of(request)
        with self._executes.one_more():
            driven = await self._executes.start(await order_of(request, self._copies, self._files), key)
        return gateway_pb2.SubmitJobResponse(job=driven.job, replayed=driven.replayed)

    async def GetJob(  # noqa: N802
        self, request: gateway_pb2.GetJobRequest, _context: Context
    ) -> gateway_pb2.GetJobResponse:
        """One job, with its output."""
        return gateway_pb2.GetJobResponse(job=await self._job(request))

    async def WatchJob(  # noqa: N802
        self, request: gateway_pb2.WatchJobRequest, _context: Context
    ) -> AsyncIterator[gateway_pb2.WatchJobResponse]:
        """The job now, and after each change until it has ended and is settled."""
        job = await self._job(request)
        yield gateway_pb2.WatchJobResponse(job=job)
        async with contextlib.aclosing(self._outcomes.follow(job, FOLLOW_SECONDS)) as changes:
            async for changed in changes:
                yield gateway_pb2.WatchJobResponse(job=changed)

    async def CancelJob(  # noqa: N802
        self, request: gateway_pb2.CancelJobRequest, _context: Context
    ) -> gateway_pb2.CancelJobResponse:
        """The job, canceled or asked to stop; said again it is the same."""
        request_id_of(request)
        caller = payer(request.account_id)
        command = executor_pb2.CancelJobRequest(
            account_id=caller.account_id, job_id=names.job_id(request.job_id), key_id=caller.key_id
        )
        response = await self._executor.peer.call(self._executor.stub.CancelJob, command, ASK_SECONDS)
        return gateway_pb2.CancelJobResponse(job=response.job)

    async def GetBalance(  # noqa: N802
        self, request: gateway_pb2.GetBalanceRequest, _context: Context
    ) -> gateway_pb2.GetBalanceResponse:
        """As the ledger has it now."""
        question = ledger_pb2.GetBalanceRequest(account_id=payer(request.account_id).account_id)
        found = await self._ledger.call(self._ledger.client.get_balance, question, ASK_SECONDS)
        return gateway_pb2.GetBalanceResponse(account=found.account, credits=found.credits, grants=found.grants)

    async def UploadFile(  # noqa: N802
        self, request_iterator: AsyncIterator[gateway_pb2.UploadFileRequest], _context: Context
    ) -> gateway_pb2.UploadFileResponse:
        """The file, once all of it is stored."""
        first = await anext(request_iterator, None)
        if first is None or not first.HasField("header"):
            raise invalid("header", "must come first")
        header = first.header
        account_id = payer(header.account_id).account_id
        file = await self._files.take(account_id, header.media_type, header.name, _data(request_iterator))
        return mapping.uploaded_file_message(file)

    async def DownloadFile(  # noqa: N802
        self, request: gateway_pb2.DownloadFileRequest, _context: Context
    ) -> AsyncIterator[gateway_pb2.DownloadFileResponse]:
        """What the file is, and its content in pieces that a message can carry."""
        file = await self._files.get(payer(request.account_id).account_id, request.file_id)
        yield gateway_pb2.DownloadFileResponse(file=mapping.file_message(file))
        async for data in await self._files.read(file):
            yield gateway_pb2.DownloadFileResponse(data=data)

    async def DeleteFile(  # noqa: N802
        self, request: gateway_pb2.DeleteFileRequest, _context: Context
    ) -> gateway_pb2.DeleteFileResponse:
        """Nobody finds the file any more."""
        await self._files.delete(payer(request.account_id).account_id, request.file_id)
        return gateway_pb2.DeleteFileResponse()

    async def _job(self, request: gateway_pb2.GetJobRequest | gateway_pb2.WatchJobRequest) -> executor_pb2.Job:
        account_id = payer(request.account_id).account_id
        question = executor_pb2.GetJobRequest(account_id=account_id, job_id=names.job_id(request.job_id))
        return (await self._executor.peer.call(self._executor.stub.GetJob, question, ASK_SECONDS)).job


def execution_message(event: Event, replayed: bool) -> gateway_pb2.ExecuteToolResponse:
    """One thing that became of a job; raises UPSTREAM_UNAVAILABLE for an outcome that is none yet."""
    match event:
        case Accepted(job):
            return gateway_pb2.ExecuteToolResponse(accepted=job, replayed=replayed)
        case Progress(job):
            return gateway_pb2.ExecuteToolResponse(progress=gateway_pb2.Progress(job=job))
        case Chunk(text, offset):
            return gateway_pb2.ExecuteToolResponse(chunk=text.encode(), chunk_offset=offset)
        case Outcome(job):
            if not mapping.has_ended(job) and job.state != executor_pb2.Job.STATE_INDETERMINATE:
                raise left_off(job.job_id)
            return gateway_pb2.ExecuteToolResponse(outcome=job)


async def _data(requests: AsyncIterator[gateway_pb2.UploadFileRequest]) -> AsyncIterator[bytes]:
    async for request in requests:
        if not request.HasField("data"):
            raise invalid("data", "must be all that follows the header")
        yield request.data
