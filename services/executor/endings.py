"""What a step of a job becomes after whatever happened to its call; pure."""

from collections.abc import Mapping

from services.executor.jobs import Ending, Retry, State, Terms, Transition, after_lost_attempt, ended
from services.executor.worker import Answer, ToolAnswer

Key = tuple[str, int]
"""Job id and fence."""


def not_run(key: Key, terms: Terms, reason: str, message: str) -> Transition:
    """The end of a job whose tool was never called; it costs nothing."""
    return ended(*key, State.QUEUED, terms, Ending.NOT_RUN, cause=reason, reason=reason, message=message)


def not_called(key: Key) -> Transition:
    """An attempt was committed but no call left: the job may begin again, whatever its tool says."""
    return Transition(*key, State.RUNNING, State.QUEUED, "NOT_CALLED")


def answered(key: Key, terms: Terms, answer: ToolAnswer, duration_ms: int) -> Transition:
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
        State.RUNNING,
        terms,
        ending,
        cause="ANSWERED",
        reason=reason,
        message=answer.message,
        output_json=answer.output_json if ending is Ending.SUCCEEDED else None,
        measured=answer.units,
        duration_ms=duration_ms,
        provider_request_id=answer.provider_request_id,
        provider_status=answer.provider_status,
    )


def timed_out(
    key: Key, terms: Terms, timeout_seconds: float, duration_ms: int, metered: Mapping[str, int] | None = None
) -> Transition:
    """The end of a job whose call was stopped at its time limit."""
    return ended(
        *key,
        State.RUNNING,
        terms,
        Ending.TIMED_OUT,
        cause="TIMED_OUT",
        reason="TIMED_OUT",
        message=f"the tool did not end within {timeout_seconds:g} seconds",
        measured=metered,
        duration_ms=duration_ms,
    )


def cut_here(key: Key, terms: Terms, metered: Mapping[str, int], duration_ms: int) -> Transition:
    """This executor stops, and with it the stream it reads: the provider goes no further, and what came is known."""
    return ended(
        *key,
        State.RUNNING,
        terms,
        Ending.FAILED,
        cause="EXECUTOR_STOPPED",
        reason="STREAM_CUT",
        message="the answer was cut off here; try again",
        measured=metered,
        duration_ms=duration_ms,
    )


def handed_over(key: Key, terms: Terms, retry: Retry, attempts: int, duration_ms: int) -> Transition:
    """This executor stops, and the call with it."""
    if retry is Retry.SAFE:
        return Transition(*key, State.RUNNING, State.QUEUED, "EXECUTOR_STOPPED")
    return after_lost_attempt(*key, terms, retry, attempts, "EXECUTOR_STOPPED", duration_ms)
