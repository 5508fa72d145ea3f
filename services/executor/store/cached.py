"""Outputs that are given again: by account, tool version and input."""

from services.executor.store.rows import Job
from services.runtime.postgres import Pool

_FIND = """
SELECT output_json FROM job
 WHERE account_id = %s AND input_digest = %s AND tool = %s AND tool_version = %s AND cached_until > clock_timestamp()
   AND content_removed_at IS NULL
 ORDER BY cached_until DESC LIMIT 1
"""


async def output_like(pool: Pool, job: Job) -> bytes | None:
    """The output of a job of the same account with the same tool version and input; None where none is kept."""
    async with pool.connection() as connection:
        found = await connection.execute(_FIND, (job.account_id, job.input_digest, job.tool, job.tool_version))
        row = await found.fetchone()
    return bytes(row[0]) if row else None  # type: ignore[call-overload]
