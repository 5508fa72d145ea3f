"""`scrip replay`: the state of a ledger from its log alone."""

import gc
from typing import TYPE_CHECKING

import click

from services.cli.commands.ledger_database import ask, chosen, credits_of, ledger_command, pool_of, progress_of
from services.cli.output import Output

if TYPE_CHECKING:
    from services.ledger.application.proof.replay import Replayed

COLUMNS = ("SHARD", "COMMITS", "EVENTS", "ACCOUNTS", "EVENTS/S", "DIGEST")


@click.command()
@click.option("--shard", type=click.IntRange(0), help="Only this one.")
@ledger_command
def replay(dsn: str, output: Output, shard: int | None) -> None:
    """Fold the log from its first commit, without snapshots, and tell what it comes to.

    The digest stands for all that a shard holds: two replays of the same log, on any machine, have the same.
    It changes nothing, and may run while the ledger serves.

    \b
    Examples:
      scrip replay
      scrip replay --shard 3 --json | jq -r '.shards[0].digest'
    """
    # What is folded stays: looking for garbage in it would take most of the time.
    gc.disable()
    replayed = ask(_replay(dsn, output, shard))
    from services.ledger.domain.books import added

    events, seconds = sum(one.events for one in replayed), sum(one.seconds for one in replayed)
    books = {book.value: credits_of(amount) for book, amount in added(one.books for one in replayed).items()}
    if output.as_json:
        shards = [
            {
                "shard": one.shard,
                "commits": one.commits,
                "events": one.events,
                "accounts": one.accounts,
                "seconds": round(one.seconds, 3),
                "digest": one.digest,
            }
            for one in replayed
        ]
        output.json_object({"shards": shards, "books": books, "events": events, "seconds": round(seconds, 3)})
        return
    output.table(COLUMNS, [_row(one) for one in replayed])
    output.line("")
    output.facts(books)
    output.line("")
    output.line(f"{events} events in {seconds:.1f} seconds, {_rate(events, seconds)} a second.")


async def _replay(dsn: str, output: Output, shard: int | None) -> "list[Replayed]":
    from services.ledger.application.proof.replay import replay as fold_all
    from services.ledger.store import audit

    async with pool_of(dsn) as pool:
        heads = await audit.heads(pool)
    numbers = chosen(shard, list(heads))
    with progress_of(output, "replaying") as begin:
        folded = begin(sum(heads[number] for number in numbers))
        return [await fold_all(dsn, number, folded) for number in numbers]


def _row(one: "Replayed") -> list[str]:
    numbers = (one.shard, one.commits, one.events, one.accounts, _rate(one.events, one.seconds))
    return [*map(str, numbers), one.digest[:16]]


def _rate(events: int, seconds: float) -> int:
    return round(events / seconds) if seconds else 0
