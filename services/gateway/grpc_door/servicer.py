"""GatewayService: the whole saga in one call. Identity, deadlines and errors are `runtime/grpc_server.py`'s."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from scrip.executor.v1 import executor_pb2
from scrip.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from scrip.ledger.v1 import ledger_pb2

from services.gateway import mapping, names
from services.gateway.executes import Executes
from services.gateway.grpc_door.callers import payer
from services.gateway.grpc_door.orders import input_of, order_of, request_id_of
from services.gateway.outcomes import Outcomes, left_off
from services.gateway.peers import Peers
from services.gateway.saga import Saga
from services.gateway.tool_copies import ToolCopies

ASK_SECONDS = 5.0
# A caller without a deadline of its own is not kept for ever; the job goes on, and the same request_id waits again.
FOLLOW_SECONDS = 3_600.0

Context = Any


class GatewayServicer(gateway_pb2_grpc.GatewayServiceServicer):
    """Each method answers or raises a Refusal. Whoever calls may go at any time: that ends the call, never the job."""

    def __init__(self, peers: Peers, copies: ToolCopies, saga: Saga, executes: Executes, outcomes: Outcomes) -> None:
        self._ledger = peers.ledger
        self._executor = peers.executor
        self._copies = copies
        self._saga = saga
        self._executes = executes
        self._outcomes = outcomes

    async def QuotePrice(  # noqa: N802 (the proto's name)
        self, request: gateway_pb2.QuotePriceRequest, _context: Context
    ) -> gateway_pb2.QuotePriceResponse:
        """Has no effect."""
        account_id, tool = payer(request.account_id).account_id, names.slug(request.tool)
        quote = await self._saga.quote(account_id, tool, await input_of(request, self._copies))
        return gateway_pb2.QuotePriceResponse(quote=quote)

    async def ExecuteTool(  # noqa: N802
        self, request: gateway_pb2.ExecuteToolRequest, _context: Context
    ) -> AsyncIterator[gateway_pb2.ExecuteToolResponse]:
        """The job as it was accepted, or as it is where it was there before; then its outcome."""
        key = request_id_of(request)
        with self._executes.one_more():
            driven = await self._executes.start(await order_of(request, self._copies), key)
            yield gateway_pb2.ExecuteToolResponse(accepted=driven.job, replayed=driven.replayed)
            job = await self._outcomes.wait(driven.job, FOLLOW_SECONDS)
            if not mapping.has_ended(job) and job.state != executor_pb2.Job.STATE_INDETERMINATE:
                raise left_off(job.job_id)
            yield gateway_pb2.ExecuteToolResponse(outcome=job)

    async def SubmitJob(  # noqa: N802
        self, request: gateway_pb2.SubmitJobRequest, _context: Context
    ) -> gateway_pb2.SubmitJobResponse:
        """The job, as soon as the executor has it."""
        key = request_id_of(request)
        with self._executes.one_more():
            driven = await self._executes.start(await order_of(request, self._copies), key)
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

    async def GetBalance(  # noqa: N802
        self, request: gateway_pb2.GetBalanceRequest, _context: Context
    ) -> gateway_pb2.GetBalanceResponse:
        """As the ledger has it now."""
        question = ledger_pb2.GetBalanceRequest(account_id=payer(request.account_id).account_id)
        found = await self._ledger.call(self._ledger.client.get_balance, question, ASK_SECONDS)
        return gateway_pb2.GetBalanceResponse(account=found.account, credits=found.credits, grants=found.grants)

    async def _job(self, request: gateway_pb2.GetJobRequest | gateway_pb2.WatchJobRequest) -> executor_pb2.Job:
        account_id = payer(request.account_id).account_id
        question = executor_pb2.GetJobRequest(account_id=account_id, job_id=names.job_id(request.job_id))
        return (await self._executor.peer.call(self._executor.stub.GetJob, question, ASK_SECONDS)).job
