"""Prices that operators set: in the place of the manifest's, now or at a time ahead, and back."""

from datetime import datetime

from psycopg.types.json import Jsonb
from scrip.catalog.v1 import events_pb2

from services.catalog import changes, events, plans, refusals, store
from services.catalog.changes import Change, Command
from services.catalog.manifests.price import PricePart
from services.catalog.plans import Form
from services.catalog.store import ToolRow
from services.runtime.errors import invalid
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool


async def set_price(
    pool: Pool, log: EventLog, slug: str, price: PricePart, effective_at: datetime | None, request_id: str
) -> bool:
    """Puts an operator's price in force, or schedules it in the place of one scheduled before; answers whether an
    earlier request with this id did it.

    Raises TOOL_NOT_FOUND, REQUEST_INVALID for a price that the tool cannot have or a time that has passed, and
    REQUEST_ID_REUSED.
    """
    form = plans.form_of(price)
    content = {"price": form, "effective_at": effective_at.isoformat() if effective_at else None}
    command = Command(request_id, "set_price", slug, content)
    async with changes.begin(pool, log) as change:
        row = await _row(change, slug)
        if await changes.answered(change, command) is not None:
            return True
        for path, what in plans.misfits(row.version.made().content, row.manifest_price, price):
            raise invalid(path, what)
        if effective_at is None:
            await _put_in_force(change, row, form)
        elif effective_at <= change.at:
            raise invalid("effective_at", f"must be ahead; it is {change.at.isoformat()} now")
        else:
            await _schedule(change, row, form, effective_at)
        await changes.remember(change, command)
    return False


async def clear_price(pool: Pool, log: EventLog, slug: str, request_id: str) -> bool:
    """Puts the manifest's price in force again, and forgets a scheduled one; answers as `set_price` does.

    Raises TOOL_NOT_FOUND, REQUEST_ID_REUSED.
    """
    command = Command(request_id, "clear_price", slug)
    async with changes.begin(pool, log) as change:
        row = await _row(change, slug)
        if await changes.answered(change, command) is not None:
            return True
        if row.operator_price is not None:
            await _replace(change, row, row.manifest_price, "manifest")
        if row.scheduled_price is not None:
            await _unschedule(change, slug)
            _tell(change, row, events_pb2.EVENT_KIND_PRICE_UNSCHEDULED, row.scheduled_price, row.scheduled_at)
        await changes.remember(change, command)
    return False


async def take_effect(pool: Pool, log: EventLog, now: datetime) -> None:
    """Puts in force every scheduled price whose time has come."""
    async with changes.begin(pool, log) as change:
        cursor = await change.connection.execute(
            "SELECT slug FROM tool WHERE scheduled_at <= %s ORDER BY scheduled_at, slug", (now,)
        )
        for (slug,) in await cursor.fetchall():
            row = await _row(change, slug)
            if row.scheduled_price is not None:
                await _unschedule(change, slug)
                await _put_in_force(change, row, row.scheduled_price)


async def insert(change: Change, slug: str, price_version: int, form: Form, origin: str) -> None:
    """Adds a price that comes into force."""
    await change.connection.execute(
        "INSERT INTO price (slug, price_version, form, origin, created_at) VALUES (%s, %s, %s, %s, %s)",
        (slug, price_version, Jsonb(form), origin, change.at),
    )


async def _put_in_force(change: Change, row: ToolRow, form: Form) -> None:
    if row.operator_price is None or plans.price_of(row.operator_price) != plans.price_of(form):
        await _replace(change, row, form, "operator")


async def _replace(change: Change, row: ToolRow, form: Form, origin: str) -> None:
    slug, price_version = row.version.slug, row.price.price_version + 1
    await change.connection.execute(
        "UPDATE tool SET price_version = %s, operator_price = %s WHERE slug = %s",
        (price_version, Jsonb(form) if origin == "operator" else None, slug),
    )
    await insert(change, slug, price_version, form, origin)
    version = row.version.made()
    event = events.of_tool(
        events_pb2.EVENT_KIND_PRICE_CHANGED,
        version.content,
        version.version,
        version.digest,
        price_version,
        plans.price_of(form),
    )
    change.events.append(events.with_price(event, form, origin))


async def _schedule(change: Change, row: ToolRow, form: Form, at: datetime) -> None:
    if (row.scheduled_price, row.scheduled_at) == (form, at):
        return
    await change.connection.execute(
        "UPDATE tool SET scheduled_price = %s, scheduled_at = %s WHERE slug = %s", (Jsonb(form), at, row.version.slug)
    )
    _tell(change, row, events_pb2.EVENT_KIND_PRICE_SCHEDULED, form, at)


async def _unschedule(change: Change, slug: str) -> None:
    await change.connection.execute(
        "UPDATE tool SET scheduled_price = NULL, scheduled_at = NULL WHERE slug = %s", (slug,)
    )


def _tell(change: Change, row: ToolRow, kind: events_pb2.EventKind, form: Form, at: datetime | None) -> None:
    version = row.version.made()
    event = events.of_tool(
        kind, version.content, version.version, version.digest, row.price.price_version, row.price.made()
    )
    change.events.append(events.with_price(event, form, "operator", at))


async def _row(change: Change, slug: str) -> ToolRow:
    row = await store.read_tool(change.connection, slug)
    if row is None:
        raise refusals.tool_not_found(slug)
    return row
