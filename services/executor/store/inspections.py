"""Jobs whose outcome is not known, and whose turn it is that their providers are asked about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.executor.rules.jobs import Transition
from services.executor.store import attempts
from services.executor.store.rows import COLUMNS, Job, job_of, rest_of
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

_DUE = "coalesce(inspect_at, indeterminate_at)"
# A turn needs no renewing: it is longer than a look, and looking twice does no harm.
_TAKE = f"""
WITH next AS MATERIALIZED (
    SELECT job_id FROM job
     WHERE state = 'INDETERMINATE' AND {_DUE} <= clock_timestamp()
     ORDER BY {_DUE} LIMIT %(n)s
       FOR NO KEY UPDATE SKIP LOCKED)
UPDATE job
   SET inspect_at = clock_timestamp() + make_interval(secs => %(turn_seconds)s), inspections = inspections + 1
  FROM next JOIN attempt ON attempt.job_id = next.job_id
 WHERE job.job_id = next.job_id AND attempt.fence = job.fence
RETURNING {COLUMNS}, job.quote, job.input_json,
          attempt.deadline_at + make_interval(secs => %(lease_seconds)s) <= clock_timestamp()
"""
_POSTPONE = """
UPDATE job SET inspect_at = clock_timestamp() + make_interval(secs => %(seconds)s)
 WHERE job_id = %(job_id)s AND state = 'INDETERMINATE'
"""
_LEAVE = "UPDATE job SET inspect_at = 'infinity', inspections = 0 WHERE job_id = %s AND state = 'INDETERMINATE'"


@dataclass(frozen=True, slots=True)
class Turn:
    """One look that this executor alone may take."""

    job: Job
    """`inspections` counts this one."""
    quote: bytes
    """A serialized scrip.catalog.v1.Quote."""
    input_json: bytes
    is_past_call: bool
    """Whether the time of its call and a lease are over, so that nothing of it can arrive at the provider any more."""


async def take_turns(pool: Pool, n: int, turn_seconds: float, lease_seconds: float) -> list[Turn]:
    """Up to `n` turns, each for so long; after that it is another's."""
    async with pool.connection() as connection:
        found = await connection.execute(
            _TAKE.encode(), {"n": n, "turn_seconds": turn_seconds, "lease_seconds": lease_seconds}
        )
        return [_turn(row) for row in await found.fetchall()]


async def settle(pool: Pool, log: EventLog, step: Transition) -> Job | None:
    """Ends a job as its provider says; None where somebody else, or time, has ended it meanwhile."""
    async with pool.connection() as connection, connection.transaction():
        (job,) = await attempts.move_within(connection, log, [step])
    return job


async def postpone(pool: Pool, job_id: str, seconds: float) -> None:
    """Ends a turn; the next one is not before `seconds` from now."""
    async with pool.connection() as connection:
        await connection.execute(_POSTPONE, {"job_id": job_id, "seconds": seconds})


async def leave(pool: Pool, job_id: str) -> None:
    """Ends a turn; there is no other: its tool cannot be inspected."""
    async with pool.connection() as connection:
        await connection.execute(_LEAVE, (job_id,))


def _turn(row: Sequence[Any]) -> Turn:
    quote, input_json, is_past_call = rest_of(row)
    return Turn(job_of(row), bytes(quote), bytes(input_json), is_past_call)
