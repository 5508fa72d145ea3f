"""`scrip grant`: credits for an account."""

from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command
from services.cli.output import Output
from services.runtime import ids

PLACES_MAX = 6


def read_credits(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A positive decimal number with up to six places, kept as text."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise click.BadParameter(f"{value!r} is not a number.") from None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -PLACES_MAX or number <= 0:
        raise click.BadParameter(f"{value!r} is not a positive number with up to {PLACES_MAX} places.")
    return f"{number:f}"


@click.command()
@click.argument("account")
@click.argument("credit", metavar="CREDITS", callback=read_credits)
@click.option(
    "--source",
    type=click.Choice(["purchase", "promotion", "plan", "adjustment"]),
    default="promotion",
    show_default=True,
    help="Where they come from; reports are grouped by it.",
)
@click.option("--priority", type=click.IntRange(0, 255), help="Lower ones are spent first. Default 100.")
@click.option("--expires-at", metavar="TIME", help="RFC 3339 in UTC, as 2031-01-31T00:00:00Z. Default never.")
@click.option("--create", is_flag=True, help="Open the account first, if there is none.")
@click.option("--idempotency-key", metavar="KEY", help="Repeat with the same one to be sure of one grant.")
@gateway_command
def grant(
    api: Api,
    output: Output,
    account: str,
    credit: str,
    source: str,
    priority: int | None,
    expires_at: str | None,
    create: bool,
    idempotency_key: str | None,
) -> None:
    """Grant CREDITS to ACCOUNT (needs an admin key).

    \b
    Examples:
      scrip grant demo 100
      scrip grant acme 2500.50 --create --source purchase --expires-at 2031-01-31T00:00:00Z
    """
    key = idempotency_key or ids.uuid7()
    body: dict[str, Any] = {"credits": credit, "source": source}
    body |= {"priority": priority} if priority is not None else {}
    body |= {"expires_at": expires_at} if expires_at is not None else {}
    # Before the call, so that it is there to be used again if the answer gets lost.
    output.note(f"Idempotency-Key: {key}")
    if create:
        api.post("/v1/admin/accounts", {"account_id": account}, "admin")
    made = api.post(
        f"/v1/admin/accounts/{quote(account, safe='')}/grants", body, "admin", headers={"Idempotency-Key": key}
    ).json_object
    if output.as_json:
        output.json_object(made)
        return
    output.line(f"Granted {made.get('credits', credit)} credits to {account} (grant {made.get('grant_id', '')}).")
