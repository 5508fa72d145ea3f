"""Categories of tools."""

from typing import Any

import msgspec
from litestar import Request, delete, get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from scrip.catalog.v1 import catalog_pb2

from services.gateway import answers, bodies, commands, names, tool_mapping, tool_shapes
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Catalog
from services.gateway.tool_copies import ToolCopies

TAG = "categories"
_PATH = "/v1/admin/categories/{slug:str}"
_PROBLEMS = ("REQUEST_INVALID", "CATEGORY_NOT_FOUND", "REQUEST_ID_REUSED", "FORBIDDEN")
_BODY = msgspec.json.Decoder(tool_shapes.CategoryBody)


def handlers(doorkeeper: Doorkeeper, copies: ToolCopies, catalog: Catalog) -> list[HTTPRouteHandler]:
    """The routes of categories: all see them, operators change them."""

    @get(
        "/v1/categories",
        opt=opt(
            Operation(
                "List the categories, with how many tools of each are switched on",
                TAG,
                {200: tool_shapes.Categories},
                answer_headers=answers.AGE_HEADER,
            )
        ),
    )
    async def list_categories(request: Request[Any, Any, Any]) -> Answer:
        await doorkeeper.anyone(request)
        told = await copies.categories()
        shown = tool_shapes.Categories(list(map(tool_mapping.category, told.value)))
        return answers.of(shown, headers=answers.age(told.age_seconds()))

    @put(
        _PATH,
        opt=opt(
            Operation(
                "Make a category, or change it",
                TAG,
                {200: tool_shapes.AppliedCategory, 201: tool_shapes.AppliedCategory},
                body=tool_shapes.CategoryBody,
                body_example={"name": "Legal", "icon": "scale", "sort_order": 350},
                problems=["REQUEST_INVALID", "REQUEST_ID_REUSED", "FORBIDDEN"],
                headers=["Idempotency-Key"],
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def apply_category(request: Request[Any, Any, Any], slug: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        body = bodies.decode(_BODY, await bodies.read(request.receive))
        category = catalog_pb2.Category(slug=names.new_slug(slug), **msgspec.structs.asdict(body))
        command = catalog_pb2.ApplyCategoryRequest(category=category, request_id=commands.request_id(request))
        response = await catalog.peer.call(catalog.stub.ApplyCategory, command, commands.SECONDS)
        is_new = response.outcome == catalog_pb2.APPLY_OUTCOME_CREATED
        return commands.done(tool_mapping.applied_category(response), response, 201 if is_new else 200)

    @delete(
        _PATH,
        status_code=200,
        opt=opt(
            Operation(
                "Remove a category that no tool is in",
                TAG,
                {200: tool_shapes.DeletedCategory},
                problems=[*_PROBLEMS, "CATEGORY_IN_USE"],
                headers=["Idempotency-Key"],
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def delete_category(request: Request[Any, Any, Any], slug: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        command = catalog_pb2.DeleteCategoryRequest(slug=names.category(slug), request_id=commands.request_id(request))
        response = await catalog.peer.call(catalog.stub.DeleteCategory, command, commands.SECONDS)
        return commands.done(tool_shapes.DeletedCategory(slug), response)

    return [list_categories, apply_category, delete_category]
