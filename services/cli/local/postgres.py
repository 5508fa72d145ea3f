"""The embedded PostgreSQL: a cluster in a folder, and how to start, question and stop it.

`Cluster` knows the files and the command line and runs nothing for long; `scrip run` gives its command
to the supervisor. `Server` runs a cluster itself, for tests and tools: start, stop, kill, start again.

Programs of this machine's user come in over a unix socket in a 0700 folder as `postgres`, without a
password; everybody else over 127.0.0.1 with the password of their role.
"""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

from psycopg.conninfo import make_conninfo

from services.cli.local import binaries
from services.cli.local.errors import LocalError
from services.cli.local.identity import Identity, choose
from services.cli.local.orphans import end_orphan
from services.cli.local.ports import free_ports
from services.cli.local.spawn import guarded
from services.runtime import clock

SUPERUSER = "postgres"
MAX_CONNECTIONS = 200
SOCKET_PATH_BYTES_MAX = 100
INITDB_SECONDS = 120
READY_SECONDS = 60
STOP_SECONDS = 30
QUIT_SECONDS = 5
POLL_SECONDS = 0.02

HBA = """\
# type  database  user  address       method
local   all       all                 trust
host    all       all   127.0.0.1/32  scram-sha-256
"""


@dataclass(frozen=True)
class Cluster:
    """An initialised cluster and the port it will listen on."""

    data: Path
    sockets: Path
    port: int
    programs: Path
    identity: Identity
    fsync: bool = True

    def argv(self) -> list[str]:
        """The server's command line, without the shim."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "password_encryption": "scram-sha-256",
            "max_connections": str(MAX_CONNECTIONS),
            "shared_buffers": "128MB",
            "logging_collector": "off",
            "log_destination": "stderr",
            "log_min_messages": "warning",
            "log_checkpoints": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.fsync:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.data), *options]

    def environment(self) -> dict[str, str]:
        """Exactly what the server's programs see: no PG* of the caller, messages in English."""
        return server_environment()

    def owner_dsn(self, database: str = "postgres") -> str:
        """The superuser's way in, over the socket."""
        return make_conninfo(host=str(self.sockets), port=self.port, user=SUPERUSER, dbname=database, sslmode="disable")

    def role_dsn(self, role: str, password: str, database: str) -> str:
        """A role's way in, over TCP, as a URL."""
        secret = quote(password, safe="")
        return f"postgresql://{role}:{secret}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def is_ready(self) -> bool:
        """Whether the server takes connections now."""
        asked = [str(self.programs / "pg_isready"), "-q", "-t", "3", "-d", self.owner_dsn()]
        done = subprocess.run(asked, env=self.environment(), timeout=10, check=False)
        return done.returncode == 0

    def clear_leftovers(self) -> None:
        """Make way for a start after `kill -9`.

        PostgreSQL itself recognises a dead owner in `postmaster.pid`. It cannot when the number now
        belongs to another program, nor when the former server is still alive because its parent had
        no way to take it along; both are settled here. Only call it holding the folder's lock.
        """
        end_orphan(self.data / "postmaster.pid", str(self.data))
        for left in self.sockets.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)


def server_environment() -> dict[str, str]:
    """The environment of PostgreSQL's programs."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def open_cluster(folder: Path, port: int, *, named_programs: Path | None = None, fsync: bool = True) -> Cluster:
    """The cluster in `folder`, made if it is not there yet.

    `port` is the TCP port it will listen on. `fsync=False` is for throwaway servers of tests only:
    a power cut then loses data. Raises LocalError with what to do.
    """
    folder = folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    programs = binaries.postgres_bin(named_programs)
    identity = choose(programs / "postgres", folder)
    identity.own(folder)
    data = folder / "data"
    if data.exists():
        check_version(data, programs)
    else:
        initialise(data, programs, identity)
    (data / "pg_hba.conf").write_text(HBA)
    return Cluster(data, socket_folder(folder, identity), port, programs, identity, fsync)


def initialise(data: Path, programs: Path, identity: Identity) -> None:
    """Run initdb beside the final place and rename, so that a half-made cluster is never used."""
    unfinished = data.with_name("data.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    argv = [str(programs / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, "--auth=trust"]
    argv += ["-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--data-checksums"]
    try:
        done = subprocess.run(
            guarded(argv, identity.shim),
            env=server_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INITDB_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LocalError(f"initdb did not finish within {INITDB_SECONDS} seconds.") from None
    if done.returncode != 0:
        last = "\n".join(done.stdout.strip().splitlines()[-5:])
        raise LocalError(f"PostgreSQL's initdb failed in {data.parent}:\n{last}")
    unfinished.rename(data)


def check_version(data: Path, programs: Path) -> None:
    """Refuse programs of another major version than the one that made the files."""
    made_by = (data / "PG_VERSION").read_text().strip()
    present = binaries.postgres_major(programs)
    if made_by != str(present):
        raise LocalError(
            f"{data} was made by PostgreSQL {made_by}, but {programs} is {present}. Set SCRIP_PG_BIN "
            "to the programs of that version, or choose another --data-dir."
        )


def socket_folder(folder: Path, identity: Identity) -> Path:
    """A 0700 folder for the socket, whose path the kernel's limit of some 104 bytes allows.

    When the data folder's own path is too long, one in the temporary folder whose name follows from
    it, so that the next run finds, and cleans, the same one.
    """
    wanted = folder / "socket"
    if len(os.fsencode(wanted / ".s.PGSQL.65535")) > SOCKET_PATH_BYTES_MAX:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        wanted = Path(tempfile.gettempdir()) / f"scrip-{os.geteuid()}-{name}"
    wanted.mkdir(mode=0o700, exist_ok=True)
    found = wanted.lstat()
    ours = found.st_uid in (os.geteuid(), identity.uid)
    if not stat.S_ISDIR(found.st_mode) or not ours or stat.S_IMODE(found.st_mode) & 0o077:
        raise LocalError(f"{wanted} must be a folder that only you can enter; remove it.")
    identity.own(wanted)
    return wanted


class Server:
    """A cluster that this process runs. A context manager: started on entry, stopped on exit.

    Start it from a thread that outlives it (see `spawn.py`).
    """

    def __init__(self, cluster: Cluster) -> None:
        """Nothing runs before `start`."""
        self.cluster = cluster
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @classmethod
    def throwaway(cls, folder: Path, *, fsync: bool = True) -> Self:
        """A started server in `folder` on a free port; the caller stops it and removes the folder."""
        server = cls(open_cluster(folder, free_ports(1)[0], fsync=fsync))
        server.start()
        return server

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        if self._process is None:
            raise LocalError("PostgreSQL is not running.")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until connections are taken; raises LocalError after a minute.

        An early death is tried again within that time: backends of a killed server may hold the
        shared memory for a moment.
        """
        self.cluster.clear_leftovers()
        deadline = clock.monotonic() + READY_SECONDS
        log_path = self.cluster.data.with_name("server.log")
        while clock.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                self._spawn(log_path)
            if self.cluster.is_ready():
                return
            time.sleep(POLL_SECONDS)
        self.stop()
        last = "\n".join(log_path.read_text(errors="replace").splitlines()[-10:])
        raise LocalError(f"PostgreSQL was not ready within {READY_SECONDS} seconds:\n{last}")

    def _spawn(self, log_path: Path) -> None:
        if self._log is None:
            self._log = log_path.open("ab")
        self._process = subprocess.Popen(
            guarded(self.cluster.argv(), self.cluster.identity.shim),
            env=self.cluster.environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def stop(self) -> None:
        """End open sessions, write everything down, and wait until the process is gone."""
        self._end(((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, QUIT_SECONDS)))

    def abandon(self) -> None:
        """End it at once, writing nothing more down: for data that nobody needs again."""
        self._end(((signal.SIGQUIT, QUIT_SECONDS),))

    def _end(self, steps: Sequence[tuple[signal.Signals, float]]) -> None:
        for number, seconds in steps:
            if self._process is None or self._process.poll() is not None:
                break
            self._process.send_signal(number)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        self.kill()

    def kill(self) -> None:
        """End it as a crash would (`kill -9`), and wait until the process is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(QUIT_SECONDS)
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        """Start, unless it runs."""
        if self._process is None:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()
