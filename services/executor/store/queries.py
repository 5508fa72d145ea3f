"""Reading jobs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, cast

from services.executor.rules.jobs import State
from services.executor.store.rows import COLUMNS, Attempt, Job, job_of
from services.runtime.postgres import Pool

_JOBS = f"SELECT {COLUMNS} FROM job WHERE job_id = ANY(%s)"
_OUTPUTS = "SELECT job_id, output_json FROM job WHERE job_id = ANY(%s) AND output_json IS NOT NULL"
_ATTEMPTS = f"""
SELECT {", ".join(field.name for field in fields(Attempt))} FROM attempt WHERE job_id = %s ORDER BY number
"""
# Only what is asked for stands in the statement, so that each list finds its index.
_CONDITIONS = {
    "account_id": "account_id = %(account_id)s",
    "state": "state = %(state)s",
    "tool": "tool = %(tool)s",
    "created_before": "created_at < %(created_before)s",
    "place": "(created_at, job_id) < (%(place)s, %(job_id)s)",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs a list has; what is empty does not matter."""

    account_id: str = ""
    state: State | None = None
    tool: str = ""
    created_before: datetime | None = None


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


async def page(pool: Pool, wanted: Filter, after: Place | None, n: int) -> list[Job]:
    """Up to `n` jobs, newest first."""
    values = asdict(wanted) | {"place": after and after.created_at, "job_id": after and after.job_id, "n": n}
    conditions = [condition for name, condition in _CONDITIONS.items() if values[name]]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    statement = f"SELECT {COLUMNS} FROM job {where} ORDER BY created_at DESC, job_id DESC LIMIT %(n)s"
    async with pool.connection() as connection:
        found = await connection.execute(statement.encode(), values)
        return [job_of(row) for row in await found.fetchall()]
