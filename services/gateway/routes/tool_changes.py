"""What operators change of tools: manifests, the switch, and prices."""

from typing import Any

import msgspec
from litestar import Request, delete, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from scrip.catalog.v1 import catalog_pb2

from services.gateway import (
    answers,
    bodies,
    commands,
    mapping,
    names,
    shapes,
    times,
    tool_mapping,
    tool_queries,
    tool_shapes,
)
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Catalog

TAG = "tools"
MANIFEST_BYTES_MAX = 256 * 1024
APPLY_SECONDS = 15.0
_PATH = "/v1/admin/tools/{slug:str}"
_PROBLEMS = ("REQUEST_INVALID", "TOOL_NOT_FOUND", "REQUEST_ID_REUSED", "FORBIDDEN")
_KEY = ("Idempotency-Key",)
_PRICE_BODY = msgspec.json.Decoder(tool_shapes.PriceBody)


def handlers(doorkeeper: Doorkeeper, catalog: Catalog) -> list[HTTPRouteHandler]:
    """The routes of manifests and switches."""

    @post(
        "/v1/admin/tools",
        opt=opt(
            Operation(
                "Put a manifest in force: make a tool, or a new version of it; what is the same changes nothing",
                TAG,
                {200: tool_shapes.AppliedTool, 201: tool_shapes.AppliedTool},
                body=tool_shapes.ManifestBody,
                body_media_types=("application/yaml", "application/json"),
                query=(tool_queries.DRY_RUN,),
                problems=["REQUEST_INVALID", "MANIFEST_INVALID", "INPUT_TOO_LARGE", "REQUEST_ID_REUSED", "FORBIDDEN"],
                headers=_KEY,
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def apply_tool(request: Request[Any, Any, Any]) -> Answer:
        await doorkeeper.admin(request)
        dry_run = tool_queries.dry_run(request)
        manifest = await bodies.read(request.receive)
        if len(manifest) > MANIFEST_BYTES_MAX:
            raise bodies.too_large("the manifest", MANIFEST_BYTES_MAX, len(manifest))
        command = catalog_pb2.ApplyToolRequest(
            manifest=manifest, request_id=commands.request_id(request), dry_run=dry_run
        )
        response = await catalog.peer.call(catalog.stub.ApplyTool, command, APPLY_SECONDS)
        is_new = response.outcome == catalog_pb2.APPLY_OUTCOME_CREATED and not dry_run
        return commands.done(tool_mapping.applied_tool(response, dry_run), response, 201 if is_new else 200)

    @post(
        f"{_PATH}/enable",
        opt=opt(Operation("Let a tool be executed", TAG, {200: shapes.Tool}, problems=_PROBLEMS, headers=_KEY)),
    )
    async def enable_tool(request: Request[Any, Any, Any], slug: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        command = catalog_pb2.EnableToolRequest(slug=names.slug(slug), request_id=commands.request_id(request))
        response = await catalog.peer.call(catalog.stub.EnableTool, command, commands.SECONDS)
        return answers.of(mapping.tool(response.tool))

    @post(
        f"{_PATH}/disable",
        opt=opt(
            Operation("Stop a tool from being executed", TAG, {200: shapes.Tool}, problems=_PROBLEMS, headers=_KEY)
        ),
    )
    async def disable_tool(request: Request[Any, Any, Any], slug: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        command = catalog_pb2.DisableToolRequest(slug=names.slug(slug), request_id=commands.request_id(request))
        response = await catalog.peer.call(catalog.stub.DisableTool, command, commands.SECONDS)
        return answers.of(mapping.tool(response.tool))

    return [apply_tool, enable_tool, disable_tool]


def price_handlers(doorkeeper: Doorkeeper, catalog: Catalog) -> list[HTTPRouteHandler]:
    """The routes of an operator's price."""

    @put(
        f"{_PATH}/price",
        opt=opt(
            Operation(
                "Put a price in the place of the manifest's, now or at a time ahead; it survives new versions",
                TAG,
                {200: shapes.Tool},
                body=tool_shapes.PriceBody,
                body_example={"price": {"base": "2"}, "effective_at": "2031-01-01T00:00:00Z"},
                problems=_PROBLEMS,
                headers=_KEY,
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def set_price(request: Request[Any, Any, Any], slug: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        body = bodies.decode(_PRICE_BODY, await bodies.read(request.receive))
        command = catalog_pb2.SetPriceRequest(
            slug=names.slug(slug),
            price_json=bytes(body.price),
            effective_at=times.stamp("effective_at", body.effective_at) if body.effective_at else None,
            request_id=commands.request_id(request),
        )
        response = await catalog.peer.call(catalog.stub.SetPrice, command, commands.SECONDS)
        return commands.done(mapping.tool(response.tool), response)

    @delete(
        f"{_PATH}/price",
        status_code=200,
        opt=opt(
            Operation(
                "Go back to the manifest's price, and forget one that is set for a time ahead",
                TAG,
                {200: shapes.Tool},
                problems=_PROBLEMS,
                headers=_KEY,
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def clear_price(request: Request[Any, Any, Any], slug: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        command = catalog_pb2.ClearPriceRequest(slug=names.slug(slug), request_id=commands.request_id(request))
        response = await catalog.peer.call(catalog.stub.ClearPrice, command, commands.SECONDS)
        return commands.done(mapping.tool(response.tool), response)

    return [set_price, clear_price]
