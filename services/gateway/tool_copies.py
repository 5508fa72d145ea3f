"""Tools as the catalog last told them: asked each time, and answered from a copy while the catalog is away."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from scrip.catalog.v1 import catalog_pb2

from services.gateway.inputs import file_properties_of
from services.gateway.pages import Page
from services.gateway.peers import Catalog
from services.runtime import clock
from services.runtime.errors import Refusal

ASK_SECONDS = 3.0
ASK_SECONDS_WITH_COPY = 1.0
PAGES_MAX = 50
TOOLS_MAX = 2_000
# How old a copy may be that is asked which properties are files; the catalog checks the input against its own.
FILE_PROPERTIES_SECONDS = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """What the catalog said, and when (monotonic seconds)."""

    value: T
    at: float

    def age_seconds(self) -> int:
        """Whole seconds since."""
        return int(clock.monotonic() - self.at)


class _Copies(Generic[T]):
    """The latest answers by question; the longest unused goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._told: OrderedDict[object, Told[T]] = OrderedDict()

    def get(self, question: object) -> Told[T] | None:
        return self._told.get(question)

    def put(self, question: object, value: T) -> Told[T]:
        told = Told(value, clock.monotonic())
        self._told[question] = told
        self._told.move_to_end(question)
        if len(self._told) > self._limit:
            self._told.popitem(last=False)
        return told

    def drop(self, question: object) -> None:
        self._told.pop(question, None)


class ToolCopies:
    """Asks the catalog for tools; an answer that has an age is a copy, given because the catalog does not answer."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._pages: _Copies[catalog_pb2.ListToolsResponse] = _Copies(PAGES_MAX)
        self._tools: _Copies[catalog_pb2.Tool] = _Copies(TOOLS_MAX)

    async def page(self, page: Page) -> Told[catalog_pb2.ListToolsResponse]:
        """A page of tools; raises Refusal."""
        copy = self._pages.get(page)
        request = catalog_pb2.ListToolsRequest(page_size=page.size, page_token=page.token)
        try:
            response = await self._catalog.peer.call(
                self._catalog.stub.ListTools, request, ASK_SECONDS_WITH_COPY if copy else ASK_SECONDS
            )
        except Refusal as refusal:
            if copy and refusal.http_status >= 500:
                return copy
            raise
        for tool in response.tools:
            self._tools.put(tool.slug, tool)
        return self._pages.put(page, response)

    async def one(self, slug: str) -> Told[catalog_pb2.Tool]:
        """A tool; raises Refusal."""
        copy = self._tools.get(slug)
        request = catalog_pb2.GetToolRequest(slug=slug)
        try:
            response = await self._catalog.peer.call(
                self._catalog.stub.GetTool, request, ASK_SECONDS_WITH_COPY if copy else ASK_SECONDS
            )
        except Refusal as refusal:
            if copy and refusal.http_status >= 500:
                return copy
            if refusal.reason == "TOOL_NOT_FOUND":
                self._tools.drop(slug)
            raise
        return self._tools.put(slug, response.tool)

    async def file_properties(self, slug: str) -> frozenset[str]:
        """The names of a tool's file-valued properties; raises Refusal."""
        copy = self._tools.get(slug)
        if copy is None or clock.monotonic() - copy.at > FILE_PROPERTIES_SECONDS:
            copy = await self.one(slug)
        return file_properties_of(copy.value.input_schema_json)
