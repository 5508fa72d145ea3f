"""What the commands that talk to a gateway share: `--json`, `--data-dir`, and errors as exit statuses."""

import functools
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from services.cli.client import Api, find_target
from services.cli.errors import CommandError
from services.cli.output import Output
from services.cli.settings import read_settings


def json_option(function: Callable[..., None]) -> Callable[..., None]:
    """Adds `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(function)


def gateway_command(function: Callable[..., None]) -> Callable[..., None]:
    """Gives the function an Api and an Output as first arguments, and its command `--json` and `--data-dir`."""

    @json_option
    @click.option(
        "--data-dir",
        type=click.Path(path_type=Path),
        help="Talk to the `scrip run` of this data folder, whatever SCRIP_URL says.",
    )
    @functools.wraps(function)
    def command(*, as_json: bool, data_dir: Path | None, **arguments: Any) -> None:
        output = Output(as_json=as_json)
        try:
            with closing(Api(find_target(read_settings(), data_dir))) as api:
                function(api, output, **arguments)
        except CommandError as error:
            output.failure(error)
            raise SystemExit(error.exit_code) from None

    return command
