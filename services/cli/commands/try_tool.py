"""`scrip tools try`: what a manifest makes of an input, without a Scrip that runs."""

from pathlib import Path

import click

from services.cli.commands.common import json_option
from services.cli.commands.execute import read_input
from services.cli.errors import CommandError
from services.cli.input_files import read_file
from services.cli.output import Output


@click.command("try")
@click.argument("tool", metavar="FILE|SLUG")
@click.option("--input", "given", metavar="JSON|@FILE", help="The input; without one, the manifest's first example.")
@click.option("--file", "files", metavar="PROPERTY=PATH", multiple=True, help="A file (up to 1 MiB) as a property.")
@click.option("--live", is_flag=True, help="Call the provider, or run the handler; credits are not involved.")
@click.option(
    "--secrets-dir", type=click.Path(path_type=Path), envvar="SCRIP_SECRETS_DIR", help="Folder with a file per secret."
)
@json_option
def try_tool(
    tool: str, given: str | None, files: tuple[str, ...], live: bool, secrets_dir: Path | None, as_json: bool
) -> None:
    """Show the request that a tool would send, and what it would cost; with --live, its answer too.

    FILE is a manifest, SLUG that of a tool that comes with Scrip. The secret is taken from --secrets-dir or
    SCRIP_SECRET_<NAME> and never shown. --live calls providers where SCRIP_PROVIDER_BASES says, as executors do.

    \b
    Examples:
      scrip tools try translate-deepl
      scrip tools try ./my-tool.yaml --input '{"text": "Guten Morgen"}'
      SCRIP_SECRET_DEEPL_API_KEY=… scrip tools try translate-deepl --live
    """
    # Half of catalog and executor: other commands need not wait for them.
    from services.cli import trial_told

    output = Output(as_json=as_json)
    try:
        given_input = None if given is None else read_input(given)
        trial_told.tell(output, tool, given_input, dict(map(read_file, files)), live, secrets_dir)
    except CommandError as error:
        output.failure(error)
        raise SystemExit(error.exit_code) from None
