"""Changes of tools, each with its event in the same transaction.

Every change first locks the head row of the event log and ends by moving it on: changes happen one at a time, and two
replicas that start together ship nothing twice. They are rare, so nobody waits.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import rfc8785
from psycopg.types.json import Jsonb
from scrip.catalog.v1 import events_pb2

from services.catalog import store
from services.catalog.manifest import Content, Manifest
from services.catalog.pricing import Price
from services.catalog.refusals import tool_not_found
from services.catalog.store import Connection
from services.catalog.tool import dump
from services.runtime import identity, tracing
from services.runtime.errors import Refusal
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

COMMAND_HOURS = 24


async def ship(pool: Pool, log: EventLog, manifests: Sequence[Manifest]) -> list[str]:
    """Brings in what the product ships and did not ship before; answers the slugs of the tools that changed.

    A manifest that equals the one shipped last is left alone, so what operators changed since stays: the switch, and
    later prices. Where programs of two releases start in turn, the one that starts last decides.
    """
    async with pool.connection() as connection, connection.transaction():
        await _lock(connection)
        cursor = await connection.execute("SELECT slug, shipped_digest FROM tool")
        shipped: dict[str, str] = {str(slug): str(digest) for slug, digest in await cursor.fetchall()}
        events: list[events_pb2.Event] = []
        changed = []
        for manifest in manifests:
            digest = _digest(manifest.written())
            if shipped.get(manifest.slug) != digest:
                events += await _apply(connection, manifest, digest)
                changed.append(manifest.slug)
        if events:
            await log.append(connection, ((store.SHARD, event) for event in events))
    return changed


async def _apply(connection: Connection, manifest: Manifest, shipped_digest: str) -> list[events_pb2.Event]:
    """Puts a manifest in force: a new version if its content is another one, a new price if that is."""
    slug = manifest.slug
    row = await store.read_tool(connection, slug)
    version = row.version.version if row else 0
    price_version = row.price.price_version if row else 0
    new_version, new_price = version, price_version
    written = manifest.written()
    written.pop("price")
    digest = _digest(written)
    price = manifest.price.price()
    if row is None or row.version.digest != digest:
        new_version += 1
    if row is None or row.price.made() != price:
        new_price += 1
    await connection.execute(
        "INSERT INTO tool (slug, version, price_version, shipped_digest) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT ON CONSTRAINT one_tool_a_slug DO UPDATE SET version = excluded.version,"
        " price_version = excluded.price_version, shipped_digest = excluded.shipped_digest",
        (slug, new_version, new_price, shipped_digest),
    )
    kinds = []
    if new_version != version:
        kinds.append(events_pb2.EVENT_KIND_TOOL_VERSION_CREATED)
        await connection.execute(
            "INSERT INTO tool_version (slug, version, digest, content) VALUES (%s, %s, %s, %s)",
            (slug, new_version, digest, dump(written).decode()),
        )
    if new_price != price_version:
        kinds.append(events_pb2.EVENT_KIND_PRICE_CHANGED)
        await connection.execute(
            "INSERT INTO price (slug, price_version, base_micros, per_unit_micros, unit, minimum_micros, charging)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                *(slug, new_price, price.base_micros, price.per_unit_micros, price.unit, price.minimum_micros),
                Jsonb(asdict(price.charging)),
            ),
        )
    return [_event(kind, manifest, new_version, digest, new_price, price) for kind in kinds]


async def set_enabled(pool: Pool, log: EventLog, slug: str, enabled: bool, request_id: str) -> None:
    """Turns the operator's switch. The same request id again does nothing, whatever happened in between.

    Raises TOOL_NOT_FOUND, or REQUEST_ID_REUSED where the id was used for another command.
    """
    kind = "enable_tool" if enabled else "disable_tool"
    async with pool.connection() as connection, connection.transaction():
        await _lock(connection)
        row = await store.read_tool(connection, slug)
        if row is None:
            raise tool_not_found(slug)
        if await _done_before(connection, request_id, kind, slug) or row.enabled == enabled:
            return
        await connection.execute("UPDATE tool SET enabled = %s WHERE slug = %s", (enabled, slug))
        event_kind = events_pb2.EVENT_KIND_TOOL_ENABLED if enabled else events_pb2.EVENT_KIND_TOOL_DISABLED
        version = row.version.made()
        event = _event(
            event_kind, version.content, version.version, version.digest, row.price.price_version, row.price.made()
        )
        await log.append(connection, [(store.SHARD, event)])


async def _done_before(connection: Connection, request_id: str, kind: str, slug: str) -> bool:
    await connection.execute(
        f"DELETE FROM command WHERE recorded_at < clock_timestamp() - interval '{COMMAND_HOURS} hours'"
    )
    cursor = await connection.execute(
        "INSERT INTO command (request_id, kind, slug) VALUES (%s, %s, %s)"
        " ON CONFLICT ON CONSTRAINT one_command_a_request_id DO NOTHING",
        (request_id, kind, slug),
    )
    if cursor.rowcount == 1:
        return False
    cursor = await connection.execute("SELECT kind, slug FROM command WHERE request_id = %s", (request_id,))
    if await cursor.fetchone() != (kind, slug):
        raise Refusal("REQUEST_ID_REUSED", "this request id was used for another command", {"request_id": request_id})
    return True


async def _lock(connection: Connection) -> None:
    await connection.execute(f"SELECT FROM head WHERE shard = {store.SHARD} FOR UPDATE")


def _event(
    kind: events_pb2.EventKind, content: Content, version: int, digest: str, price_version: int, price: Price
) -> events_pb2.Event:
    return events_pb2.Event(
        kind=kind,
        tool=content.slug,
        version=version,
        price_version=price_version,
        manifest_digest=digest,
        category=content.category,
        base_micros=price.base_micros,
        per_unit_micros=price.per_unit_micros,
        unit=price.unit,
        actor=identity.actor() or "service:catalog",
        trace_id=tracing.trace_id(),
        name=content.name,
        provider=content.provider,
    )


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()
