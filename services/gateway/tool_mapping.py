"""From the catalog's messages about tools and categories to their shapes; the tool itself is in `mapping`."""

from typing import Any

from scrip.catalog.v1 import catalog_pb2

from services.gateway import mapping, tool_shapes

_OUTCOMES: dict[int, tool_shapes.Outcome] = {
    catalog_pb2.APPLY_OUTCOME_CREATED: "created",
    catalog_pb2.APPLY_OUTCOME_CHANGED: "changed",
    catalog_pb2.APPLY_OUTCOME_UNCHANGED: "unchanged",
}


def applied_tool(message: catalog_pb2.ApplyToolResponse, dry_run: bool) -> tool_shapes.AppliedTool:
    """What became of a tool."""
    return tool_shapes.AppliedTool(
        slug=message.slug,
        outcome=_OUTCOMES[message.outcome],
        version=message.version,
        price_version=message.price_version,
        price_origin=mapping.ORIGINS[message.price_origin],
        dry_run=dry_run,
        changes=[
            tool_shapes.Change(path=one.path, before=one.before or None, after=one.after or None)
            for one in message.changes
        ],
        changes_left_off=message.changes_left_off,
    )


def tool_version(message: catalog_pb2.ToolVersion) -> tool_shapes.ToolVersion:
    """A version with the prices of its time."""
    return tool_shapes.ToolVersion(
        version=message.version,
        digest=message.digest,
        created_at=mapping.time_of(message.created_at),
        prices=[
            tool_shapes.PriceVersion(
                price_version=one.price_version,
                price=mapping.price(one.price),
                price_origin=mapping.ORIGINS[one.origin],
                created_at=mapping.time_of(one.created_at),
            )
            for one in message.prices
        ],
    )


def category(message: catalog_pb2.Category) -> tool_shapes.Category:
    """A category."""
    return tool_shapes.Category(**_category(message))


def applied_category(message: catalog_pb2.ApplyCategoryResponse) -> tool_shapes.AppliedCategory:
    """What became of a category."""
    return tool_shapes.AppliedCategory(**_category(message.category), outcome=_OUTCOMES[message.outcome])


def _category(message: catalog_pb2.Category) -> dict[str, Any]:
    return {
        "slug": message.slug,
        "name": message.name,
        "icon": message.icon,
        "description": message.description,
        "sort_order": message.sort_order,
        "tools": message.enabled_tools,
    }
