"""`scrip void`, `refund`, `adjust`, `transfer`: what operators put right."""

from typing import Any
from urllib.parse import quote

import click

from services.cli.client import Api
from services.cli.commands.common import (
    gateway_command,
    key_option,
    keyed,
    path_of,
    read_credits,
    read_signed_credits,
)
from services.cli.output import Output


@click.command()
@click.argument("account")
@click.argument("grant")
@click.option("--reason", default="", help="Why, for people.")
@key_option
@gateway_command
def void(api: Api, output: Output, account: str, grant: str, reason: str, idempotency_key: str | None) -> None:
    """Withdraw what is left of a grant.

    Needs an admin key. What open reservations hold of it is withdrawn when they give it back.

    \b
    Example:
      scrip void acme grant_abc --reason "charged back"
    """
    path = f"grants/{quote(grant, safe='')}/void"
    voided = _command(api, output, account, path, {"reason": reason}, idempotency_key)
    if voided:
        reserved = (voided.get("grant") or {}).get("reserved", "0")
        held = f"; {reserved} are still reserved" if reserved != "0" else ""
        output.line(f"Grant {grant} is voided: {voided.get('credits')} credits of {account} were withdrawn{held}.")


@click.command()
@click.argument("account")
@click.argument("reservation", metavar="JOB")
@click.argument("credit", metavar="CREDITS", callback=read_credits)
@click.option("--reason", required=True, help="Why, for people.")
@key_option
@gateway_command
def refund(
    api: Api, output: Output, account: str, reservation: str, credit: str, reason: str, idempotency_key: str | None
) -> None:
    """Give back what a job cost, all or a part.

    Needs an admin key. The credits go back to the grants they came from. JOB is the id of a job, or of any reservation.

    \b
    Example:
      scrip refund acme job_abc 1.5 --reason "pages were missing"
    """
    body = {"reservation_id": reservation, "credits": credit, "reason": reason}
    refunded = _command(api, output, account, "refunds", body, idempotency_key)
    if refunded:
        grant = f", a part as grant {refunded['grant_id']}" if refunded.get("grant_id") else ""
        total = f"{refunded.get('refunded')} of its credits in all"
        output.line(f"Refunded {refunded.get('credits')} credits to {account}{grant}; {total}.")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("account")
@click.argument("credit", metavar="CREDITS", callback=read_signed_credits)
@click.option("--reason", required=True, help="Why, for people.")
@key_option
@gateway_command
def adjust(api: Api, output: Output, account: str, credit: str, reason: str, idempotency_key: str | None) -> None:
    """Add CREDITS by hand, or take them with a minus.

    Needs an admin key.

    \b
    Examples:
      scrip adjust acme 10 --reason "goodwill"
      scrip adjust acme -2.5 --reason "granted twice"
    """
    adjusted = _command(api, output, account, "adjustments", {"credits": credit, "reason": reason}, idempotency_key)
    if adjusted:
        output.line(f"Adjusted {account} by {adjusted.get('credits')} credits; {adjusted.get('available')} available.")


@click.command()
@click.argument("account", metavar="FROM")
@click.argument("to")
@click.argument("credit", metavar="CREDITS", callback=read_credits)
@click.option("--reference", default="", help="Your own reference, for the statements.")
@key_option
@gateway_command
def transfer(
    api: Api, output: Output, account: str, to: str, credit: str, reference: str, idempotency_key: str | None
) -> None:
    """Move CREDITS from one account to another.

    Needs an admin key.

    \b
    Example:
      scrip transfer acme acme-research 25
    """
    body = {"to_account_id": to, "credits": credit, "reference": reference}
    sent = _command(api, output, account, "transfers", body, idempotency_key)
    if sent:
        state = sent.get("state")
        ends = {
            "SENT": "they are on their way, and nothing more needs to be done",
            "COMPLETED": "they have arrived",
            "RETURNED": f"they are back: {sent.get('reason') or 'no reason is known'}",
        }
        output.line(f"{sent.get('credits')} credits left {account} for {to}; {ends.get(str(state), state)}.")


def _command(
    api: Api, output: Output, account: str, what: str, body: dict[str, Any], idempotency_key: str | None
) -> dict[str, Any]:
    """The answer, for a sentence to be made of; with `--json` it is told here, and nothing is left to say."""
    path, role = path_of(account)
    answer = api.post(f"{path}/{what}", body, role, headers=keyed(output, idempotency_key)).json_object
    if output.as_json:
        output.json_object(answer)
        return {}
    return answer
