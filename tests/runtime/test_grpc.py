"""What a service says over gRPC reaches the caller as it was meant, and nothing else does."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from psycopg_pool import PoolTimeout
from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc

from services.cli.local.ports import free_ports
from services.runtime import errors, grpc_server, identity, tracing
from services.runtime.errors import REASONS, Refusal, Violation, invalid, unavailable
from services.runtime.grpc_client import Peer
from services.runtime.identity import ServiceTokens
from tests.harness.waiting import eventually

TOKEN = "scrip_svc_gateway_secret"
TRACE = "0af7651916cd43dd8448eb211c80319c"
Behavior = Callable[[], Awaitable[Any]]


@dataclass
class Door:
    """A catalog that does as it is told."""

    address: str
    behavior: Behavior
    ready: bool = True
    callers: list[tuple[str, str, str]] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)

    def peer(self, token: str = TOKEN) -> Peer:
        """A way to it."""
        self.peers.append(Peer("catalog", self.address, token))
        return self.peers[-1]

    async def ask(self, peer: Peer | None = None, **options: Any) -> Any:
        """Calls GetTool."""
        peer = peer or self.peer()
        stub = catalog_pb2_grpc.CatalogServiceStub(peer.channel)
        return await peer.call(stub.GetTool, catalog_pb2.GetToolRequest(slug="echo"), **options)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A gRPC server as every service runs it."""

    async def answer() -> catalog_pb2.GetToolResponse:
        return catalog_pb2.GetToolResponse(tool=catalog_pb2.Tool(slug="echo"))

    tokens = tmp_path / "tokens"
    tokens.write_text(f"gateway {hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    made = Door(f"127.0.0.1:{free_ports(1)[0]}", answer)

    class Servicer(catalog_pb2_grpc.CatalogServiceServicer):
        async def GetTool(self, request: Any, context: Any) -> Any:  # noqa: N802
            made.callers.append((identity.caller(), identity.actor(), tracing.trace_id()))
            return await made.behavior()

        async def ReadEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
            yield catalog_pb2.ReadEventsResponse(hash=b"1")
            await made.behavior()

    async def is_ready() -> bool:
        return made.ready

    async with grpc_server.serve(
        made.address,
        ServiceTokens(tokens),
        catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
        lambda server: catalog_pb2_grpc.add_CatalogServiceServicer_to_server(Servicer(), server),
        is_ready,
    ):
        yield made
        for peer in made.peers:
            await peer.close()


def raising(error: Exception) -> Behavior:
    async def behavior() -> None:
        raise error

    return behavior


async def refused(door: Door, **options: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await door.ask(**options)
    return caught.value


async def raw_error(door: Door, token: str | None = TOKEN) -> grpc.aio.AioRpcError:
    """What any gRPC client sees of a call."""
    metadata = (("authorization", f"Bearer {token}"),) if token is not None else ()
    async with grpc.aio.insecure_channel(door.address) as channel:
        stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetTool(catalog_pb2.GetToolRequest(), metadata=metadata, timeout=5)
    return caught.value


# Said by the door itself, about the door or the callee; a caller of ours must not hear them as its own refusal.
OF_THE_DOOR = {"INTERNAL", "UNAUTHENTICATED", "DEADLINE_EXCEEDED"}


@pytest.mark.parametrize("reason", sorted(set(REASONS) - OF_THE_DOOR))
async def test_a_refusal_reaches_the_caller_whole(door: Door, reason: str) -> None:
    """Reason, sentence, numbers, violations and code survive the way, for every reason there is."""
    said = Refusal(reason, "because of 7", {"required": 7, "name": "ä"}, [Violation("/a/0", "too long", "maxLength")])
    door.behavior = raising(said)
    heard = await refused(door, attempts=1)
    assert (heard.reason, heard.message, heard.metadata) == (reason, "because of 7", {"required": "7", "name": "ä"})
    assert (heard.violations, heard.code, heard.http_status) == (
        said.violations,
        said.code,
        REASONS[reason].http_status,
    )


def test_every_reason_has_a_status_of_its_kind() -> None:
    """Client errors are 4xx, what may be retried is 503 or 409, and nothing is UNKNOWN."""
    for reason, outcome in REASONS.items():
        assert 400 <= outcome.http_status < 600, reason
        assert outcome.code not in (grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN), reason
        assert (outcome.code is grpc.StatusCode.UNAVAILABLE) == (outcome.http_status == 503), reason


async def test_a_status_names_its_reason_and_domain_once(door: Door) -> None:
    """Any client finds one ErrorInfo, and BadRequest where fields are at fault."""
    door.behavior = raising(invalid("slug", "is needed", length_max=63))
    status = rpc_status.from_call(await raw_error(door))
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad_request)
    assert (info.reason, info.domain) == ("REQUEST_INVALID", "scrip.catalog")
    assert dict(info.metadata) == {"field": "slug", "length_max": "63"}
    assert [(v.field, v.description) for v in bad_request.field_violations] == [("slug", "is needed")]
    assert len(status.details) == 2


async def test_a_long_list_of_violations_is_cut_and_arrives(door: Door) -> None:
    """Statuses travel in headers, which are small: as many violations as fit, the first ones, none damaged."""
    door.behavior = raising(Refusal("INPUT_INVALID", "x", {}, [Violation(f"/{i}", "y" * 200, "k") for i in range(150)]))
    heard = await refused(door)
    assert heard.reason == "INPUT_INVALID"
    assert [v.field for v in heard.violations] == [f"/{i}" for i in range(len(heard.violations))]
    assert 10 < len(heard.violations) <= 100


async def test_what_is_unexpected_tells_nothing_but_a_trace(door: Door) -> None:
    """A bug's text stays in the log; the caller gets INTERNAL and the trace to ask with."""
    door.behavior = raising(KeyError("secret of the house"))
    error = await raw_error(door)
    assert error.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in repr(error)
    assert len((error.details() or "").rpartition("trace ")[2]) == 32
    heard = await refused(door)
    assert (heard.reason, heard.http_status, "secret" in str(heard)) == ("INTERNAL", 500, False)


async def test_a_refusal_of_ours_as_internal_tells_nothing_but_a_trace(door: Door) -> None:
    """What a service says of its own failure is for the log."""
    door.behavior = raising(Refusal("INTERNAL", "the ledger's table t is broken", {"table": "t"}))
    error = await raw_error(door)
    assert (error.code(), "table" in repr(error)) == (grpc.StatusCode.INTERNAL, False)
    assert len((error.details() or "").rpartition("trace ")[2]) == 32


async def test_a_method_that_is_not_there_yet_is_unimplemented(door: Door) -> None:
    """One that the proto has and the service has not is no failure."""
    door.behavior = raising(NotImplementedError())
    assert (await raw_error(door)).code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("outage", [psycopg.OperationalError("host db-7 down"), PoolTimeout("no connection in 5 s")])
async def test_a_database_that_is_down_is_unavailable(door: Door, outage: Exception) -> None:
    """An outage that nobody caught is UPSTREAM_UNAVAILABLE, without the driver's words."""
    door.behavior = raising(outage)
    heard = await refused(door, attempts=1)
    assert (heard.reason, heard.metadata["dependency"]) == ("UPSTREAM_UNAVAILABLE", "database")
    assert "db-7" not in str(heard)


@pytest.mark.parametrize("token", [None, "", "scrip_svc_gateway_other", TOKEN.upper(), f"{TOKEN} x"])
async def test_without_a_service_token_there_is_no_way_in(door: Door, token: str | None) -> None:
    """Every RPC needs a known token, and the method is not run."""
    error = await raw_error(door, token)
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    assert door.callers == []


async def test_our_own_wrong_token_is_no_refusal_of_our_caller(door: Door) -> None:
    """That this service may not call another is its own fault: its caller hears INTERNAL."""
    heard = await refused(door, peer=door.peer("scrip_svc_gateway_wrong"))
    assert heard.reason == "INTERNAL"


async def test_the_callee_knows_who_called_and_for_whom(door: Door) -> None:
    """The actor comes from the token, the trace from the caller's request."""
    tracing.resume(TRACE)
    await door.ask()
    assert door.callers == [("gateway", "service:gateway", TRACE)]


async def test_a_call_has_a_deadline(door: Door) -> None:
    """The caller's deadline ends a call that hangs, on both sides."""
    ended = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    door.behavior = hang
    heard = await refused(door, timeout=0.2)
    assert heard.reason in {"UPSTREAM_UNAVAILABLE", "DEADLINE_EXCEEDED"}
    async with asyncio.timeout(5):
        await ended.wait()


async def test_without_a_deadline_the_server_sets_one(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """No call can occupy a service for ever."""
    monkeypatch.setattr(grpc_server, "UNARY_DEADLINE_SECONDS", 0.2)

    async def hang() -> None:
        await asyncio.Event().wait()

    door.behavior = hang
    async with grpc.aio.insecure_channel(door.address) as channel:
        stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetTool(catalog_pb2.GetToolRequest(), metadata=(("authorization", f"Bearer {TOKEN}"),))
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


# What the callee says, and how often it is asked.
RETRIES: dict[str, tuple[Exception, int]] = {
    "unavailable": (unavailable("database"), 4),
    "in flight": (Refusal("REQUEST_IN_FLIGHT", "x"), 4),
    "a tool that is unavailable": (Refusal("TOOL_UNAVAILABLE", "x"), 1),
    "not enough credits": (Refusal("INSUFFICIENT_CREDITS", "x"), 1),
    "too many": (Refusal("RATE_LIMITED", "x"), 1),
    "a bug": (ValueError(), 1),
}


@pytest.mark.parametrize(("error", "times"), RETRIES.values(), ids=RETRIES)
async def test_only_what_may_pass_is_tried_again(door: Door, error: Exception, times: int) -> None:
    """UNAVAILABLE and ABORTED are asked again, four times in all; anything else is an answer."""
    door.behavior = raising(error)
    await refused(door)
    assert len(door.callers) == times


async def test_a_retry_that_succeeds_is_an_answer(door: Door) -> None:
    """The caller does not hear of what passed."""
    answer = door.behavior

    async def second_time() -> Any:
        if len(door.callers) == 1:
            raise unavailable("database")
        return await answer()

    door.behavior = second_time
    assert (await door.ask()).tool.slug == "echo"


async def test_a_peer_that_is_not_there_is_unavailable() -> None:
    """Nobody listening is UPSTREAM_UNAVAILABLE, naming the peer, within the caller's time."""
    peer = Peer("catalog", f"127.0.0.1:{free_ports(1)[0]}", TOKEN)
    stub = catalog_pb2_grpc.CatalogServiceStub(peer.channel)
    async with asyncio.timeout(3):
        with pytest.raises(Refusal) as caught:
            await peer.call(stub.GetTool, catalog_pb2.GetToolRequest(), timeout=1)
    assert (caught.value.reason, caught.value.metadata["dependency"]) == ("UPSTREAM_UNAVAILABLE", "catalog")
    await peer.close()


async def test_a_stream_ends_with_what_went_wrong(door: Door) -> None:
    """What was sent before arrives, then the refusal."""
    door.behavior = raising(Refusal("TOOL_NOT_FOUND", "no echo"))
    peer = door.peer()
    stub = catalog_pb2_grpc.CatalogServiceStub(peer.channel)
    got = []
    with pytest.raises(Refusal) as caught:
        async for message in peer.stream(stub.ReadEvents, catalog_pb2.ReadEventsRequest(), timeout=5):
            got.append(message.hash)  # noqa: PERF401 (what came before the error counts)
    assert (got, caught.value.reason) == ([b"1"], "TOOL_NOT_FOUND")


async def test_a_stream_that_is_left_is_ended(door: Door) -> None:
    """A reader that stops early frees the callee."""
    ended = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    door.behavior = hang
    peer = door.peer()
    stub = catalog_pb2_grpc.CatalogServiceStub(peer.channel)
    async with contextlib.aclosing(peer.stream(stub.ReadEvents, catalog_pb2.ReadEventsRequest(), None)) as messages:
        await anext(messages)
    async with asyncio.timeout(5):
        await ended.wait()


async def test_health_says_whether_the_service_is_ready(door: Door) -> None:
    """Health needs no token and follows readiness, for the server and for its service."""
    async with grpc.aio.insecure_channel(door.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        async def status(name: str) -> int:
            return int((await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)).status)

        for ready, expected in ((True, 1), (False, 2), (True, 1)):
            door.ready = ready
            for name in ("", "scrip.catalog.v1.CatalogService"):

                async def told(name: str = name, expected: int = expected) -> bool:
                    return await status(name) == expected

                await eventually(told)


async def test_reflection_lists_the_service(door: Door) -> None:
    """Tools like grpcurl find out what is offered, without a token."""
    async with grpc.aio.insecure_channel(door.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in stub.ServerReflectionInfo(iter([request]), timeout=5):
            names = {service.name for service in answer.list_services_response.service}
    assert {"scrip.catalog.v1.CatalogService", "grpc.health.v1.Health"} <= names


async def test_a_taken_port_is_told(door: Door, tmp_path: Path) -> None:
    """A server that cannot listen does not pretend to."""

    async def is_ready() -> bool:
        return True

    with pytest.raises((OSError, RuntimeError)):
        async with grpc_server.serve(
            door.address,
            ServiceTokens(tmp_path / "tokens"),
            catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
            lambda _server: None,
            is_ready,
        ):
            pass


def test_an_unknown_reason_is_still_a_refusal() -> None:
    """A newer callee's reason reaches the caller with the code it came with, as 500."""
    assert Refusal("BRAND_NEW", "x", code=grpc.StatusCode.ABORTED).http_status == 500
    assert errors.REASONS.get("BRAND_NEW") is None
