"""`scrip run`: everything on this machine."""

import asyncio
from pathlib import Path

import click

from services.cli.commands.common import json_option
from services.cli.settings import read_settings

PORT_LAST = 65_535 - 5


@click.command()
@click.option(
    "--port", type=click.IntRange(0, PORT_LAST), default=8080, show_default=True,
    help="HTTP port; gRPC takes the five after it. 0: any free ports.",
)  # fmt: skip
@click.option(
    "--data-dir", type=click.Path(path_type=Path), default=Path(".scrip"), show_default=True,
    help="Where databases, streams, keys and logs are kept.",
)  # fmt: skip
@click.option("--verbose", is_flag=True, help="Show every log line, not only warnings and errors.")
@json_option
def run(port: int, data_dir: Path, verbose: bool, as_json: bool) -> None:
    """Start PostgreSQL, NATS and all services; stay until Ctrl-C.

    Prints the address and the keys; the same is in DATA_DIR/run.json for programs as long as it runs.
    Data survive a restart. A service that dies is started again; one that cannot stay up ends the run.
    Several can run side by side, each with its own --port and --data-dir.

    \b
    Examples:
      scrip run
      scrip run --port 0 --data-dir /var/tmp/second --json
    """
    # Only here: it loads the database driver and more, which other commands need not wait for.
    from services.cli.local.errors import LocalError
    from services.cli.local.stack import RunOptions
    from services.cli.local.stack import run as run_stack
    from services.cli.local.terminal import Terminal

    settings, terminal = read_settings(), Terminal(as_json=as_json)
    options = RunOptions(port, data_dir, verbose, settings.inherited, settings.pg_bin)
    try:
        asyncio.run(run_stack(options, terminal))
    except LocalError as error:
        terminal.failed(error, data_dir / "logs")
        raise SystemExit(1) from None
    except OSError as error:
        terminal.failed(LocalError(f"The run has ended, this machine refused something: {error}."), data_dir / "logs")
        raise SystemExit(1) from None
