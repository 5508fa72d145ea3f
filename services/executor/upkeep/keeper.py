"""Keeps the credits of jobs that wait: before a gate, or in a long queue.

The gateway reserves for a minute, which is but the time until the executor has the job. Who drives a job extends its
reservation before the call; a job that nobody drives yet has it extended here, as soon as it is accepted. The request
id follows from the job, so it does no harm that both may do it, and a reservation that has ended is told by the driver.
"""

from services.executor.patience import Patience
from services.executor.store import waiting
from services.executor.upkeep.reservations import Opening, Reservations
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

BATCH = 500
SWEEP_SECONDS = 2.0


class Keeper:
    """One a process."""

    def __init__(self, pool: Pool, reservations: Reservations) -> None:
        self._pool = pool
        self._reservations = reservations
        self._arrived = Signal()
        self._database = Patience("database (waiting jobs)")
        self._ledger = Patience("ledger (waiting jobs)")

    def poke(self) -> None:
        """A job was accepted that has to wait."""
        self._arrived.poke()

    async def run(self) -> None:
        """Extends for ever; outages are waited out, and what could not be extended is tried again."""
        while True:
            pause = SWEEP_SECONDS
            try:
                if await self._keep_some():
                    pause = 0
                self._database.worked()
            except OUTAGES as error:
                pause = self._database.failed(error)
            if pause:
                await self._arrived.wait(pause)

    async def _keep_some(self) -> bool:
        """Extends one batch; answers whether there may be another one at once."""
        jobs = await waiting.take_due(self._pool, BATCH)
        if not jobs:
            return False
        openings = await self._reservations.extend(jobs)
        kept = [job.job_id for job, opening in zip(jobs, openings, strict=True) if opening is not Opening.NO_ANSWER]
        if not kept:
            self._ledger.failed("no answer")
            return False
        self._ledger.worked()
        await waiting.kept(self._pool, kept)
        return len(kept) == BATCH
