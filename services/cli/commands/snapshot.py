"""`scrip snapshot`: snapshots of the ledger's shards, now."""

import click

from services.cli.commands.ledger_database import ask, chosen, ledger_command, pool_of
from services.cli.output import Output

COLUMNS = ("SHARD", "COMMIT", "EVENTS", "ACCOUNTS", "BYTES", "DIGEST")


@click.command()
@click.option("--shard", type=click.IntRange(0), help="Only this one.")
@ledger_command
def snapshot(dsn: str, output: Output, shard: int | None) -> None:
    """Store what the shards hold now, so that a ledger that starts reads less of its log.

    The ledger does the same by itself where 200,000 events stand after the last snapshot. A snapshot is made from
    the one before it and the log, in this process; the last two of a shard are kept. They may all be deleted
    at any time.

    \b
    Examples:
      scrip snapshot
      scrip snapshot --shard 3 --json
    """
    rows = ask(_make(dsn, shard))
    if output.as_json:
        names = [column.lower() for column in COLUMNS]
        output.json_object({"snapshots": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    output.table(COLUMNS, [[str(cell)[:16] for cell in row] for row in rows])
    output.note("A shard that is not named has its newest snapshot already.")


async def _make(dsn: str, shard: int | None) -> list[tuple[int | str, ...]]:
    from services.ledger.application.upkeep.snapshotting import make
    from services.ledger.store import audit

    async with pool_of(dsn) as pool:
        numbers = chosen(shard, list(await audit.heads(pool)))
    rows: list[tuple[int | str, ...]] = []
    for number in numbers:
        made = await make(dsn, number)
        if made is not None:
            one = made.snapshot
            rows.append((number, one.seq, one.next_position - 1, made.accounts, made.bytes, one.digest))
    return rows
