"""The tools' switches, for operators."""

from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from scrip.catalog.v1 import catalog_pb2

from services.gateway import answers, commands, mapping, names, shapes
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Catalog

TAG = "tools"


def handlers(doorkeeper: Doorkeeper, catalog: Catalog) -> list[HTTPRouteHandler]:
    """The routes of the tools' switches."""
    problems = ["TOOL_NOT_FOUND", "FORBIDDEN"]

    @post(
        "/v1/admin/tools/{slug:str}/enable",
        opt=opt(Operation("Let a tool be executed", TAG, {200: shapes.Tool}, problems=problems)),
    )
    async def enable_tool(request: Request[Any, Any, Any], slug: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        command = catalog_pb2.EnableToolRequest(slug=names.slug(slug), request_id=commands.request_id(request))
        response = await catalog.peer.call(catalog.stub.EnableTool, command, commands.SECONDS)
        return answers.of(mapping.tool(response.tool))

    @post(
        "/v1/admin/tools/{slug:str}/disable",
        opt=opt(Operation("Stop a tool from being executed", TAG, {200: shapes.Tool}, problems=problems)),
    )
    async def disable_tool(request: Request[Any, Any, Any], slug: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        command = catalog_pb2.DisableToolRequest(slug=names.slug(slug), request_id=commands.request_id(request))
        response = await catalog.peer.call(catalog.stub.DisableTool, command, commands.SECONDS)
        return answers.of(mapping.tool(response.tool))

    return [enable_tool, disable_tool]
