"""Tools and quotes."""

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from scrip.catalog.v1 import catalog_pb2

from services.gateway import (
    answers,
    commands,
    mapping,
    names,
    pages,
    shapes,
    tool_mapping,
    tool_queries,
    tool_shapes,
)
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Catalog
from services.gateway.reading import Reading
from services.gateway.saga import Saga
from services.gateway.tool_copies import ToolCopies

TAG = "tools"
INPUT_EXAMPLE = {"input": {"text": "Guten Morgen"}}
INPUT_PROBLEMS = (
    *("REQUEST_INVALID", "INPUT_INVALID", "INPUT_TOO_LARGE", "FILE_NOT_FOUND", "ACCOUNT_REQUIRED"),
    *("TOOL_NOT_FOUND", "TOOL_DISABLED", "TOOL_UNAVAILABLE"),
)
_QUOTE_BODY = msgspec.json.Decoder(shapes.QuoteBody)


def handlers(doorkeeper: Doorkeeper, copies: ToolCopies, reading: Reading, saga: Saga) -> list[HTTPRouteHandler]:
    """The routes under /v1/tools that change nothing."""

    @get(
        "/v1/tools",
        opt=opt(
            Operation(
                "List the tools",
                TAG,
                {200: shapes.Tools},
                query=tool_queries.TOOL_FILTERS,
                paged=True,
                problems=["REQUEST_INVALID"],
                answer_headers=answers.AGE_HEADER,
            )
        ),
    )
    async def list_tools(request: Request[Any, Any, Any]) -> Answer:
        await doorkeeper.anyone(request)
        told = await copies.page(tool_queries.tools(request))
        page = shapes.Tools([mapping.tool(tool) for tool in told.value.tools], told.value.next_page_token)
        return answers.of(page, headers=answers.age(told.age_seconds()))

    @get(
        "/v1/tools/{slug:str}",
        opt=opt(
            Operation(
                "One tool", TAG, {200: shapes.Tool}, problems=["TOOL_NOT_FOUND"], answer_headers=answers.AGE_HEADER
            ),
        ),
    )
    async def get_tool(request: Request[Any, Any, Any], slug: FromPath[str]) -> Answer:
        await doorkeeper.anyone(request)
        told = await copies.one(names.slug(slug))
        return answers.of(mapping.tool(told.value), headers=answers.age(told.age_seconds()))

    @post(
        "/v1/tools/{slug:str}/quote",
        opt=opt(
            Operation(
                "What a call with this input costs",
                TAG,
                {200: shapes.Quote},
                body=shapes.QuoteBody,
                body_form=True,
                body_example=INPUT_EXAMPLE,
                problems=INPUT_PROBLEMS,
            )
        ),
    )
    async def quote_price(request: Request[Any, Any, Any], slug: FromPath[str]) -> Answer:
        payer = await doorkeeper.payer(request)
        tool = names.slug(slug)
        _, given = await reading.read(request, payer, tool, _QUOTE_BODY)
        quote = await saga.quote(payer.account_id, tool, given)
        return answers.of(mapping.quote(quote))

    return [list_tools, get_tool, quote_price]


def version_handlers(doorkeeper: Doorkeeper, catalog: Catalog) -> list[HTTPRouteHandler]:
    """The route of a tool's history."""

    @get(
        "/v1/tools/{slug:str}/versions",
        opt=opt(
            Operation(
                "The versions of a tool with their prices, newest first",
                TAG,
                {200: tool_shapes.ToolVersions},
                paged=True,
                problems=["REQUEST_INVALID", "TOOL_NOT_FOUND"],
            )
        ),
    )
    async def list_tool_versions(request: Request[Any, Any, Any], slug: FromPath[str]) -> Answer:
        await doorkeeper.anyone(request)
        page = pages.of(request)
        question = catalog_pb2.ListToolVersionsRequest(
            slug=names.slug(slug), page_size=page.size, page_token=page.token
        )
        response = await catalog.peer.call(catalog.stub.ListToolVersions, question, commands.SECONDS)
        found = list(map(tool_mapping.tool_version, response.versions))
        return answers.of(tool_shapes.ToolVersions(found, response.next_page_token))

    return [list_tool_versions]
