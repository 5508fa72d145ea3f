"""The catalog's door: messages in, messages out, nothing decided here."""

import re
from collections.abc import AsyncIterator
from typing import Any

from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc, events_pb2

from services.catalog import changes, mapping, pages, refusals, store
from services.catalog.quoting import Quoter
from services.catalog.snapshot import Snapshot
from services.runtime import event_log
from services.runtime.errors import invalid
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

_ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
REPORTED_TOOLS_MAX = 5_000

Context = Any


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """CatalogService; refusals are raised and become statuses in the runtime."""

    def __init__(self, pool: Pool, log: EventLog, snapshot: Snapshot, quoter: Quoter) -> None:
        self._pool = pool
        self._log = log
        self._snapshot = snapshot
        self._quoter = quoter

    async def ListTools(  # noqa: N802
        self, request: catalog_pb2.ListToolsRequest, context: Context
    ) -> catalog_pb2.ListToolsResponse:
        """From memory: an outage of the database does not end it."""
        view = self._snapshot.latest()
        slugs, next_page_token = pages.page(list(view.tools), request, request.page_size, request.page_token)
        tools = [view.tools[slug] for slug in slugs]
        return catalog_pb2.ListToolsResponse(
            tools=[mapping.tool_message(tool, tool.current, view) for tool in tools], next_page_token=next_page_token
        )

    async def GetTool(  # noqa: N802
        self, request: catalog_pb2.GetToolRequest, context: Context
    ) -> catalog_pb2.GetToolResponse:
        """From memory, but for versions that are no longer in force."""
        return catalog_pb2.GetToolResponse(tool=await self._tool(request.slug, request.version))

    async def EnableTool(  # noqa: N802
        self, request: catalog_pb2.EnableToolRequest, context: Context
    ) -> catalog_pb2.EnableToolResponse:
        """Seen by the next request to this replica, and by the others within a second."""
        await self._switch(request.slug, True, request.request_id)
        return catalog_pb2.EnableToolResponse(tool=await self._tool(request.slug))

    async def DisableTool(  # noqa: N802
        self, request: catalog_pb2.DisableToolRequest, context: Context
    ) -> catalog_pb2.DisableToolResponse:
        """Likewise."""
        await self._switch(request.slug, False, request.request_id)
        return catalog_pb2.DisableToolResponse(tool=await self._tool(request.slug))

    async def QuotePrice(  # noqa: N802
        self, request: catalog_pb2.QuotePriceRequest, context: Context
    ) -> catalog_pb2.QuotePriceResponse:
        """Writes nothing, reads memory."""
        if not _ACCOUNT_ID.fullmatch(request.account_id):
            raise invalid("account_id", "must be lower-case letters, digits, _ and -, at most 63")
        priced = await self._quoter.price(
            request.account_id, request.tool, request.input_json, mapping.files_of(request), request.quote_id
        )
        return catalog_pb2.QuotePriceResponse(quote=mapping.quote_message(priced))

    async def ReportAvailability(  # noqa: N802
        self, request: catalog_pb2.ReportAvailabilityRequest, context: Context
    ) -> catalog_pb2.ReportAvailabilityResponse:
        """Seen by the next request to this replica, and by the others within a second."""
        if not _REQUEST_ID.fullmatch(request.executor_id):
            raise invalid("executor_id", "must be 1 to 128 visible ASCII characters")
        if len(request.tools) > REPORTED_TOOLS_MAX:
            raise invalid("tools", f"at most {REPORTED_TOOLS_MAX} at once", given=len(request.tools))
        reports: dict[tuple[str, int], str] = {}
        for index, tool in enumerate(request.tools):
            reason = mapping.reason_word(tool.unavailable_reason)
            if reason is None:
                raise invalid(f"tools[{index}].unavailable_reason", "is not known")
            if not 1 <= tool.version < 2**31:
                raise invalid(f"tools[{index}].version", "must be 1 or more")
            reports[tool.slug, tool.version] = reason
        await store.report(self._pool, request.executor_id, [(*key, reason) for key, reason in reports.items()])
        await self._snapshot.refresh()
        return catalog_pb2.ReportAvailabilityResponse()

    async def ReadEvents(  # noqa: N802
        self, request: catalog_pb2.ReadEventsRequest, context: Context
    ) -> AsyncIterator[catalog_pb2.ReadEventsResponse]:
        """The log has one shard, 0."""
        cursors = {}
        for index, cursor in enumerate(request.cursors):
            if cursor.shard >= self._log.shards:
                raise invalid(f"cursors[{index}].shard", f"must be below {self._log.shards}", given=cursor.shard)
            cursors[cursor.shard] = cursor.after_seq
        async for row in event_log.follow(self._pool, cursors, request.follow, self._log.appended):
            batch = events_pb2.EventBatch.FromString(row.body)
            yield catalog_pb2.ReadEventsResponse(batch=batch, hash=row.hash)

    async def _switch(self, slug: str, enabled: bool, request_id: str) -> None:
        if not _REQUEST_ID.fullmatch(request_id):
            raise invalid("request_id", "must be 1 to 128 visible ASCII characters")
        await changes.set_enabled(self._pool, self._log, slug, enabled, request_id)
        await self._snapshot.refresh()

    async def _tool(self, slug: str, number: int = 0) -> catalog_pb2.Tool:
        view = self._snapshot.latest()
        tool = view.tools.get(slug)
        version = tool.current if tool else None
        if tool is not None and number:
            version = await self._snapshot.version(slug, number) if number < 2**31 else None
        if tool is None or version is None:
            raise refusals.tool_not_found(slug, number)
        return mapping.tool_message(tool, version, view)
