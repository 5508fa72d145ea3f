"""Work that providers have begun for jobs: written once the provider has answered, found again by whoever goes on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from services.executor.store.rows import Work
from services.executor.store.statements import Connection, each
from services.runtime.postgres import Pool

# Whether the provider of a job has begun its work.
BEGUN = "EXISTS (SELECT FROM work WHERE work.job_id = job.job_id)"
# The job's row is locked, so that this comes before or after whoever moves the job on, never between. After an answer
# that was lost on its way the work may be there: it is this attempt's own, then.
_KEEP = """
WITH held AS MATERIALIZED (
    SELECT job_id, fence FROM job
     WHERE job_id = %(job_id)s AND fence = %(fence)s AND state = 'RUNNING'
       FOR NO KEY UPDATE)
INSERT INTO work (job_id, fence, answer_json, provider_request_id, begun_at, until)
SELECT job_id, fence, %(answer_json)b, %(provider_request_id)s, clock_timestamp(),
       clock_timestamp() + make_interval(secs => %(seconds_left)s)
  FROM held
    ON CONFLICT ON CONSTRAINT one_work_a_job DO UPDATE SET fence = excluded.fence WHERE work.fence = excluded.fence
RETURNING job_id
"""
_OF = """
SELECT job_id, answer_json, provider_request_id,
       extract(epoch FROM until - clock_timestamp())::float
  FROM work WHERE job_id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Work that a provider has begun for an attempt."""

    job_id: str
    fence: int
    answer_json: bytes
    provider_request_id: str
    seconds_left: float
    """Of the call's time; more than zero."""


async def keep(pool: Pool, beginnings: Sequence[Beginning]) -> list[bool]:
    """Commits work before anybody looks at it; False where the job is not held any more."""
    async with pool.connection() as connection, connection.transaction():
        return [row is not None for row in await each(connection, _KEEP, [asdict(item) for item in beginnings])]


async def begun(pool: Pool, job_ids: Sequence[str]) -> dict[str, Work]:
    """`of`, by itself."""
    async with pool.connection() as connection:
        return await of(connection, job_ids)


async def of(connection: Connection, job_ids: Sequence[str]) -> dict[str, Work]:
    """The work of those jobs that have some, by job id."""
    found = await connection.execute(_OF, (list(job_ids),))
    return {
        str(job_id): Work(bytes(answer_json), str(request_id), float(str(seconds_left)))  # type: ignore[call-overload]
        for job_id, answer_json, request_id, seconds_left in await found.fetchall()
    }
