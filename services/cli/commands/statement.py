"""`scrip statement` and `scrip explain`: every change of a balance, and why it is what it is."""

from typing import Any

import click

from services.cli.client import Api
from services.cli.commands.balance import credits_of, print_grants
from services.cli.commands.common import gateway_command, path_of, read_time, shown, shown_time
from services.cli.output import Output

COLUMNS = ("POSITION", "RECORDED", "KIND", "AMOUNT", "AVAILABLE", "RESERVED", "ABOUT")
NUMBERS = ("AMOUNT", "AVAILABLE", "RESERVED")
ENTRIES_MAX = 10_000


@click.command()
@click.argument("account", required=False)
@click.option("--kind", multiple=True, help="Only these: granted, captured, refunded, …; may be given again.")
@click.option("--from", "begin", metavar="TIME", callback=read_time, help="Recorded at or after this time or date.")
@click.option("--until", metavar="TIME", callback=read_time, help="Recorded before this time or date.")
@click.option("--reservation", metavar="ID", help="Only of this reservation; of a job it is the job's id.")
@click.option("--grant", metavar="ID", help="Only of this grant: where it came in, lapsed or was withdrawn.")
@click.option("--limit", type=click.IntRange(1, ENTRIES_MAX), default=50, show_default=True, help="So many at most.")
@gateway_command
def statement(
    api: Api,
    output: Output,
    account: str | None,
    kind: tuple[str, ...],
    begin: str | None,
    until: str | None,
    reservation: str | None,
    grant: str | None,
    limit: int,
) -> None:
    """Show an account's entries, newest first.

    Of ACCOUNT, which needs an admin key, or of the key's own account.

    \b
    Examples:
      scrip statement
      scrip statement acme --from 2031-01-01 --until 2031-02-01 --kind captured --kind refunded
      scrip statement --json --limit 1000 | jq -r '.entries[] | [.recorded_at, .kind, .amount] | @tsv'
    """
    given = {"kind": ",".join(kind), "from": begin, "until": until, "reservation_id": reservation, "grant_id": grant}
    path, role = path_of(account)
    query = {name: value for name, value in given.items() if value}
    found = api.some(f"{path}/statement", "entries", limit, role, **query)
    if output.as_json:
        output.json_object(found)
        return
    if not found["entries"]:
        output.note("No entries.")
        return
    print_entries(output, found["entries"])
    if found["next_page_token"]:
        output.note(f"There are older ones; --limit shows more than {limit}.")


@click.command()
@click.argument("account")
@click.option("--position", metavar="SHARD:N", help="The balance after this entry. Default now.")
@click.option("--request-id", metavar="ID", help="Instead: what became of the command with this Idempotency-Key.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="So many entries at most.")
@gateway_command
def explain(api: Api, output: Output, account: str, position: str | None, request_id: str | None, limit: int) -> None:
    """Tell how a balance came to be, or why a request was refused.

    Needs an admin key.

    \b
    Examples:
      scrip explain demo
      scrip explain demo --position 3:42
      scrip explain demo --request-id 0198c5a2-5f2b-7cc3-a3f1-6c1f2b8f7a10
    """
    if position and request_id:
        raise click.UsageError("--position and --request-id go apart; give one of them.")
    path, role = path_of(account)
    given = {"position": position, "request_id": request_id}
    query = {name: value for name, value in given.items() if value}
    found = api.get(f"{path}/explain", role, page_size=limit, **query)
    if output.as_json:
        output.json_object(found)
        return
    output.line(shown(found.get("summary")))
    if found.get("credits"):
        output.line("")
        if request_id:
            output.line("Before it:")
        output.facts(credits_of(found))
    if found.get("grants"):
        output.line("")
        print_grants(output, found["grants"])
    if found.get("entries"):
        output.line("")
        print_entries(output, found["entries"])


def print_entries(output: Output, entries: list[dict[str, Any]]) -> None:
    """Entries as a table."""
    keys = ("kind", "amount", "available_after", "reserved_after")
    rows = [
        [
            shown(one.get("position")),
            shown_time(one.get("recorded_at")),
            *(shown(one.get(key)) for key in keys),
            about(one),
        ]
        for one in entries
    ]
    output.table(COLUMNS, rows, NUMBERS)


def about(entry: dict[str, Any]) -> str:
    """What an entry is about, as short as it can be said: the tool, what it belongs to, and why."""
    direction = "from" if entry.get("kind") == "granted" else "to"
    parts = [
        shown(entry.get("tool")),
        shown(entry.get("reservation_id") or entry.get("grant_id")),
        f"{direction} {entry['counterpart_account_id']}" if entry.get("counterpart_account_id") else "",
        shown(entry.get("reason")),
        shown(entry.get("reference")),
    ]
    return ", ".join(part for part in parts if part)
