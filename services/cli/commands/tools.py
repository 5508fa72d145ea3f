"""`scrip tools`: what can be executed, and how operators manage it."""

import json
from typing import Any
from urllib.parse import quote

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command, shown_time
from services.cli.commands.manifests import apply, diff, lint, schema
from services.cli.commands.tool_price import price
from services.cli.commands.tool_words import kind, price_words, state, successor
from services.cli.commands.try_tool import try_tool
from services.cli.output import Output

DIGEST_CHARS = 12


@click.group()
def tools() -> None:
    """Tools, their prices and their inputs."""


@tools.command("list")
@click.option("--category", metavar="SLUG", help="Only tools of this category.")
@click.option("--tag", metavar="WORD", help="Only tools with this tag.")
@click.option("--provider", metavar="NAME", help="Only tools of this provider.")
@click.option("-q", "--query", metavar="WORDS", help="Only tools that say all of these words.")
@click.option("--enabled/--disabled", "enabled", default=None, help="Only tools that are switched on, or off.")
@gateway_command
def list_tools(api: Api, output: Output, enabled: bool | None, query: str | None, **filters: str | None) -> None:
    """List the tools with price and state.

    \b
    Examples:
      scrip tools list
      scrip tools list --category images -q "remove background"
      scrip tools list --json | jq -r '.tools[].slug'
    """
    wanted = {name: value for name, value in (filters | {"q": query}).items() if value}
    if enabled is not None:
        wanted["enabled"] = "true" if enabled else "false"
    found = api.pages("/v1/tools", "tools", filters=wanted)
    if output.as_json:
        output.json_object({"tools": found, "next_page_token": ""})
        return
    rows = [
        (tool["slug"], tool.get("name", ""), tool.get("category", ""), price_words(tool.get("price")), state(tool))
        for tool in found
    ]
    if rows:
        output.table(("TOOL", "NAME", "CATEGORY", "CREDITS", "STATE"), rows)
    else:
        output.note("No tools.")


@tools.command("show")
@click.argument("slug")
@gateway_command
def show_tool(api: Api, output: Output, slug: str) -> None:
    """Show one tool: price, limits, input and an example.

    \b
    Example:
      scrip tools show pdf-to-text
    """
    tool = api.get(path_of(slug))
    if output.as_json:
        output.json_object(tool)
        return
    output.facts(_facts(tool))
    output.line("")
    output.line(str(tool.get("description", "")).strip())
    required = (tool.get("input_schema") or {}).get("required", [])
    rows = [
        (name, kind(schema), "yes" if name in required else "", str(schema.get("description", "")).strip())
        for name, schema in ((tool.get("input_schema") or {}).get("properties") or {}).items()
        if isinstance(schema, dict)
    ]
    if rows:
        output.line("")
        output.table(("INPUT", "TYPE", "REQUIRED", "DESCRIPTION"), rows)
    for example in (tool.get("examples") or [])[:1]:
        output.line("")
        output.line(f"Example input: {json.dumps(example, ensure_ascii=False)[:2000]}")
    if tool.get("documentation"):
        output.line("")
        output.line(str(tool["documentation"]).strip())


@tools.command("versions")
@click.argument("slug")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="So many at most.")
@gateway_command
def list_versions(api: Api, output: Output, slug: str, limit: int) -> None:
    """List the versions of a tool, newest first, with the prices that were in force meanwhile.

    \b
    Example:
      scrip tools versions echo
    """
    found = api.some(f"{path_of(slug)}/versions", "versions", limit)
    if output.as_json:
        output.json_object(found)
        return
    rows = [
        (
            *(str(one["version"]), shown_time(one["created_at"]), one["digest"][:DIGEST_CHARS]),
            "; ".join(_price_version(price) for price in one["prices"]),
        )
        for one in found["versions"]
    ]
    output.table(("VERSION", "CREATED", "DIGEST", "PRICES"), rows, ("VERSION",))
    if found["next_page_token"]:
        output.note(f"There are older ones; --limit shows more than {limit}.")


@tools.command("enable")
@click.argument("slug")
@gateway_command
def enable_tool(api: Api, output: Output, slug: str) -> None:
    """Let a tool be executed (needs an admin key).

    \b
    Example:
      scrip tools enable echo
    """
    _switch(api, output, slug, "enable")


@tools.command("disable")
@click.argument("slug")
@gateway_command
def disable_tool(api: Api, output: Output, slug: str) -> None:
    """Stop a tool from being executed, with valid quotes too (needs an admin key).

    \b
    Example:
      scrip tools disable echo
    """
    _switch(api, output, slug, "disable")


for command in (lint, diff, apply, price, schema, try_tool):
    tools.add_command(command)


def path_of(slug: str) -> str:
    """Where a tool is."""
    return f"/v1/tools/{quote(slug, safe='')}"


def _switch(api: Api, output: Output, slug: str, way: str) -> None:
    tool = api.post(f"/v1/admin/tools/{quote(slug, safe='')}/{way}", {}, "admin").json_object
    if output.as_json:
        output.json_object(tool)
    else:
        output.line(f"{slug} is {state(tool)}.")


def _facts(tool: dict[str, Any]) -> dict[str, str]:
    facts = {
        "Tool": f"{tool['slug']}, version {tool.get('version', '')}",
        "Name": tool.get("name", ""),
        "Category": tool.get("category", ""),
        "Provider": tool.get("provider") or "runs here",
        "Tags": ", ".join(tool.get("tags") or []),
        "Credits": price_words(tool.get("price")) + (" (operator's)" if tool.get("price_origin") == "operator" else ""),
    }
    if later := tool.get("scheduled_price"):
        facts["Later"] = f"{price_words(later['price'])} from {shown_time(later['effective_at'])}"
    facts["State"] = state(tool)
    if gone := tool.get("deprecated"):
        facts["Deprecated"] = (
            " ".join(part for part in (successor(tool).lstrip(": "), gone.get("note")) if part) or "yes"
        )
    facts |= {f"Limit {name}": str(value) for name, value in (tool.get("limits") or {}).items() if value is not None}
    return {name: value for name, value in facts.items() if value}


def _price_version(price: dict[str, Any]) -> str:
    whose = " (operator's)" if price.get("price_origin") == "operator" else ""
    return f"{price['price_version']}: {price_words(price['price'])}{whose}"
