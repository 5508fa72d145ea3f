"""`scrip categories`: the groups that tools are shown in."""

from typing import Any
from urllib.parse import quote

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command, key_option, keyed
from services.cli.output import Output


@click.group()
def categories() -> None:
    """Categories of tools."""


@categories.command("list")
@gateway_command
def list_categories(api: Api, output: Output) -> None:
    """List the categories in the order they are shown in, with how many of their tools are switched on.

    \b
    Example:
      scrip categories list
    """
    found = api.get("/v1/categories")
    if output.as_json:
        output.json_object(found)
        return
    rows = [
        (one["slug"], one["name"], str(one["tools"]), str(one["sort_order"]), one["description"])
        for one in found["categories"]
    ]
    output.table(("CATEGORY", "NAME", "TOOLS", "ORDER", "DESCRIPTION"), rows, ("TOOLS", "ORDER"))


@categories.command("set")
@click.argument("slug")
@click.option("--name", help="Its name for people. A new category needs one.")
@click.option("--icon", metavar="NAME", help="A Lucide icon.")
@click.option("--description", metavar="TEXT", help="What belongs there.")
@click.option("--order", "sort_order", type=int, metavar="N", help="Its place: lower ones come first. Default 1000.")
@key_option
@gateway_command
def set_category(
    api: Api, output: Output, slug: str, name: str | None, idempotency_key: str | None, **members: str | int | None
) -> None:
    """Make a category, or change it (needs an admin key). What is not given stays as it is.

    \b
    Examples:
      scrip categories set legal --name Legal --icon scale --order 350
      scrip categories set legal --description "Contracts and law"
    """
    present = next((one for one in api.get("/v1/categories")["categories"] if one["slug"] == slug), {})
    if name is None and not present:
        raise click.UsageError(f"There is no category {slug}; a new one needs --name.")
    body: dict[str, Any] = {key: present[key] for key in ("name", *members) if key in present}
    body |= {key: value for key, value in {"name": name, **members}.items() if value is not None}
    answer = api.send("PUT", _path(slug), "admin", headers=keyed(output, idempotency_key), json=body).json_object
    if output.as_json:
        output.json_object(answer)
    else:
        output.line(f"category {answer['slug']} {answer['outcome']}")


@categories.command("delete")
@click.argument("slug")
@key_option
@gateway_command
def delete_category(api: Api, output: Output, slug: str, idempotency_key: str | None) -> None:
    """Remove a category that no tool is in (needs an admin key).

    \b
    Example:
      scrip categories delete legal
    """
    answer = api.send("DELETE", _path(slug), "admin", headers=keyed(output, idempotency_key)).json_object
    if output.as_json:
        output.json_object(answer)
    else:
        output.line(f"category {slug} deleted")


def _path(slug: str) -> str:
    return f"/v1/admin/categories/{quote(slug, safe='')}"
