"""Tools as the catalog last told them: asked each time, and answered from a copy while the catalog is away.

All tools and categories are kept, so that a list with whatever filter can be answered without it: once a second the
catalog's stamp is looked at, and everything read again where that is another one.
"""

import asyncio
import contextlib
import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from scrip.catalog.v1 import catalog_pb2

from services.gateway.inputs import file_properties_of
from services.gateway.peers import Catalog
from services.runtime import clock, logs, pages, tracing
from services.runtime.errors import Refusal

log = logs.get("tool_copies")

ASK_SECONDS = 3.0
ASK_SECONDS_WITH_COPY = 1.0
TOOLS_MAX = 2_000
LOOK_SECONDS = 1.0
PAGE_SIZE = pages.SIZE_MAX
# How old a copy may be that is asked which properties are files; the catalog checks the input against its own.
FILE_PROPERTIES_SECONDS = 10.0

T = TypeVar("T")
Tools = dict[str, catalog_pb2.Tool]
Categories = list[catalog_pb2.Category]


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """What the catalog said, and when (monotonic seconds)."""

    value: T
    at: float

    def age_seconds(self) -> int:
        """Whole seconds since."""
        return int(clock.monotonic() - self.at)


class ToolCopies:
    """Asks the catalog; an answer that has an age is from a copy, given because the catalog does not answer."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._stamp = -1
        self._all: Told[Tools] | None = None
        self._categories: Told[Categories] | None = None
        # Tools that were asked for by name, with their documentation; the longest unused goes first.
        self._tools: OrderedDict[str, Told[catalog_pb2.Tool]] = OrderedDict()

    async def run(self) -> None:
        """Keeps the copy of everything new, for ever."""
        tracing.begin(None)
        while True:
            try:
                await self._look()
            except Refusal as refusal:
                log.debug("copy_waits", reason=refusal.reason)
            await asyncio.sleep(LOOK_SECONDS)

    async def page(self, request: catalog_pb2.ListToolsRequest) -> Told[catalog_pb2.ListToolsResponse]:
        """A page of tools; raises Refusal."""
        copy = self._all
        try:
            response = await self._ask(self._catalog.stub.ListTools, request, copy is not None)
        except Refusal as refusal:
            if copy is None or refusal.http_status < 500:
                raise
            return Told(_page(copy.value, request), copy.at)
        # What somebody has seen is in the copy, however soon the catalog goes away.
        if self._all is None:
            with contextlib.suppress(Refusal):
                await self._look()
        else:
            self._all.value.update((tool.slug, tool) for tool in response.tools)
        return _told(response)

    async def one(self, slug: str) -> Told[catalog_pb2.Tool]:
        """A tool; raises Refusal."""
        copy = self._copy(slug)
        request = catalog_pb2.GetToolRequest(slug=slug)
        try:
            response = await self._ask(self._catalog.stub.GetTool, request, copy is not None)
        except Refusal as refusal:
            if copy and refusal.http_status >= 500:
                return copy
            if refusal.reason == "TOOL_NOT_FOUND":
                self._tools.pop(slug, None)
            raise
        return self._keep(response.tool)

    async def categories(self) -> Told[Categories]:
        """All categories; raises Refusal."""
        copy = self._categories
        try:
            self._categories = _told(await self._read_categories(ASK_SECONDS_WITH_COPY if copy else ASK_SECONDS))
        except Refusal as refusal:
            if copy is None or refusal.http_status < 500:
                raise
            return copy
        return self._categories

    async def file_properties(self, slug: str) -> frozenset[str]:
        """The names of a tool's file-valued properties; raises Refusal."""
        copy = self._tools.get(slug)
        if copy is None or clock.monotonic() - copy.at > FILE_PROPERTIES_SECONDS:
            copy = await self.one(slug)
        return file_properties_of(copy.value.input_schema_json)

    async def cancels_on_disconnect(self, slug: str) -> bool:
        """Whether a client that goes away from the stream of a tool's execution cancels it; raises Refusal."""
        run: dict[str, Any] = json.loads((await self.one(slug)).value.run_json or b"{}")
        return run.get("on_disconnect") == "cancel"

    async def _ask(self, method: Any, request: Any, has_copy: bool) -> Any:
        return await self._catalog.peer.call(method, request, ASK_SECONDS_WITH_COPY if has_copy else ASK_SECONDS)

    async def _look(self) -> None:
        """Reads everything again if it changed; what did not is known to be as new as this look."""
        began_at = clock.monotonic()
        question = catalog_pb2.ListToolsRequest(page_size=1)
        stamp = (await self._catalog.peer.call(self._catalog.stub.ListTools, question, ASK_SECONDS)).stamp
        if self._all is None or self._categories is None or stamp != self._stamp:
            tools, categories = await self._read_tools(), await self._read_categories(ASK_SECONDS)
        else:
            tools, categories = self._all.value, self._categories.value
        self._stamp, self._all, self._categories = stamp, Told(tools, began_at), Told(categories, began_at)

    async def _read_tools(self) -> Tools:
        tools: Tools = {}
        request = catalog_pb2.ListToolsRequest(page_size=PAGE_SIZE)
        while True:
            page = await self._catalog.peer.call(self._catalog.stub.ListTools, request, ASK_SECONDS)
            tools |= {tool.slug: tool for tool in page.tools}
            request.page_token = page.next_page_token
            if not request.page_token:
                return tools

    async def _read_categories(self, seconds: float) -> Categories:
        categories: Categories = []
        request = catalog_pb2.ListCategoriesRequest(page_size=PAGE_SIZE)
        while True:
            page = await self._catalog.peer.call(self._catalog.stub.ListCategories, request, seconds)
            categories += page.categories
            request.page_token = page.next_page_token
            if not request.page_token:
                return categories

    def _copy(self, slug: str) -> Told[catalog_pb2.Tool] | None:
        """A tool as it was asked for by name, unless it has changed since; else as the list of all has it."""
        found = self._tools.get(slug)
        listed = self._all.value.get(slug) if self._all else None
        if self._all is None or listed is None or (found and _state(found.value) == _state(listed)):
            return found
        return Told(listed, self._all.at)

    def _keep(self, tool: catalog_pb2.Tool) -> Told[catalog_pb2.Tool]:
        told = self._tools[tool.slug] = _told(tool)
        self._tools.move_to_end(tool.slug)
        if len(self._tools) > TOOLS_MAX:
            self._tools.popitem(last=False)
        return told


def _state(tool: catalog_pb2.Tool) -> tuple[str, int, bool]:
    return tool.digest, tool.price_version, tool.enabled


def _told(value: T) -> Told[T]:
    return Told(value, clock.monotonic())


def _page(tools: Tools, request: catalog_pb2.ListToolsRequest) -> catalog_pb2.ListToolsResponse:
    """What the catalog would answer; its tokens are good here, and ours there."""
    slugs = sorted(_fitting(tools, request))
    page = pages.of_keys(slugs, request, request.page_size, request.page_token)
    return catalog_pb2.ListToolsResponse(
        tools=[tools[slug] for slug in page.keys], next_page_token=page.token_after(len(page.keys))
    )


def _fitting(tools: Tools, request: catalog_pb2.ListToolsRequest) -> Iterator[str]:
    words = request.query.casefold().split()
    for slug, tool in tools.items():
        searched = "\n".join((tool.slug, tool.name, tool.description, *tool.tags)).casefold()
        if (
            request.category in ("", tool.category)
            and (not request.tag or request.tag in tool.tags)
            and request.provider in ("", tool.provider)
            and (not request.HasField("enabled") or request.enabled == tool.enabled)
            and all(word in searched for word in words)
        ):
            yield slug
