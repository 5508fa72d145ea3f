"""The embedded PostgreSQL."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.cli.local import binaries, databases, identity, postgres
from services.cli.local.errors import LocalError
from services.cli.local.ports import free_ports
from services.cli.local.services import ROLES

from .support import lives, wait_until

PASSWORDS = {role: f"secret-of-{role}" for role in ROLES}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    with postgres.Server.throwaway(tmp_path_factory.mktemp("pg"), fsync=False) as started:
        databases.prepare(started.cluster, PASSWORDS)
        yield started


def connect(server: postgres.Server, role: str, database: str, password: str | None = None) -> None:
    dsn = server.cluster.role_dsn(role, PASSWORDS[role] if password is None else password, database)
    psycopg.connect(dsn, connect_timeout=5).close()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_enter_its_own_database_only(server: postgres.Server, role: str) -> None:
    """Each service's role enters its own database and no other; the analyst only analytics'."""
    own = "scrip_analytics" if role == "analyst" else role
    connect(server, role, own)
    others = [*(name for name in ROLES if name not in (own, "analyst")), "postgres", "template1"]
    for database in others:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            connect(server, role, database)


def test_a_wrong_password_is_refused(server: postgres.Server) -> None:
    """Over TCP a role needs its password."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(server, "scrip_ledger", "scrip_ledger", "wrong")


def test_the_superuser_comes_in_by_the_socket_only(server: postgres.Server) -> None:
    """`postgres` has no password and so no way in over TCP; the socket's folder is private."""
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.cluster.role_dsn("postgres", "", "postgres"), connect_timeout=5)
    assert server.cluster.sockets.stat().st_mode & 0o077 == 0


def test_prepare_may_be_repeated(server: postgres.Server) -> None:
    """Preparing again changes nothing and takes new passwords."""
    databases.prepare(server.cluster, PASSWORDS | {"analyst": "another"})
    connect(server, "analyst", "scrip_analytics", "another")
    databases.prepare(server.cluster, PASSWORDS)


def test_a_database_can_be_copied_and_dropped(server: postgres.Server) -> None:
    """A test's database is a copy with the same doors."""
    databases.create_database(server.cluster, "copy_1", "ledger", template="scrip_ledger")
    connect(server, "scrip_ledger", "copy_1")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(server, "scrip_catalog", "copy_1")
    databases.drop_database(server.cluster, "copy_1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(server, "scrip_ledger", "copy_1")


def test_committed_rows_survive_kill_9_and_a_restart(tmp_path: Path) -> None:
    """After `kill -9` the same folder starts again and has every committed row; after a stop too."""
    with postgres.Server.throwaway(tmp_path / "pg") as server:
        with psycopg.connect(server.cluster.owner_dsn()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        first = server.pid
        server.kill()
        assert (server.cluster.data / "postmaster.pid").exists()
        server.start()
        assert server.pid != first
        server.stop()
        assert not (server.cluster.data / "postmaster.pid").exists()
        server.start()
        with psycopg.connect(server.cluster.owner_dsn()) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.execute("SHOW data_checksums").fetchone() == ("on",)


def test_a_recycled_pid_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    """A stale postmaster.pid that names a living program of another kind is put aside; that program lives on."""
    with postgres.Server.throwaway(tmp_path / "pg", fsync=False) as server:
        server.kill()
        pid_file = server.cluster.data / "postmaster.pid"
        _, *rest = pid_file.read_text().splitlines()
        with subprocess.Popen(["sleep", "60"]) as bystander:
            pid_file.write_text("\n".join([str(bystander.pid), *rest]) + "\n")
            server.start()
            assert lives(bystander.pid)
            bystander.kill()


def test_an_orphan_of_an_earlier_run_is_ended(tmp_path: Path) -> None:
    """A server that outlived its run gives way to the next one."""
    cluster = postgres.open_cluster(tmp_path / "pg", free_ports(1)[0], fsync=False)
    with postgres.Server(cluster) as orphan:
        pid = orphan.pid
        again = postgres.open_cluster(tmp_path / "pg", free_ports(1)[0], fsync=False)
        with postgres.Server(again) as server:
            assert not lives(pid)
            assert server.cluster.is_ready()


def test_a_half_made_cluster_is_not_used(tmp_path: Path) -> None:
    """What an interrupted initdb left is thrown away."""
    unfinished = tmp_path / "pg" / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with postgres.Server.throwaway(tmp_path / "pg", fsync=False) as server:
        assert server.cluster.is_ready()
    assert not unfinished.exists()


def test_a_long_path_gets_a_short_socket_folder(tmp_path: Path) -> None:
    """A data folder deeper than a socket path may be long works all the same, and finds it again."""
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 5)
    with postgres.Server.throwaway(deep, fsync=False) as server:
        sockets = server.cluster.sockets
        assert len(os.fsencode(sockets)) < 80
        assert sockets.stat().st_mode & 0o077 == 0
    assert postgres.open_cluster(deep, 1).sockets == sockets
    sockets.rmdir()


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    """`kill -9` of the program that started it leaves no server behind."""
    program = (
        "import sys, pathlib; from services.cli.local import postgres\n"
        "server = postgres.Server.throwaway(pathlib.Path(sys.argv[1]), fsync=False)\n"
        "print(server.pid, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "pg")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.kill()
    wait_until(lambda: not lives(pid))


def test_programs_that_will_not_do_are_named(tmp_path: Path) -> None:
    """SCRIP_PG_BIN is taken or refused, never silently replaced; files of another version are refused."""
    with pytest.raises(LocalError, match="holds no postgres"):
        binaries.postgres_bin(tmp_path)
    old = tmp_path / "old"
    old.mkdir()
    for name in ("postgres", "initdb"):
        (old / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 15.4'\n")
        (old / name).chmod(0o755)
    with pytest.raises(LocalError, match="is PostgreSQL 15"):
        binaries.postgres_bin(old)
    (tmp_path / "pg" / "data").mkdir(parents=True)
    (tmp_path / "pg" / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(LocalError, match="was made by PostgreSQL 12"):
        postgres.open_cluster(tmp_path / "pg", 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_without_namespaces_takes_another_user_or_says_why(tmp_path: Path) -> None:
    """Where namespaces are refused, another account is taken if it can reach everything, else the error says so."""
    program = Path("/bin/sh")
    taken = identity.other_user(Path("/bin/true"), Path("/var/data"), "refused")
    assert taken.shim == f"user:{taken.uid}:{taken.gid}"
    assert taken.uid != 0
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(LocalError, match="Run the same command as a user who is not root"):
        identity.other_user(program, closed / "data", "refused")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_another_user_can_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where namespaces are refused the server runs as another user, in a folder that user can reach."""
    asked = identity.probe

    def refused(argv: list[str], shim: str) -> str | None:
        return "refused" if shim == "namespace" else asked(argv, shim)

    monkeypatch.setattr(identity, "probe", refused)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o711)
        try:
            server = postgres.Server.throwaway(folder / "pg", fsync=False)
        except LocalError as error:
            pytest.skip(f"no other user can reach the programs here: {error}")
        with server:
            assert Path(f"/proc/{server.pid}").stat().st_uid != 0
            databases.prepare(server.cluster, PASSWORDS)
            connect(server, "scrip_ledger", "scrip_ledger")
            server.kill()
            server.start()
