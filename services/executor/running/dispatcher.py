"""Takes jobs from the queue, as many as there is room for, and has each one driven."""

import asyncio

from services.executor.patience import Patience
from services.executor.running.admission import Admission
from services.executor.running.driver import Driver
from services.executor.running.leases import Held, Leases
from services.executor.running.pool import WorkerPool
from services.executor.store import claims
from services.executor.store.rows import Claim
from services.runtime import clock, logs
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("dispatcher")

POLL_SECONDS = 1.0
# Claimed beyond the calls that run, so that a free process finds its next job ready.
CLAIMS_PER_PROCESS = 8
HAND_OVER_SECONDS = 2.0


class Dispatcher:
    """One a process; each claimed job is a task of its own."""

    def __init__(
        self,
        executor_id: str,
        pool: Pool,
        leases: Leases,
        tool_processes: WorkerPool,
        admission: Admission,
        driver: Driver,
    ) -> None:
        self.executor_id = executor_id
        self._pool = pool
        self._leases = leases
        self._tool_processes = tool_processes
        self._admission = admission
        self._driver = driver
        self._claims_max = tool_processes.size * CLAIMS_PER_PROCESS
        self._tasks: dict[asyncio.Task[None], Held] = {}
        self._promised = 0
        self._open = True
        # Whether somebody may be waiting in the queue.
        self._backlog = True
        self._wake = Signal()
        self._database = Patience("database (claims)")

    @property
    def is_open(self) -> bool:
        """Whether jobs are taken."""
        return self._open

    def poke(self) -> None:
        """There may be something in the queue."""
        self._backlog = True
        self._wake.poke()

    def room(self, n: int) -> int:
        """How many of `n` new jobs may be claimed at birth: none while others wait. Kept free until `give_back`."""
        if not self._open or self._backlog or self._admission.ledger.failing:
            return 0
        room = max(min(n, self._free()), 0)
        self._promised += room
        return room

    def give_back(self, room: int) -> None:
        """Ends a promise of `room`."""
        self._promised -= room

    def adopt(self, claim: Claim, sent_at: float) -> None:
        """Has a job driven that was claimed by a statement sent at `sent_at` (monotonic)."""
        held = self._leases.hold(claim, sent_at)
        task = asyncio.create_task(self._driver.drive(held))
        self._tasks[task] = held
        task.add_done_callback(self._done)

    async def run(self) -> None:
        """Claims for ever; an outage of the database is waited out."""
        while True:
            pause = POLL_SECONDS
            try:
                if self._tool_processes.is_alive:
                    await self._claim()
                self._database.worked()
            except OUTAGES as error:
                pause = self._database.failed(error)
            await self._wake.wait(pause)

    async def drain(self, seconds: float) -> None:
        """Claims no more, gives back what was not called, hands over what a provider has begun, lets calls end, and
        hands over what then is left."""
        self._open = False
        self._driver.stop()
        for task, held in self._tasks.items():
            if not held.begun or held.waits or held.resumable:
                task.cancel()
        for patience in (seconds, HAND_OVER_SECONDS):
            if self._tasks:
                _, late = await asyncio.wait(self._tasks, timeout=patience)
                for task in late:
                    task.cancel()

    def _free(self) -> int:
        # Calls of providers need no process, and have a bound of their own.
        return self._claims_max - (len(self._tasks) - self._admission.calls) - self._promised

    async def _claim(self) -> None:
        while self._open and (free := self._free()) > 0:
            if self._admission.ledger.failing:
                # One job at a time asks whether the ledger is back.
                if self._tasks:
                    return
                free = 1
            # Before asking: what is submitted meanwhile pokes, and must not be forgotten.
            self._backlog = False
            sent_at = clock.monotonic()
            found = await claims.claim(
                self._pool, self.executor_id, free, self._leases.seconds, self._admission.shunned()
            )
            for claim in found:
                self.adopt(claim, sent_at)
            if len(found) < free:
                return
            self._backlog = True

    def _done(self, task: asyncio.Task[None]) -> None:
        held = self._tasks.pop(task)
        self._leases.release(held)
        if not task.cancelled() and (error := task.exception()):
            # Its lease ends, and the job is found again.
            log.error("job_dropped", job_id=held.job.job_id, error=repr(error))
        if held.job.concurrency:
            # It may have let another one through its gate.
            self._backlog = True
        if self._backlog:
            self._wake.poke()
