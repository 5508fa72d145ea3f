"""Forward-only migrations: `NNNN_what_it_does.sql` files in a package, applied once each, in order.

Runs inside one transaction under an advisory lock, so two that start together apply nothing twice. The checksum of each
file is recorded: a file that changed after it was applied stops everything.
"""

import hashlib
from importlib import resources

import psycopg

# Any number, the same for every runner on a database.
_LOCK = 7_272_747


class MigrationError(Exception):
    """An applied migration is missing from the program, or its content changed."""


def migrate(dsn: str, package: str) -> list[str]:
    """Applies what is missing from `package` to the database; answers the names of the files it applied."""
    files = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in resources.files(package).iterdir()
        if entry.name.endswith(".sql")
    }
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.migration ("
            " name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = connection.execute("SELECT name, checksum FROM public.migration").fetchall()
        applied: dict[str, str] = dict(rows)
        for name, checksum in applied.items():
            if name not in files or _checksum(files[name]) != checksum:
                raise MigrationError(f"{package}: {name} was applied, but the program's file differs or is gone")
        missing = sorted(name for name in files if name not in applied)
        for name in missing:
            connection.execute(files[name].encode())
            connection.execute(
                "INSERT INTO public.migration (name, checksum) VALUES (%s, %s)",
                (name, _checksum(files[name])),
            )
    return missing


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
