"""Categories come, change and go."""

from collections.abc import Collection, Sequence

from scrip.catalog.v1 import events_pb2

from services.catalog import changes, events, refusals, store
from services.catalog.categories import Category
from services.catalog.changes import Change, Command, digest
from services.catalog.plans import Outcome
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool


async def ship(change: Change, categories: Sequence[Category], needed: Collection[str]) -> None:
    """Brings in categories that the product did not ship so before, and those that tools need.

    What operators changed since stays, and what they deleted stays deleted until a tool needs it.
    """
    cursor = await change.connection.execute("SELECT slug, shipped_digest, deleted_at FROM category")
    known = {str(row[0]): row[1:] for row in await cursor.fetchall()}
    for category in categories:
        shipped = digest(category.model_dump())
        before, deleted_at = known.get(category.slug, ("", None))
        if before != shipped or (deleted_at is not None and category.slug in needed):
            await _write(change, category, shipped)


async def apply(pool: Pool, log: EventLog, category: Category, request_id: str) -> tuple[Outcome, bool]:
    """Makes a category or changes it; what became of it, and whether an earlier request with this id did it.

    Raises REQUEST_ID_REUSED.
    """
    command = Command(request_id, "apply_category", category.slug, category.model_dump())
    async with changes.begin(pool, log) as change:
        if (answer := await changes.answered(change, command)) is not None:
            return answer["outcome"], True
        known = {one.slug: one for one in await store.read_categories(change.connection)}
        outcome: Outcome = "changed" if category.slug in known else "created"
        if known.get(category.slug) == category:
            outcome = "unchanged"
        else:
            await _write(change, category, None)
        await changes.remember(change, command, {"outcome": outcome})
    return outcome, False


async def delete(pool: Pool, log: EventLog, slug: str, request_id: str) -> bool:
    """Takes a category away; answers whether an earlier request with this id did it.

    Raises CATEGORY_NOT_FOUND, CATEGORY_IN_USE while a tool's newest version is in it, REQUEST_ID_REUSED.
    """
    command = Command(request_id, "delete_category", slug)
    async with changes.begin(pool, log) as change:
        if await changes.answered(change, command) is not None:
            return True
        known = {one.slug: one for one in await store.read_categories(change.connection)}
        if slug not in known:
            raise refusals.category_not_found(slug)
        if used_by := await store.read_tools_of_category(change.connection, slug):
            raise refusals.category_in_use(slug, used_by)
        await change.connection.execute("UPDATE category SET deleted_at = %s WHERE slug = %s", (change.at, slug))
        change.events.append(events.of_category(events_pb2.EVENT_KIND_CATEGORY_DELETED, known[slug]))
        await changes.remember(change, command)
    return False


async def _write(change: Change, category: Category, shipped_digest: str | None) -> None:
    await change.connection.execute(
        "INSERT INTO category (slug, name, icon, description, sort_order, shipped_digest)"
        " VALUES (%(slug)s, %(name)s, %(icon)s, %(description)s, %(sort_order)s, coalesce(%(shipped)s, ''))"
        " ON CONFLICT ON CONSTRAINT one_category_a_slug DO UPDATE SET name = excluded.name, icon = excluded.icon,"
        " description = excluded.description, sort_order = excluded.sort_order, deleted_at = NULL,"
        " shipped_digest = coalesce(%(shipped)s, category.shipped_digest)",
        category.model_dump() | {"shipped": shipped_digest},
    )
    change.events.append(events.of_category(events_pb2.EVENT_KIND_CATEGORY_CHANGED, category))
