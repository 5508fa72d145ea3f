"""Takes jobs from the queue, as many as there is room for, and has each one driven."""

import asyncio
from collections.abc import Callable

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
# After the stop: how long calls that may be cut off get to end all the same, and how long what was cut off gets to be
# written.
CUT_AFTER_SECONDS = 10.0
WRITE_SECONDS = 10.0


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
        self._claiming = False
        self._open = True
        # Whether somebody may be waiting in the queue.
        self._backlog = True
        self._wake = Signal()
        # Poked when something is less that a drain waits for.
        self._fewer = Signal()
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
        self._fewer.poke()

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
        """Claims no more, gives back what was not called, hands over what a provider has begun, and lets calls end:
        those that may be made again for a while, the others for `seconds`, for nobody would know what became of them.
        """
        self._open = False
        self._driver.stop()
        self._cut(lambda held: not held.begun or held.waits or held.resumable)
        cut_after = min(seconds, CUT_AFTER_SECONDS)
        if await self._ended(cut_after):
            return
        self._cut(lambda held: held.may_be_cut)
        log.warning("calls_end_first", calls=len(self._tasks), seconds_most=seconds)
        await self._ended(seconds - cut_after)
        self._cut(lambda _: True)
        await self._ended(WRITE_SECONDS)

    def _cut(self, which: Callable[[Held], bool]) -> None:
        for task, held in self._tasks.items():
            if which(held) and not held.concludes:
                task.cancel()

    async def _ended(self, seconds: float) -> bool:
        """Whether nothing is held, nor about to be, within so long."""
        try:
            async with asyncio.timeout(seconds):
                while self._tasks or self._promised or self._claiming:
                    await self._fewer.wait(seconds)
        except TimeoutError:
            return False
        return True

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
            self._claiming = True
            try:
                found = await claims.claim(
                    self._pool, self.executor_id, free, self._leases.seconds, self._admission.shunned()
                )
                for claim in found:
                    self.adopt(claim, sent_at)
            finally:
                self._claiming = False
                self._fewer.poke()
            if len(found) < free:
                return
            self._backlog = True

    def _done(self, task: asyncio.Task[None]) -> None:
        held = self._tasks.pop(task)
        self._leases.release(held)
        self._fewer.poke()
        if not task.cancelled() and (error := task.exception()):
            # Its lease ends, and the job is found again.
            log.error("job_dropped", job_id=held.job.job_id, error=repr(error))
        if held.job.concurrency:
            # It may have let another one through its gate.
            self._backlog = True
        if self._backlog:
            self._wake.poke()
