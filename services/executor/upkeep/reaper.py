"""Finds jobs whose worker is gone, by their leases, and moves them on."""

from services.executor import mapping
from services.executor.patience import Patience
from services.executor.providers.course import Course
from services.executor.rules import endings
from services.executor.rules.jobs import LEASE_EXPIRED, Transition, after_lost_attempt, after_lost_look
from services.executor.store import lost
from services.executor.store.lost import Lost
from services.executor.upkeep.aftermath import Aftermath
from services.runtime import clock, logs
from services.runtime.event_log import EventLog
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("reaper")

LOOK_SECONDS = 1.0


class Reaper:
    """Every executor runs one; a job is moved by whoever finds it first."""

    def __init__(
        self,
        pool: Pool,
        event_log: EventLog,
        lease_seconds: float,
        aftermath: Aftermath,
    ) -> None:
        self._pool = pool
        self._log = event_log
        self._lease_seconds = lease_seconds
        self._aftermath = aftermath
        self._patience = Patience("database (leases of others)")
        self._quiet_until = 0.0
        self._never = Signal()

    async def run(self) -> None:
        """Looks for ever.

        After an outage of the database everybody's leases have run out, and nobody's fault it is: first the living get
        the time of a lease to renew theirs.
        """
        while True:
            pause = LOOK_SECONDS
            try:
                if clock.monotonic() >= self._quiet_until:
                    while await self._recover() == lost.BATCH:
                        pass
                self._patience.worked()
            except OUTAGES as error:
                self._quiet_until = clock.monotonic() + self._lease_seconds
                pause = self._patience.failed(error)
            await self._never.wait(pause)

    async def _recover(self) -> int:
        moved = await lost.recover(self._pool, self._log, next_step)
        for step, job in moved:
            log.warning("attempt_lost", job_id=job.job_id, tool=job.tool, attempts=job.attempts, now=step.after)
            self._aftermath.of_step(job, step, attended=False)
        return len(moved)


def next_step(found: Lost) -> Transition:
    """What becomes of a job whose worker is gone: it runs again only where nobody has canceled it."""
    job = found.job
    terms = mapping.stored_terms(found.quote)
    if job.cancel_requested_at:
        return endings.canceled((job.job_id, job.fence), terms, 0, Course())
    if found.may_resume is not None:
        return after_lost_look(job.job_id, job.fence, terms, found.may_resume)
    return after_lost_attempt(job.job_id, job.fence, terms, found.retry, job.losses + 1, LEASE_EXPIRED)
