"""Copies of tools: what is answered while the catalog is away is what it would answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from scrip.catalog.v1 import catalog_pb2

from services.gateway.peers import Catalog
from services.gateway.tool_copies import ToolCopies
from services.runtime.errors import Refusal, unavailable
from tests.gateway.conftest import System
from tests.harness.waiting import eventually

Request = catalog_pb2.ListToolsRequest


class Breakable:
    """A peer that can be cut off."""

    def __init__(self, peer: Any) -> None:
        self._peer = peer
        self.cut = False

    async def call(self, *arguments: Any, **options: Any) -> Any:
        """As the peer, or as if it did not answer."""
        if self.cut:
            raise unavailable("catalog")
        return await self._peer.call(*arguments, **options)


class Line:
    """Copies, and the line to the catalog that they are of."""

    def __init__(self, system: System) -> None:
        catalog = Catalog(system.services.peer("catalog"))
        self.peer = Breakable(catalog.peer)
        catalog.peer = cast("Any", self.peer)
        self.copies = ToolCopies(catalog)

    async def both(self, request: Request) -> tuple[Any, Any]:
        """What the catalog answers, and what the copy does."""
        self.peer.cut = False
        told = await self.copies.page(request)
        self.peer.cut = True
        return told.value, (await self.copies.page(request)).value


@pytest.fixture
async def line(system: System) -> AsyncIterator[Line]:
    """With a copy of everything."""
    line = Line(system)
    running = asyncio.create_task(line.copies.run())
    try:

        async def is_copied() -> bool:
            line.peer.cut = True
            try:
                return bool((await line.copies.categories()).value)
            except Refusal:
                return False
            finally:
                line.peer.cut = False

        await eventually(is_copied, 20)
        yield line
    finally:
        running.cancel()


QUESTIONS: list[dict[str, Any]] = [
    {},
    {"page_size": 3},
    {"category": "images"},
    {"category": "nope"},
    {"tag": "image", "page_size": 2},
    {"provider": "deepl"},
    {"enabled": True, "page_size": 200},
    {"enabled": False},
    {"query": "PDF page"},
    {"query": "text language", "category": "language", "enabled": True},
]


@pytest.mark.parametrize("wanted", QUESTIONS, ids=str)
async def test_a_list_from_the_copy_is_the_catalogs(line: Line, wanted: dict[str, Any]) -> None:
    """The same tools with the same filters, and tokens that are good on either side."""
    request = Request(**wanted)
    for _ in range(3):
        told, copied = await line.both(request)
        assert [tool.slug for tool in copied.tools] == [tool.slug for tool in told.tools]
        assert copied.next_page_token == told.next_page_token
        request.page_token = copied.next_page_token
        if not request.page_token:
            break


async def test_a_token_of_another_list_is_refused_by_the_copy_too(line: Line) -> None:
    """As the catalog would."""
    _, copied = await line.both(Request(page_size=1))
    with pytest.raises(Refusal) as refused:
        await line.copies.page(Request(page_token=copied.next_page_token, category="images"))
    assert refused.value.reason == "REQUEST_INVALID"


async def test_a_tool_is_shown_from_the_list_that_never_was_asked_for(line: Line) -> None:
    """Without its documentation; one that is in no copy is not there to be shown."""
    line.peer.cut = True
    assert (await line.copies.one("echo")).value.slug == "echo"
    assert "pdf" in await line.copies.file_properties("pdf-to-text")
    with pytest.raises(Refusal) as refused:
        await line.copies.one("nope")
    assert refused.value.reason == "UPSTREAM_UNAVAILABLE"


async def test_without_a_copy_the_outage_is_told(system: System) -> None:
    """A gateway that never saw the catalog has nothing to show."""
    line = Line(system)
    line.peer.cut = True
    for asked in (line.copies.page(Request()), line.copies.one("echo"), line.copies.categories()):
        with pytest.raises(Refusal) as refused:
            await asked
        assert refused.value.reason == "UPSTREAM_UNAVAILABLE"


async def test_what_was_seen_once_is_kept(system: System) -> None:
    """Also where the catalog goes away before the gateway first looked for itself."""
    line = Line(system)
    seen = await line.copies.page(Request(page_size=1))
    line.peer.cut = True
    told = await line.copies.page(Request(page_size=200))
    assert [tool.slug for tool in seen.value.tools] == [told.value.tools[0].slug]
    assert len(told.value.tools) > 1
