"""Holds a system to what is true of a healthy one: every job and every reservation fit together."""

from typing import Any

import httpx
from google.protobuf.duration_pb2 import Duration
from scrip.executor.v1 import executor_pb2, executor_pb2_grpc

from services.runtime.errors import Refusal
from services.runtime.grpc_client import Peer
from tests.harness.processes import Services
from tests.harness.waiting import eventually

CALL_SECONDS = 30.0


async def reconcile(services: Services, grace: Duration | None = None) -> executor_pb2.ReconcileJobsResponse:
    """What a run finds now; raises Refusal."""
    return await _ask(services.peer("executor"), grace)


async def reconciled(services: Services, seconds: float = 75) -> None:
    """Returns when a run that passes over nothing finds nothing.

    What nobody works on any more, such as a reservation whose job never came to be, ends by its own time, a minute.
    """
    peer = services.peer("executor")
    last = ""

    async def is_clean() -> bool:
        nonlocal last
        try:
            last = str((await _ask(peer, Duration())).findings)
        except Refusal as refusal:
            last = str(refusal)
        return last == "[]"

    await eventually(is_clean, seconds, lambda: f"jobs and reservations do not fit together: {last}")


async def reconciled_over_http(admin: httpx.AsyncClient, seconds: float = 75) -> None:
    """`reconciled`, of a system that is reached over HTTP."""
    last: list[Any] = []

    async def is_clean() -> bool:
        try:
            answer = await admin.get("/v1/admin/reconciliation?grace_seconds=0")
        except httpx.HTTPError as error:
            last[:] = [error]
            return False
        last[:] = answer.json()["findings"] if answer.status_code == httpx.codes.OK else [answer.text]
        return not last

    await eventually(is_clean, seconds, lambda: f"jobs and reservations do not fit together: {last}")


async def _ask(peer: Peer, grace: Duration | None) -> executor_pb2.ReconcileJobsResponse:
    stub: Any = executor_pb2_grpc.ExecutorServiceStub(peer.channel)
    request = executor_pb2.ReconcileJobsRequest(grace=grace)
    response: executor_pb2.ReconcileJobsResponse = await peer.call(stub.ReconcileJobs, request, timeout=CALL_SECONDS)
    return response
