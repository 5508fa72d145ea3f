"""Attempts whose worker is gone: their lease ended and no outcome came."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.executor.rules.jobs import Retry, Transition
from services.executor.store import attempts
from services.executor.store.rows import COLUMNS, Job, job_of, rest_of
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

BATCH = 200
# A tool that may not be called twice gets the time of one more call: a worker that was only cut off can still tell.
# Where somebody wants the job canceled nobody waits for that; where its provider has begun the work, another asks that.
_LOST = f"""
SELECT {COLUMNS}, job.quote, attempt.retry, attempt.started_at < work.until
  FROM job JOIN attempt ON attempt.job_id = job.job_id AND attempt.fence = job.fence
  LEFT JOIN work ON work.job_id = job.job_id
 WHERE job.state = 'RUNNING'
   AND clock_timestamp() > job.held_until + CASE
       WHEN attempt.retry = 'safe' OR work.job_id IS NOT NULL OR job.cancel_requested_at IS NOT NULL THEN interval '0'
       ELSE attempt.deadline_at - attempt.started_at END
 ORDER BY job.held_until
 LIMIT {BATCH}
   FOR NO KEY UPDATE OF job SKIP LOCKED
"""


@dataclass(frozen=True, slots=True)
class Lost:
    """A job whose attempt will not answer."""

    job: Job
    quote: bytes
    retry: Retry
    may_resume: bool | None
    """Whether another one goes on with what the provider has begun: not after one that began when the time of the call
    was over. None: nothing is known to have begun."""


async def recover(pool: Pool, log: EventLog, decide: Callable[[Lost], Transition]) -> list[tuple[Transition, Job]]:
    """Moves jobs of lost workers on as `decide` says, at most 200; a worker that comes back finds its state gone."""
    async with pool.connection() as connection, connection.transaction():
        found = await connection.execute(_LOST.encode())
        lost = [_lost(row) for row in await found.fetchall()]
        steps = [decide(item) for item in lost]
        moved = await attempts.move_within(connection, log, steps)
    return [(step, job) for step, job in zip(steps, moved, strict=True) if job]


def _lost(row: Sequence[Any]) -> Lost:
    quote, retry, may_resume = rest_of(row)
    return Lost(job_of(row), bytes(quote), Retry(retry), may_resume)
