"""Partitions of the log, ahead of what is appended: a shard must never find none."""

import asyncio

from services.runtime import logs
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("partitions")

# A partition ahead is four million commits of a shard: hours at the least.
LOOK_SECONDS = 60.0
RETRY_SECONDS = 1.0
_ENSURE = """
SELECT ensure_log_partitions(max(h.seq)) FROM cursor c
CROSS JOIN LATERAL (SELECT seq FROM log WHERE shard = c.shard ORDER BY seq DESC LIMIT 1) AS h
WHERE c.consumer = 'relay'
"""


class Partitions:
    """Makes what is missing, for the longest shard and one partition ahead of it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ensure(self) -> int:
        """Makes what is missing now; answers how many partitions that were."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_ENSURE)).fetchone()
        return int(str(row[0])) if row else 0

    async def run(self) -> None:
        """Makes them for ever."""
        while True:
            pause = LOOK_SECONDS
            try:
                if made := await self.ensure():
                    log.info("partitions_made", count=made)
            except OUTAGES as error:
                log.warning("partitions_wait", error=type(error).__name__)
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)
