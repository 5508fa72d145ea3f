"""Bringing what the product ships into the database, once at start, whenever the database comes up."""

import asyncio
from collections.abc import Sequence

from services.catalog import applying
from services.catalog.categories import Category
from services.catalog.manifests.manifest import Manifest
from services.catalog.snapshot import Snapshot
from services.runtime import logs, tracing
from services.runtime.errors import Refusal
from services.runtime.event_log import EventLog
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("shipment")

AGAIN_SECONDS = 0.5


class Shipment:
    """The shipped categories and manifests on their way into the database."""

    def __init__(
        self,
        pool: Pool,
        event_log: EventLog,
        snapshot: Snapshot,
        categories: Sequence[Category],
        manifests: Sequence[Manifest],
    ) -> None:
        self._pool = pool
        self._snapshot = snapshot
        self._log = event_log
        self._categories = categories
        self._manifests = manifests
        self.is_in = False

    async def run(self) -> None:
        """Tries until they are in and seen; waiting for a database is no failure, and is told once."""
        tracing.begin(None)
        told = False
        while not self.is_in:
            try:
                changed = await applying.ship(self._pool, self._log, self._categories, self._manifests)
                await self._snapshot.refresh()
            except (*OUTAGES, Refusal) as error:
                if not told:
                    log.warning("shipment_waits", error=type(error).__name__)
                told = True
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self.is_in = True
                log.info("shipped", tools=len(self._manifests), changed=changed)
