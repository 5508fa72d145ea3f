"""`scrip balance`: what an account has, and where it went."""

from typing import Any
from urllib.parse import quote

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command
from services.cli.output import Output

FIELDS = ("available", "reserved", "spent", "expired", "voided", "granted")


@click.command()
@click.argument("account", required=False)
@gateway_command
def balance(api: Api, output: Output, account: str | None) -> None:
    """Show the credits of ACCOUNT (needs an admin key), or of the key's own account.

    \b
    Examples:
      scrip balance
      scrip balance acme --json | jq -r .credits.available
    """
    found = (
        api.get("/v1/account") if account is None else api.get(f"/v1/admin/accounts/{quote(account, safe='')}", "admin")
    )
    if output.as_json:
        output.json_object(found)
        return
    credit: dict[str, Any] = found.get("credits") or {}
    facts = {"account": str(found.get("account_id", "")), "state": str(found.get("state", ""))}
    output.facts(facts | {name: str(credit[name]) for name in FIELDS if name in credit})
    grants = found.get("grants") or []
    if grants:
        output.line("")
        columns = ("GRANT", "SOURCE", "CREDITS", "AVAILABLE", "PRIORITY", "EXPIRES")
        keys = ("grant_id", "source", "credits", "available", "priority", "expires_at")
        output.table(
            columns, [[str(one.get(key) if one.get(key) is not None else "") for key in keys] for one in grants]
        )
