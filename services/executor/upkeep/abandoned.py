"""Has providers stop work that they have begun for jobs which ended without anybody at their call: in the queue, or
after their worker was lost.

As best it can, like every such stop: what is at hand when this process ends is left to the provider.
"""

import itertools
from collections import deque

from services.executor.patience import Patience
from services.executor.providers.begun import Begun, begun_of
from services.executor.providers.cancels import Cancels
from services.executor.providers.course import Course
from services.executor.running.specs import RunSpecs
from services.executor.store import works
from services.executor.store.rows import Job
from services.runtime import logs
from services.runtime.errors import Refusal
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("abandoned")

BATCH = 100
# More than this run out at their providers by themselves.
WAITING_MAX = 1_000
SWEEP_SECONDS = 60.0


class Abandoned:
    """One a process; `run` is its worker."""

    def __init__(self, pool: Pool, specs: RunSpecs, cancels: Cancels) -> None:
        self._pool = pool
        self._specs = specs
        self._cancels = cancels
        self._waiting: deque[Job] = deque()
        self._arrived = Signal()
        self._patience = Patience("database (abandoned work)")

    def take(self, job: Job) -> None:
        """A job ended here, and nobody was at its call; whether its provider has begun anything is looked up."""
        if job.attempts and len(self._waiting) < WAITING_MAX:
            self._waiting.append(job)
            self._arrived.poke()

    async def run(self) -> None:
        """Stops what it is given, for ever; outages of the database are waited out."""
        while True:
            pause = SWEEP_SECONDS
            try:
                while self._waiting:
                    await self._stop_some()
                self._patience.worked()
            except OUTAGES as error:
                pause = self._patience.failed(error)
            await self._arrived.wait(pause)

    async def _stop_some(self) -> None:
        jobs = list(itertools.islice(self._waiting, BATCH))
        begun = await works.begun(self._pool, [job.job_id for job in jobs])
        for job in jobs:
            self._waiting.popleft()
            if job.job_id in begun:
                await self._stop(job, begun_of(begun[job.job_id]))

    async def _stop(self, job: Job, begun: Begun) -> None:
        try:
            spec = await self._specs.get(job.tool, job.tool_version)
        except Refusal as refusal:
            log.warning("abandoned_work_goes_on", job_id=job.job_id, tool=job.tool, reason=refusal.reason)
            return
        if spec.http is not None:
            self._cancels.begin(spec.http, Course(submitted=begun.submitted))
