"""The catalog's door: messages in, messages out, nothing decided here."""

import re
from collections.abc import AsyncIterator
from typing import Any

from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc, events_pb2

from services.catalog import mapping, store
from services.catalog.managing import ManageMethods
from services.catalog.quoting import Quoter
from services.catalog.snapshot import Snapshot
from services.runtime import event_log
from services.runtime.errors import invalid
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

_ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_EXECUTOR_ID = re.compile(r"[\x21-\x7e]{1,128}")
REPORTED_TOOLS_MAX = 5_000

Context = Any


class CatalogServicer(ManageMethods, catalog_pb2_grpc.CatalogServiceServicer):
    """CatalogService; refusals are raised and become statuses in the runtime."""

    def __init__(self, pool: Pool, log: EventLog, snapshot: Snapshot, quoter: Quoter) -> None:
        super().__init__(pool, log, snapshot)
        self._quoter = quoter

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
        if not _EXECUTOR_ID.fullmatch(request.executor_id):
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
