"""`scrip tools`: what can be executed."""

import json
from typing import Any
from urllib.parse import quote

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command
from services.cli.output import Output


@click.group()
def tools() -> None:
    """Tools, their prices and their inputs."""


@tools.command("list")
@gateway_command
def list_tools(api: Api, output: Output) -> None:
    """List the tools with price and state.

    \b
    Example:
      scrip tools list
      scrip tools list --json | jq -r '.tools[].slug'
    """
    found = api.pages("/v1/tools", "tools")
    if output.as_json:
        output.json_object({"tools": found, "next_page_token": ""})
        return
    rows = [(tool["slug"], tool.get("name", ""), tool.get("category", ""), price(tool), state(tool)) for tool in found]
    output.table(("TOOL", "NAME", "CATEGORY", "CREDITS", "STATE"), rows)


@tools.command("show")
@click.argument("slug")
@gateway_command
def show_tool(api: Api, output: Output, slug: str) -> None:
    """Show one tool: price, limits, input and an example.

    \b
    Example:
      scrip tools show pdf-to-text
    """
    tool = api.get(f"/v1/tools/{quote(slug, safe='')}")
    if output.as_json:
        output.json_object(tool)
        return
    facts = {
        "Tool": f"{tool['slug']}, version {tool.get('version', '')}",
        "Name": tool.get("name", ""),
        "Category": tool.get("category", ""),
        "Credits": price(tool),
        "State": state(tool),
    }
    facts |= {f"Limit {name}": str(value) for name, value in (tool.get("limits") or {}).items()}
    output.facts(facts)
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


def price(tool: dict[str, Any]) -> str:
    """`1 + 0.5 per page, at least 2`: what an execution costs."""
    rule = tool.get("price") or {}
    parts = []
    if is_positive(rule.get("base")) or not is_positive(rule.get("per_unit")):
        parts.append(str(rule.get("base") or "0"))
    if is_positive(rule.get("per_unit")):
        parts.append(f"{rule['per_unit']} per {rule.get('unit', 'unit')}")
    text = " + ".join(parts)
    return f"{text}, at least {rule['minimum']}" if is_positive(rule.get("minimum")) else text


def is_positive(credit: object) -> bool:
    """Whether a decimal string holds another digit than 0."""
    return any(digit in str(credit or "") for digit in "123456789")


def state(tool: dict[str, Any]) -> str:
    """Whether it can be executed now, else why not."""
    if not tool.get("enabled", True):
        return "disabled"
    if not tool.get("available", True):
        return f"unavailable: {tool.get('unavailable_reason') or 'unknown'}"
    return "available"


def kind(schema: dict[str, Any]) -> str:
    """A property's type, as short as it can be said."""
    if schema.get("format") == "scrip-file":
        return f"file {schema.get('contentMediaType', '')}".strip()
    said = schema.get("type", "any")
    return " or ".join(map(str, said)) if isinstance(said, list) else str(said)
