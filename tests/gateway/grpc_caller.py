"""A caller of the gateway's gRPC door."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from scrip.executor.v1 import executor_pb2
from scrip.gateway.v1 import gateway_pb2, gateway_pb2_grpc

from services.runtime.errors import Refusal
from services.runtime.grpc_client import Peer

CALL_SECONDS = 60.0


class GrpcCaller:
    """Calls as one key or token; a call is sent once."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.stub = gateway_pb2_grpc.GatewayServiceStub(peer.channel)

    async def call(self, method: str, timeout: float = CALL_SECONDS, **fields: Any) -> Any:
        """The answer of a unary method; raises Refusal."""
        request = getattr(gateway_pb2, f"{method}Request")(**fields)
        return await self.peer.call(getattr(self.stub, method), request, timeout, attempts=1)

    def stream(self, method: str, timeout: float = CALL_SECONDS, **fields: Any) -> Any:
        """The messages of a stream; raises Refusal."""
        request = getattr(gateway_pb2, f"{method}Request")(**fields)
        return self.peer.stream(getattr(self.stub, method), request, timeout)

    async def execute(self, request_id: str, input_json: bytes, **fields: Any) -> executor_pb2.Job:
        """The outcome of ExecuteTool, whose stream is checked."""
        fields = {"tool": "echo"} | fields
        answers = [
            one async for one in self.stream("ExecuteTool", request_id=request_id, input_json=input_json, **fields)
        ]
        first, *between, last = [one.WhichOneof("event") for one in answers]
        assert (first, last) == ("accepted", "outcome")
        assert set(between) <= {"progress"}, "echo says nothing before its end"
        assert answers[0].accepted.job_id == answers[-1].outcome.job_id
        outcome: executor_pb2.Job = answers[-1].outcome
        return outcome

    async def submit(self, request_id: str, input_json: bytes, **fields: Any) -> gateway_pb2.SubmitJobResponse:
        """What SubmitJob answers."""
        fields = {"tool": "echo"} | fields
        answer: gateway_pb2.SubmitJobResponse = await self.call(
            "SubmitJob", request_id=request_id, input_json=input_json, **fields
        )
        return answer

    async def settled(self, job_id: str, **fields: Any) -> executor_pb2.Job:
        """The job once its cost is with the ledger: the last that WatchJob tells."""
        job = [one.job async for one in self.stream("WatchJob", job_id=job_id, **fields)][-1]
        assert job.settlement == executor_pb2.Job.SETTLEMENT_SETTLED
        return job

    async def refused(self, method: str, **fields: Any) -> Refusal:
        """The refusal of a call of either kind."""
        with pytest.raises(Refusal) as refused:
            if method in ("ExecuteTool", "WatchJob", "DownloadFile"):
                async for _ in self.stream(method, **fields):
                    pass
            else:
                await self.call(method, **fields)
        return refused.value


@contextlib.asynccontextmanager
async def calling(address: str, token: str) -> AsyncIterator[GrpcCaller]:
    """A caller with a key or a token."""
    peer = Peer("gateway", address, token)
    try:
        yield GrpcCaller(peer)
    finally:
        await peer.close()
