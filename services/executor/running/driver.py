"""Drives one claimed job through its steps; every step goes together with the same step of other jobs.

Its reservation is extended and must be OPEN → its attempt is committed → the lease is looked at once more → the call →
the outcome is committed. What stops it before the attempt puts it back into the queue; what stops it after is decided
by whether its tool may be called twice.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace

from services.executor import meters
from services.executor.following.live import Live
from services.executor.following.watch import Watches
from services.executor.patience import Patience
from services.executor.providers.health import ProviderDownError
from services.executor.rules import endings
from services.executor.rules.endings import Key
from services.executor.rules.jobs import Retry, State, Transition, after_lost_attempt
from services.executor.running.admission import Admission, PutBack
from services.executor.running.inputs import InputGoneError, Inputs
from services.executor.running.leases import CanceledError, Held, Leases
from services.executor.running.pool import CallTimedOutError, WorkerLostError
from services.executor.running.resumption import ClaimLostError, HandedOverError, Resumption
from services.executor.running.runner import Runner
from services.executor.running.specs import RunSpec
from services.executor.running.worker import Answer, ToolAnswer
from services.executor.store import attempts, cached, claims
from services.executor.store.attempts import Beginning
from services.executor.store.rows import Job
from services.executor.upkeep.abandoned import Abandoned
from services.executor.upkeep.mover import Mover
from services.executor.upkeep.settlement import Settler
from services.runtime import clock, logs, tracing
from services.runtime.errors import Refusal
from services.runtime.event_log import EventLog
from services.runtime.grouping import Grouped
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("driver")

# Until files of the input are asked for again, while the object store does not answer.
FILES_SECONDS = 2.0


class Driver:
    """One a process. `drive` is a task of each job; `loops` must run beside it."""

    def __init__(
        self,
        executor_id: str,
        pool: Pool,
        event_log: EventLog,
        leases: Leases,
        inputs: Inputs,
        runner: Runner,
        admission: Admission,
        settler: Settler,
        abandoned: Abandoned,
        watches: Watches,
        live: Live,
        mover: Mover,
    ) -> None:
        self._executor_id = executor_id
        self._pool = pool
        self._log = event_log
        self._leases = leases
        self._inputs = inputs
        self._runner = runner
        self._resumption = Resumption(pool)
        self._admission = admission
        self._settler = settler
        self._abandoned = abandoned
        self._watches = watches
        self._live = live
        self._mover = mover
        self._stopping = False
        self._beginning = Patience("database (attempts)")
        self._moving = Patience("database (outcomes)")
        self._beginnings: Grouped[Beginning, Job | None] = Grouped("executor", "beginnings", self._begin)
        self._outcomes: Grouped[Transition, Job | None] = Grouped("executor", "outcomes", self._move, batch_max=100)
        # One at a time: with its files an outcome may have 32 MiB, for which the small ones do not wait.
        self._large: Grouped[Transition, Job | None] = Grouped(
            "executor", "outcomes with files", self._move, batch_max=1
        )
        self._returns: Grouped[tuple[Key, float], None] = Grouped("executor", "returns", self._return)
        groups = (self._returns, self._beginnings, self._resumption, self._outcomes, self._large)
        self.loops = tuple(group.run for group in groups)

    def stop(self) -> None:
        """From now on no call leaves."""
        self._stopping = True
        self._resumption.stop()

    async def drive(self, held: Held) -> None:
        """Takes a job as far as it gets. Cancelled before its attempt it goes back to the queue; during the call, the
        call is ended and the job handed over."""
        tracing.resume(held.job.trace_id)
        try:
            match await self._admission.admit(held):
                case PutBack(seconds):
                    await self._put_back(held, seconds)
                    return
                case Transition() as ending:
                    step: Transition | None = ending
                case spec:
                    step = await self._known(held, spec) or await self._attempt(held, spec)
            if step:
                await self._conclude(held, step)
        except asyncio.CancelledError:
            if not held.begun:
                await self._put_back(held, 0)
        finally:
            if held.visit:
                held.visit.leave()

    async def _known(self, held: Held, spec: RunSpec) -> Transition | None:
        """The end of a job whose output is known from one before; not knowing is no reason to wait."""
        if not spec.cache_seconds or held.job.attempts:
            return None
        try:
            output_json = await cached.output_like(self._pool, held.job)
        except OUTAGES:
            return None
        return None if output_json is None else endings.given_again(held.key, held.terms, output_json)

    async def _attempt(self, held: Held, spec: RunSpec) -> Transition | None:
        """Commits an attempt and makes the call; answers how it ended. None: the job is not ours any more.

        A tool that runs here and may be called twice begins before a process is free for it, so that beginnings go
        together; one that may not, or that needs files fetched, begins only when its call can leave at once. A call of
        a provider has its place there already.
        """
        slot = self._runner.processes
        if spec.http is not None or spec.retry is Retry.UNSAFE or held.claim.stored:
            async with self._inputs.room(held.claim), slot if spec.http is None else contextlib.nullcontext():
                if not await self._fetched(held):
                    return None
                job = await self._begun(held, spec)
                return await self._call(held, spec, job) if job else None
        job = await self._begun(held, spec)
        if job is None:
            return None
        held.waits = True
        try:
            async with held.until_canceled():
                await slot.acquire()
        except asyncio.CancelledError:
            return endings.not_called(held.key)
        except CanceledError:
            return endings.canceled_uncalled(held.key, held.terms)
        finally:
            held.waits = False
        try:
            return await self._call(held, spec, job)
        finally:
            slot.release()

    async def _fetched(self, held: Held) -> bool:
        """Whether all files of its input are here now; if not, it was put back, or has ended."""
        try:
            await self._inputs.fetch(held.claim)
        except InputGoneError as error:
            log.warning("input_gone", job_id=held.job.job_id, error=str(error))
            message = "a file of the input was deleted before the job could run"
            await self._conclude(held, endings.not_run(held.key, held.terms, "INPUT_EXPIRED", message))
            return False
        except Refusal:
            await self._put_back(held, FILES_SECONDS)
            return False
        return True

    async def _begun(self, held: Held, spec: RunSpec) -> Job | None:
        """The job with its attempt committed; None where it is not ours any more."""
        held.begun = True
        held.begin_call()
        sent_at = clock.monotonic()
        job = await self._beginnings.do(
            Beginning(*held.key, self._executor_id, spec.retry, held.seconds_left(), self._leases.seconds)
        )
        if job is None:
            log.warning("claim_lost", job_id=held.job.job_id)
            return None
        held.leased_until = max(held.leased_until, sent_at + self._leases.seconds)
        self._watches.tell(job)
        return job

    async def _call(self, held: Held, spec: RunSpec, job: Job) -> Transition | None:
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
            took, resumable = _ms_since(called_at), held.resumable
            if course.meter is not None and spec.retry is Retry.UNSAFE:
                return endings.cut_here(held.key, held.terms, took, course)
            return endings.handed_over(held.key, held.terms, spec.retry, took, course.report, resumable=resumable)
        except CanceledError:
            self._runner.stop_work(spec, course)
            return endings.canceled(held.key, held.terms, _ms_since(called_at), course)
        except ProviderDownError:
            return endings.provider_down(held.key, course.report)
        except CallTimedOutError:
            self._runner.stop_work(spec, course)
            took = _ms_since(called_at)
            if held.was_stopped_by_deadline():
                return endings.stopped_at_deadline(held.key, held.terms, State.RUNNING, took, course)
            return endings.timed_out(held.key, held.terms, held.timeout_seconds, took, course)
        except WorkerLostError as error:
            log.warning("worker_lost", job_id=job.job_id, tool=job.tool, error=str(error))
            took = _ms_since(called_at)
            return after_lost_attempt(
                *held.key, held.terms, spec.retry, job.losses + 1, "WORKER_CRASHED", took, course.report
            )
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

    async def _conclude(self, held: Held, step: Transition) -> None:
        """Writes a step of the job, and passes it on to whom it concerns."""
        job = await (self._large if step.output_files else self._outcomes).do(step)
        if job is None and step.before is State.RUNNING and not step.ends:
            step = endings.canceled_instead(step, held.terms, held.claim.work is not None)
            job = await self._outcomes.do(step)
            if job:
                self._abandoned.take(job)
        if job is None:
            log.warning("outcome_refused", job_id=held.job.job_id, fence=held.job.fence, after=step.after)
            return
        meters.moved(job)
        if step.output_files:
            self._mover.poke()
        self._watches.tell(job, step.output_json)
        if job.has_ended:
            self._settler.take(job)

    async def _put_back(self, held: Held, delay_seconds: float) -> None:
        try:
            await self._returns.do((held.key, delay_seconds))
        except OUTAGES:
            log.info("put_back_by_lease", job_id=held.job.job_id)

    async def _begin(self, beginnings: Sequence[Beginning]) -> list[Job | None]:
        return await self._beginning.insist(lambda: attempts.begin(self._pool, self._log, beginnings))

    async def _return(self, returns: Sequence[tuple[Key, float]]) -> list[None]:
        for delay_seconds in {seconds for _, seconds in returns}:
            keys = [key for key, seconds in returns if seconds == delay_seconds]
            await claims.put_back(self._pool, keys, delay_seconds)
        return [None] * len(returns)

    async def _move(self, steps: Sequence[Transition]) -> list[Job | None]:
        return await self._moving.insist(lambda: attempts.move(self._pool, self._log, steps))


def _tell(job: Job, answer: ToolAnswer) -> None:
    """The log gets what callers do not."""
    if answer.answer is Answer.FAILED:
        log.error("tool_failed", job_id=job.job_id, tool=job.tool, detail=answer.detail)
    elif answer.answer is not Answer.OUTPUT:
        log.info("tool_refused", job_id=job.job_id, tool=job.tool, answer=answer.answer, reason=answer.reason)


def _ms_since(began: float) -> int:
    return round((clock.monotonic() - began) * 1000)
