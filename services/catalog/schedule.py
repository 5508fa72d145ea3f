"""Prices that were set for a time ahead take effect by themselves."""

import asyncio

from services.catalog import prices
from services.catalog.snapshot import Snapshot
from services.runtime import clock, logs, tracing
from services.runtime.errors import Refusal
from services.runtime.event_log import EventLog
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("schedule")

# A price that another replica was told of is seen within this time.
LOOK_SECONDS = 0.5


class Schedule:
    """One a process; replicas find done what another one did."""

    def __init__(self, pool: Pool, event_log: EventLog, snapshot: Snapshot) -> None:
        self._pool = pool
        self._log = event_log
        self._snapshot = snapshot

    async def run(self) -> None:
        """Puts each price in force when its time comes, for ever; a database that is away is waited for."""
        tracing.begin(None)
        while True:
            seconds = LOOK_SECONDS
            try:
                ahead = self._seconds_ahead()
                if ahead <= 0:
                    await prices.take_effect(self._pool, self._log, clock.now())
                    await self._snapshot.refresh()
                    log.info("prices_took_effect")
                else:
                    seconds = min(seconds, ahead)
            except (*OUTAGES, Refusal) as error:
                log.debug("schedule_waits", error=type(error).__name__)
            await asyncio.sleep(seconds)

    def _seconds_ahead(self) -> float:
        """Until the next price takes effect; infinite where none is set."""
        times = [tool.scheduled.at for tool in self._snapshot.latest().tools.values() if tool.scheduled]
        return (min(times) - clock.now()).total_seconds() if times else float("inf")
