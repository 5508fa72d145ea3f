"""Migrations: each once, in order, and never another content under a name that was applied."""

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.runtime.migrations import MigrationError, migrate
from tests.harness.databases import Database, Databases


@pytest.fixture
def dsn(databases: Databases) -> Iterator[str]:
    """A database with nothing of these migrations in it."""
    database: Database = databases.create("gateway")
    with psycopg.connect(database.owner_dsn) as connection:
        connection.execute("DROP TABLE public.migration")
    yield database.owner_dsn
    databases.drop(database)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of migrations, empty."""
    folder = tmp_path / "some_migrations"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield folder
    sys.modules.pop("some_migrations", None)


def columns(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'thing'::regclass AND attnum > 0 ORDER BY attnum"
        ).fetchall()
    return [row[0] for row in rows]


def test_what_is_missing_is_applied_once_and_in_order(dsn: str, package: Path) -> None:
    """A second run applies what is new since the first, and a third nothing."""
    (package / "0002_more.sql").write_text("ALTER TABLE thing ADD b int; ALTER TABLE thing ADD c int;")
    (package / "0001_thing.sql").write_text("CREATE TABLE thing (a int);")
    (package / "notes.txt").write_text("no migration")
    assert migrate(dsn, "some_migrations") == ["0001_thing.sql", "0002_more.sql"]
    (package / "0003_rest.sql").write_text("ALTER TABLE thing ADD d int; -- 100 % of it")
    assert migrate(dsn, "some_migrations") == ["0003_rest.sql"]
    assert migrate(dsn, "some_migrations") == []
    assert columns(dsn) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("change", ["altered", "removed"])
def test_an_applied_migration_never_changes(dsn: str, package: Path, change: str) -> None:
    """A file that differs from what was applied, or is gone, stops everything, and nothing new is applied."""
    first = package / "0001_thing.sql"
    first.write_text("CREATE TABLE thing (a int);")
    migrate(dsn, "some_migrations")
    if change == "altered":
        first.write_text("CREATE TABLE thing (a bigint);")
    else:
        first.unlink()
    (package / "0002_more.sql").write_text("ALTER TABLE thing ADD b int;")
    with pytest.raises(MigrationError, match=r"0001_thing\.sql was applied"):
        migrate(dsn, "some_migrations")
    assert columns(dsn) == ["a"]


def test_a_migration_that_fails_leaves_nothing(dsn: str, package: Path) -> None:
    """All that is missing is applied, or nothing of it."""
    (package / "0001_thing.sql").write_text("CREATE TABLE thing (a int);")
    (package / "0002_wrong.sql").write_text("ALTER TABLE no_such_thing ADD b int;")
    with pytest.raises(psycopg.errors.UndefinedTable):
        migrate(dsn, "some_migrations")
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT to_regclass('thing'), to_regclass('public.migration')").fetchone() == (
            None,
            None,
        )


def test_two_that_start_together_apply_nothing_twice(dsn: str, package: Path) -> None:
    """The second one waits for the first and finds nothing left to do."""
    (package / "0001_thing.sql").write_text("SELECT pg_sleep(0.2); CREATE TABLE thing (a int);")
    applied: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: applied.append(migrate(dsn, "some_migrations")), daemon=True) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(applied) == [[], [], ["0001_thing.sql"]]
