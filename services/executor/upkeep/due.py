"""What time does to jobs by itself: delayed ones come to the queue, waiting ones end at their deadline, and those whose
outcome is not known end at last by their tool's rule.

Jobs that run keep their deadline themselves: it bounds their call.
"""

from collections.abc import Callable, Iterable

from services.executor import mapping, meters
from services.executor.patience import Patience
from services.executor.providers.course import Course
from services.executor.rules import endings, wishes
from services.executor.rules.jobs import State, Transition
from services.executor.store import due
from services.executor.store.due import Quoted
from services.executor.store.rows import Job
from services.executor.upkeep.aftermath import Aftermath
from services.runtime import logs
from services.runtime.event_log import EventLog
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("due")

LOOK_SECONDS = 1.0


class Due:
    """Every executor runs one; a job is moved by whoever finds it first. `arrived` is told of jobs in the queue."""

    def __init__(
        self,
        pool: Pool,
        event_log: EventLog,
        lease_seconds: float,
        indeterminate_seconds: float,
        aftermath: Aftermath,
        arrived: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._log = event_log
        self._lease_seconds = lease_seconds
        self._indeterminate_seconds = indeterminate_seconds
        self._aftermath = aftermath
        self._arrived = arrived
        self._patience = Patience("database (what is due)")
        self._never = Signal()

    async def run(self) -> None:
        """Looks every second, for ever; outages of the database are waited out."""
        while True:
            pause = LOOK_SECONDS
            try:
                if await self._look():
                    pause = 0
                self._patience.worked()
            except OUTAGES as error:
                pause = self._patience.failed(error)
            if pause:
                await self._never.wait(pause)

    async def _look(self) -> bool:
        """Moves a batch of each kind; answers whether there may be more at once."""
        queued = await due.to_queue(self._pool)
        if queued:
            self._arrived()
        late = await due.end_late(self._pool, self._log, late_step)
        unknown = await due.end_unknown(
            self._pool, self._log, self._indeterminate_seconds, self._lease_seconds, self._unknown
        )
        self._tell([*late, *unknown])
        count, oldest_seconds = await due.indeterminate(self._pool)
        meters.INDETERMINATE.set(count)
        meters.INDETERMINATE_OLDEST.set(oldest_seconds)
        return due.BATCH in (queued, len(late), len(unknown))

    def _unknown(self, quoted: Quoted) -> Transition:
        return wishes.unknown_for_long(quoted.job, mapping.stored_terms(quoted.quote), self._indeterminate_seconds)

    def _tell(self, ended: Iterable[Job]) -> None:
        for job in ended:
            log.info("job_ended_by_time", job_id=job.job_id, tool=job.tool, reason=job.error_reason)
            self._aftermath.of_step(job, attended=False)


def late_step(quoted: Quoted) -> Transition:
    """The end of a waiting job whose deadline has passed."""
    job = quoted.job
    key, terms = (job.job_id, job.fence), mapping.stored_terms(quoted.quote)
    if quoted.begun:
        return endings.stopped_at_deadline(key, terms, State.QUEUED, 0, Course())
    return endings.past_deadline(key, terms, State.QUEUED)
