"""What may happen to a job and what an ending costs: pure rules, no I/O, no clock.

A job is QUEUED until a worker begins an attempt, RUNNING during one, and ends once: SUCCEEDED, FAILED or CANCELED.
INDETERMINATE is no ending: whether the work was done is not known, and its credits stay reserved until it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from services.executor.rules.output_files import OutputFile
from services.runtime.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Loss:
    """How an attempt ended of which there is no answer."""

    cause: str
    """A stable word, for the event."""
    reason: str
    """Of a job that fails for it."""
    told: str
    """What happened, for people."""
    most: int
    """As often may it happen to a job whose tool may be called again, losses of other kinds included."""


WORKER_CRASHED = Loss("WORKER_CRASHED", "WORKER_CRASHED", "the tool's process was lost", most=3)
NO_ANSWER = Loss("NO_ANSWER", "PROVIDER_UNAVAILABLE", "the provider's answer did not come, or not whole", most=3)
CALL_BROKE = Loss("CALL_BROKE", "INTERNAL", "what became of the call could not be followed", most=3)
# One job may take its executor down, and all that this holds.
LEASE_EXPIRED = Loss("LEASE_EXPIRED", "WORKER_CRASHED", "the executor was lost", most=8)
# No loss where the tool may be called again.
EXECUTOR_STOPPED = Loss("EXECUTOR_STOPPED", "", "the executor stopped", most=0)
LOSSES = frozenset({loss.cause for loss in (WORKER_CRASHED, NO_ANSWER, CALL_BROKE, LEASE_EXPIRED)})


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


class Priority(IntEnum):
    """Who is served first among the jobs whose turn it is: the lower number."""

    INTERACTIVE = 100
    BATCH = 200


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
    # SUCCEEDED at once: what it would give is known.
    State.QUEUED: frozenset({State.RUNNING}) | ENDED,
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
    exact: bool = True
    """Whether the call uses just these; else they are the most it may use."""
    charges: Mapping[Ending, Charge] = field(default_factory=dict)
    """By ending; what is not named costs nothing."""
    cached: int = 0
    """What an output costs that is given again."""


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
class ProviderReport:
    """What is known of the call of a provider, for whoever compares its bill with ours."""

    provider: str = ""
    """Who was called; empty: nobody."""
    request_id: str = ""
    """The provider's own id of the call."""
    status: int = 0
    """HTTP status of its last answer; 0: there was none."""
    latency_ms: int = 0
    """From the first request to the last answer, or to when no answer was waited for any more."""
    usage: Mapping[str, int] = field(default_factory=dict)
    """By unit: what it says was used."""


NO_REPORT = ProviderReport()


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants a job to end, and why in their words: its account cancels it, an operator cancels or settles it."""

    actor: str
    key_id: str
    reason: str = ""


# Causes of steps that somebody wished for: their events name who.
CANCEL_REQUESTED = "CANCEL_REQUESTED"
SETTLED_BY_OPERATOR = "SETTLED_BY_OPERATOR"
WISHED = frozenset({CANCEL_REQUESTED, SETTLED_BY_OPERATOR})
# The cause of an ending that the provider told when it was asked what became of a work.
SETTLED_BY_INSPECTION = "SETTLED_BY_INSPECTION"


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
    output_files: tuple[OutputFile, ...] = ()
    """Of the output, beside its JSON."""
    units: Mapping[str, int] | None = None
    """Measured; None: those of the quote stay."""
    duration_ms: int = 0
    cost: Cost = Cost(0, 0)
    delay_seconds: float = 0
    """Back in the queue: how long nobody may claim it."""
    report: ProviderReport = NO_REPORT
    """Of the attempt that this step ends."""
    wish: Wish | None = None
    """Who wants it, where the row does not say so yet."""
    cache_seconds: float = 0
    """How long its output may be given again; 0: never."""

    def __post_init__(self) -> None:
        check_transition(self.before, self.after)

    @property
    def is_loss(self) -> bool:
        """Whether the worker of the attempt was lost."""
        return self.before is State.RUNNING and self.cause in LOSSES

    @property
    def ends(self) -> bool:
        """Whether the job has ended after it."""
        return self.after in ENDED


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
    output_files: tuple[OutputFile, ...] = (),
    measured: Mapping[str, int] | None = None,
    duration_ms: int = 0,
    report: ProviderReport = NO_REPORT,
    called: bool = True,
    wish: Wish | None = None,
) -> Transition:
    """The end of a job, with its price; it is free where its tool was not called.

    Units are those measured, and of what was not measured those of the quote; of a work that was not done and of which
    nothing was measured, those of a quote that is not exact are but the most it could have used.
    """
    units = dict(terms.quoted_units)
    if measured is not None:
        units |= terms.tariff.named(measured)
    elif not terms.exact and ending not in (Ending.SUCCEEDED, Ending.NOT_RUN):
        units = dict.fromkeys(units, 0)
    return Transition(
        job_id=job_id,
        fence=fence,
        before=before,
        after={Ending.SUCCEEDED: State.SUCCEEDED, Ending.CANCELED: State.CANCELED}.get(ending, State.FAILED),
        cause=cause,
        reason=reason,
        message=message,
        output_json=output_json,
        output_files=output_files,
        units=units,
        duration_ms=duration_ms,
        cost=cost_of(terms, ending if called else Ending.NOT_RUN, units),
        report=report,
        wish=wish,
    )


def after_lost_attempt(
    job_id: str,
    fence: int,
    terms: Terms,
    retry: Retry,
    losses: int,
    loss: Loss,
    duration_ms: int = 0,
    report: ProviderReport = NO_REPORT,
) -> Transition:
    """What becomes of a job whose attempt ended without an answer; so did `losses`, this one included."""
    if retry is Retry.UNSAFE:
        return Transition(
            job_id=job_id,
            fence=fence,
            before=State.RUNNING,
            after=State.INDETERMINATE,
            cause=loss.cause,
            reason="OUTCOME_UNKNOWN",
            message=f"{loss.told}; whether the work was done is not known",
            duration_ms=duration_ms,
            report=report,
        )
    if losses < loss.most:
        delay = 0.1 * 2**losses
        return Transition(job_id, fence, State.RUNNING, State.QUEUED, loss.cause, delay_seconds=delay, report=report)
    return ended(
        job_id,
        fence,
        State.RUNNING,
        terms,
        Ending.FAILED,
        cause=loss.cause,
        reason=loss.reason,
        message=f"{loss.told}, in the last of {losses} attempts without an outcome",
        duration_ms=duration_ms,
        report=report,
    )


def after_lost_look(job_id: str, fence: int, terms: Terms, may_resume: bool) -> Transition:
    """What becomes of a job whose provider has begun the work, and whose worker was lost over it: another one goes on
    looking, however often, until the time of the call is over. What was lost over the last look after that has timed
    out."""
    if may_resume:
        return Transition(job_id, fence, State.RUNNING, State.QUEUED, "RESUMABLE")
    return ended(
        job_id,
        fence,
        State.RUNNING,
        terms,
        Ending.TIMED_OUT,
        cause=LEASE_EXPIRED.cause,
        reason="TIMED_OUT",
        message="the provider's work did not end within the time of the call",
    )
