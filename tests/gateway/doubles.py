"""Doubles of the peers, for answers that real services rarely give. They keep what the real ones promise: one
reservation an id, one job an id."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import grpc
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from services.runtime import clock
from services.runtime.errors import Refusal

State = ledger_pb2.Reservation.State


class DirectPeer:
    """Calls the double in this process; a refusal it raises arrives as one."""

    name = "double"

    async def call(
        self, method: Callable[..., Awaitable[Any]], request: Any, timeout: float = 5.0, attempts: int = 4
    ) -> Any:
        return await method(request)


class Double:
    """What all have: their calls are recorded, and the next ones can be made to fail."""

    def __init__(self) -> None:
        self.peer = DirectPeer()
        self.stub = self
        self.calls: list[str] = []
        self.failures: dict[str, list[Refusal]] = {}
        self.failures_after: dict[str, list[Refusal]] = {}

    def fail(self, method: str, *refusals: Refusal, applied: bool = False) -> None:
        """The next calls fail; `applied`: after they did what was asked."""
        (self.failures_after if applied else self.failures).setdefault(method, []).extend(refusals)

    def _begin(self, method: str) -> None:
        self.calls.append(method)
        if self.failures.get(method):
            raise self.failures[method].pop(0)

    def _end(self, method: str) -> None:
        if self.failures_after.get(method):
            raise self.failures_after[method].pop(0)


class CatalogDouble(Double):
    """Quotes; a new job id each time, and the limit that the tool has then."""

    def __init__(self) -> None:
        super().__init__()
        self.quotes: dict[str, catalog_pb2.Quote] = {}
        self.rate_per_hour = 0

    async def QuotePrice(self, request: catalog_pb2.QuotePriceRequest) -> catalog_pb2.QuotePriceResponse:  # noqa: N802
        self._begin("QuotePrice")
        quote = self.quotes.get(request.quote_id)
        if quote is None:
            number = len(self.quotes) + 1
            quote = catalog_pb2.Quote(
                quote_id=f"quote-{number}",
                job_id=f"job_{number}",
                account_id=request.account_id,
                tool=request.tool,
                version=1,
                amount_micros=5,
                amount_max_micros=5,
                limits=catalog_pb2.Limits(rate_per_hour=self.rate_per_hour),
            )
            quote.expires_at.FromDatetime(clock.now() + timedelta(minutes=5))
            self.quotes[quote.quote_id] = quote
        return catalog_pb2.QuotePriceResponse(quote=quote)


class LedgerDouble(Double, ledger_pb2_grpc.LedgerServiceServicer):
    """Reservations, behind a gRPC server, so that the real client is in between."""

    def __init__(self) -> None:
        super().__init__()
        self.reservations: dict[str, ledger_pb2.Reservation] = {}

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address while the body runs."""
        server = grpc.aio.server()
        ledger_pb2_grpc.add_LedgerServiceServicer_to_server(self, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(0)

    async def BatchExecute(  # noqa: N802
        self, request: ledger_pb2.BatchExecuteRequest, _context: object
    ) -> ledger_pb2.BatchExecuteResponse:
        return ledger_pb2.BatchExecuteResponse(results=[self._execute(command) for command in request.commands])

    def _execute(self, command: ledger_pb2.Command) -> ledger_pb2.CommandResult:
        try:
            if command.HasField("reserve_credits"):
                self._begin("ReserveCredits")
                reserved = self.reserve(command.reserve_credits)
                self._end("ReserveCredits")
                return ledger_pb2.CommandResult(reserve_credits=reserved)
            self._begin("ReleaseReservation")
            reservation_id = command.release_reservation.reservation_id
            self.end(reservation_id)
            released = ledger_pb2.ReleaseReservationResponse(reservation=self.reservations[reservation_id])
            return ledger_pb2.CommandResult(release_reservation=released)
        except Refusal as refusal:
            error = ledger_pb2.CommandError(
                code=refusal.code.value[0], reason=refusal.reason, message=refusal.message, metadata=refusal.metadata
            )
            return ledger_pb2.CommandResult(error=error)

    def reserve(self, request: ledger_pb2.ReserveCreditsRequest) -> ledger_pb2.ReserveCreditsResponse:
        found = self.reservations.get(request.reservation_id)
        if found is None:
            made = ledger_pb2.Reservation(reservation_id=request.reservation_id, state=State.STATE_OPEN)
            made.expires_at.FromDatetime(clock.now() + request.ttl.ToTimedelta())
            self.reservations[request.reservation_id] = made
            return ledger_pb2.ReserveCreditsResponse(reservation=made)
        return ledger_pb2.ReserveCreditsResponse(reservation=found, replayed=True)

    async def GetReservation(  # noqa: N802
        self, request: ledger_pb2.GetReservationRequest, _context: object
    ) -> ledger_pb2.GetReservationResponse:
        self._begin("GetReservation")
        return ledger_pb2.GetReservationResponse(reservation=self.reservations[request.reservation_id])

    def end(self, reservation_id: str) -> None:
        """The reservation ends."""
        self.reservations[reservation_id].state = State.STATE_RELEASED

    def extend(self, reservation_id: str) -> None:
        """The executor took the job."""
        self.reservations[reservation_id].expires_at.FromDatetime(clock.now() + timedelta(days=30))


class ExecutorDouble(Double):
    """Jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, executor_pb2.Job] = {}

    async def SubmitJob(self, request: executor_pb2.SubmitJobRequest) -> executor_pb2.SubmitJobResponse:  # noqa: N802
        self._begin("SubmitJob")
        replayed = request.quote.job_id in self.jobs
        job = self.jobs.setdefault(
            request.quote.job_id,
            executor_pb2.Job(job_id=request.quote.job_id, account_id=request.quote.account_id),
        )
        self._end("SubmitJob")
        return executor_pb2.SubmitJobResponse(job=job, replayed=replayed)

    async def GetJob(self, request: executor_pb2.GetJobRequest) -> executor_pb2.GetJobResponse:  # noqa: N802
        self._begin("GetJob")
        if request.job_id not in self.jobs:
            raise Refusal("JOB_NOT_FOUND", "none")
        return executor_pb2.GetJobResponse(job=self.jobs[request.job_id])
