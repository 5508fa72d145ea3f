"""Removes what was kept long enough: contents of jobs that were settled a while ago, and files that nobody needs.

Amounts, digests, attempts and events of a job stay for ever.
"""

import asyncio

from services.executor.output_contents import OutputContents
from services.executor.patience import Patience
from services.executor.store import contents
from services.runtime import logs
from services.runtime.errors import Refusal
from services.runtime.lifecycle import Signal
from services.runtime.postgres import Pool, outage_refused

log = logs.get("retention")

JOBS_MAX = 100
FILES_MAX = 20
LOOK_SECONDS = 30.0
# What has more to do goes on soon, but leaves the database to jobs in between.
PAUSE_SECONDS = 0.05


class Retention:
    """Every executor runs one; what one removes another one leaves out."""

    def __init__(self, pool: Pool, output_contents: OutputContents) -> None:
        self._pool = pool
        self._output_contents = output_contents
        # Poked when jobs have left their files.
        self._left = Signal()
        self._jobs = Patience("database (contents)", most_seconds=LOOK_SECONDS)
        self._files = Patience("object store (deletions)", most_seconds=LOOK_SECONDS)

    async def remove_contents(self) -> None:
        """Contents of jobs, for ever; outages are waited out."""
        batch = JOBS_MAX
        while True:
            try:
                async with outage_refused():
                    removed = await contents.remove(self._pool, batch)
            except Refusal as refusal:
                # It may have been too much at once: a job's contents may have megabytes, and a statement ten seconds.
                batch = max(batch // 2, 1)
                await asyncio.sleep(self._jobs.failed(refusal))
                continue
            self._jobs.worked()
            has_more = removed == batch
            batch = min(batch * 2, JOBS_MAX)
            if removed:
                log.info("contents_removed", jobs=removed)
                self._left.poke()
            await asyncio.sleep(PAUSE_SECONDS if has_more else LOOK_SECONDS)

    async def delete_files(self) -> None:
        """Files of outputs, for ever; outages are waited out."""
        while True:
            try:
                deleted = await self._output_contents.delete_some(FILES_MAX)
            except Refusal as refusal:
                await asyncio.sleep(self._files.failed(refusal))
                continue
            self._files.worked()
            await self._left.wait(PAUSE_SECONDS if deleted == FILES_MAX else LOOK_SECONDS)
