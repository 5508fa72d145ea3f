"""`scrip execute`: run a tool and print what it made."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from services.cli import output_files
from services.cli.client import Api
from services.cli.commands.common import gateway_command, read_time
from services.cli.errors import Refused, Unreachable
from services.cli.input_files import given_files
from services.cli.output import Output
from services.cli.output_files import save_option
from services.runtime import clock, ids

WAIT_PER_CALL_SECONDS = 60
CALL_MARGIN_SECONDS = 15
POLL_SECONDS = 1.0
RUNNING = ("QUEUED", "RUNNING")


@click.command()
@click.argument("slug")
@click.option("--input", "given", metavar="JSON|@FILE", default="{}", help="The input, a JSON object; @- reads stdin.")
@click.option("--file", "files", metavar="PROPERTY=PATH", multiple=True, help="A file as a property.")
@click.option(
    "--wait", "wait_seconds", type=click.IntRange(0, 3600), default=60, show_default=True,
    help="Seconds to wait for the outcome; the job goes on without us.",
)  # fmt: skip
@click.option("--stream", "is_streamed", is_flag=True, help="Print what the tool says as it comes.")
@save_option
@click.option("--quote", "quote_id", help="Execute a quote that was made before.")
@click.option("--run-after", metavar="TIME", callback=read_time, help="Begin not before; at most 24 hours ahead.")
@click.option("--cancel-after", metavar="TIME", callback=read_time, help="Cancel it where it has not ended by then.")
@click.option("--batch", is_flag=True, help="Let jobs that somebody waits for go first.")
@click.option("--idempotency-key", metavar="KEY", help="Repeat with the same one to get the same job.")
@gateway_command
def execute(
    api: Api,
    output: Output,
    slug: str,
    given: str,
    files: tuple[str, ...],
    wait_seconds: int,
    is_streamed: bool,
    folder: Path | None,
    quote_id: str | None,
    run_after: str | None,
    cancel_after: str | None,
    batch: bool,
    idempotency_key: str | None,
) -> None:
    """Execute the tool SLUG and print its output.

    Credits and duration go to stderr. The exit status is 1 if the job did not succeed.

    \b
    Examples:
      scrip execute detect-language --input '{"text": "Guten Morgen"}'
      scrip execute pdf-to-text --file pdf=paper.pdf
      scrip execute barcode-read --file image=ticket.png --json | jq .output
      scrip execute resize-image --file image=photo.jpg --input '{"width": 800}' --save small
      scrip execute chat-gpt --input '{"message": "What is a glacier?"}' --stream
    """
    if folder:
        output_files.make(folder)
    body: dict[str, Any] = {"input": with_files(read_input(given), given_files(api, output, slug, files))}
    more = {"quote_id": quote_id, "run_after": run_after, "cancel_after": cancel_after, "priority": batch and "batch"}
    body |= {name: value for name, value in more.items() if value}
    deadline = clock.monotonic() + wait_seconds
    path, headers = f"/v1/tools/{quote(slug, safe='')}/execute", {"Idempotency-Key": idempotency_key or ids.uuid7()}
    job: dict[str, Any] = {}
    was_said = False
    try:
        if is_streamed:
            was_said = say_as_it_comes(api, output, path, body, headers, job)
        else:
            first_wait = min(wait_seconds, WAIT_PER_CALL_SECONDS)
            headers["Prefer"] = f"wait={first_wait}"
            job |= api.post(path, body, headers=headers, timeout=first_wait + CALL_MARGIN_SECONDS).json_object
        job = wait_for_end(api, job, deadline)
    except Unreachable as error:
        raise Unreachable(str(error), how_to_go_on(job, headers["Idempotency-Key"])) from None
    status = str(job.get("status"))
    if status not in ("SUCCEEDED", *RUNNING):
        raise Refused({"title": "The job did not succeed", "reason": f"JOB_{status}", "detail": said_of(job)} | job)
    output.note(said_of(job))
    if output.as_json or folder or not was_said:
        output_files.tell(api, output, job, folder)
    if status != "SUCCEEDED":
        output.note(f"It goes on. Ask for it: scrip jobs get {job.get('job_id')}")


def with_files(given: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
    """The input with its files."""
    if twice := given.keys() & files.keys():
        raise click.UsageError(f"{', '.join(sorted(twice))}: given with --input and with --file.")
    return given | files


def how_to_go_on(job: dict[str, Any], key: str) -> str:
    """For who was not told how it ended."""
    if "job_id" in job:
        return f"The job goes on without us. Ask for it: scrip jobs get {job['job_id']}"
    return f"It may have begun. The same command with --idempotency-key {key} gets the same job, and pays once."


def say_as_it_comes(
    api: Api, output: Output, path: str, body: dict[str, Any], headers: dict[str, str], job: dict[str, Any]
) -> bool:
    """Whether something was printed: what the tool said. `job` becomes what is told of the job, the last word of it."""
    was_said = False
    for event in api.events(path, body, headers):
        if event["event"] == "chunk" and not output.as_json:
            if was_said and event["offset"] == 0:
                # Another attempt, which begins anew.
                output.piece("\n")
            output.piece(event["text"])
            was_said = True
        elif "job_id" in event:
            job |= event
            del job["event"]
    if was_said:
        output.piece("\n")
    if not job:
        raise Unreachable("The answer ended before it began.")
    return was_said


def wait_for_end(api: Api, job: dict[str, Any], deadline: float) -> dict[str, Any]:
    """The job as it is when it has ended or at the deadline, whichever comes first."""
    while job.get("status") in RUNNING and clock.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        job = api.get(f"/v1/jobs/{job['job_id']}")
    return job


def said_of(job: dict[str, Any]) -> str:
    """One line about a job: `SUCCEEDED in 12 ms, 0.5 credits, job …`."""
    credit = job.get("credits") or {}
    parts = [str(job.get("status"))]
    if job.get("duration_ms") is not None:
        parts[0] += f" in {job['duration_ms']} ms"
    if credit.get("settled"):
        parts.append(f"{credit.get('captured')} credits")
    elif credit.get("reserved") is not None:
        parts.append(f"{credit['reserved']} credits reserved")
    parts.append(f"job {job.get('job_id')}")
    error = job.get("error")
    if isinstance(error, dict):
        parts.append(str(error.get("message") or error.get("detail") or error.get("reason") or error))
    elif error:
        parts.append(str(error))
    return ", ".join(parts)


def read_input(given: str, option: str = "--input") -> dict[str, Any]:
    """The JSON object given on the command line, in a file, or on stdin."""
    text = given
    if given.startswith("@"):
        try:
            with click.open_file(given[1:], encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"{option} {given} cannot be read: {error}.") from None
    try:
        content = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{option} is not JSON: {error}. To give a file, write {option} @FILE.") from None
    if not isinstance(content, dict):
        raise click.UsageError(f'{option} must be a JSON object, as {{"text": "…"}}.')
    return content
