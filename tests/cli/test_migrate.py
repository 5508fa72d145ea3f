"""`scrip migrate` against a real PostgreSQL and NATS."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click.testing
import psycopg
import pytest

from services.cli.local import databases, nats, postgres
from services.cli.local.services import ROLES, Service
from services.cli.main import main


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[postgres.Cluster]:
    with postgres.Server.throwaway(tmp_path / "pg", fsync=False) as server:
        databases.create_roles(server.cluster, dict.fromkeys(ROLES, "secret"))
        databases.create_database(server.cluster, "scrip_gateway", "gateway")
        yield server.cluster


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for the gateway's migrations and its first key, which are the gateway's to test."""
    folder = tmp_path / "import" / "migrations_to_test"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "0001_it_is_there.sql").write_text("CREATE TABLE it_is_there ()")
    monkeypatch.delitem(sys.modules, "migrations_to_test", raising=False)
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr(Service, "migrations", property(lambda _: "migrations_to_test"))
    bootstrap = ModuleType("services.gateway.bootstrap")
    made: list[str] = []

    def ensure_admin_key(_dsn: str, key: str) -> bool:
        made.append(key)
        return len(made) == 1

    bootstrap.ensure_admin_key = ensure_admin_key  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "services.gateway.bootstrap", bootstrap)
    return folder


def migrate(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(
        main, ["migrate", *arguments, "--json"], env={"SCRIP_BOOTSTRAP_ADMIN_KEY": "scrip_admin_x"}
    )


def test_it_migrates_declares_and_makes_the_first_key_once(
    cluster: postgres.Cluster, migrations: Path, tmp_path: Path
) -> None:
    """The first time everything is done, the second time nothing; a DSN may come from a file."""
    (tmp_path / "dsn").write_text(cluster.owner_dsn("scrip_gateway") + "\n")
    with nats.Server.throwaway(tmp_path / "nats") as broker:
        arguments = ("--dsn", f"gateway=@{tmp_path / 'dsn'}", "--nats-url", broker.broker.url)
        first, second = migrate(*arguments), migrate(*arguments)
    assert first.exit_code == second.exit_code == 0, first.output
    assert json.loads(first.stdout) == {
        "applied": {"gateway": ["0001_it_is_there.sql"]},
        "topology_declared": True,
        "admin_key_made": True,
    }
    assert json.loads(second.stdout)["applied"] == {"gateway": []}
    assert json.loads(second.stdout)["admin_key_made"] is False
    psycopg.connect(cluster.role_dsn("scrip_gateway", "secret", "scrip_gateway"), connect_timeout=5).close()


def test_a_changed_migration_is_refused(cluster: postgres.Cluster, migrations: Path) -> None:
    """What was applied must be what the program has: status 1."""
    dsn = f"gateway={cluster.owner_dsn('scrip_gateway')}"
    assert migrate("--dsn", dsn).exit_code == 0
    (migrations / "0001_it_is_there.sql").write_text("SELECT 1")
    refused = migrate("--dsn", dsn)
    assert (refused.exit_code, json.loads(refused.stdout)["reason"]) == (1, "MIGRATION_FAILED")


def test_nobody_there_is_status_3(migrations: Path) -> None:
    """A database that does not answer: the same call may work later."""
    done = migrate("--dsn", "gateway=postgresql://x@127.0.0.1:9/x")
    assert (done.exit_code, json.loads(done.stdout)["reason"]) == (3, "UNREACHABLE")
