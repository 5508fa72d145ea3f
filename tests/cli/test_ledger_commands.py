"""The commands that read the ledger's database, on a real one."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click.testing
import psycopg
import pytest

from services.cli.commands.ledger_database import credits_of
from services.cli.main import main
from tests.harness.databases import Database, Databases
from tests.ledger.busy import make_busy, project_all
from tests.ledger.ledgers import SHARDS, running


@pytest.fixture
def database(databases: Databases) -> Database:
    """A ledger in which everything has happened."""
    fresh = databases.create("ledger")

    async def fill() -> None:
        async with running(fresh, "a") as (ledger,):
            await make_busy(ledger, accounts=6)
        await project_all(fresh)

    asyncio.run(fill())
    return fresh


def scrip(*arguments: object, dsn: str | None = None) -> click.testing.Result:
    """A command in this process, piped."""
    runner = click.testing.CliRunner()
    return runner.invoke(main, [str(one) for one in arguments], env={"SCRIP_LEDGER_DSN": dsn})


def told(*arguments: object, dsn: str) -> Any:
    """The JSON object that a command prints; it must have been done."""
    done = scrip(*arguments, "--json", dsn=dsn)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def longest(database: Database) -> int:
    """The shard with the most commits."""
    with psycopg.connect(database.dsn) as connection:
        row = connection.execute(
            "SELECT shard FROM log GROUP BY shard ORDER BY count(*) DESC, shard LIMIT 1"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_verify_is_silent_on_a_healthy_ledger(database: Database) -> None:
    """Status 0, every shard in the table, no problem, and books that come to zero."""
    found = told("verify", dsn=database.dsn)
    assert (found["ok"], found["problems"], len(found["shards"])) == (True, [], SHARDS)
    assert sum(one["entries"] for one in found["shards"]) == sum(one["events"] for one in found["shards"]) > 100
    plain = scrip("verify", dsn=database.dsn)
    assert plain.exit_code == 0
    assert plain.stdout.splitlines()[0].split()[:3] == ["SHARD", "COMMITS", "EVENTS"]
    assert plain.stdout.splitlines()[-1] == "All is as the log says."
    assert plain.stderr == ""


def test_verify_tells_what_is_wrong(database: Database) -> None:
    """Status 1, a sentence for each finding, for one shard too; other shards stay clean."""
    number = longest(database)
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute("UPDATE log SET hash = sha256(hash) WHERE shard = %s AND seq = 1", (number,))
        owner.execute("DELETE FROM entry WHERE shard = %s AND position = 2", (number,))
    done = scrip("verify", "--shard", number, "--json", dsn=database.dsn)
    found = json.loads(done.stdout)
    assert (done.exit_code, found["ok"], [one["shard"] for one in found["shards"]]) == (1, False, [number])
    assert any(f"shard {number}: commit 1: its hash" in problem for problem in found["problems"])
    assert any("is missing" in problem for problem in found["problems"])
    plain = scrip("verify", dsn=database.dsn)
    assert plain.exit_code == 1
    assert f"shard {number}: commit 1: its hash" in plain.stdout


def test_replay_comes_to_the_same_twice(database: Database) -> None:
    """The digest stands for the state, and the books for all shards together."""
    first, second = told("replay", dsn=database.dsn), told("replay", dsn=database.dsn)
    assert [one["digest"] for one in first["shards"]] == [one["digest"] for one in second["shards"]]
    assert first["books"] == told("verify", dsn=database.dsn)["books"]
    plain = scrip("replay", "--shard", longest(database), dsn=database.dsn)
    assert plain.exit_code == 0
    assert f"{first['shards'][longest(database)]['events']} events in" in plain.stdout


def test_replay_stops_where_the_log_is_broken(database: Database) -> None:
    """Status 1, and where to look further."""
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute("UPDATE log SET n = n + 1 WHERE shard = %s AND seq = 1", (longest(database),))
    done = scrip("replay", "--json", dsn=database.dsn)
    assert (done.exit_code, json.loads(done.stdout)["reason"]) == (1, "LOG_BROKEN")
    assert "scrip verify" in scrip("replay", dsn=database.dsn).stderr


def test_snapshot_stores_what_replay_comes_to(database: Database) -> None:
    """The snapshot of a shard has the digest of its log; a second time there is nothing to store."""
    made = told("snapshot", dsn=database.dsn)["snapshots"]
    replayed = {one["shard"]: one["digest"] for one in told("replay", dsn=database.dsn)["shards"] if one["commits"]}
    assert {one["shard"]: one["digest"] for one in made} == replayed
    assert told("snapshot", dsn=database.dsn) == {"snapshots": []}
    assert sum(one["snapshots"] for one in told("verify", dsn=database.dsn)["shards"]) == len(made)


def test_a_commit_is_told_as_people_read_it(database: Database) -> None:
    """Words for kinds, credits beside microcredits, times in UTC; the hash is checked."""
    number = longest(database)
    found = [told("log", "show", number, seq, dsn=database.dsn) for seq in (1, 2, 3)]
    assert all(one["hash_fits"] for one in found)
    assert [one["previous_hash"] for one in found[1:]] == [one["hash"] for one in found[:2]]
    events = {event["kind"]: event for one in found for event in one["events"]}
    granted = events["CREDITS_GRANTED"]
    assert granted["source"] == "PROMOTION"
    assert credits_of(granted["amount_micros"]) == granted["amount"]
    assert granted["remember_until"].endswith("Z")
    assert granted["position"] > 1
    assert json.loads(scrip("log", "show", number, 1, dsn=database.dsn).stdout) == found[0]
    last = told("log", "tail", number, "-n", 2, dsn=database.dsn)["commits"]
    assert len(last) == 2
    assert last[1]["seq"] == last[0]["seq"] + 1
    assert scrip("log", "tail", number, dsn=database.dsn).stdout.splitlines()[-1].split()[0] == str(last[1]["seq"])


@pytest.mark.parametrize(
    ("micros", "decimal"),
    [(0, "0"), (1, "0.000001"), (12_500_000, "12.5"), (-1_030_000, "-1.03"), (1_000_000_000, "1000")],
)
def test_credits_are_decimals(micros: int, decimal: str) -> None:
    """Up to six places, none that are not needed."""
    assert credits_of(micros) == decimal


def test_what_is_not_there_is_said(database: Database, databases: Databases, tmp_path: Path) -> None:
    """A commit, a shard, a ledger, a database: each its own status."""
    assert (
        json.loads(scrip("log", "show", 0, 10_000, "--json", dsn=database.dsn).stdout)["reason"] == "COMMIT_NOT_FOUND"
    )
    assert scrip("verify", "--shard", 99, dsn=database.dsn).exit_code == 2
    other = scrip("verify", "--json", dsn=databases.create("catalog").dsn)
    assert (other.exit_code, json.loads(other.stdout)["reason"]) == (1, "NOT_A_LEDGER")
    assert scrip("verify", dsn="postgresql://x@127.0.0.1:9/x").exit_code == 3
    assert scrip("verify", "--data-dir", tmp_path).exit_code == 3


def test_the_dsn_comes_from_where_the_run_says(database: Database, tmp_path: Path) -> None:
    """The option goes before the environment, that before `run.json`; a file can hold it."""
    (tmp_path / "run.json").write_text(json.dumps({"dsn": {"ledger": database.dsn}}))
    (tmp_path / "dsn").write_text(database.dsn + "\n")
    wrong = "postgresql://x@127.0.0.1:9/x"
    assert scrip("log", "tail", 0, "--data-dir", tmp_path).exit_code == 0
    assert scrip("log", "tail", 0, "--data-dir", tmp_path, dsn=wrong).exit_code == 0
    assert scrip("log", "tail", 0, "--dsn", f"@{tmp_path / 'dsn'}", dsn=wrong).exit_code == 0
    assert scrip("log", "tail", 0, dsn=wrong).exit_code == 3


@pytest.mark.parametrize("command", [["verify"], ["replay"], ["snapshot"], ["log", "show"], ["log", "tail"]])
def test_help_has_examples(command: list[str]) -> None:
    """Each command shows how it is used, without a database."""
    done = scrip(*command, "--help")
    assert done.exit_code == 0
    assert "Examples:" in done.stdout
    assert "SCRIP_LEDGER_DSN" in done.stdout
