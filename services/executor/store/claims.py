"""The queue: claiming jobs, holding them, giving them back.

A claim leaves the job QUEUED and makes it this worker's for the length of a lease; a worker that dies before it begins
an attempt needs no repair, its lease just ends. Leases are counted on the database's clock (`clock_timestamp()`), and
by the worker on a monotonic clock from before the statement was sent, so the worker's view always ends first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.executor.store import works
from services.executor.store.rows import COLUMNS, Claim, file_of, job_of, rest_of
from services.executor.store.statements import Connection
from services.runtime.postgres import Pool

_CLAIM = f"""
WITH next AS MATERIALIZED (
    SELECT job_id FROM job
     WHERE state = 'QUEUED' AND NOT gated AND held_until <= clock_timestamp()
       AND (cancel_after IS NULL OR cancel_after > clock_timestamp())
       AND NOT tool || '/' || tool_version = ANY(%(full)s)
       AND NOT (tool || '/' || tool_version = ANY(%(down)s) AND attempts = 0
                AND created_at > clock_timestamp() - make_interval(secs => %(down_seconds)s))
     ORDER BY round, priority, created_at, job_id
     LIMIT %(n)s
       FOR NO KEY UPDATE SKIP LOCKED)
UPDATE job
   SET fence = fence + 1, worker = %(worker)s,
       held_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
  FROM next WHERE job.job_id = next.job_id
RETURNING {COLUMNS}, job.quote, job.input_json, job.file_count,
          job.round, job.priority, job.created_at, job.job_id
"""
_FILES = """
SELECT job_id, property, media_type, data, file_id, size_bytes, digest FROM job_file WHERE job_id = ANY(%s)
"""
# Rows that a transaction of this executor has locked just now are left out: they are ending, and waiting for one lock
# while holding another could wait for ever.
_RENEW = """
WITH held AS MATERIALIZED (
    SELECT job.job_id FROM job
      JOIN unnest(%(job_ids)s::text[], %(fences)s::bigint[]) AS mine (job_id, fence)
        ON job.job_id = mine.job_id AND job.fence = mine.fence
     WHERE job.state IN ('QUEUED', 'RUNNING')
       FOR NO KEY UPDATE OF job SKIP LOCKED)
UPDATE job SET held_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
  FROM held WHERE job.job_id = held.job_id
RETURNING job.job_id, job.fence, job.cancel_requested_at IS NOT NULL
"""
_PUT_BACK = """
WITH held AS MATERIALIZED (
    SELECT job.job_id FROM job
      JOIN unnest(%(job_ids)s::text[], %(fences)s::bigint[]) AS mine (job_id, fence)
        ON job.job_id = mine.job_id AND job.fence = mine.fence
     WHERE job.state = 'QUEUED'
       FOR NO KEY UPDATE OF job SKIP LOCKED)
UPDATE job SET fence = fence + 1, worker = '', held_until = clock_timestamp() + make_interval(secs => %(delay)s)
  FROM held WHERE job.job_id = held.job_id
"""


@dataclass(frozen=True, slots=True)
class Shunned:
    """Versions of tools, as `slug/version`, whose jobs are left in the queue."""

    full: Sequence[str] = ()
    """Their provider has no place."""
    down: Sequence[str] = ()
    """It is down; what was begun before is claimed all the same, and what has waited for `down_seconds`."""
    down_seconds: float = 0


async def claim(pool: Pool, worker: str, n: int, lease_seconds: float, shunned: Shunned = Shunned()) -> list[Claim]:
    """Up to `n` waiting jobs, now held by `worker`, in the order of the queue."""
    async with pool.connection() as connection, connection.transaction():
        parameters = {
            "n": n,
            "worker": worker,
            "lease_seconds": lease_seconds,
            "full": list(shunned.full),
            "down": list(shunned.down),
            "down_seconds": shunned.down_seconds,
        }
        found = await connection.execute(_CLAIM.encode(), parameters)
        rows = await found.fetchall()
        # RETURNING gives rows in any order; the last columns say the queue's.
        rows.sort(key=lambda row: row[-4:])
        claims: dict[str, Claim] = {}
        with_files = []
        for row in rows:
            job = job_of(row)
            quote, input_json, file_count = rest_of(row)[:3]
            claims[job.job_id] = Claim(job, bytes(quote), bytes(input_json))
            if file_count:
                with_files.append(job.job_id)
        await _add_works(connection, claims)
        await _add_files(connection, claims, with_files)
    return list(claims.values())


async def _add_works(connection: Connection, claims: Mapping[str, Claim]) -> None:
    """What providers have begun already."""
    attempted = [job_id for job_id, claim in claims.items() if claim.job.attempts]
    if attempted:
        for job_id, work in (await works.of(connection, attempted)).items():
            claims[job_id].work = work


async def _add_files(connection: Connection, claims: Mapping[str, Claim], with_files: Sequence[str]) -> None:
    """The files of inputs; where a provider has begun the work it has them, and nobody asks for them again."""
    needed = [job_id for job_id in with_files if claims[job_id].work is None]
    if needed:
        contents = await connection.execute(_FILES.encode(), (needed,))
        for job_id, *columns in await contents.fetchall():
            claims[str(job_id)].add(file_of(columns))


async def renew(pool: Pool, held: Sequence[tuple[str, int]], lease_seconds: float) -> dict[tuple[str, int], bool]:
    """Renews the leases of `(job id, fence)` pairs; answers those that are still held, and of each whether somebody
    wants its job canceled."""
    async with pool.connection() as connection:
        found = await connection.execute(
            _RENEW.encode(),
            {"job_ids": [job_id for job_id, _ in held], "fences": [f for _, f in held], "lease_seconds": lease_seconds},
        )
        rows: list[Any] = await found.fetchall()
        return {(job_id, fence): is_canceled for job_id, fence, is_canceled in rows}


async def put_back(pool: Pool, held: Iterable[tuple[str, int]], delay_seconds: float) -> None:
    """Gives jobs that were not begun back to the queue; nobody claims them for `delay_seconds`."""
    pairs = list(held)
    async with pool.connection() as connection:
        await connection.execute(
            _PUT_BACK.encode(),
            {"job_ids": [job_id for job_id, _ in pairs], "fences": [f for _, f in pairs], "delay": delay_seconds},
        )
