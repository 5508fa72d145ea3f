"""The ledger as the executor uses it: extends the reservations of jobs that shall run, settles those that ended.

Both go in batches, one call for many jobs, and both may be repeated as often as need be: the request id follows from
the job, and a reservation ends once.
"""

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

import grpc
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from services.executor import mapping
from services.executor.jobs import Settlement
from services.executor.store.rows import Job
from services.executor.store.settlements import Settled
from services.runtime import logs
from services.runtime.errors import Refusal
from services.runtime.grpc_client import Peer

if TYPE_CHECKING:
    from scrip.ledger.v1.ledger_pb2_grpc import LedgerServiceAsyncStub

log = logs.get("reservations")

CALL_SECONDS = 5.0
# How long a reservation outlives a job that nobody ends; its expiry is an alarm.
BACKSTOP_SECONDS = 30 * 24 * 3600
# Calls one batch may be parted into; what is left over then waits for its next turn.
CALLS_MAX = 64
_OUTAGES = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
)
# What may be different the next time; any other refusal is for good.
_TRANSIENT = frozenset(
    code.value[0]
    for code in (*_OUTAGES, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAUTHENTICATED)
)
_ENDED = frozenset({"RESERVATION_ENDED", "RESERVATION_EXPIRED"})


class Opening(Enum):
    """What a reservation says to a job that wants to run."""

    OPEN = "open"
    ENDED = "ended"
    NO_ANSWER = "no answer"


class Reservations:
    """Batches of commands to the ledger."""

    def __init__(self, ledger: Peer) -> None:
        self._ledger = ledger
        self._stub: LedgerServiceAsyncStub = ledger_pb2_grpc.LedgerServiceStub(ledger.channel)

    async def extend(self, jobs: Sequence[Job]) -> list[Opening]:
        """Extends the reservations of jobs to the backstop; anything but OPEN means that the job must not run."""
        openings = []
        for job, result in zip(jobs, await self._execute([_extension(job) for job in jobs]), strict=True):
            match result.WhichOneof("result"):
                case "extend_reservation":
                    is_open = result.extend_reservation.reservation.state == ledger_pb2.Reservation.STATE_OPEN
                    openings.append(Opening.OPEN if is_open else Opening.ENDED)
                case "error" if result.error.code not in _TRANSIENT:
                    log.warning("extension_refused", job_id=job.job_id, reason=result.error.reason)
                    openings.append(Opening.ENDED)
                case _:
                    openings.append(Opening.NO_ANSWER)
        return openings

    async def settle(self, jobs: Sequence[Job]) -> list[Settled | None]:
        """Captures or releases what ended jobs reserved; None where the ledger has not said anything for good."""
        results = await self._execute([_settlement(job) for job in jobs])
        return [_verdict(job, result) for job, result in zip(jobs, results, strict=True)]

    async def _execute(self, commands: Sequence[ledger_pb2.Command]) -> list[ledger_pb2.CommandResult]:
        """One result a command. A call that fails as a whole, but not for an outage, is parted until what is at fault
        stands alone; so one command that the ledger chokes on holds nobody else up."""
        results: list[ledger_pb2.CommandResult] = []
        parts = [commands]
        calls_left = CALLS_MAX
        while parts:
            part = parts.pop()
            calls_left -= 1
            answered, failure = await self._call(part)
            if not failure:
                results += answered
            elif len(part) > 1 and calls_left > len(parts) and failure.code not in _OUTAGES:
                log.error("batch_parted", n=len(part), reason=failure.reason, error=failure.message)
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            else:
                results += [_failed(failure)] * len(part)
        return results

    async def _call(
        self, commands: Sequence[ledger_pb2.Command]
    ) -> tuple[Sequence[ledger_pb2.CommandResult], Refusal | None]:
        request = ledger_pb2.BatchExecuteRequest(commands=commands)
        try:
            response = await self._ledger.call(self._stub.BatchExecute, request, timeout=CALL_SECONDS)
        except Refusal as error:
            return [], error
        if len(response.results) != len(commands):
            return [], Refusal("INTERNAL", f"{len(response.results)} results for {len(commands)} commands")
        return response.results, None


def _failed(failure: Refusal) -> ledger_pb2.CommandResult:
    return ledger_pb2.CommandResult(
        error=ledger_pb2.CommandError(
            code=failure.code.value[0], reason=failure.reason, message=failure.message, metadata=failure.metadata
        )
    )


def _extension(job: Job) -> ledger_pb2.Command:
    command = ledger_pb2.Command()
    extend = command.extend_reservation
    extend.request_id = f"extend-{job.job_id}"
    extend.account_id = job.account_id
    extend.reservation_id = job.job_id
    extend.ttl.FromSeconds(BACKSTOP_SECONDS)
    extend.subject.CopyFrom(mapping.subject_of(job))
    return command


def _settlement(job: Job) -> ledger_pb2.Command:
    command = ledger_pb2.Command()
    if job.capture_micros:
        command.capture_reservation.captured_total_micros = job.capture_micros
        command.capture_reservation.final = True
    target = command.capture_reservation if job.capture_micros else command.release_reservation
    target.request_id = f"settle-{job.job_id}"
    target.account_id = job.account_id
    target.reservation_id = job.job_id
    target.subject.CopyFrom(mapping.subject_of(job))
    return command


def _verdict(job: Job, result: ledger_pb2.CommandResult) -> Settled | None:
    match result.WhichOneof("result"):
        case "capture_reservation":
            return _captured(job, result.capture_reservation.reservation.captured_micros)
        case "release_reservation":
            return _captured(job, result.release_reservation.reservation.captured_micros)
        case "error" if result.error.code in _TRANSIENT:
            return None
        case "error" if result.error.reason in _ENDED and "captured_micros" in result.error.metadata:
            # It ended before, for instance under a request id the ledger has forgotten: what counts is with how much.
            return _captured(job, int(result.error.metadata["captured_micros"]), result.error.reason)
        case "error":
            return Settled(job.job_id, Settlement.REFUSED, reason=result.error.reason or "UNKNOWN")
        case _:
            return Settled(job.job_id, Settlement.REFUSED, reason="ANSWER_UNKNOWN")


def _captured(job: Job, captured: int, otherwise: str = "CAPTURED_OTHERWISE") -> Settled:
    if captured == job.capture_micros:
        return Settled(job.job_id, Settlement.SETTLED, captured)
    return Settled(job.job_id, Settlement.REFUSED, reason=otherwise)
