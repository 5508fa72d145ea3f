"""`scrip log`: commits of the ledger, for people."""

import json
from typing import TYPE_CHECKING, Any

import click

from services.cli.commands.ledger_database import ask, chosen, credits_of, ledger_command, pool_of
from services.cli.errors import CommandError
from services.cli.output import Output

if TYPE_CHECKING:
    from services.ledger.store.log import Commit

COMMITS_MAX = 1_000
COLUMNS = ("COMMIT", "RECORDED", "POSITIONS", "EVENTS", "WRITER", "HASH")
# Fields of an event that are times although their names do not end so.
TIMES = ("remember_until",)


@click.group()
def log() -> None:
    """Look into the ledger's log."""


@log.command()
@click.argument("shard", type=click.IntRange(0))
@click.argument("seq", type=click.IntRange(1))
@ledger_command
def show(dsn: str, output: Output, shard: int, seq: int) -> None:
    """Show commit SEQ of SHARD with all its events, as JSON.

    Times are in UTC, amounts both in credits and in microcredits. hash_fits says whether the hash is that of what is
    stored and of the commit before it.

    \b
    Examples:
      scrip log show 3 17
      scrip log show 3 17 --json | jq '.events[] | select(.kind == "REQUEST_REFUSED")'
    """
    commits = ask(_read(dsn, shard, seq))
    if not commits:
        detail = f"Shard {shard} has no commit {seq}."
        raise CommandError({"title": "Not found", "reason": "COMMIT_NOT_FOUND", "detail": detail})
    content = _whole(commits[0])
    if output.as_json:
        output.json_object(content)
    else:
        output.line(json.dumps(content, ensure_ascii=False, indent=2))


@log.command()
@click.argument("shard", type=click.IntRange(0))
@click.option("-n", "count", type=click.IntRange(1, COMMITS_MAX), default=20, show_default=True, help="How many.")
@ledger_command
def tail(dsn: str, output: Output, shard: int, count: int) -> None:
    """Show the last commits of SHARD, oldest first, a line each.

    \b
    Examples:
      scrip log tail 3
      scrip log tail 3 -n 1 --json | jq '.commits[0].seq'
    """
    commits = [_header(commit) for commit in ask(_read(dsn, shard, None, count))]
    if output.as_json:
        output.json_object({"commits": commits})
        return
    output.table(
        COLUMNS,
        [
            [
                str(one["seq"]),
                one["recorded_at"],
                f"{one['first_position']}-{one['last_position']}",
                str(one["count"]),
                one["writer"],
                one["hash"][:16],
            ]
            for one in commits
        ],
    )


async def _read(dsn: str, shard: int, seq: int | None, count: int = 1) -> "list[Commit]":
    """One commit; without a number the last ones."""
    from services.ledger.store import audit
    from services.ledger.store.log import LogStore

    async with pool_of(dsn) as pool:
        heads = await audit.heads(pool)
    chosen(shard, list(heads))
    first = seq if seq is not None else max(1, heads[shard] - count + 1)
    store = LogStore(dsn)
    try:
        previous_hash = await store.hash_of(shard, first - 1)
        commits = await store.read(shard, first - 1, previous_hash or b"", count)
    finally:
        await store.close()
    return [commit for commit in commits if seq is None or commit.seq == seq]


def _header(commit: "Commit") -> dict[str, Any]:
    from services.runtime import chain

    c = commit
    digest = chain.link(c.previous_hash, c.shard, c.seq, c.first_position, c.n, c.at, c.writer, c.body)
    return {
        "shard": c.shard,
        "seq": c.seq,
        "recorded_at": _time(c.at),
        "writer": c.writer,
        "first_position": c.first_position,
        "last_position": c.first_position + c.n - 1,
        "count": c.n,
        "previous_hash": c.previous_hash.hex(),
        "hash": c.hash.hex(),
        "hash_fits": digest == c.hash,
    }


def _whole(commit: "Commit") -> dict[str, Any]:
    from google.protobuf.message import DecodeError
    from scrip.ledger.v1 import events_pb2 as pb

    try:
        events = pb.EventBatch.FromString(commit.body).events
    except DecodeError:
        return _header(commit) | {"unreadable": commit.body.hex()}
    told = [{"position": commit.first_position + place} | _event(event) for place, event in enumerate(events)]
    return _header(commit) | {"events": told}


def _event(event: Any) -> dict[str, Any]:
    """The fields of an event that are set, each in the form a person reads."""
    told: dict[str, Any] = {}
    for field, value in event.ListFields():
        name = field.name
        if name.endswith("_micros"):
            plain = name.removesuffix("_micros")
            told[plain] = credits_of(value) if isinstance(value, int) else [credits_of(one) for one in value]
            told[name] = value if isinstance(value, int) else list(value)
        elif name.endswith("_at") or name in TIMES:
            told[name] = _time(value)
        elif field.enum_type is not None:
            told[name] = _word(field.enum_type, value)
        elif isinstance(value, bytes):
            told[name] = value.hex()
        elif name == "labels":
            told[name] = dict(value)
        else:
            told[name] = value if isinstance(value, int | str) else list(value)
    return told


def _word(enum: Any, value: int) -> str:
    """`CREDITS_RESERVED` for EVENT_KIND_CREDITS_RESERVED; the number where this program does not know it."""
    known = enum.values_by_number.get(value)
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return str(known.name).removeprefix(prefix) if known else str(value)


def _time(micros: int) -> str:
    from services.runtime import clock

    return clock.from_us(micros).isoformat(timespec="microseconds").replace("+00:00", "Z")
