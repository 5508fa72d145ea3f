"""`scrip balance`: what an account has, now or as it was."""

import re
from typing import Any

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command, path_of, read_time, shown, shown_time
from services.cli.errors import Refused
from services.cli.output import Output

FIELDS = ("available", "reserved", "spent", "expired", "voided", "granted")
GRANT_COLUMNS = ("GRANT", "STATE", "SOURCE", "CREDITS", "AVAILABLE", "RESERVED", "PRIORITY", "EXPIRES")
GRANT_NUMBERS = ("CREDITS", "AVAILABLE", "RESERVED", "PRIORITY")
_POSITION = re.compile(r"[0-9]+:[0-9]+", re.ASCII)


def read_moment(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, str]:
    """A time or a position, as the gateway is asked for it."""
    if value is not None and _POSITION.fullmatch(value):
        return {"position": value}
    moment = read_time(context, parameter, value)
    return {} if moment is None else {"at": moment}


@click.command()
@click.argument("account", required=False)
@click.option(
    "--at",
    "moment",
    metavar="TIME|POSITION",
    callback=read_moment,
    help="As it was then: 2031-01-31T00:00:00Z, a date, or the position of an entry, as 3:42.",
)
@gateway_command
def balance(api: Api, output: Output, account: str | None, moment: dict[str, str]) -> None:
    """Show an account's credits, now or as they were.

    Of ACCOUNT, which needs an admin key, or of the key's own account.

    \b
    Examples:
      scrip balance
      scrip balance acme --at 2031-01-31
      scrip balance acme --json | jq -r .credits.available
    """
    path, role = path_of(account)
    try:
        found = api.get(path, role, **moment)
    except Refused as refused:
        if moment and refused.problem.get("reason") == "ACCOUNT_NOT_FOUND":
            raise Refused(refused.problem, "Without --at it is shown as it is now.") from None
        raise
    if output.as_json:
        output.json_object(found)
        return
    facts = {"account": shown(found.get("account_id")), "state": shown(found.get("state"))}
    if moment:
        facts["as of"] = f"{shown(found.get('as_of'))}, position {shown(found.get('as_of_position'))}"
    facts |= credits_of(found)
    for name in ("credit_limit", "owed"):
        if found.get(name, "0") != "0":
            facts[name.replace("_", " ")] = shown(found[name])
    if found.get("open_reservations"):
        facts["reservations"] = f"{found['open_reservations']} open"
    output.facts(facts)
    if found.get("grants"):
        output.line("")
        print_grants(output, found["grants"])


def credits_of(found: dict[str, Any]) -> dict[str, str]:
    """The six amounts of an answer that has `credits`, in the order in which they are read."""
    credit: dict[str, Any] = found.get("credits") or {}
    return {name: shown(credit[name]) for name in FIELDS if name in credit}


def print_grants(output: Output, grants: list[dict[str, Any]]) -> None:
    """Grants as a table."""
    keys = ("grant_id", "state", "source", "credits", "available", "reserved", "priority")
    rows = [[*(shown(one.get(key)) for key in keys), shown_time(one.get("expires_at"))] for one in grants]
    output.table(GRANT_COLUMNS, rows, GRANT_NUMBERS)
