"""What the commands that read the ledger's own database share: which one it is, and what its errors mean."""

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from services.cli.commands.common import json_option
from services.cli.commands.migrate import fail, from_file
from services.cli.errors import CommandError, Unreachable
from services.cli.local.runfile import RUN_FILE
from services.cli.output import Output
from services.cli.settings import read_settings, value_of

T = TypeVar("T")
MICROS = 1_000_000


def ledger_command(function: Callable[..., None]) -> Callable[..., None]:
    """Gives the function the ledger's DSN and an Output, and its command `--dsn`, `--data-dir` and `--json`."""

    @json_option
    @click.option(
        "--dsn",
        metavar="DSN",
        help="The ledger's database, or @PATH of a file that names it. Else SCRIP_LEDGER_DSN, else the local run's.",
    )
    @click.option("--data-dir", type=click.Path(path_type=Path), help="The data folder of the `scrip run` to look at.")
    @functools.wraps(function)
    def command(*, as_json: bool, dsn: str | None, data_dir: Path | None, **arguments: Any) -> None:
        output = Output(as_json=as_json)
        try:
            function(find_dsn(dsn, data_dir), output, **arguments)
        except CommandError as error:
            fail(output, error)

    return command


def find_dsn(given: str | None, data_dir: Path | None) -> str:
    """The DSN of the command line, else of the environment, else of `run.json`; Unreachable where nothing runs."""
    if given is not None:
        return from_file(given)
    if data_dir is None and (dsn := value_of(read_settings().inherited, "SCRIP_LEDGER_DSN")):
        return dsn
    path = (data_dir or Path(".scrip")) / RUN_FILE
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["dsn"]["ledger"])
    except FileNotFoundError:
        raise Unreachable(
            f"No Scrip runs here: there is no {path}.", "Start one with `scrip run`, or give --dsn or SCRIP_LEDGER_DSN."
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise Unreachable(f"{path} cannot be used: {error!r}.") from None


def ask(work: Coroutine[Any, Any, T]) -> T:
    """Runs what reads the database; its errors become the command's."""
    # Only here: drivers take longer to load than the other commands to run.
    import psycopg

    from services.ledger.application.results import BrokenChainError
    from services.ledger.domain.evolve import UnknownEventError
    from services.runtime.postgres import OUTAGES

    try:
        return asyncio.run(work)
    except (*OUTAGES, OSError) as error:
        raise Unreachable(f"The ledger's database cannot be reached: {error}") from None
    except psycopg.Error as error:
        problem = {"title": "Not readable", "reason": "NOT_A_LEDGER", "detail": f"The database refuses: {error}"}
        raise CommandError(problem, "Is it the ledger's, at this version? `scrip migrate` brings it there.") from None
    except (BrokenChainError, UnknownEventError) as error:
        problem = {"title": "Broken log", "reason": "LOG_BROKEN", "detail": f"The log cannot be folded: {error}."}
        raise CommandError(problem, "See all that is wrong: scrip verify") from None


@contextlib.asynccontextmanager
async def pool_of(dsn: str) -> AsyncIterator[Any]:
    """A pool on the database; raises at once where that does not answer."""
    import psycopg

    from services.runtime import postgres

    async with (
        await psycopg.AsyncConnection.connect(dsn, connect_timeout=postgres.CONNECT_TIMEOUT_SECONDS),
        postgres.open_pool(dsn, "cli", size=2) as pool,
    ):
        yield pool


@contextlib.contextmanager
def progress_of(output: Output, title: str) -> Any:
    """Gives a function of the number of commits that answers what to call for each: a bar on a terminal, or nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("commits"), TimeRemainingColumn())
    disable = output.as_json or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disable) as bar:

        def begin(total: int) -> Callable[[int], None]:
            task = bar.add_task(title, total=total)
            return lambda _events: bar.advance(task)

        yield begin


def chosen(shard: int | None, shards: list[int]) -> list[int]:
    """The shards to look at: one, or all that there are."""
    if shard is None:
        return shards
    if shard not in shards:
        raise click.BadParameter(f"there are shards 0 to {max(shards)}.", param_hint="--shard")
    return [shard]


def credits_of(micros: int) -> str:
    """Microcredits as a decimal of credits without trailing zeros."""
    whole, rest = divmod(abs(micros), MICROS)
    sign = "-" if micros < 0 else ""
    return f"{sign}{whole}.{rest:06}".rstrip("0").rstrip(".")
