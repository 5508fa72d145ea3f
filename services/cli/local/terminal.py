"""What `scrip run` shows: progress, the children's lines that matter, and at last what to do with it.

Progress and lines go to stderr, what a person copies to stdout. Colours, a spinner and a panel in a
terminal; plain lines when piped.
"""

import json
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.panel import Panel
from rich.status import Status
from rich.text import Text

from services.cli.local.demo import TOOL
from services.cli.local.errors import CannotStayUp, LocalError
from services.cli.local.runfile import RunFile
from services.cli.local.services import SERVICES

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_magenta")
NAMES = (*SERVICES, "postgres", "nats")
NAME_CHARS = max(map(len, NAMES))


class Terminal:
    """The run's face. A terminal that goes away is ignored: the run is stopped by signals only."""

    def __init__(self, *, as_json: bool = False) -> None:
        """With `as_json` nothing but one JSON object goes to stdout."""
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._out = Console(highlight=False, soft_wrap=True)
        self._as_json = as_json
        self._status: Status | None = None

    def progress(self, text: str) -> None:
        """What is going on now."""
        if not self._console.is_terminal:
            self._plain(text, err=True)
        elif self._status is None:
            self._status = self._console.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def end_progress(self) -> None:
        """Nothing is going on any more."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def line(self, name: str, line: str) -> None:
        """A line of a child's, after its name."""
        if not self._console.is_terminal:
            self._plain(f"{name:<{NAME_CHARS}} | {line}", err=True)
            return
        colour = COLOURS[NAMES.index(name) % len(COLOURS)] if name in NAMES else "white"
        prefix = Text(f"{name:<{NAME_CHARS}} │ ", style=colour)
        with suppress(OSError):
            self._console.print(prefix + Text(line))

    def started(self, run: RunFile, data_dir: str, example: dict[str, Any] | None) -> None:
        """The address, the keys, and what to try."""
        self.end_progress()
        if self._as_json:
            self._plain(json.dumps(run.as_json()))
            return
        facts = {
            "URL": run.http_url,
            "Demo key": f"{run.demo_key}   (account {run.demo_account})",
            "Admin key": run.admin_key,
            "Data": f"{data_dir} (run.json has all of this for programs)",
        }
        lines = [f"{name:<10} {value}" for name, value in facts.items()]
        tries = [curl_line(run, example), cli_line(data_dir, example)]
        if not self._out.is_terminal:
            for line in ("Scrip is ready.", *lines, "Try:", *(f"  {one}" for one in tries), "Ctrl-C stops it."):
                self._plain(line)
            return
        self._out.print(Panel("\n".join(lines), title="Scrip is ready", border_style="green", expand=False))
        # Outside the panel, so that the lines can be copied.
        self._out.print("Try:", style="bold")
        for one in tries:
            self._out.print(Text(f"  {one}"))
        self._out.print("Ctrl-C stops it; the data stay.", style="dim")

    def failed(self, error: LocalError, logs: Path) -> None:
        """Why the run ends; `logs` is the folder with the children's logs."""
        self.end_progress()
        self._plain(f"Error: {error}", err=True)
        if isinstance(error, CannotStayUp):
            self._plain(f"Its last lines (all in {logs / error.name}.log):", err=True)
            for line in error.last_lines:
                self._plain(f"  {line}", err=True)

    def _plain(self, text: str, *, err: bool = False) -> None:
        with suppress(OSError):
            click.echo(text, err=err)


def curl_line(run: RunFile, example: dict[str, Any] | None) -> str:
    """A command that works when pasted into a shell."""
    authorization = f'-H "Authorization: Bearer {run.demo_key}"'
    if example is None:
        return f"curl -s {run.http_url}/v1/tools {authorization}"
    body = shlex.quote(json.dumps({"input": example}, ensure_ascii=False))
    where = f"{run.http_url}/v1/tools/{TOOL}/execute"
    return f'curl -s {where} {authorization} -H "Content-Type: application/json" -d {body}'


def cli_line(data_dir: str, example: dict[str, Any] | None) -> str:
    """The same with the `scrip` command."""
    command = "scrip tools list" if example is None else f"scrip execute {TOOL}"
    words = shlex.split(command) + (["--data-dir", data_dir] if data_dir != ".scrip" else [])
    if example is not None:
        words += ["--input", json.dumps(example, ensure_ascii=False)]
    return shlex.join(words)
