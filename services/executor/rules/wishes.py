"""What may be wished of a job as it stands: that it is canceled, or settled by an operator. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from services.executor import mapping
from services.executor.rules import endings
from services.executor.rules.jobs import SETTLED_BY_OPERATOR, Ending, State, Terms, Transition, Wish, ended
from services.executor.rules.output_files import OutputFile, Place, split
from services.executor.store.rows import Job
from services.runtime.errors import Refusal, invalid

AMOUNT_MICROS_MAX = 2**63 - 1

Decision = Transition | Wish | None
"""What becomes of a job: a step at once, a wish for whoever runs it, or nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A job as it stands, which nobody else can move now."""

    job: Job
    quote: bytes
    output_json: bytes
    """Where an operator settled it."""
    begun: bool
    """Its provider has begun the work, also where it waits for somebody to go on looking at that."""


@dataclass(frozen=True, slots=True)
class Settling:
    """How an operator says that a job ended."""

    job_id: str
    state: State
    """SUCCEEDED or FAILED."""
    units: Mapping[str, int]
    """Used, by name; of those that are not said, the quote's."""
    output_json: bytes
    """Where it succeeded."""
    wish: Wish
    output_files: tuple[OutputFile, ...] = ()
    """Of the output, beside its JSON."""


def check_owner(job: Job, account_id: str) -> None:
    """Raises JOB_NOT_FOUND where the job is not the account's; every job is an operator's, who names none."""
    if account_id not in ("", job.account_id):
        raise not_found(job.job_id)


def not_found(job_id: str) -> Refusal:
    """JOB_NOT_FOUND."""
    return Refusal("JOB_NOT_FOUND", f"there is no job {job_id}", {"job_id": job_id})


def cancel(standing: Standing, wish: Wish) -> Decision:
    """What a cancellation does: before a call it ends the job, during one who runs it is told; raises JOB_ENDED."""
    job = standing.job
    match job.state:
        case State.QUEUED:
            terms = mapping.stored_terms(standing.quote)
            return endings.canceled_waiting((job.job_id, job.fence), terms, wish, standing.begun)
        case State.RUNNING:
            return None if job.cancel_requested_at else wish
        case State.CANCELED:
            return None
        case State.INDETERMINATE:
            raise _ended(job, f"the call of job {job.job_id} has ended; it is being settled how")
        case State.SUCCEEDED | State.FAILED:
            raise _ended(job, f"job {job.job_id} has {job.state} already")


def settle(standing: Standing, settling: Settling) -> Transition | None:
    """The end an operator gives a job whose outcome is not known; None where it was given so before. Raises JOB_ENDED,
    JOB_NOT_INDETERMINATE, REQUEST_INVALID."""
    job = standing.job
    step = _settled(job, mapping.stored_terms(standing.quote), settling)
    if job.state is State.INDETERMINATE:
        return step
    if not job.has_ended:
        raise Refusal(
            "JOB_NOT_INDETERMINATE",
            f"job {job.job_id} is {job.state}: it ends by itself, or is canceled",
            {"job_id": job.job_id, "state": job.state},
        )
    if not (job.indeterminate_at and job.wished_by):
        raise _ended(job, f"job {job.job_id} has {job.state} already")
    known = (job.state, job.units, job.wished_reason)
    # Of an output that was removed since, nobody can say that it was another one.
    same_output = job.content_removed_at or standing.output_json == (step.output_json or b"")
    if same_output and known == (step.after, step.units, settling.wish.reason):
        return None
    raise _ended(job, f"job {job.job_id} was settled otherwise: it has {job.state}, as an operator said")


def with_files(settling: Settling, places: Iterable[Place]) -> Settling:
    """With its output as its tool would have given it, which has files in these places: large ones are beside it."""
    output, files = split(json.loads(settling.output_json), places, settling.job_id)
    if not files:
        return settling
    output_json = json.dumps(output, ensure_ascii=False, separators=(",", ":")).encode()
    return replace(settling, output_json=output_json, output_files=files)


def unknown_for_long(job: Job, terms: Terms, seconds: float) -> Transition:
    """The end of a job whose outcome nobody has told, by its tool's rule for that."""
    return ended(
        job.job_id,
        job.fence,
        State.INDETERMINATE,
        terms,
        Ending.UNKNOWN,
        cause="UNKNOWN_FOR_LONG",
        reason="OUTCOME_UNKNOWN",
        message=f"whether the work was done was not known after {seconds:g} seconds",
        duration_ms=job.duration_ms,
    )


def _settled(job: Job, terms: Terms, settling: Settling) -> Transition:
    counted = {rate.unit for rate in terms.tariff.rates}
    if unknown := settling.units.keys() - counted:
        known = f"counts {', '.join(sorted(counted))}" if counted else "counts none"
        raise invalid("units", f"has {', '.join(sorted(unknown))[:100]}; the price of this tool {known}")
    if terms.tariff.amount(settling.units) > AMOUNT_MICROS_MAX:
        raise invalid("units", "would cost more than any account can hold")
    succeeded = settling.state is State.SUCCEEDED
    return ended(
        job.job_id,
        job.fence,
        State.INDETERMINATE,
        terms,
        Ending.SUCCEEDED if succeeded else Ending.UNKNOWN,
        cause=SETTLED_BY_OPERATOR,
        reason="" if succeeded else "OUTCOME_UNKNOWN",
        message="" if succeeded else f"an operator settled it as failed: {settling.wish.reason}",
        output_json=settling.output_json if succeeded else None,
        output_files=settling.output_files,
        measured=settling.units or None,
        duration_ms=job.duration_ms,
        wish=settling.wish,
    )


def _ended(job: Job, message: str) -> Refusal:
    return Refusal("JOB_ENDED", message, {"job_id": job.job_id, "state": job.state})
