"""What somebody wants of a job: that it is canceled, or that it ended in a way nobody here could tell."""

from collections.abc import Callable
from typing import Any

from services.executor.rules.jobs import Transition, Wish
from services.executor.rules.wishes import Decision, Standing
from services.executor.store import attempts, gates, works
from services.executor.store.rows import COLUMNS, Job, job_of, rest_of
from services.executor.store.statements import Connection
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

# Who moves the job meanwhile is waited for, and what it made of the job is what is decided upon.
_FIND = f"""
SELECT {COLUMNS}, job.quote, CASE WHEN job.indeterminate_at IS NOT NULL THEN job.output_json END, {works.BEGUN}
  FROM job WHERE job_id = %s FOR NO KEY UPDATE
"""
_GATE = "SELECT account_id, tool FROM job WHERE job_id = %s AND gated AND concurrency > 0"
_ASK = f"""
UPDATE job
   SET cancel_requested_at = clock_timestamp(), wished_by = %(actor)s, wished_key_id = %(key_id)s,
       wished_reason = %(reason)s
 WHERE job_id = %(job_id)s AND state = 'RUNNING' AND cancel_requested_at IS NULL
RETURNING {COLUMNS}
"""

Decide = Callable[[Standing], Decision]


async def decide(pool: Pool, log: EventLog, job_id: str, decision: Decide) -> tuple[Job, bool] | None:
    """The job after what `decision` makes of it, and whether that changed it; None where there is none. What `decision`
    raises leaves the job as it is."""
    async with pool.connection() as connection, connection.transaction():
        gate: Any = await (await connection.execute(_GATE, (job_id,))).fetchall()
        await gates.lock(connection, gate)
        row: Any = await (await connection.execute(_FIND.encode(), (job_id,))).fetchone()
        if row is None:
            return None
        quote, output_json, begun = rest_of(row)
        standing = Standing(job_of(row), bytes(quote), bytes(output_json or b""), begun)
        match decision(standing):
            case Transition() as step:
                (changed,) = await attempts.move_within(connection, log, [step])
            case Wish() as wish:
                changed = await _ask(connection, job_id, wish)
            case None:
                changed = None
    return changed or standing.job, changed is not None


async def _ask(connection: Connection, job_id: str, wish: Wish) -> Job | None:
    values = {"job_id": job_id, "actor": wish.actor, "key_id": wish.key_id, "reason": wish.reason}
    row = await (await connection.execute(_ASK.encode(), values)).fetchone()
    return job_of(row) if row else None
