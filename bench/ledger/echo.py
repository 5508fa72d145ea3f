"""The floor of gRPC: a bare server that answers at once. Run: python -m bench.ledger.echo HOST:PORT.

No interceptor, no identity, no deadline, nothing in the answers: what is left is gRPC itself.
"""

import gc
import sys
from typing import Any

import grpc
import uvloop
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from bench.ledger.size import GC_THRESHOLDS

Context = grpc.aio.ServicerContext[Any, Any]


class _Echo(ledger_pb2_grpc.LedgerServiceServicer):
    async def ReserveCredits(  # noqa: N802
        self, request: ledger_pb2.ReserveCreditsRequest, context: Context
    ) -> ledger_pb2.ReserveCreditsResponse:
        return ledger_pb2.ReserveCreditsResponse()

    async def CaptureReservation(  # noqa: N802
        self, request: ledger_pb2.CaptureReservationRequest, context: Context
    ) -> ledger_pb2.CaptureReservationResponse:
        return ledger_pb2.CaptureReservationResponse()

    async def GetBalance(  # noqa: N802
        self, request: ledger_pb2.GetBalanceRequest, context: Context
    ) -> ledger_pb2.GetBalanceResponse:
        return ledger_pb2.GetBalanceResponse()


async def _serve(address: str) -> None:
    server = grpc.aio.server()
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(_Echo(), server)  # type: ignore[abstract]
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    gc.set_threshold(*GC_THRESHOLDS)
    uvloop.run(_serve(sys.argv[1]))
