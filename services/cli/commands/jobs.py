"""`scrip jobs`: what was executed, stopping it, and what operators say of jobs whose outcome is not known."""

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from services.cli import output_files
from services.cli.client import Api, Role
from services.cli.commands.common import gateway_command, read_time, shown, shown_time
from services.cli.commands.execute import read_input, said_of
from services.cli.output import Output
from services.cli.output_files import save_option
from services.runtime import clock

STATES = ("QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "INDETERMINATE")
COLUMNS = ("JOB", "STATE", "TOOL", "CREDITS", "CREATED", "ENDED", "WHY")
NUMBERS = ("CREDITS",)
ROWS_MAX = 10_000

any_option = click.option("--any", "of_any", is_flag=True, help="Of any account, with an admin key.")


def read_units(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    """`second=5`: how many were used."""
    units = {}
    for value in values:
        name, _, count = value.partition("=")
        if not name or not count.isdecimal():
            raise click.BadParameter(f"{value!r} is not NAME=N, such as second=5.")
        units[name] = int(count)
    return units


@click.group()
def jobs() -> None:
    """See, cancel and settle jobs."""


@jobs.command("list")
@click.option("--state", type=click.Choice(STATES, case_sensitive=False))
@click.option("--tool", help="Only those of this tool.")
@click.option("--account", help="Of this account, with an admin key.")
@any_option
@click.option("--created-before", metavar="TIME", callback=read_time, help="Made before this time or date.")
@click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=50, show_default=True, help="So many at most.")
@gateway_command
def list_jobs(
    api: Api,
    output: Output,
    state: str | None,
    tool: str | None,
    account: str | None,
    of_any: bool,
    created_before: str | None,
    limit: int,
) -> None:
    """Show jobs, newest first: the key's own account's, or others' with an admin key.

    \b
    Examples:
      scrip jobs list --state running
      scrip jobs list --account acme --tool pdf-to-text
      scrip jobs list --any --state indeterminate
    """
    path, role = _path_of(of_any or account is not None)
    given = {"state": state, "tool": tool, "account_id": account, "created_before": created_before}
    found = api.some(path, "jobs", limit, role, **{name: value for name, value in given.items() if value})
    if output.as_json:
        output.json_object(found)
    elif found["jobs"]:
        columns = COLUMNS if role == "user" else (COLUMNS[0], "ACCOUNT", *COLUMNS[1:])
        output.table(columns, [_row(job, role) for job in found["jobs"]], NUMBERS)
    else:
        output.note("No jobs.")
    if found["next_page_token"]:
        output.note(f"There are older ones; --limit shows more than {limit}.")


@jobs.command("get")
@click.argument("job_id", metavar="JOB")
@save_option
@any_option
@gateway_command
def get_job(api: Api, output: Output, job_id: str, folder: Path | None, of_any: bool) -> None:
    """Show a job; its output goes to stdout.

    \b
    Examples:
      scrip jobs get job_abc
      scrip jobs get job_abc --save pictures
      scrip jobs get job_abc --any --json
    """
    if of_any and folder:
        raise click.UsageError("--save is for jobs of the key's own account, whose files it can get.")
    if folder:
        output_files.make(folder)
    path, role = _path_of(of_any)
    job = api.get(f"{path}/{quote(job_id, safe='')}", role)
    output.note(said_of(job))
    output_files.tell(api, output, job, folder)


@jobs.command("cancel")
@click.argument("job_id", metavar="JOB")
@any_option
@gateway_command
def cancel_job(api: Api, output: Output, job_id: str, of_any: bool) -> None:
    """Cancel a job: for nothing before its tool is called, else at what the tool charges for that.

    \b
    Example:
      scrip jobs cancel job_abc
    """
    path, role = _path_of(of_any)
    job = api.post(f"{path}/{quote(job_id, safe='')}/cancel", {}, role).json_object
    if output.as_json:
        output.json_object(job)
    elif job.get("status") == "CANCELED":
        output.line(f"Job {job_id} is canceled.")
    else:
        output.line(f"Job {job_id} is being stopped; `scrip jobs get {job_id}` tells when it has ended.")


@jobs.command("settle")
@click.argument("job_id", metavar="JOB")
@click.option("--succeeded/--failed", default=None, help="Whether the work was done.")
@click.option("--reason", required=True, help="Why, for people.")
@click.option(
    "--units",
    metavar="NAME=N",
    multiple=True,
    callback=read_units,
    help="Units used, such as second=5; repeatable. Those of the quote where it is not said.",
)
@click.option("--output", "made", metavar="JSON|@FILE", help="What it made, a JSON object; @- reads stdin.")
@gateway_command
def settle_job(
    api: Api, output: Output, job_id: str, succeeded: bool | None, reason: str, units: dict[str, int], made: str | None
) -> None:
    """Say how a job ended whose outcome is not known.

    Needs an admin key. A job that succeeded costs the price of its units, one that failed what its tool charges for an
    unknown ending.

    \b
    Examples:
      scrip jobs list --any --state indeterminate
      scrip jobs settle job_abc --failed --reason "not on the provider's bill"
      scrip jobs settle job_abc --succeeded --reason "on the bill" --units second=5 --output @made.json
    """
    if succeeded is None:
        raise click.UsageError("Say --succeeded or --failed.")
    body: dict[str, Any] = {"status": "SUCCEEDED" if succeeded else "FAILED", "reason": reason}
    body |= {"units": units} if units else {}
    body |= {} if made is None else {"output": read_input(made, "--output")}
    job = api.post(f"/v1/admin/jobs/{quote(job_id, safe='')}/settle", body, "admin").json_object
    if output.as_json:
        output.json_object(job)
    else:
        output.line(f"Job {job_id} is settled as {job.get('status')}.")


def _path_of(of_any: bool) -> tuple[str, Role]:
    """Where jobs are, and whose key opens them."""
    return ("/v1/admin/jobs", "admin") if of_any else ("/v1/jobs", "user")


def _row(job: dict[str, Any], role: Role) -> list[str]:
    credit = job.get("credits") or {}
    cells = [
        shown(job.get("job_id")),
        *([shown(job.get("account_id"))] if role == "admin" else []),
        shown(job.get("status")),
        shown(job.get("tool")),
        shown(credit.get("captured") if credit.get("settled") else credit.get("reserved")),
        shown_time(job.get("created_at")),
        shown_time(job.get("finished_at")),
    ]
    return [*cells, _why(job)]


def _why(job: dict[str, Any]) -> str:
    """The reason of a job that did not succeed, and for how long one whose outcome is not known has been so."""
    reason = shown((job.get("error") or {}).get("reason"))
    since = job.get("indeterminate_at")
    if job.get("status") != "INDETERMINATE" or not since:
        return reason
    seconds = max((clock.now() - datetime.fromisoformat(since)).total_seconds(), 0)
    return f"{reason} for {seconds / 3600:.1f} h"
