"""What the reconciler reads of the jobs, and what it keeps: whose turn it is, how far it has come, what it found."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from services.executor.rules.findings import Finding, Kind
from services.executor.rules.jobs import Settlement
from services.executor.store.rows import COLUMNS, Job, job_of, rest_of
from services.runtime.postgres import Pool

_TAKE_TURN = """
UPDATE reconciliation SET next_at = clock_timestamp() + make_interval(secs => %s)
 WHERE next_at <= clock_timestamp() RETURNING single
"""
_STANDING = "SELECT clock_timestamp(), compared_until, ran_at FROM reconciliation"
_UNSETTLED = f"""
SELECT {COLUMNS} FROM job
 WHERE settlement = 'PENDING' AND finished_at IS NOT NULL AND finished_at < %(before)s
 ORDER BY finished_at LIMIT %(n)s
"""
_REFUSED = f"SELECT {COLUMNS} FROM job WHERE settlement = 'REFUSED' ORDER BY finished_at LIMIT %(n)s"
_SETTLED = f"""
SELECT {COLUMNS}, job.settled_at FROM job
 WHERE settled_at IS NOT NULL AND (settled_at, job_id) > (%(after)s, %(job_id)s) AND settled_at < %(before)s
 ORDER BY settled_at, job_id LIMIT %(n)s
"""
_BEGUN = f"""
(SELECT {COLUMNS} FROM job WHERE state = 'RUNNING' AND started_at < %(before)s LIMIT %(n)s)
 UNION ALL
(SELECT {COLUMNS} FROM job WHERE state = 'INDETERMINATE' AND started_at < %(before)s ORDER BY created_at LIMIT %(n)s)
"""
_NAMES = tuple(field.name for field in fields(Finding))
_COLUMNS = ", ".join(_NAMES)
_FOUND = f"SELECT {_COLUMNS} FROM finding ORDER BY since LIMIT %s"
_COUNTS = "SELECT kind, count(*) FROM finding GROUP BY kind"
_KEEP = f"""
INSERT INTO finding ({_COLUMNS}, found_at)
VALUES ({", ".join(f"%({name})s" for name in _NAMES)}, clock_timestamp())
ON CONFLICT ON CONSTRAINT one_finding_of_a_kind_a_job DO UPDATE
   SET reason = excluded.reason, job_micros = excluded.job_micros, ledger_micros = excluded.ledger_micros,
       since = excluded.since
"""
_DROP = "DELETE FROM finding WHERE kind = %s AND account_id = %s AND job_id = %s"
# Two runs may end in any order.
_MOVE = """
UPDATE reconciliation
   SET compared_until = greatest(compared_until, %(compared_until)s), ran_at = greatest(ran_at, %(ran_at)s)
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far reconciliation has come, on the database's clock."""

    now: datetime
    compared_until: datetime
    ran_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order in which jobs were settled."""

    settled_at: datetime
    job_id: str = ""


async def take_turn(pool: Pool, seconds: float) -> bool:
    """Whether it is this executor's turn; the next one begins `seconds` later, whoever takes it."""
    async with pool.connection() as connection:
        return await (await connection.execute(_TAKE_TURN, (seconds,))).fetchone() is not None


async def standing(pool: Pool) -> Standing:
    """How far it has come."""
    async with pool.connection() as connection:
        row: Any = await (await connection.execute(_STANDING)).fetchone()
        return Standing(*row)


async def counts(pool: Pool) -> dict[Kind, int]:
    """How many findings of each kind the last run left."""
    async with pool.connection() as connection:
        rows: Any = await (await connection.execute(_COUNTS)).fetchall()
        return dict.fromkeys(Kind, 0) | {Kind(kind): count for kind, count in rows}


async def unsettled(pool: Pool, before: datetime, n: int) -> list[Job]:
    """Up to `n` jobs that ended before a time and whose settlement has no answer, the oldest first."""
    return await _jobs(pool, _UNSETTLED, before=before, n=n)


async def refused(pool: Pool, n: int) -> list[Job]:
    """Up to `n` jobs whose settlement was refused, the oldest first."""
    return await _jobs(pool, _REFUSED, n=n)


async def begun(pool: Pool, before: datetime, n: int) -> list[Job]:
    """Jobs that are RUNNING or INDETERMINATE and were begun before a time, up to `n` of each."""
    return await _jobs(pool, _BEGUN, before=before, n=n)


async def settled(pool: Pool, after: Place, before: datetime, n: int) -> tuple[list[Job], Place]:
    """Up to `n` jobs that were settled after a place and before a time, refused ones left out, and the place of the
    last one looked at."""
    parameters = {"after": after.settled_at, "job_id": after.job_id, "before": before, "n": n}
    async with pool.connection() as connection:
        rows: Sequence[Any] = await (await connection.execute(_SETTLED.encode(), parameters)).fetchall()
    jobs = [job_of(row) for row in rows]
    place = Place(rest_of(rows[-1])[0], jobs[-1].job_id) if rows else after
    return [job for job in jobs if job.settlement is Settlement.SETTLED], place


async def known(pool: Pool, n: int) -> list[Finding]:
    """Up to `n` of what earlier runs found and no later one found gone, the oldest first."""
    async with pool.connection() as connection:
        rows: Sequence[Any] = await (await connection.execute(_FOUND.encode(), (n,))).fetchall()
        return [Finding(Kind(row[0]), *row[1:]) for row in rows]


async def keep(
    pool: Pool, found: Collection[Finding], gone: Collection[Finding], ran_at: datetime, compared_until: datetime
) -> None:
    """Writes what a run found, and how far it came."""
    async with pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
        # In one order, so that two runs wait in one direction.
        await cursor.executemany(_DROP, sorted(one.key for one in gone))
        rows = [{name: getattr(one, name) for name in _NAMES} for one in sorted(found, key=lambda one: one.key)]
        await cursor.executemany(_KEEP.encode(), rows)
        await cursor.execute(_MOVE, {"ran_at": ran_at, "compared_until": compared_until})


async def _jobs(pool: Pool, query: str, **parameters: object) -> list[Job]:
    async with pool.connection() as connection:
        found = await connection.execute(query.encode(), parameters)
        return [job_of(row) for row in await found.fetchall()]
