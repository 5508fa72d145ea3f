"""What may happen to a job and what an ending costs: pure rules, no I/O, no clock.

A job is QUEUED until a worker begins an attempt, RUNNING during one, and ends once: SUCCEEDED, FAILED or CANCELED.
INDETERMINATE is no ending: whether the work was done is not known, and its credits stay reserved until it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.runtime.tariff import Tariff

ATTEMPTS_MAX = 3


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    INDETERMINATE = "INDETERMINATE"


class Settlement(StrEnum):
    """How far the cost of a job is with the ledger."""

    PENDING = "PENDING"
    SETTLED = "SETTLED"
    REFUSED = "REFUSED"


class Retry(StrEnum):
    """Whether a tool may be called again when nobody knows how the last call ended."""

    SAFE = "safe"
    UNSAFE = "unsafe"


class Ending(StrEnum):
    """How a job ended, as far as its cost is concerned."""

    NOT_RUN = "not_run"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


class Charge(StrEnum):
    """What a kind of ending costs."""

    NOTHING = "nothing"
    BASE = "base"
    MEASURED = "measured"


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELED})
TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.FAILED, State.CANCELED}),
    State.RUNNING: frozenset({State.QUEUED, State.INDETERMINATE}) | ENDED,
    State.INDETERMINATE: frozenset({State.SUCCEEDED, State.FAILED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELED: frozenset(),
}


class IllegalTransitionError(Exception):
    """A job cannot go from the one state to the other."""


def check_transition(before: State, after: State) -> None:
    """Raises IllegalTransitionError where a job cannot go from `before` to `after`."""
    if after not in TRANSITIONS[before]:
        raise IllegalTransitionError(f"a job that is {before} cannot become {after}")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a job was quoted at; amounts in microcredits."""

    reserved: int
    tariff: Tariff = field(default_factory=Tariff)
    quoted_units: Mapping[str, int] = field(default_factory=dict)
    charges: Mapping[Ending, Charge] = field(default_factory=dict)
    """By ending; what is not named costs nothing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an ending costs, microcredits: `charge` by the rules, of which `shortfall` lies beyond the reservation."""

    charge: int
    shortfall: int

    @property
    def capture(self) -> int:
        """What is taken from the reservation: min(charge, reserved)."""
        return self.charge - self.shortfall


def cost_of(terms: Terms, ending: Ending, units: Mapping[str, int]) -> Cost:
    """What an ending costs with `units` measured. A tool that was never called costs nothing, whatever its rules, and
    so does one that is charged by what it used, did not succeed and used nothing."""
    rule = Charge.NOTHING if ending is Ending.NOT_RUN else terms.charges.get(ending, Charge.NOTHING)
    match rule:
        case Charge.NOTHING:
            charge = 0
        case Charge.BASE:
            charge = terms.tariff.base
        case Charge.MEASURED:
            used_nothing = terms.tariff.rates and not any(units.values()) and ending is not Ending.SUCCEEDED
            charge = 0 if used_nothing else terms.tariff.amount(units)
    return Cost(charge, max(charge - terms.reserved, 0))


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of one job, to be written if the job still is in `before` under `fence`."""

    job_id: str
    fence: int
    before: State
    after: State
    cause: str
    """Why, for the event: a stable word."""
    reason: str = ""
    """Class of the error; where it did not succeed."""
    message: str = ""
    """A sentence for people; where it did not succeed."""
    output_json: bytes | None = None
    units: Mapping[str, int] | None = None
    """Measured; None: those of the quote stay."""
    duration_ms: int = 0
    cost: Cost = Cost(0, 0)
    delay_seconds: float = 0
    """Back in the queue: how long nobody may claim it."""
    provider_request_id: str = ""
    """The provider's own id of the call, where one was called."""
    provider_status: int = 0
    """HTTP status of its last answer."""

    def __post_init__(self) -> None:
        check_transition(self.before, self.after)


def ended(
    job_id: str,
    fence: int,
    before: State,
    terms: Terms,
    ending: Ending,
    *,
    cause: str,
    reason: str = "",
    message: str = "",
    output_json: bytes | None = None,
    measured: Mapping[str, int] | None = None,
    duration_ms: int = 0,
    provider_request_id: str = "",
    provider_status: int = 0,
) -> Transition:
    """The end of a job, with its price; `measured` units, and of what was not measured those of the quote."""
    units = {**terms.quoted_units, **terms.tariff.named(measured or {})}
    return Transition(
        job_id=job_id,
        fence=fence,
        before=before,
        after={Ending.SUCCEEDED: State.SUCCEEDED, Ending.CANCELED: State.CANCELED}.get(ending, State.FAILED),
        cause=cause,
        reason=reason,
        message=message,
        output_json=output_json,
        units=units,
        duration_ms=duration_ms,
        cost=cost_of(terms, ending, units),
        provider_request_id=provider_request_id,
        provider_status=provider_status,
    )


def after_lost_attempt(
    job_id: str, fence: int, terms: Terms, retry: Retry, attempts: int, cause: str, duration_ms: int = 0
) -> Transition:
    """What becomes of a job whose attempt ended without an answer; `attempts` have begun, this one included."""
    if retry is Retry.UNSAFE:
        return Transition(
            job_id=job_id,
            fence=fence,
            before=State.RUNNING,
            after=State.INDETERMINATE,
            cause=cause,
            reason="OUTCOME_UNKNOWN",
            message="the worker was lost during the call; whether the work was done is not known",
            duration_ms=duration_ms,
        )
    if attempts < ATTEMPTS_MAX:
        return Transition(job_id, fence, State.RUNNING, State.QUEUED, cause, delay_seconds=0.1 * 2**attempts)
    return ended(
        job_id,
        fence,
        State.RUNNING,
        terms,
        Ending.FAILED,
        cause=cause,
        reason="WORKER_CRASHED",
        message=f"the worker was lost during each of {attempts} attempts",
        duration_ms=duration_ms,
    )
