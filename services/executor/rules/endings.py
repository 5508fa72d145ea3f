"""What a step of a job becomes after whatever happened to its call; pure."""

from services.executor.providers.circuit import PAUSE_MOST_SECONDS
from services.executor.providers.course import Course
from services.executor.rules.answers import Answer, ToolAnswer
from services.executor.rules.jobs import (
    CANCEL_REQUESTED,
    EXECUTOR_STOPPED,
    NO_REPORT,
    SETTLED_BY_INSPECTION,
    Cost,
    Ending,
    ProviderReport,
    Retry,
    State,
    Terms,
    Transition,
    Wish,
    after_lost_attempt,
    ended,
)

Key = tuple[str, int]
"""Job id and fence."""
NOT_CALLED = "NOT_CALLED"
PROVIDER_DOWN = "PROVIDER_DOWN"
DEADLINE_PASSED = "DEADLINE_PASSED"
NOTHING_DONE = frozenset({NOT_CALLED, PROVIDER_DOWN})
# A job that its provider never answers, though it does others, must not be for ever the one that asks whether it is
# back: after so many attempts it lets others ask before it.
FIRST_ATTEMPTS = 3
BEHIND_SECONDS = 1.5 * PAUSE_MOST_SECONDS


def not_run(key: Key, terms: Terms, reason: str, message: str) -> Transition:
    """The end of a job whose tool was never called; it costs nothing."""
    return ended(*key, State.QUEUED, terms, Ending.NOT_RUN, cause=reason, reason=reason, message=message)


def given_again(key: Key, terms: Terms, output_json: bytes) -> Transition:
    """The end of a job whose output is known from one before; its tool is not called, and nothing is used."""
    return Transition(
        *key,
        State.QUEUED,
        State.SUCCEEDED,
        "CACHED",
        output_json=output_json,
        units=dict.fromkeys(terms.quoted_units, 0),
        cost=Cost(terms.cached, max(terms.cached - terms.reserved, 0)),
    )


def not_called(key: Key) -> Transition:
    """An attempt was committed but no call left: the job may begin again, whatever its tool says."""
    return Transition(*key, State.RUNNING, State.QUEUED, NOT_CALLED)


def provider_down(key: Key, attempts: int, report: ProviderReport) -> Transition:
    """The provider did nothing, and is down: the job waits for it."""
    delay = 0 if attempts < FIRST_ATTEMPTS else BEHIND_SECONDS
    return Transition(*key, State.RUNNING, State.QUEUED, PROVIDER_DOWN, delay_seconds=delay, report=report)


def answered(
    key: Key,
    terms: Terms,
    answer: ToolAnswer,
    duration_ms: int,
    report: ProviderReport = NO_REPORT,
    *,
    before: State = State.RUNNING,
    cause: str = "ANSWERED",
) -> Transition:
    """The end of a job whose tool answered."""
    match answer.answer:
        case Answer.OUTPUT:
            ending, reason = Ending.SUCCEEDED, ""
        case Answer.REJECTED:
            ending, reason = Ending.REFUSED, "INPUT_REJECTED"
        case Answer.REFUSED:
            ending, reason = Ending.REFUSED, "CONTENT_REFUSED"
        case Answer.TOO_LARGE:
            ending, reason = Ending.FAILED, "OUTPUT_TOO_LARGE"
        case Answer.FAILED:
            ending, reason = Ending.FAILED, answer.reason or "TOOL_FAILED"
    return ended(
        *key,
        before,
        terms,
        ending,
        cause=cause,
        reason=reason,
        message=answer.message,
        output_json=answer.output_json if ending is Ending.SUCCEEDED else None,
        output_files=answer.output_files,
        measured=answer.units,
        duration_ms=duration_ms,
        report=report,
        called=answer.worked,
    )


def found(key: Key, terms: Terms, answer: ToolAnswer, duration_ms: int, report: ProviderReport) -> Transition:
    """The end of a job whose outcome was not known: what its provider, asked for it, says that the tool answered."""
    return answered(key, terms, answer, duration_ms, report, before=State.INDETERMINATE, cause=SETTLED_BY_INSPECTION)


def never_begun(key: Key, terms: Terms, duration_ms: int, report: ProviderReport) -> Transition:
    """The end of a job whose outcome was not known, and of which its provider knows nothing; it costs nothing."""
    return ended(
        *key,
        State.INDETERMINATE,
        terms,
        Ending.NOT_RUN,
        cause=SETTLED_BY_INSPECTION,
        reason="NEVER_BEGUN",
        message="the provider never began the work; try again",
        duration_ms=duration_ms,
        report=report,
    )


def timed_out(key: Key, terms: Terms, timeout_seconds: float, duration_ms: int, course: Course) -> Transition:
    """The end of a job whose call was stopped at its time limit."""
    return ended(
        *key,
        State.RUNNING,
        terms,
        Ending.TIMED_OUT,
        cause="TIMED_OUT",
        reason="TIMED_OUT",
        message=f"the tool did not end within {timeout_seconds:g} seconds",
        measured=course.metered,
        duration_ms=duration_ms,
        report=course.report,
    )


def cut_here(key: Key, terms: Terms, duration_ms: int, course: Course) -> Transition:
    """This executor stops, and with it the stream it reads: the provider goes no further, and what came is known."""
    return ended(
        *key,
        State.RUNNING,
        terms,
        Ending.FAILED,
        cause=EXECUTOR_STOPPED.cause,
        reason="STREAM_CUT",
        message="the answer was cut off here; try again",
        measured=course.metered,
        duration_ms=duration_ms,
        report=course.report,
    )


def canceled_waiting(key: Key, terms: Terms, wish: Wish, begun: bool) -> Transition:
    """The end of a job that somebody cancels while it waits; it costs nothing, unless its provider has begun."""
    return ended(
        *key,
        State.QUEUED,
        terms,
        Ending.CANCELED,
        cause=CANCEL_REQUESTED,
        reason="CANCELED",
        message="the job was canceled while it ran" if begun else "the job was canceled before it began",
        called=begun,
        wish=wish,
    )


def canceled(key: Key, terms: Terms, duration_ms: int, course: Course) -> Transition:
    """The end of a job that somebody canceled, as its row says, during its call."""
    return ended(
        *key,
        State.RUNNING,
        terms,
        Ending.CANCELED,
        cause=CANCEL_REQUESTED,
        reason="CANCELED",
        message="the job was canceled while it ran",
        measured=course.metered,
        duration_ms=duration_ms,
        report=course.report,
    )


def canceled_uncalled(key: Key, terms: Terms) -> Transition:
    """The end of a job that somebody canceled, as its row says, when an attempt had begun and no call had left."""
    return ended(
        *key,
        State.RUNNING,
        terms,
        Ending.CANCELED,
        cause=CANCEL_REQUESTED,
        reason="CANCELED",
        message="the job was canceled before it began",
        called=False,
    )


def canceled_instead(step: Transition, terms: Terms, begun: bool) -> Transition:
    """What an attempt ends with that would go back to the queue or stay open, had nobody canceled its job. `begun`: its
    provider has been at the work since an attempt before."""
    key = step.job_id, step.fence
    if step.cause in NOTHING_DONE and not begun:
        return canceled_uncalled(key, terms)
    return canceled(key, terms, step.duration_ms, Course(report=step.report))


def past_deadline(key: Key, terms: Terms, before: State) -> Transition:
    """The end of a job that had not begun by its deadline; it costs nothing."""
    return ended(
        *key,
        before,
        terms,
        Ending.CANCELED,
        cause=DEADLINE_PASSED,
        reason=DEADLINE_PASSED,
        message="the job had not begun by its deadline",
        called=False,
    )


def stopped_at_deadline(key: Key, terms: Terms, before: State, duration_ms: int, course: Course) -> Transition:
    """The end of a job that had begun and had not ended by its deadline."""
    return ended(
        *key,
        before,
        terms,
        Ending.CANCELED,
        cause=DEADLINE_PASSED,
        reason=DEADLINE_PASSED,
        message="the job had not ended by its deadline",
        measured=course.metered,
        duration_ms=duration_ms,
        report=course.report,
    )


def handed_over(
    key: Key,
    terms: Terms,
    retry: Retry,
    duration_ms: int,
    report: ProviderReport = NO_REPORT,
    *,
    resumable: bool,
) -> Transition:
    """This executor stops, and the call with it; what a provider has begun is `resumable`, whatever the tool says."""
    if resumable or retry is Retry.SAFE:
        return Transition(*key, State.RUNNING, State.QUEUED, EXECUTOR_STOPPED.cause, report=report)
    return after_lost_attempt(*key, terms, retry, 1, EXECUTOR_STOPPED, duration_ms, report)
