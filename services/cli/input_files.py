"""Files of the command line as properties of an input: inline where they are small, uploaded where they are not."""

import base64
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import click

from services.cli import transfers
from services.cli.client import Api
from services.cli.errors import Refused
from services.cli.output import Output

FILE_BYTES_MAX = 1024 * 1024
FILES_BYTES_MAX = 3 * 1024 * 1024


def given_files(api: Api, output: Output, slug: str, given: Sequence[str]) -> dict[str, str]:
    """Each `property=path` as the property and its file: a `data:` URL, or, too large for one, uploaded."""
    found = {}
    inline_bytes = 0
    paths = [property_path(one) for one in given]
    sizes = [size_of(path) for _, path in paths]
    if sum(sizes) > FILE_BYTES_MAX:
        _check_limit(api, slug, sum(sizes))
    for (name, path), size in zip(paths, sizes, strict=True):
        if size > FILE_BYTES_MAX or inline_bytes + size > FILES_BYTES_MAX:
            found[name] = f"file:{transfers.upload(api, output, path)['file_id']}"
        else:
            inline_bytes += size
            found[name] = data_url(path)
    return found


def _check_limit(api: Api, slug: str, size: int) -> None:
    """Says that the files are too large for the tool, before any of them is on its way."""
    tool = api.get(f"/v1/tools/{quote(slug, safe='')}")
    most = int(tool["limits"]["input_bytes"])
    if size > most:
        detail = f"the files have {size:,} bytes, at most {most:,} are taken by {slug}"
        raise Refused({"reason": "INPUT_TOO_LARGE", "detail": detail, "limit": most, "actual": size})


def property_path(given: str) -> tuple[str, Path]:
    """`property=path` as what it names."""
    name, equals, path_text = given.partition("=")
    if not name or not equals or not path_text:
        raise click.UsageError(f"--file {given} must be PROPERTY=PATH.")
    return name, Path(path_text)


def size_of(path: Path) -> int:
    """Bytes of a file of the command line."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise click.UsageError(f"--file {path} cannot be read: {error.strerror}.") from None


def read_file(given: str) -> tuple[str, str]:
    """`property=path` as the property and the file as a `data:` URL."""
    name, path = property_path(given)
    if size_of(path) > FILE_BYTES_MAX:
        raise click.UsageError(f"--file {path} is larger than {FILE_BYTES_MAX} bytes, which is all that is tried.")
    return name, data_url(path)


def data_url(path: Path) -> str:
    """A file as inputs have it inline."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"--file {path} cannot be read: {error.strerror}.") from None
    return f"data:{transfers.media_type_of(path)};base64,{base64.b64encode(data).decode()}"
