"""Does what somebody wishes of a job, and tells whom it concerns."""

import asyncio

from services.executor.rules import wishes
from services.executor.rules.jobs import State, Wish
from services.executor.rules.wishes import Decision, Settling, Standing
from services.executor.running.leases import Leases
from services.executor.running.specs import RunSpecs
from services.executor.store import queries
from services.executor.store import wishes as store
from services.executor.store.rows import Job
from services.executor.store.wishes import Decide
from services.executor.upkeep.aftermath import Aftermath
from services.executor.waking import CANCEL_SUBJECT
from services.runtime import logs
from services.runtime.broker import Broker
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool, outage_refused

log = logs.get("control")


class Control:
    """One a process."""

    def __init__(
        self,
        pool: Pool,
        event_log: EventLog,
        specs: RunSpecs,
        leases: Leases,
        aftermath: Aftermath,
        broker: Broker,
    ) -> None:
        self._pool = pool
        self._log = event_log
        self._specs = specs
        self._leases = leases
        self._aftermath = aftermath
        self._broker = broker

    async def cancel(self, account_id: str, job_id: str, wish: Wish) -> Job:
        """The job, canceled or asked to stop; raises JOB_ENDED, JOB_NOT_FOUND, also for a job of another account."""

        def decision(standing: Standing) -> Decision:
            wishes.check_owner(standing.job, account_id)
            return wishes.cancel(standing, wish)

        job, changed = await self._decide(job_id, decision)
        if changed and job.state is State.RUNNING:
            # Renewing tells whoever holds it; should the word get lost, that is done every few seconds anyway.
            self._leases.poke()
            await self._broker.wake(CANCEL_SUBJECT)
        return job

    async def settle(self, settling: Settling) -> tuple[Job, bool]:
        """The job, settled as an operator says, and whether that was done before; raises JOB_NOT_FOUND, JOB_ENDED,
        JOB_NOT_INDETERMINATE, REQUEST_INVALID; UPSTREAM_UNAVAILABLE also where the catalog is to say what of the output
        is a file, and does not answer."""
        settling = await self._with_files(settling)
        job, changed = await self._decide(settling.job_id, lambda standing: wishes.settle(standing, settling))
        return job, not changed

    async def _with_files(self, settling: Settling) -> Settling:
        """The output as its tool would have given it, large files beside it."""
        if b'"data:' not in settling.output_json:
            return settling
        async with outage_refused():
            job = (await queries.jobs(self._pool, [settling.job_id])).get(settling.job_id)
        if job is None:
            raise wishes.not_found(settling.job_id)
        spec = await self._specs.get(job.tool, job.tool_version)
        return await asyncio.to_thread(wishes.with_files, settling, spec.file_places)

    async def _decide(self, job_id: str, decision: Decide) -> tuple[Job, bool]:
        async with outage_refused():
            decided = await store.decide(self._pool, self._log, job_id, decision)
        if decided is None:
            raise wishes.not_found(job_id)
        job, changed = decided
        if changed and job.has_ended:
            log.info("job_ended_by_wish", job_id=job.job_id, state=job.state, actor=job.wished_by)
            self._aftermath.of_step(job, attended=job.state is not State.CANCELED)
        return decided
