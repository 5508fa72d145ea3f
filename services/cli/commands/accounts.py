"""`scrip accounts`: opened, listed, frozen, closed, and how far below zero they may go."""

from typing import Any

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command, key_option, keyed, path_of, read_limit, shown, shown_time
from services.cli.output import Output

COLUMNS = ("ACCOUNT", "STATE", "AVAILABLE", "RESERVED", "SPENT", "LIMIT", "CREATED")
NUMBERS = ("AVAILABLE", "RESERVED", "SPENT", "LIMIT")
ROWS_MAX = 10_000


@click.group()
def accounts() -> None:
    """Open, freeze and close accounts.

    Needs an admin key.
    """


@accounts.command("list")
@click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=50, show_default=True, help="So many at most.")
@gateway_command
def list_accounts(api: Api, output: Output, limit: int) -> None:
    """List the accounts that were opened over HTTP, newest first.

    \b
    Example:
      scrip accounts list
    """
    found = api.some("/v1/admin/accounts", "accounts", limit, "admin")
    if output.as_json:
        output.json_object(found)
        return
    rows = [
        [
            shown(one.get("account_id")),
            shown(one.get("state")),
            *(shown((one.get("credits") or {}).get(key)) for key in ("available", "reserved", "spent")),
            shown(one.get("credit_limit")),
            shown_time(one.get("created_at")),
        ]
        for one in found["accounts"]
    ]
    output.table(COLUMNS, rows, NUMBERS)
    if found["next_page_token"]:
        output.note(f"There are older ones; --limit shows more than {limit}.")


@accounts.command("create")
@click.argument("account", required=False)
@click.option("--limit", metavar="CREDITS", callback=read_limit, help="How far below zero it may go. Default 0.")
@key_option
@gateway_command
def create_account(
    api: Api, output: Output, account: str | None, limit: str | None, idempotency_key: str | None
) -> None:
    """Open ACCOUNT, or one with a new id.

    \b
    Examples:
      scrip accounts create acme
      scrip accounts create acme-postpaid --limit 500
    """
    body = ({"account_id": account} if account else {}) | ({"credit_limit": limit} if limit else {})
    answer = api.post("/v1/admin/accounts", body, "admin", headers=keyed(output, idempotency_key))
    said = "Opened" if answer.status == 201 else "There is already"
    _tell(output, answer.json_object, f"{said} account {answer.json_object.get('account_id')}.")


@accounts.command("freeze")
@click.argument("account")
@click.option("--reason", default="", help="Why, for people.")
@key_option
@gateway_command
def freeze_account(api: Api, output: Output, account: str, reason: str, idempotency_key: str | None) -> None:
    """Let nothing new be reserved or sent; what is open can end.

    \b
    Example:
      scrip accounts freeze acme --reason "invoice 17 is open"
    """
    _change(api, output, account, "freeze", {"reason": reason}, idempotency_key)


@accounts.command("unfreeze")
@click.argument("account")
@click.option("--reason", default="", help="Why, for people.")
@key_option
@gateway_command
def unfreeze_account(api: Api, output: Output, account: str, reason: str, idempotency_key: str | None) -> None:
    """Make a frozen account active again.

    \b
    Example:
      scrip accounts unfreeze acme
    """
    _change(api, output, account, "unfreeze", {"reason": reason}, idempotency_key)


@accounts.command("close")
@click.argument("account")
@click.option("--reason", required=True, help="Why, for people.")
@click.option("--void", is_flag=True, help="Withdraw what is available; without it there must be nothing.")
@key_option
@gateway_command
def close_account(api: Api, output: Output, account: str, reason: str, void: bool, idempotency_key: str | None) -> None:
    """Close ACCOUNT for ever. Nothing may be reserved, owed or on its way to another account.

    \b
    Example:
      scrip accounts close acme --reason "contract ended" --void
    """
    _change(api, output, account, "close", {"reason": reason} | ({"disposal": "void"} if void else {}), idempotency_key)


@accounts.command("limit")
@click.argument("account")
@click.argument("limit", metavar="CREDITS", callback=read_limit)
@click.option("--reason", default="", help="Why, for people.")
@key_option
@gateway_command
def change_limit(api: Api, output: Output, account: str, limit: str, reason: str, idempotency_key: str | None) -> None:
    """Let the available credits of ACCOUNT go down to minus CREDITS; 0 ends that.

    \b
    Example:
      scrip accounts limit acme 500 --reason "pays by invoice"
    """
    _change(api, output, account, "credit-limit", {"credit_limit": limit, "reason": reason}, idempotency_key)


def _change(
    api: Api, output: Output, account: str, what: str, body: dict[str, Any], idempotency_key: str | None
) -> None:
    path, role = path_of(account)
    changed = api.post(f"{path}/{what}", body, role, headers=keyed(output, idempotency_key)).json_object
    said = f"Account {account} is {changed.get('state')}"
    if what == "credit-limit":
        said += f", with a credit limit of {changed.get('credit_limit')}"
    _tell(output, changed, f"{said}.")


def _tell(output: Output, answer: dict[str, Any], said: str) -> None:
    if output.as_json:
        output.json_object(answer)
    else:
        output.line(said)
