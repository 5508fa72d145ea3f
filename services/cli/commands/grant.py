"""`scrip grant`: credits for an account."""

from typing import Any

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command, key_option, keyed, path_of, read_credits, read_time
from services.cli.output import Output


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
@click.option("--effective-at", metavar="TIME", callback=read_time, help="When it comes in. Default now.")
@click.option(
    "--expires-at", metavar="TIME", callback=read_time, help="2031-01-31T00:00:00Z, or a date. Default never."
)
@click.option("--create", is_flag=True, help="Open the account first, if there is none.")
@key_option
@gateway_command
def grant(
    api: Api,
    output: Output,
    account: str,
    credit: str,
    source: str,
    priority: int | None,
    effective_at: str | None,
    expires_at: str | None,
    create: bool,
    idempotency_key: str | None,
) -> None:
    """Grant CREDITS to ACCOUNT, now or at a time ahead.

    Needs an admin key.

    \b
    Examples:
      scrip grant demo 100
      scrip grant acme 2500.50 --create --source purchase --expires-at 2031-01-31
      scrip grant acme 100 --source plan --effective-at 2031-02-01 --expires-at 2031-03-01
    """
    body: dict[str, Any] = {"credits": credit, "source": source}
    body |= {"priority": priority} if priority is not None else {}
    body |= {"effective_at": effective_at} if effective_at is not None else {}
    body |= {"expires_at": expires_at} if expires_at is not None else {}
    headers = keyed(output, idempotency_key)
    if create:
        api.post("/v1/admin/accounts", {"account_id": account}, "admin")
    path, role = path_of(account)
    made = api.post(f"{path}/grants", body, role, headers=headers).json_object
    if output.as_json:
        output.json_object(made)
        return
    said = f"Granted {made.get('credits', credit)} credits to {account} (grant {made.get('grant_id', '')})"
    output.line(f"{said}, effective {made['effective_at']}." if made.get("state") == "SCHEDULED" else f"{said}.")
