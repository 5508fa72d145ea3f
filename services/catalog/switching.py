"""The operator's switch of a tool."""

from scrip.catalog.v1 import events_pb2

from services.catalog import changes, events, refusals, store
from services.catalog.changes import Command
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool


async def set_enabled(pool: Pool, log: EventLog, slug: str, enabled: bool, request_id: str) -> None:
    """Turns the operator's switch. The same request id again does nothing, whatever happened in between.

    Raises TOOL_NOT_FOUND, or REQUEST_ID_REUSED where the id was used for another command.
    """
    command = Command(request_id, "enable_tool" if enabled else "disable_tool", slug)
    async with changes.begin(pool, log) as change:
        row = await store.read_tool(change.connection, slug)
        if row is None:
            raise refusals.tool_not_found(slug)
        if await changes.answered(change, command) is not None:
            return
        await changes.remember(change, command)
        if row.enabled == enabled:
            return
        await change.connection.execute("UPDATE tool SET enabled = %s WHERE slug = %s", (enabled, slug))
        kind = events_pb2.EVENT_KIND_TOOL_ENABLED if enabled else events_pb2.EVENT_KIND_TOOL_DISABLED
        version = row.version.made()
        change.events.append(
            events.of_tool(
                kind, version.content, version.version, version.digest, row.price.price_version, row.price.made()
            )
        )
