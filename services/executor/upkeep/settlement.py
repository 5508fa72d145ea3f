"""Settles ended jobs with the ledger: a durable loop, in batches, until each is acknowledged or refused for good.

An outcome is settled by the executor that wrote it, straight from memory; whatever is not settled ten seconds later is
taken up from the table by any executor.
"""

import asyncio
from collections import deque
from datetime import timedelta

from services.executor import meters
from services.executor.following.watch import Watches
from services.executor.patience import Patience
from services.executor.rules.jobs import Settlement
from services.executor.store import settlements
from services.executor.store.rows import Job
from services.executor.upkeep.reservations import Reservations
from services.runtime import clock, logs
from services.runtime.event_log import EventLog
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("settlement")

BATCH = 500
SWEEP_SECONDS = 1.0
# More than this are left to the table.
WAITING_MAX = 10_000


class Settler:
    """One a process. `content`: how long contents of jobs are kept after that."""

    def __init__(
        self, pool: Pool, event_log: EventLog, reservations: Reservations, watches: Watches, content: timedelta
    ) -> None:
        self._pool = pool
        self._log = event_log
        self._reservations = reservations
        self._watches = watches
        self._content = content
        self._waiting: deque[Job] = deque()
        self._busy = False
        self._arrived = Signal()
        self._database = Patience("database (settlement)")
        self._ledger = Patience("ledger (settlement)")
        self._swept_at = 0.0

    def take(self, job: Job) -> None:
        """A job of this executor ended."""
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append(job)
        self._arrived.poke()

    async def run(self) -> None:
        """Settles for ever; outages of the database are waited out."""
        while True:
            try:
                more = await self._settle_some()
                self._database.worked()
            except OUTAGES as error:
                await asyncio.sleep(self._database.failed(error))
            else:
                if not more:
                    await self._arrived.wait(SWEEP_SECONDS)

    async def flush(self, seconds: float) -> None:
        """Waits until what this executor has in hand is settled, `seconds` at most."""
        deadline = clock.monotonic() + seconds
        while (self._waiting or self._busy) and clock.monotonic() < deadline:  # noqa: ASYNC110 (once, at the end)
            await asyncio.sleep(0.02)

    async def _settle_some(self) -> bool:
        """Settles one batch; answers whether there may be another one at once."""
        self._busy = True
        try:
            jobs = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
            room = BATCH - len(jobs)
            if room and clock.monotonic() - self._swept_at >= SWEEP_SECONDS:
                due = await settlements.take_due(self._pool, room)
                jobs += due
                if len(due) < room:
                    self._swept_at = clock.monotonic()
            if jobs:
                await self._settle(jobs)
            return bool(self._waiting) or len(jobs) == BATCH
        finally:
            self._busy = False

    async def _settle(self, jobs: list[Job]) -> None:
        verdicts = await self._reservations.settle(jobs)
        decided = [verdict for verdict in verdicts if verdict]
        if decided:
            self._ledger.worked()
            for job in await settlements.settle(self._pool, self._log, decided, self._content):
                self._watches.tell(job)
                meters.SETTLED.labels(job.settlement).inc()
                if job.settlement is Settlement.REFUSED:
                    log.error("settlement_refused", job_id=job.job_id, reason=job.settlement_reason)
        late = [job.job_id for job, verdict in zip(jobs, verdicts, strict=True) if verdict is None]
        if late:
            await settlements.postpone(self._pool, late)
            if not decided:
                await asyncio.sleep(self._ledger.failed(f"{len(late)} settlements wait"))
