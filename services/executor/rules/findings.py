"""Where jobs and reservations do not fit together: what is a finding, and what to do about it; pure rules.

A job that has not ended holds its reservation open; one that has ended ends it, by a capture of what the job cost or a
release. What is under way may differ for a moment, so whoever asks passes over what is younger than a grace.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from scrip.ledger.v1 import ledger_pb2

from services.executor.rules.jobs import Settlement, State
from services.executor.store.rows import Job

OPEN = ledger_pb2.Reservation.STATE_OPEN
# In these a tool was called: what it costs must still be captured. A job that waits asks for its reservation itself.
BEGUN = (State.RUNNING, State.INDETERMINATE)


class Kind(StrEnum):
    """What does not fit."""

    SETTLEMENT_LATE = "settlement_late"
    SETTLEMENT_REFUSED = "settlement_refused"
    CAPTURED_OTHERWISE = "captured_otherwise"
    RESERVATION_WITHOUT_JOB = "reservation_without_job"
    RESERVATION_LEFT_OPEN = "reservation_left_open"
    RESERVATION_ENDED_EARLY = "reservation_ended_early"


ADVICE: Mapping[Kind, str] = {
    Kind.SETTLEMENT_LATE: "It is tried again by itself: see whether the ledger is ready, and what the executor's log "
    "says of it.",
    Kind.SETTLEMENT_REFUSED: "Nothing more is captured for it: see `scrip explain` of the account, and correct its "
    "balance with `scrip adjust` where the job's cost is owed.",
    Kind.CAPTURED_OTHERWISE: "The ledger's amount is what the account paid: give back what is too much with `scrip "
    "refund`, or correct the balance with `scrip adjust`.",
    Kind.RESERVATION_WITHOUT_JOB: "Its credits come back when it expires: see `scrip reservations` of the account, and "
    "what made it.",
    Kind.RESERVATION_LEFT_OPEN: "The job is settled, and the ledger does not know: verify the ledger's log with `scrip "
    "verify`; the credits come back when the reservation expires.",
    Kind.RESERVATION_ENDED_EARLY: "What the job costs cannot be captured any more: see `scrip explain` of the account "
    "for what ended it.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit; amounts in microcredits."""

    kind: Kind
    account_id: str
    job_id: str
    """Also the reservation's."""
    tool: str
    """Empty where there is no job."""
    reason: str
    """The ledger's, where it refused."""
    job_micros: int
    """What the job says, or means, to be captured."""
    ledger_micros: int
    """What the ledger captured, or still holds where the reservation is open."""
    since: datetime

    @property
    def key(self) -> tuple[Kind, str, str]:
        """What makes it the same finding as an earlier run's."""
        return self.kind, self.account_id, self.job_id


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found, the oldest first."""

    findings: Sequence[Finding]
    cut_off: Collection[Kind]
    """Kinds of which there are more."""
    ran_at: datetime
    compared_until: datetime
    """Jobs that were settled until then were compared."""


def of_unsettled(job: Job, reservation: ledger_pb2.Reservation | None) -> Finding:
    """An ended job that the ledger has not acknowledged for too long, or has refused for good."""
    refused = job.settlement is Settlement.REFUSED
    kind = Kind.SETTLEMENT_REFUSED if refused else Kind.SETTLEMENT_LATE
    return _of_job(kind, job, _has(reservation), job.finished_at or job.created_at)


def of_settled(job: Job, reservation: ledger_pb2.Reservation | None) -> Finding | None:
    """A settled job and its reservation; one that is open is a finding of its own."""
    if reservation is not None and (reservation.state == OPEN or reservation.captured_micros == job.captured_micros):
        return None
    return _of_job(Kind.CAPTURED_OTHERWISE, job, _has(reservation), job.finished_at or job.created_at)


def of_open(reservation: ledger_pb2.Reservation, job: Job | None) -> Finding | None:
    """An open reservation and the job of its id, read after it."""
    if job is None or job.account_id != reservation.account_id:
        return Finding(
            kind=Kind.RESERVATION_WITHOUT_JOB,
            account_id=reservation.account_id,
            job_id=reservation.reservation_id,
            tool="",
            reason="",
            job_micros=0,
            ledger_micros=_has(reservation),
            since=reservation.created_at.ToDatetime(tzinfo=UTC),
        )
    if job.settlement is not Settlement.SETTLED:
        return None
    return _of_job(Kind.RESERVATION_LEFT_OPEN, job, _has(reservation), job.finished_at or job.created_at)


def of_begun(job: Job, reservation: ledger_pb2.Reservation | None) -> Finding | None:
    """A job whose tool was called and that has not ended, read after its reservation."""
    if job.state not in BEGUN or (reservation is not None and reservation.state == OPEN):
        return None
    since = reservation.ended_at.ToDatetime(tzinfo=UTC) if reservation else job.created_at
    return _of_job(Kind.RESERVATION_ENDED_EARLY, job, _has(reservation), since)


def _has(reservation: ledger_pb2.Reservation | None) -> int:
    """What an open one still holds, what an ended one captured; 0 where there is none."""
    if reservation is None:
        return 0
    return reservation.reserved_micros if reservation.state == OPEN else reservation.captured_micros


def _of_job(kind: Kind, job: Job, ledger_micros: int, since: datetime) -> Finding:
    job_micros = job.captured_micros if job.settlement is Settlement.SETTLED else job.capture_micros
    return Finding(kind, job.account_id, job.job_id, job.tool, job.settlement_reason, job_micros, ledger_micros, since)
