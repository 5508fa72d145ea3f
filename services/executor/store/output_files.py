"""Files of outputs: written with the outcome, moved to the object store, found by their account, deleted at last.

The content is in the row until it has moved. Each take of a row makes an object of its own, so that one who is slow,
and was given up, cannot spoil what another one has made meanwhile.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, cast

from services.executor.rules.jobs import Transition
from services.executor.rules.output_files import OutputFile
from services.executor.store.statements import Connection, run_each
from services.runtime.postgres import Pool

# A job may be put off for a day, and is found by its Idempotency-Key for as long.
USED_LONGER = timedelta(days=2)
_INSERT = """
INSERT INTO output_file (file_id, job_id, account_id, pointer, media_type, size_bytes, digest, data,
                         held_until, kept_until, created_at)
SELECT %(file_id)s, job_id, account_id, %(pointer)s, %(media_type)s, octet_length(%(data)b), %(digest)s, %(data)b,
       clock_timestamp(), clock_timestamp(), clock_timestamp()
  FROM job WHERE job_id = %(job_id)s
"""
_LIVES = "(file.state = 'WITH_JOB' OR (file.state = 'LEFT' AND file.kept_until > clock_timestamp()))"
# Locked in the order of their ids, so that two that use the same files wait in one direction.
_KEEP = f"""
WITH used AS MATERIALIZED (
    SELECT file_id FROM output_file AS file
     WHERE account_id = %(account_id)s AND file_id = ANY(%(file_ids)s) AND {_LIVES}
     ORDER BY file_id FOR NO KEY UPDATE)
UPDATE output_file AS file SET kept_until = greatest(kept_until, clock_timestamp() + %(longer)s)
  FROM used WHERE file.file_id = used.file_id
"""
_FIND = f"""
SELECT file.file_id, file.account_id, file.job_id, file.pointer, file.media_type, file.size_bytes, file.digest,
       file.created_at,
       greatest(coalesce(job.content_expires_at, clock_timestamp() + %(content)s), file.kept_until) AS expires_at
  FROM output_file AS file JOIN job USING (job_id)
 WHERE file.account_id = %(account_id)s AND file.file_id = ANY(%(file_ids)s) AND {_LIVES}
"""
_PIECE = f"""
SELECT substring(data FROM %s FOR %s), takes FROM output_file AS file
 WHERE account_id = %s AND file_id = %s AND {_LIVES}
"""
_TAKE = """
UPDATE output_file SET takes = takes + 1, held_until = clock_timestamp() + %(hold)s
 WHERE file_id = (
    SELECT file_id FROM output_file
     WHERE data IS NOT NULL AND state <> 'DELETING' AND held_until <= clock_timestamp()
     ORDER BY held_until LIMIT 1
       FOR NO KEY UPDATE SKIP LOCKED)
RETURNING file_id, account_id, size_bytes, digest, takes
"""
_MOVED = """
UPDATE output_file SET data = NULL, held_until = clock_timestamp()
 WHERE file_id = %s AND takes = %s AND data IS NOT NULL AND state <> 'DELETING'
"""
_WAITING = "SELECT count(*) FROM output_file WHERE data IS NOT NULL AND state <> 'DELETING'"
_LET_GO = "UPDATE output_file SET held_until = clock_timestamp() WHERE file_id = %s AND takes = %s"
_GIVE_UP = f"""
UPDATE output_file AS file SET state = 'DELETING', kept_until = least(kept_until, clock_timestamp())
 WHERE account_id = %s AND file_id = %s AND {_LIVES}
"""
# Not while somebody may be at work on its object, which would be left then.
_EXPIRE = """
UPDATE output_file SET state = 'DELETING'
 WHERE file_id IN (
    SELECT file_id FROM output_file
     WHERE state <> 'WITH_JOB' AND kept_until <= clock_timestamp() AND held_until <= clock_timestamp()
     ORDER BY kept_until LIMIT %s
       FOR NO KEY UPDATE SKIP LOCKED)
RETURNING file_id, takes
"""
_REMOVE = "DELETE FROM output_file WHERE file_id = %s AND state = 'DELETING'"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of an output as it is kept."""

    file_id: str
    account_id: str
    job_id: str
    pointer: str
    media_type: str
    size_bytes: int
    digest: str
    created_at: datetime
    expires_at: datetime
    """Before, it is not deleted."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The next bytes of a file's content, or the object that it has moved to."""

    data: bytes | None
    object_name: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A file whose content is to be moved, by whoever has taken it alone; `take` counts."""

    file_id: str
    account_id: str
    size_bytes: int
    digest: str
    take: int


def object_name(file_id: str, take: int) -> str:
    """Of the object that a take makes."""
    return f"{file_id}_{take}"


async def insert(connection: Connection, steps: Collection[Transition]) -> None:
    """Writes the files of outputs in the transaction that writes the outcomes."""
    await run_each(
        connection, _INSERT, [_parameters(step.job_id, file) for step in steps for file in step.output_files]
    )


async def find(pool: Pool, account_id: str, file_ids: Sequence[str], content: timedelta) -> dict[str, KeptFile]:
    """Those of an account that are there, by id; `content`: how long contents of jobs are kept."""
    values = {"account_id": account_id, "file_ids": list(file_ids), "content": content}
    async with pool.connection() as connection:
        rows: list[Any] = await (await connection.execute(_FIND.encode(), values)).fetchall()
    return {row[0]: KeptFile(*row) for row in rows}


async def keep(pool: Pool, account_id: str, file_ids: Sequence[str]) -> None:
    """Lets those that are there live for two days at least, from now."""
    values = {"account_id": account_id, "file_ids": list(file_ids), "longer": USED_LONGER}
    async with pool.connection() as connection:
        await connection.execute(_KEEP.encode(), values)


async def piece(pool: Pool, account_id: str, file_id: str, at: int, size: int) -> Piece | None:
    """Up to `size` bytes from place `at`, or where they are now; None where the file is not there any more."""
    async with pool.connection() as connection:
        found = await connection.execute(_PIECE.encode(), (at + 1, size, account_id, file_id), binary=True)
        row = cast("tuple[bytes | None, int] | None", await found.fetchone())
    return row and Piece(row[0], object_name(file_id, row[1]))


async def take(pool: Pool, hold: timedelta) -> Taken | None:
    """A file whose content is to be moved, this caller's alone for the time of `hold`; None where there is none."""
    async with pool.connection() as connection:
        row: Any = await (await connection.execute(_TAKE.encode(), {"hold": hold})).fetchone()
    return Taken(*row) if row else None


async def waiting(pool: Pool) -> int:
    """How many files have not moved yet."""
    async with pool.connection() as connection:
        row = await (await connection.execute(_WAITING)).fetchone()
    return int(str(row[0])) if row else 0


async def moved(pool: Pool, taken: Taken) -> bool:
    """Lets go of the content in the row, which its object has; False where that is not the one any more."""
    async with pool.connection() as connection:
        return (await connection.execute(_MOVED, (taken.file_id, taken.take))).rowcount > 0


async def let_go(pool: Pool, taken: Taken) -> None:
    """Whoever took it could not move it, and is not at work on it any more."""
    async with pool.connection() as connection:
        await connection.execute(_LET_GO, (taken.file_id, taken.take))


async def give_up(pool: Pool, account_id: str, file_id: str) -> bool:
    """Nobody finds the file any more, and it will be deleted; False where it was not there."""
    async with pool.connection() as connection:
        return (await connection.execute(_GIVE_UP.encode(), (account_id, file_id))).rowcount > 0


async def expire(pool: Pool, n: int) -> list[tuple[str, int]]:
    """Up to `n` files whose time is over, and how often each was taken; nobody finds them any more."""
    async with pool.connection() as connection:
        rows: list[Any] = await (await connection.execute(_EXPIRE, (n,))).fetchall()
    return rows


async def remove(pool: Pool, file_id: str) -> None:
    """Removes the row of a file whose objects are gone."""
    async with pool.connection() as connection:
        await connection.execute(_REMOVE, (file_id,))


def _parameters(job_id: str, file: OutputFile) -> dict[str, object]:
    return {"job_id": job_id} | {one.name: getattr(file, one.name) for one in fields(file)}
