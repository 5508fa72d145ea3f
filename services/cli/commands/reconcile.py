"""`scrip reconcile`: whether jobs and reservations fit together."""

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command, shown, shown_time
from services.cli.output import Output

COLUMNS = ("KIND", "SINCE", "ACCOUNT", "JOB", "TOOL", "JOB SAYS", "LEDGER SAYS")
NUMBERS = ("JOB SAYS", "LEDGER SAYS")
KEYS = ("account_id", "job_id", "tool", "job_credits", "ledger_credits")
GRACE_SECONDS_MAX = 86_400


@click.command()
@click.option(
    "--grace",
    type=click.IntRange(0, GRACE_SECONDS_MAX),
    metavar="SECONDS",
    help="Pass over what is younger.  [default: 120]",
)
@gateway_command
def reconcile(api: Api, output: Output, grace: int | None) -> None:
    """Compare jobs with reservations, both ways.

    Shows jobs whose cost is not with the ledger, or there with another amount, and reservations that no job
    ends. In a healthy system there are none; exit status 1 where there are. Needs an admin key.

    \b
    Examples:
      scrip reconcile
      scrip reconcile --grace 0
      scrip reconcile --json | jq '.findings[] | {kind, account_id, job_id}'
    """
    query: dict[str, str | int] = {} if grace is None else {"grace_seconds": grace}
    found = api.get("/v1/admin/reconciliation", "admin", **query)
    findings, counts = found["findings"], found["counts"]
    if output.as_json:
        output.json_object(found)
    elif findings:
        rows = [
            [shown(one.get("kind")), shown_time(one.get("since")), *(shown(one.get(key)) for key in KEYS)]
            for one in findings
        ]
        output.table(COLUMNS, rows, NUMBERS)
        output.line("")
        for kind in dict.fromkeys(one["kind"] for one in findings):
            count = counts.get(kind, {})
            least = "at least " if count.get("cut_off") else ""
            advice = next(one["advice"] for one in findings if one["kind"] == kind)
            output.line(f"{kind}: {least}{count.get('count')}. {advice}")
    else:
        output.line(f"All jobs and reservations fit, as of {shown_time(found['ran_at'])}.")
    if findings:
        raise SystemExit(1)
