"""`scrip files`: files that are too large for JSON, uploaded or made by tools."""

from pathlib import Path
from urllib.parse import quote

import click

from services.cli import transfers
from services.cli.client import Api
from services.cli.commands.common import gateway_command, shown_time
from services.cli.output import Output


@click.group()
def files() -> None:
    """Files that inputs of tools name by their id, and outputs too."""


@files.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--type", "media_type", metavar="TYPE", help="Its media type; else what its name says.")
@gateway_command
def upload(api: Api, output: Output, path: Path, media_type: str | None) -> None:
    """Upload the file PATH, and print its id for inputs.

    It is kept for a day after it was last used.

    \b
    Example:
      scrip files upload book.pdf
      scrip execute pdf-to-text --input '{"pdf": "file:file_…"}'
    """
    file = transfers.upload(api, output, path, media_type)
    if output.as_json:
        output.json_object(file)
        return
    output.note(f"{file['size_bytes']:,} bytes, {file['media_type']}, kept until {shown_time(file['expires_at'])}")
    output.line(file["file_id"])


@files.command()
@click.argument("file_id", metavar="ID")
@click.option(
    "-o", "--output", "path", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), required=True,
    help="Where to write it; - is stdout.",
)  # fmt: skip
@gateway_command
def get(api: Api, output: Output, file_id: str, path: Path) -> None:
    """Download the file ID, uploaded or made by a tool.

    \b
    Examples:
      scrip files get file_… -o book.pdf
      scrip files get out_… -o picture.png
    """
    file_id = file_id.removeprefix("file:")
    if str(path) == "-":
        transfers.print_file(api, file_id)
        return
    transfers.download(api, output, file_id, lambda _media_type: path)
    size = path.stat().st_size
    if output.as_json:
        output.json_object({"file_id": file_id, "path": str(path), "size_bytes": size})
        return
    output.note(f"{size:,} bytes written to {path}")


@files.command()
@click.argument("file_id", metavar="ID")
@gateway_command
def delete(api: Api, output: Output, file_id: str) -> None:
    """Delete the file ID, uploaded or made by a tool.

    A job that still waits to be given it fails, and costs nothing.

    \b
    Examples:
      scrip files delete file_…
      scrip files delete out_…
    """
    file_id = file_id.removeprefix("file:")
    api.send("DELETE", f"/v1/files/{quote(file_id, safe='')}", "user")
    if output.as_json:
        output.json_object({"file_id": file_id, "deleted": True})
        return
    output.note(f"{file_id} is deleted.")
