"""Jobs that wait and whose reservation still is the gateway's minute."""

from collections.abc import Sequence

from services.executor.store.rows import COLUMNS, Job, job_of
from services.runtime.postgres import Pool

# How long another executor leaves a job to the one that took it up; then it is tried again.
AGAIN_SECONDS = 5
# A job that is claimed at birth is extended by who drives it, unless that dies first.
CLAIMED_SECONDS = 20
_TAKE = f"""
WITH due AS MATERIALIZED (
    SELECT job_id FROM job
     WHERE state = 'QUEUED' AND keep_at <= clock_timestamp()
     ORDER BY keep_at LIMIT %s
       FOR NO KEY UPDATE SKIP LOCKED)
UPDATE job SET keep_at = clock_timestamp() + interval '{AGAIN_SECONDS} s' FROM due WHERE job.job_id = due.job_id
RETURNING {COLUMNS}
"""
_KEPT = """
WITH kept AS MATERIALIZED (
    SELECT job_id FROM job WHERE job_id = ANY(%s) AND keep_at IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED)
UPDATE job SET keep_at = NULL FROM kept WHERE job.job_id = kept.job_id
"""


async def take_due(pool: Pool, n: int) -> list[Job]:
    """Up to `n` waiting jobs whose reservation is to be extended, this executor's alone for five seconds."""
    async with pool.connection() as connection:
        found = await connection.execute(_TAKE.encode(), (n,))
        return [job_of(row) for row in await found.fetchall()]


async def kept(pool: Pool, job_ids: Sequence[str]) -> None:
    """Their reservations were extended, or have ended: either way there is nothing more to keep."""
    async with pool.connection() as connection:
        await connection.execute(_KEPT, (list(job_ids),))
