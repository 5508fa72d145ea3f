"""`scrip tools price`: an operator's price in the place of the manifest's."""

from typing import Any
from urllib.parse import quote

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command, key_option, keyed, read_time, shown_time
from services.cli.commands.tool_words import price_words
from services.cli.output import Output

ENDINGS = ("succeeded", "failed", "refused", "timed_out", "canceled", "unknown")
CHARGES = ("nothing", "base", "measured")


def read_charging(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`failed=base`: what an ending costs."""
    charging = {}
    for value in values:
        ending, _, charge = value.partition("=")
        if ending not in ENDINGS or charge not in CHARGES:
            endings, charges = ", ".join(ENDINGS), ", ".join(CHARGES)
            raise click.BadParameter(f"{value!r} is not ENDING=CHARGE of {endings} and {charges}.")
        charging[ending] = charge
    return charging


@click.command()
@click.argument("slug")
@click.option("--base", metavar="CREDITS", help="Each call.")
@click.option("--per-unit", metavar="CREDITS", help="Each unit.")
@click.option(
    "--unit",
    metavar="NAME",
    help="character, token, input_token, output_token, image, second, page, request or megabyte.",
)
@click.option("--minimum", metavar="CREDITS", help="At least this much a call.")
@click.option(
    "--charging",
    metavar="ENDING=CHARGE",
    multiple=True,
    callback=read_charging,
    help="Such as failed=base; repeatable.",
)
@click.option(
    "--at", "effective_at", metavar="TIME", callback=read_time, help="From this time or date on. Default now."
)
@click.option("--clear", is_flag=True, help="Go back to the manifest's price.")
@key_option
@gateway_command
def price(
    api: Api,
    output: Output,
    slug: str,
    charging: dict[str, str],
    effective_at: str | None,
    clear: bool,
    idempotency_key: str | None,
    **members: str | None,
) -> None:
    """Show what a tool costs, or set another price (needs an admin key).

    What is not given stays as it is. A price that was set holds, whatever manifests are applied, until --clear.

    \b
    Examples:
      scrip tools price echo
      scrip tools price echo --base 0.02 --charging failed=base
      scrip tools price echo --base 0.05 --at 2031-01-01
      scrip tools price echo --clear
    """
    given = {name: value for name, value in members.items() if value is not None}
    if clear and (given or charging or effective_at):
        raise click.UsageError("--clear goes alone.")
    if effective_at and not (given or charging):
        raise click.UsageError("--at says when; what the price is then is missing, such as --base 2.")
    tool = api.get(f"/v1/tools/{quote(slug, safe='')}")
    path = f"/v1/admin/tools/{quote(slug, safe='')}/price"
    if clear:
        tool = api.send("DELETE", path, "admin", headers=keyed(output, idempotency_key)).json_object
    elif given or charging:
        body: dict[str, Any] = {"price": _merged(tool["price"], given, charging)}
        body |= {"effective_at": effective_at} if effective_at else {}
        tool = api.send("PUT", path, "admin", headers=keyed(output, idempotency_key), json=body).json_object
    if output.as_json:
        output.json_object(
            {
                name: tool[name]
                for name in ("slug", "price_version", "price", "price_origin", "scheduled_price")
                if name in tool
            }
        )
    else:
        output.facts(_facts(tool))


def _merged(present: dict[str, Any], given: dict[str, str], charging: dict[str, str]) -> dict[str, Any]:
    """The present price with what is given in its place."""
    known = {name: value for name, value in present.items() if value is not None}
    return known | given | {"charging": (present.get("charging") or {}) | charging}


def _facts(tool: dict[str, Any]) -> dict[str, str]:
    whose = "an operator's" if tool.get("price_origin") == "operator" else "the manifest's"
    facts = {"Credits": price_words(tool["price"]), "Price": f"version {tool['price_version']}, {whose}"}
    charging = tool["price"].get("charging") or {}
    facts["Charging"] = ", ".join(f"{ending} {charge}" for ending, charge in charging.items())
    if later := tool.get("scheduled_price"):
        facts["Later"] = f"{price_words(later['price'])} from {shown_time(later['effective_at'])}"
    return facts
