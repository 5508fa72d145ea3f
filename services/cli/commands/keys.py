"""`scrip keys`: API keys of accounts."""

from urllib.parse import quote

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command
from services.cli.output import Output
from services.runtime import ids


@click.group()
def keys() -> None:
    """Make API keys for accounts."""


@keys.command("create")
@click.argument("account")
@click.option("--name", default="scrip", show_default=True, help="What it is for, to tell it from others.")
@click.option("--idempotency-key", metavar="KEY", help="Repeat with the same one to be sure of one key.")
@gateway_command
def create_key(api: Api, output: Output, account: str, name: str, idempotency_key: str | None) -> None:
    """Make an API key for ACCOUNT and print it, once (needs an admin key).

    \b
    Examples:
      scrip keys create acme --name backend
      SCRIP_KEY=$(scrip keys create acme) SCRIP_URL=http://127.0.0.1:8080 scrip balance
    """
    headers = {"Idempotency-Key": idempotency_key or ids.uuid7()}
    made = api.post(
        f"/v1/admin/accounts/{quote(account, safe='')}/keys", {"name": name}, "admin", headers=headers
    ).json_object
    if output.as_json:
        output.json_object(made)
        return
    if made.get("key") is None:
        output.note("This request was answered before, and a key is shown only once; make another one.")
        return
    output.line(str(made["key"]))
    output.note("Keep it now: it is stored only as a hash and cannot be shown again.")
