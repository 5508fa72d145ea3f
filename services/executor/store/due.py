"""What time does to jobs that nobody holds: delayed ones come to the queue, others end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.executor.rules.jobs import Transition
from services.executor.store import attempts, gates, works
from services.executor.store.rows import COLUMNS, Job, job_of, rest_of
from services.executor.store.statements import Connection, run_each
from services.executor.store.turns import TURN
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

BATCH = 200
_DELAY_IS_OVER = "job.due_at <= clock_timestamp()"
_DEADLINE_PASSED = "job.state = 'QUEUED' AND job.cancel_after <= clock_timestamp()"
_LOOK = "SELECT job_id, account_id, tool, concurrency > 0 FROM job WHERE {condition} LIMIT {batch}"
_TAKE = """
SELECT {columns}, job.quote, {begun}
  FROM job WHERE job_id = ANY(%s) AND {condition} FOR NO KEY UPDATE OF job SKIP LOCKED
"""
_TO_GATE = "UPDATE job SET due_at = NULL WHERE job_id = ANY(%s)"
_TO_QUEUE = f"""
UPDATE job
   SET due_at = NULL, gated = false, held_until = clock_timestamp(),
       round = {TURN.format(account="job.account_id", priority="job.priority")}
 WHERE job_id = %(job_id)s
"""
# Never earlier than a lease after the time of a call, whatever the setting says.
_UNKNOWN = f"""
SELECT {COLUMNS}, job.quote, true
  FROM job JOIN attempt ON attempt.job_id = job.job_id AND attempt.fence = job.fence
 WHERE job.state = 'INDETERMINATE'
   AND job.indeterminate_at <= clock_timestamp() - make_interval(secs => %(seconds)s)
   AND attempt.deadline_at <= clock_timestamp() - make_interval(secs => %(lease_seconds)s)
 LIMIT {BATCH}
   FOR NO KEY UPDATE OF job SKIP LOCKED
"""
_STANDING = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(indeterminate_at)), 0)::float8
  FROM job WHERE state = 'INDETERMINATE'
"""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A job and its quote, a serialized scrip.catalog.v1.Quote."""

    job: Job
    quote: bytes
    begun: bool
    """Its tool was called: its provider has begun the work."""


Decide = Callable[[Quoted], Transition]


async def to_queue(pool: Pool) -> int:
    """Lets delayed jobs whose time has come into the queue or before their gates, at most 200; answers how many."""
    async with pool.connection() as connection, connection.transaction():
        jobs = [quoted.job for quoted in await _taken(connection, _DELAY_IS_OVER)]
        limited = [job for job in jobs if job.concurrency]
        # One after the other, so that each sees the turn of the one before it.
        unlimited = sorted((job for job in jobs if not job.concurrency), key=lambda job: (job.run_after, job.job_id))
        await run_each(connection, _TO_QUEUE, [{"job_id": job.job_id} for job in unlimited])
        if limited:
            await connection.execute(_TO_GATE, ([job.job_id for job in limited],))
            await gates.open_for(connection, limited)
    return len(jobs)


async def end_late(pool: Pool, log: EventLog, decide: Decide) -> list[Job]:
    """Ends waiting jobs whose deadline has passed, at most 200, as `decide` says."""
    async with pool.connection() as connection, connection.transaction():
        steps = [decide(quoted) for quoted in await _taken(connection, _DEADLINE_PASSED)]
        return [job for job in await attempts.move_within(connection, log, steps) if job]


async def end_unknown(pool: Pool, log: EventLog, seconds: float, lease_seconds: float, decide: Decide) -> list[Job]:
    """Ends jobs whose outcome has not been known for so long, at most 200, as `decide` says."""
    async with pool.connection() as connection, connection.transaction():
        found = await connection.execute(_UNKNOWN.encode(), {"seconds": seconds, "lease_seconds": lease_seconds})
        steps = [decide(_quoted(row)) for row in await found.fetchall()]
        return [job for job in await attempts.move_within(connection, log, steps) if job]


async def indeterminate(pool: Pool) -> tuple[int, float]:
    """How many jobs there are whose outcome is not known, and for how many seconds the oldest has been."""
    async with pool.connection() as connection:
        row: Any = await (await connection.execute(_STANDING)).fetchone()
        return row[0], row[1]


async def _taken(connection: Connection, condition: str) -> list[Quoted]:
    """Jobs for which a condition holds, their gates and then they themselves locked: who opens a gate holds its lock
    while it asks for the jobs before it."""
    look = _LOOK.format(condition=condition, batch=BATCH)
    seen: list[Any] = await (await connection.execute(look.encode())).fetchall()
    if not seen:
        return []
    await gates.lock(connection, [(account_id, tool) for _, account_id, tool, is_limited in seen if is_limited])
    take = _TAKE.format(columns=COLUMNS, begun=works.BEGUN, condition=condition)
    found = await connection.execute(take.encode(), ([job_id for job_id, *_ in seen],))
    return [_quoted(row) for row in await found.fetchall()]


def _quoted(row: Any) -> Quoted:
    quote, begun = rest_of(row)
    return Quoted(job_of(row), bytes(quote), begun)
