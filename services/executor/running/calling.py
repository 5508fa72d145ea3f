"""The call of a claimed job whose attempt is committed, and what it means for the job however it ends."""

import asyncio
from dataclasses import replace

from services.executor.following.live import Live
from services.executor.providers.client import NoAnswerError
from services.executor.providers.health import ProviderDownError
from services.executor.rules import endings
from services.executor.rules.answers import Answer, ToolAnswer
from services.executor.rules.jobs import (
    CALL_BROKE,
    NO_ANSWER,
    WORKER_CRASHED,
    Loss,
    Retry,
    State,
    Transition,
    after_lost_attempt,
)
from services.executor.running.leases import CanceledError, Held
from services.executor.running.pool import CallTimedOutError, WorkerLostError
from services.executor.running.resumption import ClaimLostError, HandedOverError, Resumption
from services.executor.running.runner import Runner
from services.executor.running.specs import RunSpec
from services.executor.store.rows import Job
from services.runtime import clock, logs

log = logs.get("calling")


class Calls:
    """One a process."""

    def __init__(self, runner: Runner, resumption: Resumption, live: Live) -> None:
        self._runner = runner
        self._resumption = resumption
        self._live = live
        self._stopping = False

    def stop(self) -> None:
        """From now on no call leaves, and nobody here looks at work that begins."""
        self._stopping = True
        self._resumption.stop()

    async def call(self, held: Held, spec: RunSpec, job: Job) -> Transition | None:
        """Looks at the lease once more and makes the call; answers how it ended. None: the job is not ours any more."""
        if self._stopping or not held.is_ours():
            return endings.not_called(held.key)
        if held.is_past_deadline():
            return self._late(held, spec)
        called_at = held.begin_call()
        held.resumable = held.claim.work is not None
        course = held.course
        course.meter = spec.meter(held.claim.input_json, held.terms)
        try:
            async with held.until_canceled():
                with self._live.telling(job, course.meter):
                    answer = await self._runner.run(spec, held, self._resumption.keep)
        except ClaimLostError:
            return None
        except (asyncio.CancelledError, HandedOverError):
            return _stopped(held, spec, called_at)
        except CanceledError:
            self._runner.stop_work(spec, course)
            return endings.canceled(held.key, held.terms, _ms_since(called_at), course)
        except ProviderDownError:
            return endings.provider_down(held.key, job.attempts, course.report)
        except CallTimedOutError:
            self._runner.stop_work(spec, course)
            return _timed_out(held, called_at)
        except WorkerLostError as error:
            return _lost(held, spec, job, WORKER_CRASHED, called_at, error)
        except NoAnswerError as error:
            return _lost(held, spec, job, NO_ANSWER, called_at, error)
        except Exception as error:  # noqa: BLE001 (a defect of ours: told at once, and not when a lease runs out)
            return _lost(held, spec, job, CALL_BROKE, called_at, error)
        finally:
            # What follows is written here.
            held.resumable = False
        _tell(job, answer)
        step = endings.answered(held.key, held.terms, answer, _ms_since(called_at), course.report)
        return replace(step, cache_seconds=spec.cache_seconds) if step.after is State.SUCCEEDED else step

    def _late(self, held: Held, spec: RunSpec) -> Transition:
        """The end of a job whose deadline passed between its attempt and the call."""
        if held.claim.work is None:
            return endings.past_deadline(held.key, held.terms, State.RUNNING)
        self._runner.stop_work(spec, held.course)
        return endings.stopped_at_deadline(held.key, held.terms, State.RUNNING, 0, held.course)


def _stopped(held: Held, spec: RunSpec, called_at: float) -> Transition:
    """This executor stops in the middle of the call."""
    took, course = _ms_since(called_at), held.course
    if course.meter is not None and spec.retry is Retry.UNSAFE:
        return endings.cut_here(held.key, held.terms, took, course)
    return endings.handed_over(held.key, held.terms, spec.retry, took, course.report, resumable=held.resumable)


def _timed_out(held: Held, called_at: float) -> Transition:
    took, course = _ms_since(called_at), held.course
    if held.was_stopped_by_deadline():
        return endings.stopped_at_deadline(held.key, held.terms, State.RUNNING, took, course)
    return endings.timed_out(held.key, held.terms, held.timeout_seconds, took, course)


def _lost(held: Held, spec: RunSpec, job: Job, loss: Loss, called_at: float, error: Exception) -> Transition:
    """There is no answer; the log gets why."""
    tell = log.exception if loss is CALL_BROKE else log.warning
    tell("call_lost", job_id=job.job_id, tool=job.tool, cause=loss.cause, error=repr(error))
    report = held.course.report
    return after_lost_attempt(*held.key, held.terms, spec.retry, job.losses + 1, loss, _ms_since(called_at), report)


def _tell(job: Job, answer: ToolAnswer) -> None:
    """The log gets what callers do not."""
    if answer.answer is Answer.FAILED:
        log.error("tool_failed", job_id=job.job_id, tool=job.tool, detail=answer.detail)
    elif answer.answer is not Answer.OUTPUT:
        log.info("tool_refused", job_id=job.job_id, tool=job.tool, answer=answer.answer, reason=answer.reason)


def _ms_since(began: float) -> int:
    return round((clock.monotonic() - began) * 1000)
