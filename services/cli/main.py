"""The `scrip` command: what it consists of, and nothing else."""

from collections.abc import Mapping, Sequence

import click

from services.cli.commands.accounts import accounts
from services.cli.commands.balance import balance
from services.cli.commands.categories import categories
from services.cli.commands.corrections import adjust, refund, transfer, void
from services.cli.commands.execute import execute
from services.cli.commands.grant import grant
from services.cli.commands.keys import keys
from services.cli.commands.lists import grants, reservations
from services.cli.commands.log import log
from services.cli.commands.migrate import migrate
from services.cli.commands.replay import replay
from services.cli.commands.run import run
from services.cli.commands.snapshot import snapshot
from services.cli.commands.statement import explain, statement
from services.cli.commands.tools import tools
from services.cli.commands.totals import totals
from services.cli.commands.verify import verify

HELP = """Credits for AI tools: run Scrip, and talk to one that runs.

\b
  scrip run                            start everything on this machine
  scrip tools list                     what can be executed, and for how much
  scrip execute detect-language --input '{"text": "Guten Morgen"}'
  scrip balance                        what is left
  scrip statement                      where it went
  scrip verify                         proof that every balance is what the ledger's log says

The other commands talk to the gateway at SCRIP_URL with the key SCRIP_KEY (or SCRIP_KEY_FILE). Without
them they use the Scrip that `scrip run` started in this folder: its demo account, and its admin key
where one is needed. verify, replay, snapshot and log read the ledger's database instead: that of --dsn or
SCRIP_LEDGER_DSN, else the local run's.

Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 unreachable.
"""


SENTENCE_MAX = 200
SECTIONS: Mapping[str, Sequence[click.Command]] = {
    "Run": (run, migrate),
    "Use": (tools, categories, execute),
    "See credits": (balance, statement, grants, reservations, explain),
    "Manage accounts and credits": (accounts, keys, grant, void, refund, adjust, transfer),
    "Prove the ledger": (totals, verify, replay, snapshot, log),
}


class Sections(click.Group):
    """A group whose help lists its commands by what they are for."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One list a section."""
        width = max(len(command.name or "") for commands in SECTIONS.values() for command in commands)
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                # A long sentence goes on in the next line rather than be cut off.
                sentences = [(f"{one.name:<{width}}", one.get_short_help_str(SENTENCE_MAX)) for one in commands]
                formatter.write_dl(sentences)


@click.group(cls=Sections, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="scrip", message="scrip %(version)s")
def main() -> None:
    """See HELP."""


for section in SECTIONS.values():
    for command in section:
        main.add_command(command)
