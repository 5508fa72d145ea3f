"""The frame of every change of the catalog: one at a time, once a request id, each with its events in the same
transaction.

A change first locks the head row of the event log and ends by moving it on: changes happen one after the other, and two
replicas that start together ship nothing twice. They are rare, so nobody waits.
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import rfc8785
from psycopg.types.json import Jsonb
from scrip.catalog.v1 import events_pb2

from services.catalog import store
from services.catalog.store import Connection
from services.runtime.errors import Refusal
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

COMMAND_HOURS = 24


@dataclass(frozen=True, slots=True)
class Change:
    """A change under way: `at` is the database's time, after the lock was had; `events` are written at its end."""

    connection: Connection
    at: datetime
    events: list[events_pb2.Event] = field(default_factory=list)


@contextlib.asynccontextmanager
async def begin(pool: Pool, log: EventLog) -> AsyncIterator[Change]:
    """A change, while the body runs; undone where the body raises."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(f"SELECT FROM head WHERE shard = {store.SHARD} FOR UPDATE")
        cursor = await connection.execute("SELECT clock_timestamp()")
        row: Any = await cursor.fetchone()
        change = Change(connection, row[0])
        yield change
        if change.events:
            await log.append(connection, ((store.SHARD, event) for event in change.events))


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody asks for under a request id; `content` is what it says beside its kind and slug, plain JSON."""

    request_id: str
    kind: str
    slug: str
    content: Any = None

    @property
    def fingerprint(self) -> str:
        """Tells a retry from another command with the same id."""
        return "" if self.content is None else digest(self.content)


async def answered(change: Change, command: Command) -> dict[str, Any] | None:
    """What a command with this request id was answered, within a day; None: it is new.

    Raises REQUEST_ID_REUSED where it was another command.
    """
    cursor = await change.connection.execute(
        "SELECT kind, slug, fingerprint, answer FROM command WHERE request_id = %s", (command.request_id,)
    )
    row: Any = await cursor.fetchone()
    if row is None:
        return None
    if row[:3] != (command.kind, command.slug, command.fingerprint):
        text = "this request id was used for another command"
        raise Refusal("REQUEST_ID_REUSED", text, {"request_id": command.request_id})
    answer: dict[str, Any] = row[3]
    return answer


async def remember(change: Change, command: Command, answer: dict[str, Any] | None = None) -> None:
    """Keeps what a new command was answered; what is older than a day is forgotten."""
    await change.connection.execute(
        f"DELETE FROM command WHERE recorded_at < clock_timestamp() - interval '{COMMAND_HOURS} hours'"
    )
    await change.connection.execute(
        "INSERT INTO command (request_id, kind, slug, fingerprint, answer) VALUES (%s, %s, %s, %s, %s)",
        (command.request_id, command.kind, command.slug, command.fingerprint, Jsonb(answer or {})),
    )


def digest(value: Any) -> str:
    """SHA-256 of a value of plain JSON in its canonical form (RFC 8785), hex."""
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()
