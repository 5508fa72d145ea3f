"""Reading jobs."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

from services.executor.store.rows import COLUMNS, Attempt, Job, job_of
from services.runtime.postgres import Pool

_JOBS = f"SELECT {COLUMNS} FROM job WHERE job_id = ANY(%s)"
_OUTPUTS = "SELECT job_id, output_json FROM job WHERE job_id = ANY(%s) AND output_json IS NOT NULL"
_ATTEMPTS = f"""
SELECT {", ".join(field.name for field in fields(Attempt))} FROM attempt WHERE job_id = %s ORDER BY number
"""
_PAGE = f"""
SELECT {COLUMNS} FROM job
 WHERE account_id = %(account_id)s
   AND (%(before)s::timestamptz IS NULL OR (created_at, job_id) < (%(before)s::timestamptz, %(job_id)s))
 ORDER BY created_at DESC, job_id DESC LIMIT %(n)s
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after this job in the order of newest first."""

    created_at: datetime
    job_id: str


async def jobs(pool: Pool, job_ids: Sequence[str]) -> dict[str, Job]:
    """The jobs of these ids that exist."""
    async with pool.connection() as connection:
        found = await connection.execute(_JOBS.encode(), (list(job_ids),))
        return {job.job_id: job for job in map(job_of, await found.fetchall())}


async def outputs(pool: Pool, job_ids: Sequence[str]) -> dict[str, bytes]:
    """The outputs of those that have one."""
    async with pool.connection() as connection:
        found = await connection.execute(_OUTPUTS, (list(job_ids),))
        return {str(job_id): bytes(output) for job_id, output in await found.fetchall()}  # type: ignore[call-overload]


async def attempts(pool: Pool, job_id: str) -> list[Attempt]:
    """The attempts of a job, the first one first."""
    async with pool.connection() as connection:
        found = await connection.execute(_ATTEMPTS.encode(), (job_id,))
        return [Attempt(*cast("Sequence[Any]", row)) for row in await found.fetchall()]


async def page(pool: Pool, account_id: str, after: Place | None, n: int) -> list[Job]:
    """Up to `n` jobs of an account, newest first."""
    async with pool.connection() as connection:
        found = await connection.execute(
            _PAGE.encode(),
            {
                "account_id": account_id,
                "before": after.created_at if after else None,
                "job_id": after.job_id if after else "",
                "n": n,
            },
        )
        return [job_of(row) for row in await found.fetchall()]
