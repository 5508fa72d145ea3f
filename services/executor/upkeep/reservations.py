"""The ledger as the executor uses it: extends the reservations of jobs that shall run, settles those that ended, and
reads reservations to compare them with jobs.

Commands go in batches, one call for many jobs, and may be repeated as often as need be: the request id follows from
the job, and a reservation ends once.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from enum import Enum

import grpc
from scrip.ledger.v1 import ledger_pb2

from scrip_client import LedgerClient
from services.executor import mapping
from services.executor.rules.jobs import Settlement
from services.executor.store.rows import Job
from services.executor.store.settlements import Settled
from services.runtime import logs

log = logs.get("reservations")

CALL_SECONDS = 5.0
PAGE_SIZE = 200
# Once more, at another replica if there is one; what is left over then waits for its next turn and holds nobody up.
ATTEMPTS = 2
# How long a reservation outlives a job that nobody ends; its expiry is an alarm.
BACKSTOP_SECONDS = 30 * 24 * 3600
# What may be different the next time; any other refusal is for good.
_TRANSIENT = frozenset(
    code.value[0]
    for code in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.UNAUTHENTICATED,
    )
)
_CODE_NAMES = frozenset(code.name for code in grpc.StatusCode)
_ENDED = frozenset({"RESERVATION_ENDED", "RESERVATION_EXPIRED"})


class Opening(Enum):
    """What a reservation says to a job that wants to run."""

    OPEN = "open"
    ENDED = "ended"
    NO_ANSWER = "no answer"


class Reservations:
    """Batches of commands to the ledger."""

    def __init__(self, ledger: LedgerClient) -> None:
        self._ledger = ledger

    async def extend(self, jobs: Sequence[Job]) -> list[Opening]:
        """Extends the reservations of jobs to the backstop; anything but OPEN means that the job must not run."""
        openings = []
        for job, result in zip(jobs, await self._execute([_extension(job) for job in jobs]), strict=True):
            match result.WhichOneof("result"):
                case "extend_reservation":
                    is_open = result.extend_reservation.reservation.state == ledger_pb2.Reservation.STATE_OPEN
                    openings.append(Opening.OPEN if is_open else Opening.ENDED)
                case "error" if not _is_transient(result.error):
                    log.warning("extension_refused", job_id=job.job_id, reason=result.error.reason)
                    openings.append(Opening.ENDED)
                case _:
                    openings.append(Opening.NO_ANSWER)
        return openings

    async def settle(self, jobs: Sequence[Job]) -> list[Settled | None]:
        """Captures or releases what ended jobs reserved; None where the ledger has not said anything for good."""
        results = await self._execute([_settlement(job) for job in jobs])
        return [_verdict(job, result) for job, result in zip(jobs, results, strict=True)]

    async def of(self, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], ledger_pb2.Reservation]:
        """Those of the reservations that there are, by account and id, at most 500; raises LedgerError."""
        request = ledger_pb2.BatchGetReservationsRequest()
        for account_id, reservation_id in names:
            request.names.add(account_id=account_id, reservation_id=reservation_id)
        if not request.names:
            return {}
        found = (await self._ledger.batch_get_reservations(request, CALL_SECONDS)).reservations
        return {(one.account_id, one.reservation_id): one for one in found}

    async def open_before(self, moment: datetime) -> AsyncIterator[Sequence[ledger_pb2.Reservation]]:
        """What all accounts have open that was made before a time, page by page; raises LedgerError."""
        request = ledger_pb2.ListOpenReservationsRequest(page_size=PAGE_SIZE)
        request.created_before.FromDatetime(moment)
        while True:
            page = await self._ledger.list_open_reservations(request, CALL_SECONDS)
            yield page.reservations
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def _execute(self, commands: Sequence[ledger_pb2.Command]) -> list[ledger_pb2.CommandResult]:
        return await self._ledger.execute_many(commands, CALL_SECONDS, ATTEMPTS)


def _is_transient(error: ledger_pb2.CommandError) -> bool:
    """Whether nothing was said for good. What has the name of a gRPC code for its reason was not said by the ledger."""
    return error.code in _TRANSIENT or error.reason in _CODE_NAMES


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
        case "error" if _is_transient(result.error):
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
