"""Putting manifests in force: those that the product ships, and those that operators apply."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.types.json import Jsonb
from scrip.catalog.v1 import events_pb2

from services.catalog import category_changes, changes, events, plans, prices, refusals, store
from services.catalog.categories import Category
from services.catalog.changes import Change, Command, digest
from services.catalog.differences import Difference
from services.catalog.manifests.manifest import Manifest, Problem
from services.catalog.plans import Outcome, Plan
from services.catalog.store import Connection
from services.catalog.tool import dump
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

CHANGES_MAX = 500


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a tool; `origin` tells whose price is in force."""

    slug: str
    outcome: Outcome
    version: int
    price_version: int
    origin: str
    changes: list[Difference]
    changes_left_off: int

    @classmethod
    def of(cls, plan: Plan) -> "Applied":
        """What a plan leads to."""
        found = plan.changes()
        return cls(
            plan.manifest.slug,
            plan.outcome,
            plan.version,
            plan.price_version,
            "operator" if plan.operator_price else "manifest",
            found[:CHANGES_MAX],
            max(0, len(found) - CHANGES_MAX),
        )


async def ship(pool: Pool, log: EventLog, categories: Sequence[Category], manifests: Sequence[Manifest]) -> list[str]:
    """Brings in what the product ships and did not ship before; answers the slugs of the tools that changed.

    A manifest that equals the one shipped last is left alone, so what operators changed since stays. Where programs of
    two releases start in turn, the one that starts last decides.
    """
    async with changes.begin(pool, log) as change:
        cursor = await change.connection.execute("SELECT slug, shipped_digest FROM tool")
        known: dict[str, str] = {str(slug): str(shipped) for slug, shipped in await cursor.fetchall()}
        new = [manifest for manifest in manifests if known.get(manifest.slug) != digest(manifest.written())]
        await category_changes.ship(change, categories, {manifest.category for manifest in new})
        for manifest in new:
            plan = plans.compare(await store.read_tool(change.connection, manifest.slug), manifest)
            await _carry_out(change, plan, digest(manifest.written()))
    return [manifest.slug for manifest in new]


async def apply(pool: Pool, log: EventLog, manifest: Manifest, request_id: str) -> tuple[Applied, bool]:
    """Puts a manifest in force; what became of the tool, and whether an earlier request with this id did it.

    Raises MANIFEST_INVALID for a category that there is not, REQUEST_ID_REUSED.
    """
    command = Command(request_id, "apply_tool", manifest.slug, manifest.written())
    async with changes.begin(pool, log) as change:
        if (answer := await changes.answered(change, command)) is not None:
            return _read(answer), True
        plan = await _plan(change.connection, manifest)
        await _carry_out(change, plan, None)
        applied = Applied.of(plan)
        await changes.remember(change, command, asdict(applied))
    return applied, False


async def dry_run(pool: Pool, manifest: Manifest) -> Applied:
    """What `apply` would do now; raises MANIFEST_INVALID likewise."""
    async with pool.connection() as connection:
        return Applied.of(await _plan(connection, manifest))


async def _plan(connection: Connection, manifest: Manifest) -> Plan:
    known = [category.slug for category in await store.read_categories(connection)]
    if manifest.category not in known:
        # It was there when the manifest was read.
        raise refusals.manifest_invalid([Problem("category", f"there is no category {manifest.category} any more")])
    return plans.compare(await store.read_tool(connection, manifest.slug), manifest)


async def _carry_out(change: Change, plan: Plan, shipped_digest: str | None) -> None:
    """`shipped_digest`: None where it is not the product that ships it."""
    manifest = plan.manifest
    await change.connection.execute(
        "INSERT INTO tool (slug, version, price_version, shipped_digest, manifest_price, created_at)"
        " VALUES (%(slug)s, %(version)s, %(price_version)s, coalesce(%(shipped)s, ''), %(price)s, %(at)s)"
        " ON CONFLICT ON CONSTRAINT one_tool_a_slug DO UPDATE SET version = excluded.version,"
        " price_version = excluded.price_version, manifest_price = excluded.manifest_price,"
        " shipped_digest = coalesce(%(shipped)s, tool.shipped_digest)",
        {
            "slug": manifest.slug,
            "version": plan.version,
            "price_version": plan.price_version,
            "shipped": shipped_digest,
            "price": Jsonb(plan.manifest_price),
            "at": change.at,
        },
    )
    if plan.is_new_version:
        await change.connection.execute(
            "INSERT INTO tool_version (slug, version, digest, content, created_at) VALUES (%s, %s, %s, %s, %s)",
            (manifest.slug, plan.version, plan.digest, dump(plan.content).decode(), change.at),
        )
        _tell(change, plan, events_pb2.EVENT_KIND_TOOL_VERSION_CREATED)
    if plan.is_new_price:
        await prices.insert(change, manifest.slug, plan.price_version, plan.price, "manifest")
        _tell(change, plan, events_pb2.EVENT_KIND_PRICE_CHANGED, plan.price)
    elif plan.is_new_manifest_price:
        _tell(change, plan, events_pb2.EVENT_KIND_MANIFEST_PRICE_CHANGED, plan.manifest_price)
    await _drop_what_misfits(change, plan)


async def _drop_what_misfits(change: Change, plan: Plan) -> None:
    row, slug = plan.row, plan.manifest.slug
    if row is None:
        return
    if row.operator_price is not None and plan.operator_price is None:
        await change.connection.execute("UPDATE tool SET operator_price = NULL WHERE slug = %s", (slug,))
    if row.scheduled_price is not None and plan.scheduled_price is None:
        await change.connection.execute(
            "UPDATE tool SET scheduled_price = NULL, scheduled_at = NULL WHERE slug = %s", (slug,)
        )
        event = _event(plan, events_pb2.EVENT_KIND_PRICE_UNSCHEDULED)
        change.events.append(events.with_price(event, row.scheduled_price, "operator", row.scheduled_at))


def _tell(change: Change, plan: Plan, kind: events_pb2.EventKind, form: plans.Form | None = None) -> None:
    event = _event(plan, kind)
    change.events.append(events.with_price(event, form, "manifest") if form else event)


def _event(plan: Plan, kind: events_pb2.EventKind) -> events_pb2.Event:
    price = plans.price_of(plan.price)
    return events.of_tool(kind, plan.manifest, plan.version, plan.digest, plan.price_version, price)


def _read(answer: dict[str, Any]) -> Applied:
    return Applied(**answer | {"changes": [Difference(**one) for one in answer["changes"]]})
