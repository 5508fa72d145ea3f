"""Files in outputs: where a tool's output has them, and those taken out of it that are too large for JSON; pure.

An output is what its tool made, JSON in which every file is a `data:` URL. A file of more than 64 KiB leaves it and is
kept beside it; `file:<id>` stands in its place.
"""

import base64
import hashlib
import json
import mimetypes
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

INLINE_BYTES_MAX = 64 * 1024
FILES_BYTES_MAX = 32 * 1024 * 1024
# What a message of the services' own can carry, less its other fields; JSON beyond it could not be handed out.
JSON_BYTES_MAX = 7 * 1024 * 1024
FILE_FORMAT = "scrip-file"
MEDIA_TYPE_DEFAULT = "application/octet-stream"
_ID_CHARACTERS = 26
_ID = re.compile(r"out_[a-z2-7]{26}", re.ASCII)
_STEP_CHARACTERS = 4 * 256 * 1024
_NAME_CHARACTERS_MAX = 100
_NOT_IN_NAMES = re.compile(r"[^\w.]+")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}", re.ASCII)

EACH = None
Place = tuple[str | None, ...]
"""Where files stand: names of members, one within the other; EACH is every item of an array or member of an object."""
Places = Mapping[Place, str]
"""Where an output has files, and their media type as the schema says it; empty where it does not."""
Content = tuple[str, bytes]
"""Media type and content of a file."""


class OutputTooLargeError(Exception):
    """An output that cannot be handed out; the text says why, with the numbers, for the caller."""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that left an output; `digest` is the SHA-256 of its content, hex."""

    file_id: str
    pointer: str
    """Where it stood, a JSON pointer."""
    media_type: str
    digest: str
    data: bytes


def is_file_id(text: str) -> bool:
    """Whether it may be the id of an output's file."""
    return _ID.fullmatch(text) is not None


def places_of(output_schema_json: bytes) -> Places:
    """Where an output of this JSON Schema has files; nowhere that a `$ref` leads to."""
    found: dict[Place, str] = {}
    for place, media_type in _places(json.loads(output_schema_json or b"true"), ()):
        # Of one that may be this or that nothing is known.
        found[place] = media_type if found.get(place, media_type) == media_type else ""
    return found


def _places(schema: Any, at: Place) -> Iterator[tuple[Place, str]]:
    if not isinstance(schema, dict):
        return
    if schema.get("format") == FILE_FORMAT:
        yield at, str(schema.get("contentMediaType", ""))
    properties = schema.get("properties")
    for name, one in properties.items() if isinstance(properties, dict) else ():
        yield from _places(one, (*at, name))
    for word in ("items", "additionalProperties"):
        yield from _places(schema.get(word), (*at, EACH))
    for word in ("allOf", "anyOf", "oneOf"):
        for one in schema.get(word) or ():
            yield from _places(one, at)


def name_of(pointer: str, media_type: str) -> str:
    """What people call the file: `images-0.png`, after where it stands and what it is."""
    stem = _NOT_IN_NAMES.sub("-", pointer).strip("-.")[:_NAME_CHARACTERS_MAX]
    return f"{stem or 'file'}{mimetypes.guess_extension(media_type) or ''}"


def of_data_url(value: Any) -> Content | None:
    """The file of a `data:` URL; None where it is none, or too short to be large."""
    if not isinstance(value, str) or not value.startswith("data:") or len(value) <= INLINE_BYTES_MAX:
        return None
    header, _, text = value[len("data:") :].partition(",")
    media_type, *parameters = (part.strip().lower() for part in header.split(";"))
    try:
        if "base64" in parameters:
            return media_type, _decoded(text)
        return media_type, unquote_to_bytes(text)
    except ValueError:
        # Whoever gets it can make no more of it than we can.
        return None


def _decoded(text: str) -> bytes:
    """The bytes of base64, made step by step, so that other threads come to their turn; raises ValueError."""
    steps = range(0, len(text), _STEP_CHARACTERS)
    return b"".join(base64.b64decode(text[at : at + _STEP_CHARACTERS], validate=True) for at in steps)


def split(
    output: Any, places: Iterable[Place], job_id: str, content_of: Callable[[Any], Content | None] = of_data_url
) -> tuple[Any, tuple[OutputFile, ...]]:
    """The output with an id in the place of each large file, and these files. What it is given stays as it is.

    Ids follow from job, place and content: the same output of the same job is split into the same again. Raises
    OutputTooLargeError where the files have more than 32 MiB in all.
    """
    files: list[OutputFile] = []

    def take(value: Any, pointer: str) -> Any:
        content = content_of(value)
        if content is None or len(content[1]) <= INLINE_BYTES_MAX:
            return value
        files.append(_file(job_id, pointer, *content))
        return f"file:{files[-1].file_id}"

    for place in places:
        output = _replaced(output, place, "", take)
    total = sum(len(file.data) for file in files)
    if total > FILES_BYTES_MAX:
        raise OutputTooLargeError(
            f"the files of the output have {total:,} bytes; at most {FILES_BYTES_MAX:,} can be handed out"
        )
    return output, tuple(files)


def check_json(encoded: bytes) -> bytes:
    """The JSON of an output, as it is; raises OutputTooLargeError where it has more than 7 MiB."""
    if len(encoded) > JSON_BYTES_MAX:
        raise OutputTooLargeError(
            f"the output has {len(encoded):,} bytes; at most {JSON_BYTES_MAX:,} can be handed out"
        )
    return encoded


def standing_at(value: Any, place: Place) -> Iterator[Any]:
    """What stands at a place, which may be several."""
    if not place:
        yield value
        return
    name, rest = place[0], place[1:]
    if isinstance(value, dict):
        found = value.values() if name is EACH else [value[name]] if name in value else []
    else:
        found = value if isinstance(value, list) and name is EACH else []
    for one in found:
        yield from standing_at(one, rest)


def _replaced(value: Any, place: Place, pointer: str, take: Callable[[Any, str], Any]) -> Any:
    """The value with what stands at the place replaced, and all around it new."""
    if not place:
        return take(value, pointer)
    name, rest = place[0], place[1:]
    if isinstance(value, dict):
        return {
            key: _replaced(one, rest, f"{pointer}/{_escaped(key)}", take) if name in (key, EACH) else one
            for key, one in value.items()
        }
    if isinstance(value, list) and name is EACH:
        return [_replaced(one, rest, f"{pointer}/{index}", take) for index, one in enumerate(value)]
    return value


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _file(job_id: str, pointer: str, media_type: str, data: bytes) -> OutputFile:
    digest = hashlib.sha256(data).hexdigest()
    name = hashlib.sha256("\n".join((job_id, pointer, digest)).encode()).digest()
    file_id = f"out_{base64.b32encode(name).decode().lower()[:_ID_CHARACTERS]}"
    known = media_type if _MEDIA_TYPE.fullmatch(media_type) else MEDIA_TYPE_DEFAULT
    return OutputFile(file_id, pointer, known, digest, data)
