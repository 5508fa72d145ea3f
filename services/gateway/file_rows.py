"""What the gateway's database knows of files: whose each is, what it is, and until when it is there.

A row is made before the first byte of a file is stored and removed after the last is gone, so whatever lies in the
object store has a row that says when it may be deleted. A row is READY only once all of the content is stored.
"""

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from services.gateway.bodies import too_large
from services.runtime import ids
from services.runtime.objects import Stored
from services.runtime.postgres import Pool, outage_refused

# An upload has an hour; a row that is left of one is swept after it.
UPLOAD_SECONDS = 3600
_SWEPT_AFTER = timedelta(seconds=UPLOAD_SECONDS + 600)
# A job may be put off for a day, and is found by its Idempotency-Key for as long.
_USED_LONGER = timedelta(days=1)
# However often a file is used again; the object store forgets it a day later.
KEEP_DAYS_MAX = 30
_ID_BYTES = 17
_ID_CHARACTERS = 26
_COLUMNS = "file_id, account_id, media_type, name, size_bytes, digest, created_at, expires_at"
_LIVES = "state = 'READY' AND expires_at > clock_timestamp()"
_BEGIN = """
INSERT INTO file (file_id, account_id, media_type, name, created_at, expires_at)
VALUES (%s, %s, %s, %s, clock_timestamp(), clock_timestamp() + %s)
"""
_USED = "SELECT coalesce(sum(size_bytes), 0)::bigint FROM file WHERE account_id = %s"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('files of ' || %s, 0))"
_FINISH = f"""
UPDATE file SET state = 'READY', size_bytes = %s, digest = %s, expires_at = clock_timestamp() + %s
 WHERE file_id = %s AND state = 'UPLOADING'
RETURNING {_COLUMNS}
"""
_FIND = f"SELECT {_COLUMNS} FROM file WHERE account_id = %s AND file_id = ANY(%s) AND {_LIVES}"
# Locked in the order of their ids, so that two that use the same files wait in one direction.
_KEEP = f"""
WITH used AS MATERIALIZED (
    SELECT file_id FROM file WHERE account_id = %s AND file_id = ANY(%s) AND {_LIVES}
     ORDER BY file_id FOR NO KEY UPDATE)
UPDATE file
   SET expires_at = greatest(expires_at,
                             least(clock_timestamp() + %s, created_at + interval '{KEEP_DAYS_MAX} days'))
  FROM used WHERE file.file_id = used.file_id
RETURNING {", ".join("file." + name for name in _COLUMNS.split(", "))}
"""
_EXPIRE = """
UPDATE file SET state = 'DELETING'
 WHERE file_id IN (SELECT file_id FROM file WHERE expires_at <= clock_timestamp() ORDER BY expires_at LIMIT %s)
   AND expires_at <= clock_timestamp()
RETURNING file_id
"""
_GIVE_UP = "UPDATE file SET state = 'DELETING', expires_at = least(expires_at, clock_timestamp()) WHERE file_id = %s"
_DELETE = f"""
UPDATE file SET state = 'DELETING', expires_at = clock_timestamp()
 WHERE account_id = %s AND file_id = %s AND {_LIVES}
"""
_REMOVE = "DELETE FROM file WHERE file_id = ANY(%s) AND state = 'DELETING'"


@dataclass(frozen=True, slots=True)
class File:
    """A file of an account, uploaded or made by a tool; `digest` is the SHA-256 of its content, hex."""

    file_id: str
    account_id: str
    media_type: str
    name: str
    size_bytes: int
    digest: str
    created_at: datetime
    expires_at: datetime


class FileRows:
    """The table. Methods raise UPSTREAM_UNAVAILABLE while the database is down."""

    def __init__(self, pool: Pool, account_bytes_max: int, keep: timedelta) -> None:
        self._pool = pool
        self._account_bytes_max = account_bytes_max
        self._keep = keep

    async def room(self, account_id: str) -> int:
        """How many bytes of files an account may still have."""
        async with outage_refused(), self._pool.connection() as connection:
            found = await (await connection.execute(_USED.encode(), (account_id,))).fetchone()
        return max(self._account_bytes_max - int(str(found[0] if found else 0)), 0)

    async def begin(self, account_id: str, media_type: str, name: str) -> str:
        """The id of a file that is about to be stored; nobody can guess it."""
        random = base64.b32encode(ids.random_bytes(_ID_BYTES)).decode().lower()
        file_id = f"file_{random[:_ID_CHARACTERS]}"
        async with outage_refused(), self._pool.connection() as connection:
            await connection.execute(_BEGIN.encode(), (file_id, account_id, media_type, name, _SWEPT_AFTER))
        return file_id

    async def finish(self, account_id: str, file_id: str, stored: Stored) -> File | None:
        """The file, now that its content is stored; None where it took too long and was given up.

        Raises INPUT_TOO_LARGE where the account would have more than it may. Counted under a lock, so that uploads
        which end together are not all let in.
        """
        async with outage_refused(), self._pool.connection() as connection, connection.transaction():
            await connection.execute(_LOCK.encode(), (account_id,))
            found = await (await connection.execute(_USED.encode(), (account_id,))).fetchone()
            total = int(str(found[0] if found else 0)) + stored.size_bytes
            if total > self._account_bytes_max:
                raise too_large("the account's files with this one", self._account_bytes_max, total)
            cursor = connection.cursor(row_factory=class_row(File))
            await cursor.execute(_FINISH.encode(), (stored.size_bytes, stored.digest, self._keep, file_id))
            return await cursor.fetchone()

    async def find(self, account_id: str, file_ids: Collection[str]) -> dict[str, File]:
        """Those of an account that are there, by id."""
        return await self._by_id(_FIND, account_id, list(file_ids))

    async def keep(self, account_id: str, file_ids: Collection[str]) -> dict[str, File]:
        """As `find`; and they are kept a day longer, from now, than when they were new."""
        return await self._by_id(_KEEP, account_id, list(file_ids), self._keep + _USED_LONGER)

    async def expire(self, count_max: int) -> list[str]:
        """Ids of files whose time is over, of uploads that did not end, and of those that were given up before; nobody
        finds them any more."""
        async with self._pool.connection() as connection:
            return [str(row[0]) for row in await (await connection.execute(_EXPIRE.encode(), (count_max,))).fetchall()]

    async def give_up(self, file_id: str) -> None:
        """Nobody finds the file any more, and the next sweep deletes it."""
        async with outage_refused(), self._pool.connection() as connection:
            await connection.execute(_GIVE_UP.encode(), (file_id,))

    async def delete(self, account_id: str, file_id: str) -> bool:
        """Nobody finds the account's file any more; False where it was not there."""
        async with outage_refused(), self._pool.connection() as connection:
            return (await connection.execute(_DELETE.encode(), (account_id, file_id))).rowcount > 0

    async def remove(self, file_ids: Sequence[str]) -> None:
        """Removes rows of files whose content is gone."""
        async with outage_refused(), self._pool.connection() as connection:
            await connection.execute(_REMOVE.encode(), (list(file_ids),))

    async def _by_id(self, statement: str, *parameters: object) -> dict[str, File]:
        async with outage_refused(), self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(File))
            await cursor.execute(statement.encode(), parameters)
            return {file.file_id: file for file in await cursor.fetchall()}
