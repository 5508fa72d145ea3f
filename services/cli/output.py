"""What commands print: tables in a terminal, aligned plain columns when piped, one JSON object with `--json`."""

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.cli.errors import CommandError


class Output:
    """One command's voice. With `--json` stdout holds exactly one object, also when it fails."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False)

    def json_object(self, content: dict[str, Any]) -> None:
        """The one object of `--json`."""
        click.echo(json.dumps(content, ensure_ascii=False))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under a heading."""
        if self._console.is_terminal:
            table = Table(*columns, box=None, header_style="bold", pad_edge=False)
            for row in rows:
                table.add_row(*(Text(cell) for cell in row))
            self._console.print(table)
            return
        widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
        for row in [columns, *rows]:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def facts(self, facts: dict[str, str]) -> None:
        """Names and values, one pair a line."""
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            label = click.style(f"{name:<{width}}", bold=True)
            click.echo(f"{label}  {value}")

    def line(self, text: str) -> None:
        """A line of the answer."""
        click.echo(text)

    def note(self, text: str) -> None:
        """Something beside the answer, on stderr; not with `--json`."""
        if not self.as_json:
            click.echo(text, err=True)

    def failure(self, error: CommandError) -> None:
        """Why the command failed and what to do."""
        if self.as_json:
            self.json_object(error.problem | ({"hint": error.hint} if error.hint else {}))
            return
        for line in error.lines():
            click.echo(line, err=True)
