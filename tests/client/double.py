"""A ledger that only keeps what it is sent and answers as a test wants; a real gRPC server, in this process."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from services.runtime import grpc_status
from services.runtime.errors import Refusal

Command = ledger_pb2.Command
Result = ledger_pb2.CommandResult
Open = ledger_pb2.Reservation.STATE_OPEN


def agreed(command: Command) -> Result:
    """A reservation is made; its response names the request, so that a test sees whose answer it got."""
    request = command.reserve_credits
    reservation = ledger_pb2.Reservation(reservation_id=request.reservation_id, state=Open)
    response = ledger_pb2.ReserveCreditsResponse(reservation=reservation, position=request.request_id)
    return Result(reserve_credits=response)


def refused(code: grpc.StatusCode, reason: str, **metadata: str) -> Result:
    """A command refused."""
    error = ledger_pb2.CommandError(code=code.value[0], reason=reason, message="no", metadata=metadata)
    return Result(error=error)


class LedgerDouble(ledger_pb2_grpc.LedgerServiceServicer):
    """One replica. Calls wait while the gate is shut; `whole_call` may refuse one, `answer` answers each command."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        """The request ids of each call."""
        self.metadata: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.whole_call: Callable[[Sequence[str]], Refusal | None] = lambda _ids: None
        self.answer: Callable[[Command], Result] = agreed
        self.address = ""
        self._server: grpc.aio.Server | None = None
        self._called = asyncio.Condition()

    async def BatchExecute(  # noqa: N802
        self, request: ledger_pb2.BatchExecuteRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ledger_pb2.BatchExecuteResponse:
        assert request.mode == ledger_pb2.BatchExecuteRequest.MODE_INDEPENDENT
        ids = [command.reserve_credits.request_id for command in request.commands]
        await self._keep(ids, context)
        await self._refuse(self.whole_call(ids), context)
        return ledger_pb2.BatchExecuteResponse(results=[self.answer(command) for command in request.commands])

    async def GetBalance(  # noqa: N802
        self, request: ledger_pb2.GetBalanceRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ledger_pb2.GetBalanceResponse:
        await self._keep([request.account_id], context)
        await self._refuse(self.whole_call([request.account_id]), context)
        return ledger_pb2.GetBalanceResponse(account=ledger_pb2.Account(account_id=request.account_id))

    async def _keep(self, ids: list[str], context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self.metadata.append(dict(context.invocation_metadata() or ()))
        self.calls.append(ids)
        async with self._called:
            self._called.notify_all()
        await self.gate.wait()

    async def _refuse(self, refusal: Refusal | None, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        if refusal:
            await context.abort_with_status(grpc_status.to_status(refusal, "scrip.ledger"))

    async def was_called(self, times: int) -> None:
        """Returns when so many calls have arrived."""
        async with self._called, asyncio.timeout(10):
            await self._called.wait_for(lambda: len(self.calls) >= times)

    async def start(self) -> None:
        """Listens; again at the same address after a stop."""
        self._server = grpc.aio.server(
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 8 * 1024 * 1024)]
        )
        ledger_pb2_grpc.add_LedgerServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port(self.address or "127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        await self._server.start()

    async def stop(self) -> None:
        """Goes away, with its connections."""
        self.gate.set()
        if self._server:
            await self._server.stop(0)
