"""Drives one claimed job through its steps; every step goes together with the same step of other jobs.

Its reservation is extended and must be OPEN → its attempt is committed → the lease is looked at once more → the call →
the outcome is committed. What stops it before the attempt puts it back into the queue; what stops it after is decided
by whether its tool may be called twice.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from services.executor.following.live import Live
from services.executor.patience import Patience
from services.executor.rules import endings
from services.executor.rules.endings import Key
from services.executor.rules.jobs import Retry, State, Transition
from services.executor.running.admission import Admission, PutBack
from services.executor.running.calling import Calls
from services.executor.running.inputs import InputGoneError, Inputs
from services.executor.running.leases import CanceledError, Held, Leases
from services.executor.running.resumption import Resumption
from services.executor.running.runner import Runner
from services.executor.running.specs import RunSpec
from services.executor.store import attempts, cached, claims
from services.executor.store.attempts import Beginning
from services.executor.store.rows import Job
from services.executor.upkeep.aftermath import Aftermath
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
        aftermath: Aftermath,
        live: Live,
    ) -> None:
        self._executor_id = executor_id
        self._pool = pool
        self._log = event_log
        self._leases = leases
        self._inputs = inputs
        self._runner = runner
        self._resumption = Resumption(pool)
        self._calls = Calls(runner, self._resumption, live)
        self._admission = admission
        self._aftermath = aftermath
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
        """From now on no call leaves, and what is claimed goes back."""
        self._stopping = True
        self._calls.stop()

    async def drive(self, held: Held) -> None:
        """Takes a job as far as it gets. Cancelled before its attempt it goes back to the queue; during the call, the
        call is ended and the job handed over."""
        tracing.resume(held.job.trace_id)
        try:
            if self._stopping:
                await self._put_back(held, 0)
                return
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
                return await self._calls.call(held, spec, job) if job else None
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
            return await self._calls.call(held, spec, job)
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
        held.may_be_cut = spec.retry is Retry.SAFE
        held.begin_call()
        sent_at = clock.monotonic()
        job = await self._beginnings.do(
            Beginning(*held.key, self._executor_id, spec.retry, held.seconds_left(), self._leases.seconds)
        )
        if job is None:
            log.warning("claim_lost", job_id=held.job.job_id)
            return None
        held.leased_until = max(held.leased_until, sent_at + self._leases.seconds)
        self._aftermath.of_attempt(job)
        return job

    async def _conclude(self, held: Held, step: Transition) -> None:
        """Writes a step of the job, and passes it on to whom it concerns."""
        held.concludes = True
        attended = True
        job = await (self._large if step.output_files else self._outcomes).do(step)
        if job is None and step.before is State.RUNNING and not step.ends:
            step = endings.canceled_instead(step, held.terms, held.claim.work is not None)
            job = await self._outcomes.do(step)
            attended = False
        if job is None:
            log.warning("outcome_refused", job_id=held.job.job_id, fence=held.job.fence, after=step.after)
            return
        self._aftermath.of_step(job, step, attended=attended)

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
