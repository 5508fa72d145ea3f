"""A ledger and a catalog that answer as a test wants, for answers that are rare; the executor is the real process."""

import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable

import grpc
from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from tests.harness.processes import Services

Command = ledger_pb2.Command
Result = ledger_pb2.CommandResult
OPEN = ledger_pb2.Reservation.STATE_OPEN


def refused(code: grpc.StatusCode, reason: str, **metadata: str) -> Result:
    """A command refused."""
    error = ledger_pb2.CommandError(code=code.value[0], reason=reason, message=reason, metadata=metadata)
    return Result(error=error)


def agreed(command: Command) -> Result:
    """What a ledger in good order answers."""
    match command.WhichOneof("command"):
        case "extend_reservation":
            return Result(
                extend_reservation=ledger_pb2.ExtendReservationResponse(reservation=ledger_pb2.Reservation(state=OPEN))
            )
        case "capture_reservation":
            captured = command.capture_reservation.captured_total_micros
            reservation = ledger_pb2.Reservation(state=ledger_pb2.Reservation.STATE_CAPTURED, captured_micros=captured)
            return Result(capture_reservation=ledger_pb2.CaptureReservationResponse(reservation=reservation))
        case "release_reservation":
            reservation = ledger_pb2.Reservation(state=ledger_pb2.Reservation.STATE_RELEASED)
            return Result(release_reservation=ledger_pb2.ReleaseReservationResponse(reservation=reservation))
        case other:
            raise AssertionError(f"the executor has no business with {other}")


class LedgerDouble(ledger_pb2_grpc.LedgerServiceServicer):
    """Answers each command by `answer`; keeps what it was sent. `whole_call` may refuse a batch as a whole."""

    def __init__(self) -> None:
        self.answer: Callable[[Command], Result] = agreed
        self.whole_call: Callable[[list[Command]], grpc.StatusCode | None] = lambda _commands: None
        self.sent: list[Command] = []
        self.traces: Counter[str] = Counter()

    async def BatchExecute(  # noqa: N802
        self, request: ledger_pb2.BatchExecuteRequest, context: grpc.aio.ServicerContext
    ) -> ledger_pb2.BatchExecuteResponse:
        commands = list(request.commands)
        code = self.whole_call(commands)
        if code:
            await context.abort(code, "as the test wants it")
        self.sent += commands
        return ledger_pb2.BatchExecuteResponse(results=[self.answer(command) for command in commands])

    def settlements(self, job_id: str) -> list[Command]:
        """Captures and releases of a job that were answered."""
        return [
            command
            for command in self.sent
            if job_id in (command.capture_reservation.reservation_id, command.release_reservation.reservation_id)
        ]


ECHO_RUN = {
    "kind": "python",
    "handler": "echo",
    "retry": "safe",
    "packages": [],
    "measure": {"from": "output", "pointer": "/seconds"},
}
UNSAFE_VERSION = 2


class CatalogDouble(catalog_pb2_grpc.CatalogServiceServicer):
    """Knows one tool, of which version 2 may not be run twice; keeps what it was told."""

    def __init__(self) -> None:
        self.reports: list[catalog_pb2.ReportAvailabilityRequest] = []

    def _tool(self, version: int) -> catalog_pb2.Tool:
        run = ECHO_RUN | ({"retry": "unsafe"} if version == UNSAFE_VERSION else {})
        return catalog_pb2.Tool(slug="echo", version=version, run_json=json.dumps(run).encode())

    async def GetTool(self, request: catalog_pb2.GetToolRequest, _context: object) -> catalog_pb2.GetToolResponse:  # noqa: N802
        return catalog_pb2.GetToolResponse(tool=self._tool(request.version or 1))

    async def ListTools(  # noqa: N802
        self, _request: catalog_pb2.ListToolsRequest, _context: object
    ) -> catalog_pb2.ListToolsResponse:
        return catalog_pb2.ListToolsResponse(tools=[self._tool(1)])

    async def ReportAvailability(  # noqa: N802
        self, request: catalog_pb2.ReportAvailabilityRequest, _context: object
    ) -> catalog_pb2.ReportAvailabilityResponse:
        self.reports.append(request)
        return catalog_pb2.ReportAvailabilityResponse()


@contextlib.asynccontextmanager
async def serving(services: Services, ledger: LedgerDouble, catalog: CatalogDouble) -> AsyncIterator[None]:
    """Both doubles, where the executor expects ledger and catalog."""
    server = grpc.aio.server()
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(ledger, server)
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(catalog, server)
    for name in ("ledger", "catalog"):
        server.add_insecure_port(services.address(name))
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)
