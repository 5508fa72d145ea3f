"""What commands print: tables in a terminal, aligned plain columns when piped, one JSON object with `--json`."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from services.cli.errors import CommandError

# What catches the eye in a terminal: words that tell a state, or in which direction credits went.
COLOURED = ("KIND", "STATE")
COLOURS = (
    dict.fromkeys(("ACTIVE", "LIVE", "OPEN", "granted", "grant_effective", "refunded", "transfer_returned"), "green")
    | dict.fromkeys(("FROZEN", "SCHEDULED", "reserved", "frozen"), "yellow")
    | dict.fromkeys(("captured", "grant_expired", "grant_voided", "reduced", "transfer_sent", "closed"), "red")
    | dict.fromkeys(("refused", "CLOSED"), "bold red")
    | dict.fromkeys(("settlement_late", "reservation_without_job"), "yellow")
    | dict.fromkeys(("settlement_refused", "captured_otherwise"), "bold red")
    | dict.fromkeys(("reservation_left_open", "reservation_ended_early"), "bold red")
    | dict.fromkeys(("SUCCEEDED", "RUNNING"), "green")
    | {"QUEUED": "yellow", "FAILED": "red", "INDETERMINATE": "bold red", "CANCELED": "dim"}
    | {"available": "green", "deprecated": "yellow", "unavailable": "yellow", "disabled": "red"}
    | dict.fromkeys(("EXPIRED", "VOIDED", "RELEASED", "CAPTURED"), "dim")
)


def _colour(cell: str) -> str:
    """By its first word: `unavailable: NO_EXECUTOR` says why after a colon."""
    return COLOURS.get(cell.partition(":")[0], "")


class Output:
    """One command's voice. With `--json` stdout holds exactly one object, also when it fails."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False)

    def json_object(self, content: dict[str, Any]) -> None:
        """The one object of `--json`."""
        click.echo(json.dumps(content, ensure_ascii=False))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str] = ()) -> None:
        """Rows under a heading; the columns in `numbers` stand to the right, so that their places are in line."""
        if self._console.is_terminal:
            table = Table(box=None, header_style="bold", pad_edge=False)
            for name in columns:
                table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
            for row in rows:
                cells = zip(columns, row, strict=True)
                table.add_row(*(Text(cell, _colour(cell) if name in COLOURED else "") for name, cell in cells))
            self._console.print(table)
            return
        widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
        for row in [columns, *rows]:
            padded = [
                cell.rjust(width) if name in numbers else cell.ljust(width)
                for name, cell, width in zip(columns, row, widths, strict=True)
            ]
            click.echo("  ".join(padded).rstrip())

    def facts(self, facts: dict[str, str]) -> None:
        """Names and values, one pair a line."""
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            label = click.style(f"{name:<{width}}", bold=True)
            click.echo(f"{label}  {value}")

    def piece(self, text: str) -> None:
        """A part of a line, at once."""
        click.echo(text, nl=False)

    def line(self, text: str) -> None:
        """A line of the answer."""
        click.echo(text)

    def coloured(self, *parts: tuple[str, str]) -> None:
        """A line of texts, each with its colour; empty: none."""
        self._console.print(Text.assemble(*parts), soft_wrap=True)

    def note(self, text: str) -> None:
        """Something beside the answer, on stderr; not with `--json`."""
        if not self.as_json:
            click.echo(text, err=True)

    @contextmanager
    def progress(self, what: str, size_bytes: int) -> Iterator[Callable[[int], None]]:
        """A bar on stderr, in a terminal, while bytes go over the wire; the function is told how many more went."""
        console = Console(stderr=True)
        if self.as_json or not console.is_terminal:
            yield lambda _count: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(escape(what), total=size_bytes)
            yield lambda count: bar.advance(task, count)

    def failure(self, error: CommandError) -> None:
        """Why the command failed and what to do."""
        if self.as_json:
            self.json_object(error.problem | ({"hint": error.hint} if error.hint else {}))
            return
        for line in error.lines():
            click.echo(line, err=True)
