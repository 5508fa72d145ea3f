"""Contents of settled jobs whose time is over: removed for good, while the record of the job stays."""

from services.runtime.postgres import Pool

# Files of outputs are left to themselves, since others may need them longer; locked in the order of their ids, as by
# those who use them.
_REMOVE = """
WITH expired AS MATERIALIZED (
    SELECT job_id FROM job
     WHERE content_expires_at <= clock_timestamp() AND content_removed_at IS NULL
     ORDER BY content_expires_at LIMIT %s
       FOR NO KEY UPDATE SKIP LOCKED),
removed AS (
    UPDATE job SET input_json = '', output_json = NULL, content_removed_at = clock_timestamp()
      FROM expired WHERE job.job_id = expired.job_id
    RETURNING job.job_id),
inputs AS (DELETE FROM job_file USING expired WHERE job_file.job_id = expired.job_id),
works AS (DELETE FROM work USING expired WHERE work.job_id = expired.job_id),
outputs AS MATERIALIZED (
    SELECT file_id FROM output_file JOIN expired USING (job_id)
     WHERE output_file.state = 'WITH_JOB' ORDER BY file_id
       FOR NO KEY UPDATE OF output_file),
alone AS (UPDATE output_file SET state = 'LEFT' FROM outputs WHERE output_file.file_id = outputs.file_id)
SELECT count(*) FROM removed
"""


async def remove(pool: Pool, n: int) -> int:
    """Removes the contents of up to `n` jobs; answers of how many."""
    async with pool.connection() as connection:
        row = await (await connection.execute(_REMOVE, (n,))).fetchone()
    return int(str(row[0])) if row else 0
