"""The log in partitions: there is always room ahead, and nothing that was written is lost on the way there."""

import importlib.resources
import itertools
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.cli.local import databases as local
from services.ledger.application.upkeep.partitions import Partitions
from services.ledger.store.log import Commit, LogStore
from services.runtime import chain, clock, lifecycle, migrations, postgres
from tests.harness.databases import Database, Databases
from tests.harness.waiting import eventually

WIDTH = 4_000_000
PACKAGE = "services.ledger.migrations"
_names = itertools.count(1)


@pytest.fixture
def database(databases: Databases) -> Database:
    """A database of the test's own."""
    return databases.create("ledger")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[LogStore]:
    """A connection to the log, as the service has it."""
    opened = LogStore(database.dsn)
    yield opened
    await opened.close()


def after(seq: int, previous_hash: bytes, shard: int = 0) -> Commit:
    """The commit that follows number `seq`; its body is large enough to be kept out of line."""
    at, body = clock.now_us(), b"\1" * 5_000
    digest = chain.link(previous_hash, shard, seq + 1, seq + 1, 1, at, "w", body)
    return Commit(shard, seq + 1, seq + 1, 1, at, "w", previous_hash, digest, body)


def bounds(dsn: str) -> list[tuple[int, int]]:
    """First number of each partition, and of what follows it."""
    with psycopg.connect(dsn) as owner:
        rows = owner.execute(
            r"SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(.?(\d+).?\) TO \(.?(\d+).?\)')"
            " FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'log'::regclass"
        ).fetchall()
    return sorted((int(first), int(end)) for ((first, end),) in rows)


def place(dsn: str, shard: int, seq: int) -> str:
    """The partition that a commit is in."""
    with psycopg.connect(dsn) as owner:
        row = owner.execute("SELECT tableoid::regclass::text FROM log WHERE (shard, seq) = (%s, %s)", (shard, seq))
        (name,) = row.fetchone() or ("",)
    return str(name)


def begin_at(dsn: str, seq: int) -> None:
    """Puts a commit with this number into every shard's log."""
    with psycopg.connect(dsn) as owner:
        owner.execute(
            "INSERT INTO log SELECT shard, %s, 0, 0, 'epoch', 'w', decode(repeat('00', 32), 'hex'), ''"
            " FROM generate_series(0, 15) AS shard",
            (seq,),
        )


async def test_appends_cross_the_border(database: Database, store: LogStore) -> None:
    """The commit after the last of a partition is in the next one, follows it, and is read with it."""
    begin_at(database.owner_dsn, WIDTH - 2)
    last = after(WIDTH - 2, bytes(32))
    first = after(WIDTH - 1, last.hash)
    assert await store.append([last]) == await store.append([first]) == {0}
    assert await store.append([after(WIDTH, bytes(32))]) == set()
    assert [place(database.owner_dsn, 0, seq) for seq in (WIDTH - 1, WIDTH)] == ["log_0", f"log_{WIDTH}"]
    assert await store.read(0, WIDTH - 2, bytes(32), 10) == [last, first]
    assert (await store.heads([0]))[0][:2] == (WIDTH, first.hash)


async def test_shards_on_both_sides_append_together(database: Database, store: LogStore) -> None:
    """One statement holds commits of shards that are far apart."""
    begin_at(database.owner_dsn, WIDTH + 5)
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute("DELETE FROM log WHERE shard = 3 AND seq > 0")
    commits = [after(WIDTH + 5, bytes(32), 0), after(0, bytes(32), 3), after(WIDTH + 5, bytes(32), 7)]
    assert await store.append(commits) == {0, 3, 7}
    assert await store.append(commits) == set()


async def test_partitions_are_made_ahead(database: Database) -> None:
    """Always one more than the longest shard needs, one after the other, however often it is asked."""
    assert bounds(database.owner_dsn) == [(0, WIDTH), (WIDTH, 2 * WIDTH)]
    async with postgres.open_pool(database.dsn, "test") as pool:
        assert await Partitions(pool).ensure() == 0
        begin_at(database.owner_dsn, WIDTH)
        assert [await Partitions(pool).ensure() for _ in range(2)] == [1, 0]
    assert bounds(database.owner_dsn) == [(number * WIDTH, (number + 1) * WIDTH) for number in range(3)]


async def test_a_ledger_that_runs_makes_them(database: Database) -> None:
    """The service does it by itself, also where several begin at once."""
    begin_at(database.owner_dsn, WIDTH)
    async with (
        postgres.open_pool(database.dsn, "test") as pool,
        lifecycle.background(*(Partitions(pool).run for _ in range(3))),
    ):
        await eventually(lambda: len(bounds(database.owner_dsn)) == 3)
    assert bounds(database.owner_dsn)[-1] == (2 * WIDTH, 3 * WIDTH)


async def test_a_wild_number_makes_few(database: Database) -> None:
    """A call makes four partitions at most, and leaves no hole."""
    with psycopg.connect(database.dsn) as connection:
        assert connection.execute("SELECT ensure_log_partitions(%s)", (1 << 60,)).fetchone() == (4,)
    assert bounds(database.owner_dsn) == [(number * WIDTH, (number + 1) * WIDTH) for number in range(6)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET n = 0",
        "DELETE FROM log",
        "TRUNCATE log",
        "INSERT INTO log_0 SELECT * FROM log",
        "DELETE FROM log_0",
        "DROP TABLE log_0",
        "CREATE TABLE log_x (LIKE log)",
        "UPDATE snapshot SET seq = 0",
    ],
)
def test_the_service_cannot_change_what_is_written(database: Database, statement: str) -> None:
    """Append-only by privilege: the service's role adds commits to the log, and nothing else."""
    with psycopg.connect(database.dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_bodies_are_kept_as_they_are(database: Database) -> None:
    """Every partition keeps bodies out of line and uncompressed."""
    with psycopg.connect(database.owner_dsn) as owner:
        rows = owner.execute(
            "SELECT attrelid::regclass::text, attstorage FROM pg_attribute WHERE attname = 'body'"
            " AND attrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'log'::regclass)"
        ).fetchall()
    assert sorted(rows) == [("log_0", "e"), (f"log_{WIDTH}", "e")]


@pytest.fixture
def unpartitioned(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A database as the first two migrations leave it: the DSNs of its owner and of the service."""
    folder = tmp_path / "first_ledger_migrations"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for entry in importlib.resources.files(PACKAGE).iterdir():
        if entry.name < "0003":
            (folder / entry.name).write_bytes(entry.read_bytes())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    name = f"unpartitioned_{next(_names)}"
    cluster = databases._cluster
    local.create_database(cluster, name, "ledger")
    migrations.migrate(cluster.owner_dsn(name), folder.name)
    password = databases._passwords["scrip_ledger"]
    return cluster.owner_dsn(name), cluster.role_dsn("scrip_ledger", password, name)


async def test_what_was_written_before_stays(unpartitioned: tuple[str, str]) -> None:
    """Commits of a log without partitions are all there afterwards, and the next one follows them."""
    owner_dsn, dsn = unpartitioned
    store, previous, written = LogStore(dsn), bytes(32), []
    for seq in range(20):
        written.append(after(seq, previous))
        assert await store.append([written[-1]]) == {0}
        previous = written[-1].hash
    before = rows_of(owner_dsn)
    await store.close()
    applied = migrations.migrate(owner_dsn, PACKAGE)
    assert applied[0].startswith("0003")
    assert rows_of(owner_dsn) == before
    assert await store.read(0, 0, bytes(32), 100) == written
    assert await store.append([after(20, previous)]) == {0}
    assert await store.append([after(20, previous)]) == set()
    assert bounds(owner_dsn) == [(0, WIDTH), (WIDTH, 2 * WIDTH)]
    await store.close()


def rows_of(dsn: str) -> list[tuple[Any, ...]]:
    """Everything in a log."""
    with psycopg.connect(dsn) as owner:
        return owner.execute("SELECT * FROM log ORDER BY shard, seq").fetchall()


def test_a_log_longer_than_a_partition_is_taken_whole(unpartitioned: tuple[str, str]) -> None:
    """Where there is more than one partition holds, the first is as wide as it must be."""
    owner_dsn, _ = unpartitioned
    begin_at(owner_dsn, 2 * WIDTH + 1)
    migrations.migrate(owner_dsn, PACKAGE)
    assert bounds(owner_dsn) == [(0, 3 * WIDTH), (3 * WIDTH, 4 * WIDTH)]
    assert place(owner_dsn, 5, 2 * WIDTH + 1) == "log_0"
