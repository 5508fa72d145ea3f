"""What the commands that talk to a gateway share: `--json`, `--data-dir`, errors as exit statuses, and how accounts,
credits, times and Idempotency-Keys are given and shown."""

import functools
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from services.cli.client import Api, Role, find_target
from services.cli.errors import CommandError
from services.cli.output import Output
from services.cli.settings import read_settings
from services.runtime import ids

PLACES_MAX = 6


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


def key_option(function: Callable[..., None]) -> Callable[..., None]:
    """Adds `--idempotency-key`."""
    return click.option(
        "--idempotency-key", metavar="KEY", help="Repeat with the same one to be sure that it is done once."
    )(function)


def keyed(output: Output, given: str | None) -> dict[str, str]:
    """The headers of a command that is to be done once. Its key is told before the call, so that it is there to be used
    again if the answer gets lost."""
    key = given or ids.uuid7()
    output.note(f"Idempotency-Key: {key}")
    return {"Idempotency-Key": key}


def path_of(account: str | None) -> tuple[str, Role]:
    """Where an account is, and whose key opens it: one by its name an admin's, the key's own account anyone's."""
    return ("/v1/account", "user") if account is None else (f"/v1/admin/accounts/{quote(account, safe='')}", "admin")


def read_credits(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A positive decimal number with up to six places, kept as text."""
    return _decimal(value, "a positive number", lambda number: number > 0)


def read_signed_credits(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A decimal number that is not 0, with up to six places, kept as text."""
    return _decimal(value, "a number other than 0", lambda number: number != 0)


def read_limit(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """A decimal number of 0 or more with up to six places, kept as text."""
    return None if value is None else _decimal(value, "a number of 0 or more", lambda number: number >= 0)


def _decimal(value: str, what: str, fits: Callable[[Decimal], bool]) -> str:
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise click.BadParameter(f"{value!r} is not a number.") from None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -PLACES_MAX or not fits(number):
        raise click.BadParameter(f"{value!r} is not {what} with up to {PLACES_MAX} places.")
    # A minus before nothing, and places that say nothing, are no part of a number.
    return f"{number or number.copy_abs():f}"


def read_time(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """An RFC 3339 time, or a date: its beginning in UTC."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no time as 2031-01-31T00:00:00Z, and no date.") from None
    if moment.tzinfo is None:
        if len(value) > len("2031-01-31"):
            raise click.BadParameter(f"{value!r} needs an offset, as in 2031-01-31T00:00:00Z.")
        moment = moment.replace(tzinfo=UTC)
    return moment.isoformat().replace("+00:00", "Z")


def shown(value: Any) -> str:
    """A member of an answer as a table has it; what is absent is empty."""
    return "" if value is None else str(value)


def shown_time(value: Any) -> str:
    """A time of an answer, to the second."""
    text = shown(value)
    return f"{text[:19]}Z" if len(text) > len("2031-01-31T00:00:00Z") and text.endswith("Z") else text
