"""Asks providers what became of jobs whose outcome is not known, where their tools say how.

Such a job is looked for soon, then ever more rarely, until its provider tells how it ended; an operator, or the time
after which the tool's rule for that ends it, may come first: whoever writes first has settled it.
"""

import asyncio
import json
from dataclasses import replace

from services.executor import mapping, meters
from services.executor.patience import Patience
from services.executor.providers.answers import ProviderCall
from services.executor.providers.calls import Providers
from services.executor.providers.health import Health, Hindrance, Visit
from services.executor.providers.inspections import Sight, UnseenError
from services.executor.providers.plan import HttpPlan, InspectPlan
from services.executor.rules import endings
from services.executor.rules.answers import ToolAnswer
from services.executor.rules.jobs import ProviderReport, Transition
from services.executor.running.specs import RunSpec, RunSpecs
from services.executor.store import inspections
from services.executor.store.inspections import Turn
from services.executor.upkeep.aftermath import Aftermath
from services.runtime import logs, tracing
from services.runtime.errors import Refusal
from services.runtime.event_log import EventLog
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("inspector")

SWEEP_SECONDS = 1.0
# At once, of all providers.
LOOKS_MAX = 8
# One look, with the download of what the work made. A turn is longer, so that two executors do not look at once.
LOOK_SECONDS = 120.0
TURN_SECONDS = 150.0
# Until the next look; twice as long each time.
PAUSE_FIRST_SECONDS = 2.0
PAUSE_MOST_SECONDS = 300.0
# Until the provider may have a place.
FULL_SECONDS = 2.0


class Inspector:
    """Every executor runs one; each look is the turn of one of them."""

    def __init__(
        self,
        pool: Pool,
        event_log: EventLog,
        lease_seconds: float,
        specs: RunSpecs,
        health: Health,
        providers: Providers,
        aftermath: Aftermath,
    ) -> None:
        self._pool = pool
        self._log = event_log
        self._lease_seconds = lease_seconds
        self._specs = specs
        self._health = health
        self._providers = providers
        self._aftermath = aftermath
        self._looks: set[asyncio.Task[None]] = set()
        self._patience = Patience("database (inspections)")
        self._wake = Signal()
        self._stopped = False

    def stop(self) -> None:
        """From now on no look begins."""
        self._stopped = True

    async def run(self) -> None:
        """Looks for ever; outages of the database are waited out. A look that is cut off is made again."""
        try:
            while True:
                pause = SWEEP_SECONDS
                try:
                    await self._take_turns()
                    self._patience.worked()
                except OUTAGES as error:
                    pause = self._patience.failed(error)
                await self._wake.wait(pause)
        finally:
            for look in self._looks:
                look.cancel()

    async def _take_turns(self) -> None:
        free = LOOKS_MAX - len(self._looks)
        if free <= 0 or self._stopped:
            return
        for turn in await inspections.take_turns(self._pool, free, TURN_SECONDS, self._lease_seconds):
            look = asyncio.create_task(self._take(turn))
            self._looks.add(look)
            look.add_done_callback(self._done)

    def _done(self, look: asyncio.Task[None]) -> None:
        self._looks.discard(look)
        if not look.cancelled() and (error := look.exception()):
            # Its turn ends, and another one looks.
            log.warning("inspection_dropped", error=repr(error))
        self._wake.poke()

    async def _take(self, turn: Turn) -> None:
        """One turn, to its end: the job has ended, or is looked at again later."""
        job = turn.job
        tracing.resume(job.trace_id)
        try:
            spec = await self._specs.get(job.tool, job.tool_version)
        except Refusal:
            await self._later(turn)
            return
        if spec.kind == "http" and spec.http is None:
            # Of a later catalog: another executor may know how.
            await self._later(turn)
            return
        if spec.http is None or spec.http.inspect is None:
            await inspections.leave(self._pool, job.job_id)
            return
        # As a look at work that has begun: also at a provider that is down, and within its places.
        visit = self._health.visit(spec.http.host, resumes=True)
        if isinstance(visit, Hindrance):
            await inspections.postpone(self._pool, job.job_id, FULL_SECONDS)
            return
        try:
            found, report = await self._look(turn, spec, spec.http, spec.http.inspect, visit)
        finally:
            visit.leave()
        sight = found if isinstance(found, Sight) else "ANSWERED"
        meters.INSPECTIONS.labels(sight).inc()
        log.info("inspected", job_id=job.job_id, tool=job.tool, sight=sight, status=report.status)
        step = next_step(turn, found, report)
        if step:
            await self._settle(step)
        else:
            await self._later(turn)

    async def _later(self, turn: Turn) -> None:
        await inspections.postpone(self._pool, turn.job.job_id, pause_after(turn.job.inspections))

    async def _look(
        self, turn: Turn, spec: RunSpec, plan: HttpPlan, inspect: InspectPlan, visit: Visit
    ) -> tuple[ToolAnswer | Sight, ProviderReport]:
        given = json.loads(turn.input_json)
        call = ProviderCall(
            *(plan, given, {}, False, spec.units, spec.misfit),
            file_places=spec.file_places,
            visit=visit,
            job_id=turn.job.job_id,
        )
        found: ToolAnswer | Sight
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                found = await self._providers.inspect(call, inspect)
        except UnseenError as unseen:
            found = unseen.sight
        except TimeoutError:
            found = Sight.UNTOLD
        return found, replace(call.course.report, provider=spec.provider)

    async def _settle(self, step: Transition) -> None:
        job = await inspections.settle(self._pool, self._log, step)
        if job is None:
            log.info("settled_meanwhile", job_id=step.job_id)
            return
        log.info("job_ended_by_inspection", job_id=job.job_id, state=job.state, reason=job.error_reason)
        self._aftermath.of_step(job, step, attended=True)


def next_step(turn: Turn, found: ToolAnswer | Sight, report: ProviderReport) -> Transition | None:
    """The end of the job; None where that is not known yet. That there is no such work is believed only when the time
    of the call is over: until then the request for it may be on its way."""
    job = turn.job
    key, terms = (job.job_id, job.fence), mapping.stored_terms(turn.quote)
    match found:
        case ToolAnswer():
            return endings.found(key, terms, found, job.duration_ms, report)
        case Sight.ABSENT if turn.is_past_call:
            return endings.never_begun(key, terms, job.duration_ms, report)
        case _:
            return None


def pause_after(turn: int) -> float:
    """Seconds from this turn of a job, counted from 1, to the next one."""
    return min(PAUSE_FIRST_SECONDS * 2.0 ** min(turn - 1, 20), PAUSE_MOST_SECONDS)
