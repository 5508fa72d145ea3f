"""Files to and from the gateway, piece by piece, with a bar in a terminal."""

import base64
import hashlib
import mimetypes
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import click
import httpx

from services.cli.client import Api
from services.cli.errors import Refused
from services.cli.output import Output

PIECE_BYTES = 256 * 1024
CALL_SECONDS = 60.0
PathOf = Callable[[str], Path]
"""Where a file of this media type goes."""


def media_type_of(path: Path) -> str:
    """What the name of a file says that it is."""
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def upload(api: Api, output: Output, path: Path, media_type: str | None = None) -> dict[str, Any]:
    """The file as the gateway took it."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            with output.progress(path.name, size) as advance:
                answer = api.send(
                    "POST",
                    "/v1/files",
                    "user",
                    params={"name": path.name},
                    headers={"Content-Type": media_type or media_type_of(path), "Content-Length": str(size)},
                    content=_pieces(file, advance),
                    timeout=CALL_SECONDS,
                )
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}.") from None
    return answer.json_object


def download(api: Api, output: Output, file_id: str, path_of: PathOf) -> Path:
    """Writes a file's content to the path that its media type leads to, which is there only when all of it is."""
    with api.content(f"/v1/files/{quote(file_id, safe='')}") as response:
        path = path_of(_media_type(response.headers.get("content-type", "")))
        _write(response, output, file_id, path)
    return path


def print_file(api: Api, file_id: str) -> None:
    """Writes a file's content to stdout as it comes; raises Refused where it was not what it should be."""
    digest, stdout = hashlib.sha256(), sys.stdout.buffer
    with api.content(f"/v1/files/{quote(file_id, safe='')}") as response:
        for piece in response.iter_bytes():
            stdout.write(piece)
            digest.update(piece)
        _check(response, digest.hexdigest(), file_id)


def write_data_url(url: str, path_of: PathOf) -> Path:
    """Writes the content of a base64 `data:` URL to the path that its media type leads to."""
    header, _, text = url.removeprefix("data:").partition(",")
    path = path_of(_media_type(header))
    try:
        path.write_bytes(base64.b64decode(text))
    except ValueError:
        raise Refused({"reason": "OTHER_CONTENT", "detail": f"What is to be {path} is no base64."}) from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}.") from None
    return path


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _write(response: httpx.Response, output: Output, file_id: str, path: Path) -> None:
    partial = path.with_name(f"{path.name}.part")
    digest = hashlib.sha256()
    try:
        with partial.open("wb") as file:
            with output.progress(path.name, int(response.headers.get("content-length", 0))) as advance:
                for piece in response.iter_bytes():
                    file.write(piece)
                    digest.update(piece)
                    advance(len(piece))
            _check(response, digest.hexdigest(), file_id)
        partial.replace(path)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        partial.unlink(missing_ok=True)


def _check(response: httpx.Response, digest: str, file_id: str) -> None:
    if response.headers.get("etag") != f'"{digest}"':
        raise Refused({"reason": "OTHER_CONTENT", "detail": f"What arrived is not {file_id}, by its SHA-256."})


def _pieces(file: IO[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece
        advance(len(piece))
