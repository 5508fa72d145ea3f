"""Drives one claimed job through its steps; every step goes together with the same step of other jobs.

Its reservation is extended and must be OPEN → its attempt is committed → the lease is looked at once more → the call →
the outcome is committed. What stops it before the attempt puts it back into the queue; what stops it after is decided
by whether its tool may be called twice.
"""

import asyncio
from collections.abc import Sequence

from scrip.catalog.v1 import catalog_pb2

from services.executor import endings, meters
from services.executor.jobs import Retry, Transition, after_lost_attempt
from services.executor.leases import Held, Leases
from services.executor.live import Live
from services.executor.patience import Patience
from services.executor.pool import CallTimedOutError, WorkerLostError
from services.executor.reservations import Opening, Reservations
from services.executor.runner import Runner
from services.executor.settlement import Settler
from services.executor.specs import RunSpec, RunSpecs
from services.executor.store import attempts, claims
from services.executor.store.attempts import Beginning
from services.executor.store.rows import Job
from services.executor.watch import Watches
from services.executor.worker import Answer, ToolAnswer
from services.runtime import clock, logs, tracing
from services.runtime.errors import Refusal
from services.runtime.event_log import EventLog
from services.runtime.grouping import Grouped
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("driver")

# A tool this executor cannot run may run on another one; after this long nobody is expected any more.
RUNNABLE_WITHIN_SECONDS = 120.0
ELSEWHERE_SECONDS = 1.0
NO_ANSWER_SECONDS = 0.5


class Driver:
    """One a process. `drive` is a task of each job; `loops` must run beside it."""

    def __init__(
        self,
        executor_id: str,
        pool: Pool,
        event_log: EventLog,
        leases: Leases,
        runner: Runner,
        reservations: Reservations,
        specs: RunSpecs,
        settler: Settler,
        watches: Watches,
        live: Live,
    ) -> None:
        self._executor_id = executor_id
        self._pool = pool
        self._log = event_log
        self._leases = leases
        self._runner = runner
        self._reservations = reservations
        self._specs = specs
        self._settler = settler
        self._watches = watches
        self._live = live
        self._stopping = False
        self._beginning = Patience("database (attempts)")
        self._moving = Patience("database (outcomes)")
        self.ledger = Patience("ledger (extensions)")
        self._extensions: Grouped[Job, Opening] = Grouped("executor", "extensions", self._extend)
        self._beginnings: Grouped[Beginning, Job | None] = Grouped("executor", "beginnings", self._begin)
        self._outcomes: Grouped[Transition, Job | None] = Grouped("executor", "outcomes", self._move, batch_max=100)
        self.loops = (self._extensions.run, self._beginnings.run, self._outcomes.run)

    def stop(self) -> None:
        """From now on no call leaves."""
        self._stopping = True

    async def drive(self, held: Held) -> None:
        """Takes a job as far as it gets. Cancelled before its attempt it goes back to the queue; during the call, the
        call is ended and the job handed over."""
        tracing.resume(held.job.trace_id)
        try:
            spec = await self._admitted(held)
            if spec:
                step = await self._attempt(held, spec)
                if step:
                    await self._conclude(held, step)
        except asyncio.CancelledError:
            if not held.begun:
                await self._put_back(held, 0)

    async def _admitted(self, held: Held) -> RunSpec | None:
        """How to run the job, if it may run now; None: it was put back, or has ended."""
        match await self._extensions.do(held.job):
            case Opening.NO_ANSWER:
                pause = max(self.ledger.pause_seconds, NO_ANSWER_SECONDS)
                await self._put_back(held, pause)
                await asyncio.sleep(pause)
                return None
            case Opening.ENDED:
                message = "the credits reserved for this job were released before it could run"
                await self._conclude(held, endings.not_run(held.key, held.terms, "RESERVATION_ENDED", message))
                return None
            case Opening.OPEN:
                pass
        try:
            spec = await self._specs.get(held.job.tool, held.job.tool_version)
        except Refusal as refusal:
            if refusal.reason == "TOOL_NOT_FOUND":
                await self._conclude(
                    held, endings.not_run(held.key, held.terms, refusal.reason, "the catalog does not know this tool")
                )
            else:
                await self._put_back(held, ELSEWHERE_SECONDS)
            return None
        if self._specs.obstacle(spec) == catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED:
            return spec
        if (clock.now() - held.job.created_at).total_seconds() > RUNNABLE_WITHIN_SECONDS:
            message = "no executor can run this version of the tool"
            await self._conclude(held, endings.not_run(held.key, held.terms, "TOOL_UNAVAILABLE", message))
        else:
            await self._put_back(held, ELSEWHERE_SECONDS)
        return None

    async def _attempt(self, held: Held, spec: RunSpec) -> Transition | None:
        """Commits an attempt and makes the call; answers how it ended. None: the job is not ours any more.

        A tool that may be called twice begins before a process is free for it, so that beginnings go together; one
        that may not begins only when its call can leave at once.
        """
        slot = self._runner.slot(spec)
        if spec.retry is Retry.UNSAFE:
            async with slot:
                job = await self._begun(held, spec)
                return await self._call(held, spec, job) if job else None
        job = await self._begun(held, spec)
        if job is None:
            return None
        held.waits = True
        try:
            await slot.acquire()
        except asyncio.CancelledError:
            return endings.not_called(held.key)
        finally:
            held.waits = False
        try:
            return await self._call(held, spec, job)
        finally:
            slot.release()

    async def _begun(self, held: Held, spec: RunSpec) -> Job | None:
        """The job with its attempt committed; None where it is not ours any more."""
        held.begun = True
        sent_at = clock.monotonic()
        job = await self._beginnings.do(
            Beginning(*held.key, self._executor_id, spec.retry, held.timeout_seconds, self._leases.seconds)
        )
        if job is None:
            log.warning("claim_lost", job_id=held.job.job_id)
            return None
        held.leased_until = max(held.leased_until, sent_at + self._leases.seconds)
        self._watches.tell(job)
        return job

    async def _call(self, held: Held, spec: RunSpec, job: Job) -> Transition:
        """Looks at the lease once more and makes the call; answers how it ended."""
        if self._stopping or not held.is_ours():
            return endings.not_called(held.key)
        called_at = clock.monotonic()
        held.meter = spec.meter(held.claim.input_json, held.terms)
        try:
            with self._live.telling(job, held.meter):
                answer = await self._runner.run(spec, held.claim, held.timeout_seconds, held.meter)
        except asyncio.CancelledError:
            if held.metered is not None and spec.retry is Retry.UNSAFE:
                return endings.cut_here(held.key, held.terms, held.metered, _ms_since(called_at))
            return endings.handed_over(held.key, held.terms, spec.retry, job.attempts, _ms_since(called_at))
        except CallTimedOutError:
            took = _ms_since(called_at)
            return endings.timed_out(held.key, held.terms, held.timeout_seconds, took, held.metered)
        except WorkerLostError as error:
            log.warning("worker_lost", job_id=job.job_id, tool=job.tool, error=str(error))
            took = _ms_since(called_at)
            return after_lost_attempt(*held.key, held.terms, spec.retry, job.attempts, "WORKER_CRASHED", took)
        _tell(job, answer)
        return endings.answered(held.key, held.terms, answer, _ms_since(called_at))

    async def _conclude(self, held: Held, step: Transition) -> None:
        """Writes a step of the job, and passes it on to whom it concerns."""
        job = await self._outcomes.do(step)
        if job is None:
            log.warning("outcome_refused", job_id=held.job.job_id, fence=held.job.fence, after=step.after)
            return
        meters.moved(job)
        self._watches.tell(job, step.output_json)
        if job.has_ended:
            self._settler.take(job)

    async def _put_back(self, held: Held, delay_seconds: float) -> None:
        try:
            await claims.put_back(self._pool, [held.key], delay_seconds)
        except OUTAGES:
            log.info("put_back_by_lease", job_id=held.job.job_id)

    async def _extend(self, jobs: Sequence[Job]) -> list[Opening]:
        openings = await self._reservations.extend(jobs)
        if all(opening is Opening.NO_ANSWER for opening in openings):
            self.ledger.failed("no answer")
        else:
            self.ledger.worked()
        return openings

    async def _begin(self, beginnings: Sequence[Beginning]) -> list[Job | None]:
        return await self._beginning.insist(lambda: attempts.begin(self._pool, self._log, beginnings))

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
