"""The methods of CatalogService by which operators change tools, prices and categories.

What is changed is seen by the next request to this replica, and by the others within a second.
"""

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from pydantic import ValidationError
from scrip.catalog.v1 import catalog_pb2

from services.catalog import applying, category_changes, mapping, prices, refusals, switching
from services.catalog.categories import Category
from services.catalog.manifests import files as manifest_files
from services.catalog.manifests.manifest import ManifestError
from services.catalog.reading import ReadMethods
from services.catalog.snapshot import Snapshot
from services.runtime.errors import invalid
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")

Context = Any


class ManageMethods(ReadMethods):
    """Each is done once for a request id."""

    def __init__(self, pool: Pool, log: EventLog, snapshot: Snapshot) -> None:
        super().__init__(pool, snapshot)
        self._log = log

    async def ApplyTool(  # noqa: N802
        self, request: catalog_pb2.ApplyToolRequest, context: Context
    ) -> catalog_pb2.ApplyToolResponse:
        """All of the manifest, or nothing."""
        if not request.dry_run:
            _check_id(request.request_id)
        await self._snapshot.refresh()
        categories = [category.slug for category in self._snapshot.latest().categories]
        try:
            manifest = await asyncio.to_thread(manifest_files.parse, request.manifest, categories)
        except ManifestError as error:
            raise refusals.manifest_invalid(error.problems) from error
        if request.dry_run:
            return mapping.applied_message(await applying.dry_run(self._pool, manifest), False)
        applied, replayed = await applying.apply(self._pool, self._log, manifest, request.request_id)
        await self._snapshot.refresh()
        return mapping.applied_message(applied, replayed)

    async def EnableTool(  # noqa: N802
        self, request: catalog_pb2.EnableToolRequest, context: Context
    ) -> catalog_pb2.EnableToolResponse:
        """Lets it be executed."""
        await self._switch(request.slug, True, request.request_id)
        return catalog_pb2.EnableToolResponse(tool=await self._tool(request.slug))

    async def DisableTool(  # noqa: N802
        self, request: catalog_pb2.DisableToolRequest, context: Context
    ) -> catalog_pb2.DisableToolResponse:
        """Stops it from being executed."""
        await self._switch(request.slug, False, request.request_id)
        return catalog_pb2.DisableToolResponse(tool=await self._tool(request.slug))

    async def SetPrice(  # noqa: N802
        self, request: catalog_pb2.SetPriceRequest, context: Context
    ) -> catalog_pb2.SetPriceResponse:
        """An operator's price, now or at a time ahead."""
        _check_id(request.request_id)
        try:
            price = manifest_files.parse_price(request.price_json)
        except ManifestError as error:
            raise refusals.price_invalid(error.problems) from error
        at = _time("effective_at", request)
        replayed = await prices.set_price(self._pool, self._log, request.slug, price, at, request.request_id)
        await self._snapshot.refresh()
        return catalog_pb2.SetPriceResponse(tool=await self._tool(request.slug), replayed=replayed)

    async def ClearPrice(  # noqa: N802
        self, request: catalog_pb2.ClearPriceRequest, context: Context
    ) -> catalog_pb2.ClearPriceResponse:
        """The manifest's price again."""
        _check_id(request.request_id)
        replayed = await prices.clear_price(self._pool, self._log, request.slug, request.request_id)
        await self._snapshot.refresh()
        return catalog_pb2.ClearPriceResponse(tool=await self._tool(request.slug), replayed=replayed)

    async def ApplyCategory(  # noqa: N802
        self, request: catalog_pb2.ApplyCategoryRequest, context: Context
    ) -> catalog_pb2.ApplyCategoryResponse:
        """Made or changed."""
        _check_id(request.request_id)
        category = _category(request.category)
        outcome, replayed = await category_changes.apply(self._pool, self._log, category, request.request_id)
        await self._snapshot.refresh()
        view = self._snapshot.latest()
        return catalog_pb2.ApplyCategoryResponse(
            category=mapping.category_message(category, view), outcome=mapping.OUTCOMES[outcome], replayed=replayed
        )

    async def DeleteCategory(  # noqa: N802
        self, request: catalog_pb2.DeleteCategoryRequest, context: Context
    ) -> catalog_pb2.DeleteCategoryResponse:
        """Gone, if no tool is in it."""
        _check_id(request.request_id)
        replayed = await category_changes.delete(self._pool, self._log, request.slug, request.request_id)
        await self._snapshot.refresh()
        return catalog_pb2.DeleteCategoryResponse(replayed=replayed)

    async def _switch(self, slug: str, enabled: bool, request_id: str) -> None:
        _check_id(request_id)
        await switching.set_enabled(self._pool, self._log, slug, enabled, request_id)
        await self._snapshot.refresh()


def _check_id(request_id: str) -> None:
    if not _REQUEST_ID.fullmatch(request_id):
        raise invalid("request_id", "must be 1 to 128 visible ASCII characters")


def _time(field: str, request: Message) -> datetime | None:
    """A time of a request, None where it is not set."""
    if not request.HasField(field):
        return None
    try:
        moment: datetime = getattr(request, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise invalid(field, "must be a time from the year 1 to 9999") from None
    return moment


def _category(message: catalog_pb2.Category) -> Category:
    try:
        return Category(
            slug=message.slug,
            name=message.name,
            icon=message.icon,
            description=message.description,
            sort_order=message.sort_order,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise invalid(f"category.{first['loc'][0]}", first["msg"].removeprefix("Value error, ")) from None
