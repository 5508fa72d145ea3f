"""Idempotency-Keys and request ids: one row per account and key says which job and which quote it leads to.

The row is written before anything that has an effect, so any gateway that sees the same key goes on with the same job.
Whoever goes on holds the row for five seconds under a driver id of its own; each change of the row names that id, so
a driver that was overtaken changes nothing. A row is never a dead end: its time passes, and the next retry drives.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from scrip.catalog.v1 import catalog_pb2

from services.runtime import ids, logs
from services.runtime.errors import Refusal, invalid
from services.runtime.postgres import OUTAGES, Pool, outage_refused

log = logs.get("idempotency")

DRIVER_SECONDS = 5
KEEP_HOURS = 24
PURGE_ROWS = 1_000
# An answer is not held up for tidying.
TIDY_SECONDS = 1.0
_COLUMNS = "account_id, key, fingerprint, job_id, quote, driver, refusal, counted"
_VISIBLE = re.compile(r"[\x21-\x7e]{1,128}")


class ReplayedRefusal(Refusal):
    """The stored answer of an earlier request with the same key."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a key leads to. `quote` is a serialized Quote; `refusal` the stored answer, where it is one."""

    account_id: str
    key: str
    fingerprint: bytes
    job_id: str
    quote: bytes
    driver: str
    refusal: dict[str, Any] | None
    counted: bool
    """Against the limits that apply to it."""

    def stored_refusal(self) -> Refusal | None:
        """The refusal that was answered first."""
        if self.refusal is None:
            return None
        return ReplayedRefusal(self.refusal["reason"], self.refusal["message"], self.refusal["metadata"])


def parse_key(header: str | None) -> str | None:
    """The key of an `Idempotency-Key` header, bare or quoted; raises REQUEST_INVALID."""
    if header is None:
        return None
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    return checked_key("Idempotency-Key", key)


def checked_key(field: str, key: str) -> str:
    """A key; raises REQUEST_INVALID naming the field it came in."""
    if not _VISIBLE.fullmatch(key):
        raise invalid(field, "must be 1 to 128 visible ASCII characters")
    return key


def fingerprint(tool: str, input_digest: str, quote_id: str, labels: Mapping[str, str]) -> bytes:
    """What makes two requests the same one, whichever door each came through.

    Spelled as the HTTP request, for rows that were made before there was another door.
    """
    content = ["POST", f"/v1/tools/{tool}/execute", input_digest, quote_id, sorted(labels.items())]
    return hashlib.sha256(json.dumps(content).encode()).digest()


class IdempotencyStore:
    """The rows. Methods raise UPSTREAM_UNAVAILABLE while the database is down, those that only tidy up do not."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, account_id: str, key: str) -> Row | None:
        """The row of a key, unless its day is over."""
        return await self._one(
            f"SELECT {_COLUMNS} FROM idempotency WHERE account_id = %s AND key = %s AND expires_at > now()",
            (account_id, key),
        )

    async def begin(self, account_id: str, key: str, content: bytes, quote: catalog_pb2.Quote) -> Row | None:
        """Makes the row of a key, held by us; None when another request was first."""
        return await self._one(
            f"INSERT INTO idempotency ({_COLUMNS}, driver_until, expires_at)"
            f" VALUES (%s, %s, %s, %s, %s, %s, NULL, false,"
            f" now() + interval '{DRIVER_SECONDS} s', now() + interval '{KEEP_HOURS} h')"
            " ON CONFLICT (account_id, key) DO UPDATE SET (fingerprint, job_id, quote, driver, refusal, counted,"
            " driver_until, expires_at) = (excluded.fingerprint, excluded.job_id, excluded.quote, excluded.driver,"
            " NULL, false, excluded.driver_until, excluded.expires_at) WHERE idempotency.expires_at <= now()"
            f" RETURNING {', '.join('idempotency.' + name for name in _COLUMNS.split(', '))}",
            (account_id, key, content, quote.job_id, quote.SerializeToString(), ids.uuid7()),
        )

    async def take_over(self, row: Row) -> Row | None:
        """The row, held by us from now on; None while another driver holds it, or when it is gone or answered."""
        return await self._one(
            f"UPDATE idempotency SET driver = %s, driver_until = now() + interval '{DRIVER_SECONDS} s'"
            " WHERE account_id = %s AND key = %s AND job_id = %s AND refusal IS NULL AND driver_until <= now()"
            f" RETURNING {_COLUMNS}",
            (ids.uuid7(), row.account_id, row.key, row.job_id),
        )

    async def replace(self, row: Row, quote: catalog_pb2.Quote) -> Row | None:
        """The row led to another job, held by us anew; None when it is no longer ours."""
        return await self._one(
            "UPDATE idempotency SET job_id = %s, quote = %s, driver = %s,"
            f" driver_until = now() + interval '{DRIVER_SECONDS} s'"
            f" WHERE account_id = %s AND key = %s AND job_id = %s AND driver = %s RETURNING {_COLUMNS}",
            (
                *(quote.job_id, quote.SerializeToString(), ids.uuid7()),
                *(row.account_id, row.key, row.job_id, row.driver),
            ),
        )

    async def mark_counted(self, row: Row) -> Row | None:
        """No later driver counts the row's execution again; held by us for the time of a driver from now on.

        None when it is no longer ours.
        """
        return await self._one(
            f"UPDATE idempotency SET counted = true, driver_until = now() + interval '{DRIVER_SECONDS} s'"
            f" WHERE account_id = %s AND key = %s AND job_id = %s AND driver = %s RETURNING {_COLUMNS}",
            (row.account_id, row.key, row.job_id, row.driver),
        )

    async def refuse(self, row: Row, refusal: Refusal) -> None:
        """Stores a refusal as the answer."""
        stored = {"reason": refusal.reason, "message": refusal.message, "metadata": refusal.metadata}
        await self._tidy("UPDATE idempotency SET refusal = %s", row, Jsonb(stored))

    async def let_go(self, row: Row) -> None:
        """Lets the next retry drive at once."""
        await self._tidy("UPDATE idempotency SET driver_until = now()", row)

    async def forget(self, row: Row) -> None:
        """Removes the row: nothing came of it, and the same key may be used for something else."""
        await self._tidy("DELETE FROM idempotency", row)

    async def purge(self) -> int:
        """Removes up to a thousand rows whose day is over; answers how many."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "DELETE FROM idempotency WHERE (account_id, key) IN (SELECT account_id, key FROM idempotency"
                f" WHERE expires_at <= now() ORDER BY expires_at LIMIT {PURGE_ROWS} FOR UPDATE SKIP LOCKED)"
            )
            return cursor.rowcount

    async def _one(self, query: str, values: tuple[Any, ...]) -> Row | None:
        async with outage_refused(), self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Row))
            await cursor.execute(query.encode(), values)
            return await cursor.fetchone()

    async def _tidy(self, change: str, row: Row, *values: Any) -> None:
        """A change that is only for the better: without it the row is driven again once its driver's time is over."""
        query = f"{change} WHERE account_id = %s AND key = %s AND job_id = %s AND driver = %s"
        try:
            async with self._pool.connection(timeout=TIDY_SECONDS) as connection:
                await connection.execute(query.encode(), (*values, row.account_id, row.key, row.job_id, row.driver))
        except OUTAGES as error:
            log.warning("row_left_as_it_is", job_id=row.job_id, error=type(error).__name__)
