"""The catalog through its gRPC door, as a real process on a real database and NATS."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc, events_pb2

from services.catalog.manifests import files as manifest_files
from services.runtime import chain
from services.runtime.errors import Refusal
from services.runtime.grpc_client import Peer
from tests.catalog.conftest import closed_database
from tests.harness.databases import Databases
from tests.harness.processes import Services
from tests.harness.shared import shared_services
from tests.harness.waiting import eventually

TOOLS = [manifest.slug for manifest in manifest_files.shipped()]
QuoteRequest = catalog_pb2.QuotePriceRequest


class Door:
    """A client of the catalog."""

    def __init__(self, services: Services) -> None:
        self.peer: Peer = services.peer("catalog")
        self.stub: Any = catalog_pb2_grpc.CatalogServiceStub(self.peer.channel)

    async def report(self, *slugs: str, reason: int = 0) -> None:
        """An executor that can run version 1 of these tools."""
        tools = [catalog_pb2.ToolAvailability(slug=slug, version=1, unavailable_reason=reason) for slug in slugs]  # type: ignore[arg-type]
        request = catalog_pb2.ReportAvailabilityRequest(executor_id="e1", tools=tools)
        await self.peer.call(self.stub.ReportAvailability, request)

    async def quote(self, **fields: Any) -> catalog_pb2.Quote:
        """A quote."""
        fields = {"account_id": "demo", "tool": "echo", "input_json": b'{"message": "hi"}'} | fields
        response = await self.peer.call(self.stub.QuotePrice, QuoteRequest(**fields))
        return response.quote  # type: ignore[no-any-return]

    async def get(self, slug: str, version: int = 0) -> catalog_pb2.Tool:
        """A tool."""
        response = await self.peer.call(self.stub.GetTool, catalog_pb2.GetToolRequest(slug=slug, version=version))
        return response.tool  # type: ignore[no-any-return]


@pytest.fixture
async def door(services: Services) -> AsyncIterator[Door]:
    """A catalog of this test's own, that an executor has reported to."""
    await services.start("catalog")
    door = Door(services)
    await door.report(*TOOLS)
    yield door


@pytest.fixture(scope="module")
def running(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A catalog, started once for the tests that leave it as it is."""
    with shared_services(databases, tmp_path_factory.mktemp("catalog")) as services:
        asyncio.run(services.start("catalog"))
        yield services


@pytest.fixture
async def shared_door(running: Services) -> AsyncIterator[Door]:
    """The running catalog; an executor has reported to it."""
    door = Door(running)
    await door.report(*TOOLS)
    yield door
    await running.close_peers()


async def test_the_shipped_tools_are_listed_with_all_that_a_caller_needs(shared_door: Door) -> None:
    """In the order of their slugs, with price, limits, schemas, examples and how they run."""
    answer = await shared_door.peer.call(shared_door.stub.ListTools, catalog_pb2.ListToolsRequest(page_size=200))
    assert [tool.slug for tool in answer.tools] == TOOLS
    assert answer.next_page_token == ""
    tool = answer.tools[TOOLS.index("detect-language")]
    assert (tool.name, tool.version, tool.price_version, tool.enabled, tool.available) == (
        *("Detect language", 1, 1),
        *(True, True),
    )
    assert (tool.price.base_micros, tool.price.per_unit_micros, tool.price.unit) == (100_000, 100, "character")
    assert tool.price.charging.succeeded == catalog_pb2.CHARGE_MEASURED
    assert tool.price.charging.failed == catalog_pb2.CHARGE_NOTHING
    assert json.loads(tool.run_json) == {
        "kind": "python",
        "handler": "detect_language",
        "retry": "safe",
        "packages": ["py3langid"],
        "measure": {"from": "input_characters", "pointer": "/text"},
    }
    assert json.loads(tool.input_schema_json)["required"] == ["text"]
    assert json.loads(tool.example_inputs_json[0])["text"]
    assert tool.created_at.seconds > 0


async def test_pages_go_on_where_the_last_one_ended(shared_door: Door) -> None:
    """Each tool once, in order; the last page has no token."""
    seen, token = [], ""
    while token or not seen:
        request = catalog_pb2.ListToolsRequest(page_size=7, page_token=token)
        answer = await shared_door.peer.call(shared_door.stub.ListTools, request)
        seen += [tool.slug for tool in answer.tools]
        token = answer.next_page_token
    assert seen == TOOLS


MALFORMED: list[tuple[str, Any, str]] = [
    ("page size", catalog_pb2.ListToolsRequest(page_size=201), "page_size"),
    ("negative page size", catalog_pb2.ListToolsRequest(page_size=-1), "page_size"),
    ("page token", catalog_pb2.ListToolsRequest(page_token="é"), "page_token"),
    ("another list's token", catalog_pb2.ListToolsRequest(page_token="QUJDREVGR0hlY2hv"), "page_token"),
    ("no account", QuoteRequest(tool="echo", input_json=b"{}"), "account_id"),
    ("bad account", QuoteRequest(account_id="Demo", tool="echo"), "account_id"),
    ("no request id", catalog_pb2.EnableToolRequest(slug="echo"), "request_id"),
    ("bad request id", catalog_pb2.DisableToolRequest(slug="echo", request_id="a b"), "request_id"),
    ("long query", catalog_pb2.ListToolsRequest(query="x" * 201), "query"),
    ("versions of a bad page", catalog_pb2.ListToolVersionsRequest(slug="echo", page_size=201), "page_size"),
    ("another page's token", catalog_pb2.ListCategoriesRequest(page_token="QUJD"), "page_token"),
    ("apply without an id", catalog_pb2.ApplyToolRequest(manifest=b"{}"), "request_id"),
    ("price without an id", catalog_pb2.SetPriceRequest(slug="echo", price_json=b"{}"), "request_id"),
    ("no price", catalog_pb2.SetPriceRequest(slug="echo", request_id="r"), "price"),
    ("bad price", catalog_pb2.SetPriceRequest(slug="echo", price_json=b'{"base": 1}', request_id="r"), "price.base"),
    (
        "a time that is none",
        catalog_pb2.SetPriceRequest(
            slug="echo",
            price_json=b'{"base": "1"}',
            request_id="r",
            effective_at=Timestamp(seconds=2**62),
        ),
        "effective_at",
    ),
    ("no going back without an id", catalog_pb2.ClearPriceRequest(slug="echo"), "request_id"),
    ("no category", catalog_pb2.ApplyCategoryRequest(request_id="r"), "category.slug"),
    (
        "bad category",
        catalog_pb2.ApplyCategoryRequest(category=catalog_pb2.Category(slug="a", name="a\n"), request_id="r"),
        "category.name",
    ),
    ("no deletion without an id", catalog_pb2.DeleteCategoryRequest(slug="text"), "request_id"),
    ("no executor", catalog_pb2.ReportAvailabilityRequest(), "executor_id"),
    (
        "no version",
        catalog_pb2.ReportAvailabilityRequest(executor_id="e", tools=[catalog_pb2.ToolAvailability(slug="echo")]),
        "tools[0].version",
    ),
]


async def test_malformed_requests_name_the_field(shared_door: Door) -> None:
    """REQUEST_INVALID, whatever the method."""
    found = []
    for _, request, _ in MALFORMED:
        method = getattr(shared_door.stub, type(request).__name__.removesuffix("Request"))
        with pytest.raises(Refusal) as refused:
            await shared_door.peer.call(method, request)
        found.append((refused.value.reason, refused.value.metadata["field"]))
    assert found == [("REQUEST_INVALID", field) for _, _, field in MALFORMED]


async def test_a_quote_names_everything_and_can_be_asked_for_again(shared_door: Door) -> None:
    """Verifying it answers the same message."""
    quote = await shared_door.quote()
    assert (quote.tool, quote.version, quote.price_version, quote.account_id) == ("echo", 1, 1, "demo")
    assert (dict(quote.units), quote.exact) == ({"second": 60}, False)
    assert (quote.amount_micros, quote.amount_max_micros) == (70_000, 70_000)
    assert quote.input_digest == hashlib.sha256(b'{"message":"hi"}').hexdigest()
    assert quote.limits.timeout_ms == 70_000
    assert len(quote.job_id) == 30
    assert len(quote.quote_id) <= 1_024
    assert await shared_door.quote(quote_id=quote.quote_id) == quote


async def test_a_file_is_priced_with_its_input(shared_door: Door) -> None:
    """The tool's own example: 2 credits and 1 for the megabyte begun."""
    tool = await shared_door.get("pdf-to-text")
    data = base64.b64decode(json.loads(tool.example_inputs_json[0])["pdf"].partition(",")[2])
    value = {"pdf": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    file = catalog_pb2.InputFile(property="pdf", media_type="application/pdf", data=data)
    quote = await shared_door.quote(tool="pdf-to-text", input_json=json.dumps(value).encode(), files=[file])
    assert (quote.amount_micros, dict(quote.units), quote.exact) == (3_000_000, {"megabyte": 1}, True)


REFUSALS: list[tuple[str, dict[str, Any], str, str, dict[str, str]]] = [
    ("unknown", {"tool": "nope"}, "TOOL_NOT_FOUND", "NOT_FOUND", {"tool": "nope"}),
    ("no slug at all", {"tool": ""}, "TOOL_NOT_FOUND", "NOT_FOUND", {"tool": ""}),
    ("disabled", {"tool": "barcode-read"}, "TOOL_DISABLED", "FAILED_PRECONDITION", {"tool": "barcode-read"}),
    (
        "unavailable",
        {"tool": "detect-language"},
        "TOOL_UNAVAILABLE",
        "UNAVAILABLE",
        {"unavailable_reason": "MISSING_PACKAGE"},
    ),
    (
        "too large",
        {"input_json": b" " * 1_048_577},
        "INPUT_TOO_LARGE",
        "INVALID_ARGUMENT",
        {"limit": "1048576", "actual": "1048577"},
    ),
    ("invalid", {"input_json": b"{}"}, "INPUT_INVALID", "INVALID_ARGUMENT", {"violations": "1"}),
    ("no quote", {"quote_id": "AAAA"}, "QUOTE_MALFORMED", "INVALID_ARGUMENT", {}),
    ("a quote too long", {"quote_id": "A" * 1_025}, "QUOTE_MALFORMED", "INVALID_ARGUMENT", {}),
]


async def test_each_refusal_has_its_reason_code_and_numbers(door: Door) -> None:
    """As a table: request, reason, gRPC code, metadata."""
    await door.peer.call(door.stub.DisableTool, catalog_pb2.DisableToolRequest(slug="barcode-read", request_id="off"))
    await door.report("detect-language", reason=catalog_pb2.UNAVAILABLE_REASON_MISSING_PACKAGE)
    for name, fields, reason, code, metadata in REFUSALS:
        with pytest.raises(Refusal) as refused:
            await door.quote(**fields)
        assert (name, refused.value.reason, refused.value.code.name) == (name, reason, code)
        assert metadata.items() <= refused.value.metadata.items()


async def test_violations_arrive_with_pointer_and_keyword(shared_door: Door) -> None:
    """All of them."""
    with pytest.raises(Refusal) as refused:
        await shared_door.quote(input_json=b'{"delay_seconds": 61, "outcome": "maybe"}')
    found = {(violation.field, violation.keyword) for violation in refused.value.violations}
    assert found == {("", "required"), ("/delay_seconds", "maximum"), ("/outcome", "enum")}


async def test_quotes_of_other_accounts_and_inputs_are_refused(shared_door: Door) -> None:
    """With a reason each."""
    quote_id = (await shared_door.quote()).quote_id
    for fields, reason in (
        ({"account_id": "other"}, "QUOTE_OTHER_ACCOUNT"),
        ({"input_json": b'{"message": "ho"}'}, "QUOTE_OTHER_INPUT"),
        ({"tool": "detect-language", "input_json": b'{"text": "hi"}'}, "QUOTE_OTHER_INPUT"),
    ):
        with pytest.raises(Refusal) as refused:
            await shared_door.quote(quote_id=quote_id, **fields)
        assert refused.value.reason == reason


async def test_switching_is_seen_at_once_and_is_one_event(door: Door) -> None:
    """Idempotent: the same switch again, with another request id too, changes nothing."""
    for request_id in ("a", "a", "b"):
        request = catalog_pb2.DisableToolRequest(slug="echo", request_id=request_id)
        answer = await door.peer.call(door.stub.DisableTool, request)
        assert answer.tool.enabled is False
    with pytest.raises(Refusal, match="TOOL_DISABLED"):
        await door.quote()
    enable = catalog_pb2.EnableToolRequest(slug="echo", request_id="c")
    assert (await door.peer.call(door.stub.EnableTool, enable)).tool.enabled is True
    await door.quote()
    with pytest.raises(Refusal, match="TOOL_NOT_FOUND"):
        await door.peer.call(door.stub.EnableTool, catalog_pb2.EnableToolRequest(slug="nope", request_id="d"))
    kinds = [event.kind for row in await read(door) for event in row.batch.events if event.tool == "echo"]
    assert kinds[2:] == [events_pb2.EVENT_KIND_TOOL_DISABLED, events_pb2.EVENT_KIND_TOOL_ENABLED]


async def read(door: Door, follow: bool = False, after: int = 0) -> list[catalog_pb2.ReadEventsResponse]:
    request = catalog_pb2.ReadEventsRequest(follow=follow, cursors=[catalog_pb2.ShardCursor(after_seq=after)])
    return [message async for message in door.peer.stream(door.stub.ReadEvents, request, 10)]


async def test_events_are_a_chain_without_holes(door: Door) -> None:
    """Each commit names the hash of the one before; who comes back gets only what is new; another shard is refused."""
    await door.peer.call(door.stub.DisableTool, catalog_pb2.DisableToolRequest(slug="echo", request_id="a"))
    rows = await read(door)
    previous, position = chain.GENESIS_HASH, 1
    for seq, row in enumerate(rows, start=1):
        assert (row.batch.seq, row.batch.previous_hash, row.batch.first_position) == (seq, previous, position)
        previous, position = row.hash, position + len(row.batch.events)
    assert [row.batch.seq for row in await read(door, after=1)] == [2]
    assert rows[-1].batch.events[0].actor == "service:gateway"
    with pytest.raises(Refusal, match="shard"):
        request = catalog_pb2.ReadEventsRequest(cursors=[catalog_pb2.ShardCursor(shard=1)])
        _ = [row async for row in door.peer.stream(door.stub.ReadEvents, request, 5)]


async def test_who_follows_is_told_of_what_happens(door: Door) -> None:
    """The stream stays open, and a commit is on it within a second."""
    request = catalog_pb2.ReadEventsRequest(follow=True, cursors=[catalog_pb2.ShardCursor(after_seq=1)])
    stream = door.peer.stream(door.stub.ReadEvents, request, 20)
    waiting = asyncio.ensure_future(anext(stream))
    await door.peer.call(door.stub.DisableTool, catalog_pb2.DisableToolRequest(slug="echo", request_id="a"))
    async with asyncio.timeout(5):
        row = await waiting
    assert row.batch.events[0].kind == events_pb2.EVENT_KIND_TOOL_DISABLED
    await stream.aclose()


async def test_without_a_token_nothing_is_answered(shared_door: Door) -> None:
    """It says who may call."""
    stub: Any = catalog_pb2_grpc.CatalogServiceStub(shared_door.peer.channel)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.ListTools(catalog_pb2.ListToolsRequest(), timeout=5)
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_a_killed_catalog_comes_back_as_it_was(door: Door, services: Services) -> None:
    """Switches and quotes outlive the process; nothing is shipped again."""
    quote = await door.quote()
    await door.peer.call(door.stub.DisableTool, catalog_pb2.DisableToolRequest(slug="barcode-read", request_id="a"))
    services.kill("catalog")
    await services.restart("catalog")
    assert (await door.get("barcode-read")).enabled is False
    assert await door.quote(quote_id=quote.quote_id) == quote
    assert len(await read(door)) == 2


async def test_it_serves_again_after_its_sessions_were_cut(door: Door, services: Services) -> None:
    """A restart of PostgreSQL costs no request that is tried again, and no availability."""
    services.disconnect("catalog")

    async def quoted() -> bool:
        try:
            return bool((await door.quote()).job_id)
        except Refusal as refusal:
            assert refusal.reason == "UPSTREAM_UNAVAILABLE"
            return False

    await eventually(quoted, 10)
    assert services.query("catalog", "SELECT count(*) FROM log") == [(2,)]


async def test_it_starts_before_its_database_does(services: Services) -> None:
    """It lives, waits, and is ready once the database lets it in."""
    with closed_database(services.database("catalog")):
        starting = asyncio.create_task(services.start("catalog"))

        async def says_why() -> bool:
            with pytest.raises(Refusal, match="UPSTREAM_UNAVAILABLE") as refused:
                await Door(services).get("echo")
            return refused.value.metadata["dependency"] == "database"

        await eventually(says_why, 20)
        assert not starting.done()
    await starting
    assert (await Door(services).get("echo")).version == 1


async def test_its_events_reach_the_broker(door: Door, services: Services) -> None:
    """The relay's cursor moves only when NATS acknowledged."""
    await door.peer.call(door.stub.DisableTool, catalog_pb2.DisableToolRequest(slug="echo", request_id="a"))
    relayed = "SELECT seq FROM cursor WHERE consumer = 'relay' AND seq = 2"
    await eventually(lambda: services.query("catalog", relayed), 10)


async def test_it_drains_when_told_to_end(door: Door, services: Services) -> None:
    """SIGTERM ends it with status 0."""
    services.terminate("catalog")
    assert await asyncio.to_thread(services.wait, "catalog") == 0
