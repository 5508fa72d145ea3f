"""`scrip totals`: what every book holds."""

from decimal import Decimal

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command, shown
from services.cli.output import Output

BOOKS = {
    "available": "in accounts, to be reserved",
    "reserved": "held by open reservations",
    "revenue": "captured, less refunded",
    "breakage": "lapsed",
    "transit": "on the way between accounts",
    "issuance": "came in, less withdrawn; negative",
}


@click.command()
@gateway_command
def totals(api: Api, output: Output) -> None:
    """Show what every book holds; together zero.

    Needs an admin key.

    \b
    Example:
      scrip totals
    """
    found = api.get("/v1/admin/ledger/totals", "admin")
    if output.as_json:
        output.json_object(found)
        return
    rows = [(book, shown(found.get(book)), meaning) for book, meaning in BOOKS.items()]
    total = sum((Decimal(shown(found.get(book)) or "0") for book in BOOKS), Decimal(0))
    places = f"{total:f}".rstrip("0").rstrip(".") if "." in f"{total:f}" else f"{total:f}"
    output.table(("BOOK", "CREDITS", "MEANING"), [*rows, ("sum", places, "")], ("CREDITS",))
