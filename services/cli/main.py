"""The `scrip` command: its groups, and nothing else."""

import click

from services.cli.commands.balance import balance
from services.cli.commands.execute import execute
from services.cli.commands.grant import grant
from services.cli.commands.keys import keys
from services.cli.commands.migrate import migrate
from services.cli.commands.run import run
from services.cli.commands.tools import tools

HELP = """Credits for AI tools: run Scrip, and talk to one that runs.

\b
  scrip run                            start everything on this machine
  scrip tools list                     what can be executed, and for how much
  scrip execute detect-language --input '{"text": "Guten Morgen"}'
  scrip balance                        what is left

The other commands talk to the gateway at SCRIP_URL with the key SCRIP_KEY (or SCRIP_KEY_FILE). Without
them they use the Scrip that `scrip run` started in this folder: its demo account, and its admin key
where one is needed.

Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 unreachable.
"""


@click.group(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="scrip", message="scrip %(version)s")
def main() -> None:
    """See HELP."""


for command in (run, migrate, tools, grant, balance, execute, keys):
    main.add_command(command)
