"""`scrip grants` and `scrip reservations`: what came in, and what is set aside."""

import click

from services.cli.client import Api
from services.cli.commands.balance import print_grants
from services.cli.commands.common import gateway_command, path_of, read_time, shown, shown_time
from services.cli.output import Output

COLUMNS = ("RESERVATION", "STATE", "CREDITS", "RESERVED", "CAPTURED", "REFUNDED", "CREATED", "EXPIRES", "ENDED")
NUMBERS = ("CREDITS", "RESERVED", "CAPTURED", "REFUNDED")
ROWS_MAX = 10_000


@click.command()
@click.argument("account", required=False)
@click.option("--state", type=click.Choice(["SCHEDULED", "LIVE", "EXPIRED", "VOIDED"], case_sensitive=False))
@click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=50, show_default=True, help="So many at most.")
@gateway_command
def grants(api: Api, output: Output, account: str | None, state: str | None, limit: int) -> None:
    """Show an account's grants, newest first.

    Of ACCOUNT, which needs an admin key, or of the key's own account.

    \b
    Examples:
      scrip grants
      scrip grants acme --state LIVE
    """
    path, role = path_of(account)
    query = {"state": state} if state else {}
    found = api.some(f"{path}/grants", "grants", limit, role, **query)
    if output.as_json:
        output.json_object(found)
    elif found["grants"]:
        print_grants(output, found["grants"])
    else:
        output.note("No grants.")
    if found["next_page_token"]:
        output.note(f"There are older ones; --limit shows more than {limit}.")


@click.command()
@click.argument("account", required=False)
@click.option(
    "--state",
    type=click.Choice(["OPEN", "CAPTURED", "RELEASED", "EXPIRED"], case_sensitive=False),
    default="OPEN",
    show_default=True,
)
@click.option("--created-before", metavar="TIME", callback=read_time, help="Made before this time or date.")
@click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=50, show_default=True, help="So many at most.")
@gateway_command
def reservations(
    api: Api, output: Output, account: str | None, state: str, created_before: str | None, limit: int
) -> None:
    """Show an account's reservations, oldest first.

    Of ACCOUNT, which needs an admin key, or of the key's own account.

    \b
    Examples:
      scrip reservations
      scrip reservations acme --state CAPTURED --json | jq -r '.reservations[].job_id'
    """
    path, role = path_of(account)
    query = {"state": state} | ({"created_before": created_before} if created_before else {})
    found = api.some(f"{path}/reservations", "reservations", limit, role, **query)
    if output.as_json:
        output.json_object(found)
    elif found["reservations"]:
        keys = ("reservation_id", "state", "credits", "reserved", "captured", "refunded")
        times = ("created_at", "expires_at", "ended_at")
        rows = [
            [*(shown(one.get(key)) for key in keys), *(shown_time(one.get(key)) for key in times)]
            for one in found["reservations"]
        ]
        output.table(COLUMNS, rows, NUMBERS)
    else:
        output.note(f"No reservations that are {state}.")
    if found["next_page_token"]:
        output.note(f"There are newer ones; --limit shows more than {limit}.")
