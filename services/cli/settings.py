"""What the `scrip` command reads from the environment. Each value may be given as `…_FILE` too.

Unlike a service, the command ignores other `SCRIP_*`: it runs in shells and pods that also hold those.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click


@dataclass(frozen=True)
class CliSettings:
    """The environment, as far as the command cares."""

    url: str | None
    """SCRIP_URL: the gateway's address; with `key` it goes before `run.json`."""

    key: str | None
    """SCRIP_KEY: the API key for every call."""

    pg_bin: Path | None
    """SCRIP_PG_BIN: folder of PostgreSQL's programs for `run`, version 17 or newer."""

    bootstrap_admin_key: str | None
    """SCRIP_BOOTSTRAP_ADMIN_KEY: the first admin key, for `migrate`."""

    inherited: Mapping[str, str]
    """The whole environment, from which `run` makes its children's."""


def read_settings(environ: Mapping[str, str] | None = None) -> CliSettings:
    """Read them; a file that cannot be read is a usage error."""
    environ = os.environ if environ is None else environ
    pg_bin = value_of(environ, "SCRIP_PG_BIN")
    return CliSettings(
        url=value_of(environ, "SCRIP_URL"),
        key=value_of(environ, "SCRIP_KEY"),
        pg_bin=Path(pg_bin) if pg_bin else None,
        bootstrap_admin_key=value_of(environ, "SCRIP_BOOTSTRAP_ADMIN_KEY"),
        inherited=dict(environ),
    )


def value_of(environ: Mapping[str, str], name: str) -> str | None:
    """The variable, or the content of the file that its `_FILE` names; empty is as good as unset."""
    value, file = environ.get(name), environ.get(f"{name}_FILE")
    if value and file:
        raise click.UsageError(f"{name} and {name}_FILE are both set; keep one.")
    if file:
        try:
            value = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise click.UsageError(f"{name}_FILE={file} cannot be read: {error.strerror}.") from None
    return value or None
