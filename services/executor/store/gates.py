"""Gates: of an account and a tool with a limit, so many jobs are in the queue, held or running at once.

A job with a limit is made before its gate, where nobody claims it. It is let through in the transaction that makes it,
in the one that ends another, or in the one that ends its delay; so whatever dies, a gate is never left closed. The
queue knows nothing of this, and a job without a limit is written as if there were no gates.
"""

from collections.abc import Iterable

from services.executor.store.rows import Job
from services.executor.store.statements import Connection
from services.executor.store.turns import TURN

# Why the bound is exact: only who holds a gate's lock lets jobs through it, until its commit, and it counts in a
# statement that begins when it has the lock: it sees all that were let through before. Jobs leave without the lock, so
# the count may be too high for a moment; who leaves then asks for the lock itself, and lets the next one through.
# Locks are taken in one order: a gate's after the rows of jobs that are beyond it and before those of jobs that wait,
# and before the event log's.
_LOCK = """
SELECT pg_advisory_xact_lock(gate) FROM (
    SELECT DISTINCT hashtextextended(account_id || ' ' || tool, 0) AS gate
      FROM unnest(%(accounts)s::text[], %(tools)s::text[]) AS gates (account_id, tool) ORDER BY gate) AS gates
"""
# The first in line says how many may be beyond; a job after it with a lower limit, from another version of the tool,
# keeps to its own.
_WAITING = """
       FROM job WHERE job.account_id = gate.account_id AND job.tool = gate.tool
        AND gated AND due_at IS NULL AND concurrency > 0 AND state = 'QUEUED'
      ORDER BY priority, created_at, job_id
"""
_OPEN = f"""
WITH next AS MATERIALIZED (
    SELECT next.job_id, next.concurrency, beyond.n + row_number() OVER by_gate AS place,
           row_number() OVER (PARTITION BY gate.account_id, priority ORDER BY created_at, job_id) AS number
      FROM unnest(%(accounts)s::text[], %(tools)s::text[]) AS gate (account_id, tool)
     CROSS JOIN LATERAL (
           SELECT count(*) AS n FROM job WHERE job.account_id = gate.account_id AND job.tool = gate.tool
              AND NOT gated AND due_at IS NULL AND concurrency > 0 AND state IN ('QUEUED', 'RUNNING')) AS beyond
     CROSS JOIN LATERAL (SELECT concurrency {_WAITING} LIMIT 1) AS first
     CROSS JOIN LATERAL (
           SELECT job_id, concurrency, priority, created_at {_WAITING}
            LIMIT greatest(first.concurrency - beyond.n, 0)) AS next
    WINDOW by_gate AS (PARTITION BY gate.account_id, gate.tool ORDER BY priority, created_at, job_id))
UPDATE job
   SET gated = false, held_until = clock_timestamp(),
       round = {TURN.format(account="job.account_id", priority="job.priority")} + number - 1
  FROM next WHERE job.job_id = next.job_id AND job.gated AND next.place <= next.concurrency
"""


async def lock(connection: Connection, gates: Iterable[tuple[str, str]]) -> None:
    """Locks gates, each an account and a tool. Whoever is going to move jobs that wait before them does this first: who
    opens a gate asks for those jobs while it holds the lock."""
    wanted = sorted(set(gates))
    if wanted:
        values = {"accounts": [account_id for account_id, _ in wanted], "tools": [tool for _, tool in wanted]}
        await connection.execute(_LOCK, values)


async def open_for(connection: Connection, jobs: Iterable[Job]) -> None:
    """Lets through whoever may go through the gates of these jobs, which the caller's transaction made or ended."""
    gates = sorted({(job.account_id, job.tool) for job in jobs if job.concurrency})
    if not gates:
        return
    await lock(connection, gates)
    values = {"accounts": [account_id for account_id, _ in gates], "tools": [tool for _, tool in gates]}
    await connection.execute(_OPEN.encode(), values)
