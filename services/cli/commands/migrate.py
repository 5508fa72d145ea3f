"""`scrip migrate`: databases, streams and the first admin key, in a cluster before the services start."""

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import click

from services.cli.commands.common import json_option
from services.cli.errors import CommandError, Unreachable
from services.cli.local.services import SERVICES
from services.cli.output import Output
from services.cli.settings import read_settings


@click.command()
@click.option("--dsn", "given", metavar="SERVICE=DSN", multiple=True, help="Repeat it for every service to migrate.")
@click.option("--nats-url", metavar="URL", help="Declare the streams and consumers there.")
@json_option
def migrate(given: tuple[str, ...], nats_url: str | None, as_json: bool) -> None:
    """Bring databases and NATS to this version.

    DSN is a PostgreSQL connection string of the database's owner. Written as @PATH it is read from that
    file, and so is the URL, to keep passwords off the command line. The roles scrip_SERVICE and analyst
    must exist. If SCRIP_BOOTSTRAP_ADMIN_KEY (or SCRIP_BOOTSTRAP_ADMIN_KEY_FILE) is set and the gateway has
    no admin key, that becomes the first. Nothing is done twice; several may run at once.

    \b
    Example:
      scrip migrate --dsn ledger=@/run/secrets/ledger-dsn --dsn gateway=@/run/secrets/gateway-dsn \\
          --nats-url @/run/secrets/nats-url
    """
    # Only here: drivers take longer to load than the other commands to run.
    import nats.errors
    import psycopg

    from services.cli.migration import migrate_all
    from services.runtime.migrations import MigrationError

    dsns = dict(read_dsn(one) for one in given)
    if not dsns and nats_url is None:
        raise click.UsageError("There is nothing to migrate: give --dsn SERVICE=DSN, --nats-url, or both.")
    settings, output = read_settings(), Output(as_json=as_json)
    url = from_file(nats_url) if nats_url is not None else None
    try:
        done = asyncio.run(migrate_all(dsns, url, settings.bootstrap_admin_key))
    except psycopg.OperationalError as error:
        fail(output, Unreachable(f"PostgreSQL cannot be reached: {error}"))
    except (nats.errors.Error, TimeoutError, OSError) as error:
        fail(output, Unreachable(f"NATS cannot be reached: {error!r}"))
    except (psycopg.Error, MigrationError) as error:
        fail(output, CommandError({"title": "Migration failed", "reason": "MIGRATION_FAILED", "detail": str(error)}))
    content: dict[str, Any] = {
        "applied": done.applied,
        "topology_declared": done.topology_declared,
        "admin_key_made": done.admin_key_made,
    }
    if as_json:
        output.json_object(content)
        return
    for name, files in done.applied.items():
        output.line(f"{name}: {', '.join(files) if files else 'up to date'}")
    if done.topology_declared:
        output.line("nats: streams and consumers declared")
    if done.admin_key_made:
        output.line("gateway: first admin key made")


def fail(output: Output, error: CommandError) -> NoReturn:
    """Say why and end."""
    output.failure(error)
    raise SystemExit(error.exit_code)


def read_dsn(given: str) -> tuple[str, str]:
    """`service=DSN` or `service=@path` as the service and its DSN."""
    name, equals, dsn = given.partition("=")
    if name not in SERVICES or not equals or not dsn:
        raise click.UsageError(f"--dsn must be SERVICE=DSN, SERVICE one of {', '.join(SERVICES)}.")
    return name, from_file(dsn)


def from_file(value: str) -> str:
    """The value, or the content of the file it names as @PATH."""
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise click.UsageError(f"{value[1:]} cannot be read: {error.strerror}.") from None
