"""`scrip verify`: proof that a ledger is what its log says."""

from typing import TYPE_CHECKING, Any

import click

from services.cli.commands.ledger_database import ask, chosen, credits_of, ledger_command, pool_of, progress_of
from services.cli.output import Output

if TYPE_CHECKING:
    from services.ledger.application.proof.verify import Verified

COLUMNS = ("SHARD", "COMMITS", "EVENTS", "ACCOUNTS", "ENTRIES", "SNAPSHOTS", "PROBLEMS")


@click.command()
@click.option("--shard", type=click.IntRange(0), help="Only this one.")
@ledger_command
def verify(dsn: str, output: Output, shard: int | None) -> None:
    """Check the ledger's log, and everything that follows from it.

    Reads the whole log from its beginning and computes again: the hash chain, positions and times, what every
    event says it leaves, granted = available + reserved + spent + expired + voided of every account, the books,
    statement entries and snapshots. It changes nothing, and may run while the ledger serves.

    Exit status 1: something is wrong, with a sentence for each finding (at most 100 a shard).

    \b
    Examples:
      scrip verify
      scrip verify --shard 3 --json | jq -r '.problems[]'
      scrip verify --dsn @/run/secrets/ledger-dsn
    """
    verified, between = ask(_verify(dsn, output, shard))
    problems = [problem for one in verified for problem in one.problems] + between
    from services.ledger.domain.books import added

    books = {book.value: credits_of(amount) for book, amount in added(one.books for one in verified).items()}
    if output.as_json:
        shards = [_as_json(one) for one in verified]
        output.json_object({"ok": not problems, "shards": shards, "books": books, "problems": problems})
    else:
        output.table(COLUMNS, [list(map(str, _numbers(one).values())) for one in verified])
        output.line("")
        output.facts(books)
        output.line("")
        for problem in problems:
            output.line(problem)
        output.line(f"Problems: {len(problems)}." if problems else "All is as the log says.")
    if problems:
        raise SystemExit(1)


async def _verify(dsn: str, output: Output, shard: int | None) -> "tuple[list[Verified], list[str]]":
    from services.ledger.application.proof.verify import between, verify_shard
    from services.ledger.store import audit

    async with pool_of(dsn) as pool:
        heads = await audit.heads(pool)
        numbers = chosen(shard, list(heads))
        with progress_of(output, "verifying") as begin:
            progress = begin(sum(heads[number] for number in numbers))
            verified = [await verify_shard(pool, number, progress, heads) for number in numbers]
    return verified, between(verified) if shard is None else []


def _numbers(one: "Verified") -> dict[str, int]:
    return {
        "shard": one.shard,
        "commits": one.commits,
        "events": one.events,
        "accounts": one.accounts,
        "entries": one.entries,
        "snapshots": one.snapshots,
        "problems": len(one.problems),
    }


def _as_json(one: "Verified") -> dict[str, Any]:
    return _numbers(one) | {"problems": one.problems}
