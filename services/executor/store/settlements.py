"""Ended jobs whose cost the ledger has not acknowledged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from scrip.executor.v1 import events_pb2

from services.executor import events
from services.executor.rules.jobs import Settlement
from services.executor.store.rows import COLUMNS, SETTLE_HOLD, Job, job_of
from services.executor.store.statements import each
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

BACKOFF_FIRST_SECONDS = 0.25
BACKOFF_MOST_SECONDS = 30
_TAKE = f"""
WITH due AS MATERIALIZED (
    SELECT job_id FROM job
     WHERE settlement = 'PENDING' AND finished_at IS NOT NULL AND settle_at <= clock_timestamp()
     ORDER BY settle_at LIMIT %(n)s
       FOR NO KEY UPDATE SKIP LOCKED)
UPDATE job SET settle_at = clock_timestamp() + %(hold)s FROM due WHERE job.job_id = due.job_id
RETURNING {COLUMNS}
"""
_SETTLE = f"""
UPDATE job SET settlement = %(settlement)s, settlement_reason = %(reason)s, captured_micros = %(captured)s,
       settled_at = clock_timestamp(),
       content_expires_at = greatest(clock_timestamp() + %(content)s, cached_until)
 WHERE job_id = %(job_id)s AND settlement = 'PENDING' AND finished_at IS NOT NULL
RETURNING {COLUMNS}
"""
_POSTPONE = f"""
WITH late AS MATERIALIZED (
    SELECT job_id FROM job WHERE job_id = ANY(%s) AND settlement = 'PENDING' FOR NO KEY UPDATE SKIP LOCKED)
UPDATE job
   SET settle_tries = settle_tries + 1,
       settle_at = clock_timestamp()
           + make_interval(secs => least({BACKOFF_FIRST_SECONDS} * 2 ^ least(settle_tries, 10), {BACKOFF_MOST_SECONDS}))
  FROM late WHERE job.job_id = late.job_id
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """What the ledger said, for good."""

    job_id: str
    settlement: Settlement
    captured_micros: int = 0
    reason: str = ""
    """Where refused."""


async def take_due(pool: Pool, n: int) -> list[Job]:
    """Up to `n` jobs whose settlement is due, this executor's alone for ten seconds."""
    async with pool.connection() as connection:
        found = await connection.execute(_TAKE.encode(), {"n": n, "hold": SETTLE_HOLD})
        return [job_of(row) for row in await found.fetchall()]


async def settle(pool: Pool, log: EventLog, settled: Sequence[Settled], content: timedelta) -> list[Job]:
    """Writes what the ledger said, once a job, with its event; answers the jobs that this call settled. Their contents
    are kept for the time of `content` from now, and as long as their outputs are given again."""
    parameters = [
        {
            "job_id": item.job_id,
            "settlement": item.settlement,
            "captured": item.captured_micros,
            "reason": item.reason,
            "content": content,
        }
        for item in sorted(settled, key=lambda item: item.job_id)
    ]
    async with pool.connection() as connection, connection.transaction():
        jobs = [job_of(row) for row in await each(connection, _SETTLE, parameters) if row]
        await log.append(connection, [_event(job) for job in jobs])
    return jobs


async def postpone(pool: Pool, job_ids: Sequence[str]) -> None:
    """Lets settlements wait, twice as long each time: 0.25 s to 30 s."""
    async with pool.connection() as connection:
        await connection.execute(_POSTPONE.encode(), (list(job_ids),))


def _event(job: Job) -> tuple[int, events_pb2.Event]:
    if job.settlement is Settlement.SETTLED:
        return events.of(job, events_pb2.EVENT_KIND_JOB_SETTLED, "ACKNOWLEDGED")
    return events.of(job, events_pb2.EVENT_KIND_SETTLEMENT_REFUSED, job.settlement_reason)
