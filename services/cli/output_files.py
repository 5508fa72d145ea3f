"""Files in the output of a job: shown by how to get them, or saved to a folder."""

import json
import re
from pathlib import Path
from typing import Any

import click

from services.cli import transfers
from services.cli.client import Api
from services.cli.commands.common import shown_time
from services.cli.output import Output
from services.executor.rules.output_files import name_of

_STORED = re.compile(r"file:(out_[a-z2-7]{26})", re.ASCII)
_INLINE = re.compile(r"data:[^,]*;base64,")

save_option = click.option(
    "--save",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the files of the output to this folder, named after where they stand in it.",
)


def tell(api: Api, output: Output, job: dict[str, Any], folder: Path | None) -> None:
    """Prints a job's output, its files saved and told by their paths where there is a folder for them; with `--json`
    the whole job."""
    made = job.get("output")
    if folder and made is not None:
        made = _saved(api, output, made, folder)
    if output.as_json:
        output.json_object(job | {"output": made} if folder else job)
    elif made is None:
        if job.get("status") == "SUCCEEDED":
            output.note(f"Its output was removed at {shown_time(job.get('content_expires_at'))}.")
    else:
        output.line(json.dumps(made, ensure_ascii=False, indent=2))
        for file_id in _STORED.findall(json.dumps(made)):
            output.note(f"A file of it: scrip files get {file_id} -o PATH")


def make(folder: Path) -> None:
    """Makes a folder for files, where there is none; to be called before anything is paid for what goes there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"{folder} cannot be made: {error.strerror}.") from None


def _saved(api: Api, output: Output, value: Any, folder: Path, pointer: str = "") -> Any:
    """The value, with the path of each of its files in the place of the file."""

    def path_of(media_type: str) -> Path:
        return folder / name_of(pointer, media_type)

    match value:
        case str() if stored := _STORED.fullmatch(value):
            return str(transfers.download(api, output, stored[1], path_of))
        case str() if _INLINE.match(value):
            return str(transfers.write_data_url(value, path_of))
        case dict():
            return {name: _saved(api, output, one, folder, f"{pointer}/{name}") for name, one in value.items()}
        case list():
            return [_saved(api, output, one, folder, f"{pointer}/{index}") for index, one in enumerate(value)]
        case _:
            return value
