"""The methods of CatalogService that tell what there is."""

from typing import Any

from scrip.catalog.v1 import catalog_pb2

from services.catalog import history, mapping, refusals, search
from services.catalog.snapshot import Snapshot
from services.runtime import pages
from services.runtime.postgres import Pool

# A page of large tools ends early, so that the message stays below its limit.
PAGE_BYTES_MAX = 4 * 1024 * 1024

Context = Any


class ReadMethods:
    """From memory, so that an outage of the database does not end it; but for versions that are no longer in force."""

    def __init__(self, pool: Pool, snapshot: Snapshot) -> None:
        self._pool = pool
        self._snapshot = snapshot

    async def ListTools(  # noqa: N802
        self, request: catalog_pb2.ListToolsRequest, context: Context
    ) -> catalog_pb2.ListToolsResponse:
        """In the order of their slugs."""
        view = self._snapshot.latest()
        slugs = search.slugs(view.tools.values(), request)
        page = pages.of_keys(slugs, request, request.page_size, request.page_token)
        response = catalog_pb2.ListToolsResponse(stamp=view.stamp)
        size = 0
        for slug in page.keys:
            tool = view.tools[slug]
            message = mapping.tool_message(tool, tool.current, view, in_list=True)
            size += message.ByteSize()
            if response.tools and size > PAGE_BYTES_MAX:
                break
            response.tools.append(message)
        response.next_page_token = page.token_after(len(response.tools))
        return response

    async def GetTool(  # noqa: N802
        self, request: catalog_pb2.GetToolRequest, context: Context
    ) -> catalog_pb2.GetToolResponse:
        """In its newest version, or the one that is named."""
        return catalog_pb2.GetToolResponse(tool=await self._tool(request.slug, request.version))

    async def ListToolVersions(  # noqa: N802
        self, request: catalog_pb2.ListToolVersionsRequest, context: Context
    ) -> catalog_pb2.ListToolVersionsResponse:
        """Newest first."""
        tool = self._snapshot.latest().tools.get(request.slug)
        if tool is None:
            raise refusals.tool_not_found(request.slug)
        size = pages.size_of(request.page_size)
        bound = pages.filter_of(request)
        place = pages.place(request.page_token, bound, int)
        before = int(place[0]) if place else tool.current.version + 1
        versions = await history.read_versions(self._pool, request.slug, before, size)
        oldest = versions[-1].version if versions else 1
        return catalog_pb2.ListToolVersionsResponse(
            versions=map(mapping.version_message, versions),
            next_page_token=pages.token(bound, oldest) if oldest > 1 else "",
        )

    async def ListCategories(  # noqa: N802
        self, request: catalog_pb2.ListCategoriesRequest, context: Context
    ) -> catalog_pb2.ListCategoriesResponse:
        """In the order they are shown in."""
        view = self._snapshot.latest()
        by_key = {f"{one.sort_order:07} {one.slug}": one for one in view.categories}
        page = pages.of_keys(list(by_key), request, request.page_size, request.page_token)
        return catalog_pb2.ListCategoriesResponse(
            categories=[mapping.category_message(by_key[key], view) for key in page.keys],
            next_page_token=page.token_after(len(page.keys)),
        )

    async def _tool(self, slug: str, number: int = 0) -> catalog_pb2.Tool:
        """A tool in one of its versions, the newest one for 0; raises TOOL_NOT_FOUND."""
        view = self._snapshot.latest()
        tool = view.tools.get(slug)
        version = tool.current if tool else None
        if tool is not None and number:
            version = await self._snapshot.version(slug, number) if number < 2**31 else None
        if tool is None or version is None:
            raise refusals.tool_not_found(slug, number)
        return mapping.tool_message(tool, version, view)
