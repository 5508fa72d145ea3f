"""Inputs of tools: a JSON object, whose file-valued properties come as URLs or parts and leave as files beside it."""

import asyncio
import base64
import binascii
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
import rfc8785
from scrip.catalog.v1.catalog_pb2 import InputFile

from services.gateway import media_types
from services.gateway.bodies import too_large
from services.gateway.file_rows import File
from services.runtime.errors import Refusal, Violation, invalid

FILE_FORMAT = "scrip-file"
JSON_BYTES_MAX = 1024 * 1024
FILE_BYTES_MAX = 1024 * 1024
FILES_BYTES_MAX = 3 * 1024 * 1024
_THREAD_BYTES_MIN = 64 * 1024
_DATA_URL = re.compile(rb'"data:', re.IGNORECASE)
_FILE_URL = re.compile(rb'"file:')
_ANY_URL = re.compile(rb'"(data|file):', re.IGNORECASE)
_PROPERTIES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)

# The names of the file-valued properties of the tool in question.
FileProperties = Callable[[], Awaitable[frozenset[str]]]
# The caller's uploaded files, by id.
Uploaded = Callable[[Collection[str]], Awaitable[Mapping[str, File]]]


@dataclass(frozen=True, slots=True)
class Input:
    """What a tool is given: the JSON, where `sha256:<hex>` stands for each file, and the files."""

    json: bytes
    files: Sequence[InputFile]


async def prepare(
    raw: msgspec.Raw | bytes, file_properties: FileProperties, uploaded: Uploaded, parts: Sequence[InputFile] = ()
) -> Input:
    """The input of a request, its files taken out: those in it, as `data:` URLs, and those it names, as `file:<id>`.
    Whether it fits the tool is the catalog's to say.

    `parts` are files that came beside it; their properties may be left out of the JSON. Of a part that is stored only
    the id is believed. The tool is asked for only where a URL may stand: a text that merely begins like one stays text.
    Raises REQUEST_INVALID, INPUT_INVALID for a malformed URL, INPUT_TOO_LARGE, FILE_NOT_FOUND.
    """
    content = bytes(raw).strip()
    if not content.startswith(b"{"):
        raise invalid("input", "must be a JSON object")
    has_urls = _ANY_URL.search(content) is not None
    if parts or has_urls:
        properties = _properties(content)
        files = await _parts(parts, uploaded)
        for file in files:
            properties.setdefault(file.property, _digest_name(file))
        if has_urls:
            names = await file_properties()
            taken = [*_inline(properties, names), *await _named(properties, names, uploaded)]
            properties |= {file.property: _digest_name(file) for file in taken}
            files += taken
        total = sum(len(file.data) for file in files)
        if total > FILES_BYTES_MAX:
            raise too_large("the input's files", FILES_BYTES_MAX, total)
        content = msgspec.json.encode(properties) if files else content
    else:
        files = []
    if len(content) > JSON_BYTES_MAX:
        raise too_large("the JSON of the input", JSON_BYTES_MAX, len(content))
    return Input(content, files)


async def digest(given: Input) -> str:
    """SHA-256 of the input's RFC 8785 form, hex."""
    if len(given.json) < _THREAD_BYTES_MIN:
        return _digest(given.json)
    return await asyncio.to_thread(_digest, given.json)


def _digest(content: bytes) -> str:
    try:
        canonical = rfc8785.dumps(json.loads(content))
    except (rfc8785.CanonicalizationError, ValueError, RecursionError):
        # No quote is ever given for it, so any digest will do that is always the same.
        canonical = content
    return hashlib.sha256(canonical).hexdigest()


def _digest_name(file: InputFile) -> msgspec.Raw:
    """What stands for a file in the JSON."""
    digest_hex = file.digest if file.file_id else hashlib.sha256(file.data).hexdigest()
    return msgspec.Raw(b'"sha256:%s"' % digest_hex.encode())


def not_taken(name: str) -> Refusal:
    """A file for a property that is none, or no file."""
    return _invalid(_pointer(name)[:64], "a file is given, but the tool takes none here", FILE_FORMAT)


async def _parts(parts: Sequence[InputFile], uploaded: Uploaded) -> list[InputFile]:
    """The parts, those that are stored as we know them."""
    file_ids = [part.file_id for part in parts if part.file_id]
    known = await uploaded(file_ids) if file_ids else {}
    return [
        stored(part.property, known[part.file_id])
        if part.file_id
        else InputFile(property=part.property, media_type=media_type_of(part.property, part.media_type), data=part.data)
        for part in parts
    ]


def _inline(properties: Mapping[str, msgspec.Raw], names: frozenset[str]) -> list[InputFile]:
    """The files that are in the input itself."""
    files: list[InputFile] = []
    for name in sorted(names & properties.keys()):
        value = bytes(properties[name])
        if not _DATA_URL.match(value):
            continue
        file = _file(name, _TEXT.decode(value))
        if len(file.data) > FILE_BYTES_MAX:
            raise too_large(f"the file {name}", FILE_BYTES_MAX, len(file.data))
        files.append(file)
    return files


async def _named(properties: Mapping[str, msgspec.Raw], names: frozenset[str], uploaded: Uploaded) -> list[InputFile]:
    """The files that were uploaded before."""
    file_ids: dict[str, str] = {}
    for name in sorted(names & properties.keys()):
        value = bytes(properties[name])
        if _FILE_URL.match(value):
            file_ids[name] = _TEXT.decode(value).removeprefix("file:")
    found = await uploaded(file_ids.values()) if file_ids else {}
    return [stored(name, found[file_id]) for name, file_id in file_ids.items()]


def stored(name: str, file: File) -> InputFile:
    """An uploaded file as the property `name`."""
    return InputFile(
        property=name,
        media_type=file.media_type,
        file_id=file.file_id,
        size_bytes=file.size_bytes,
        digest=file.digest,
    )


def _properties(content: bytes) -> dict[str, msgspec.Raw]:
    """The input's properties, each as it was written. Refuses one that is there twice: only one would arrive."""
    try:
        names = [name for name, _ in json.loads(content, object_pairs_hook=list, parse_int=len, parse_float=len)]
        if len(set(names)) == len(names):
            return _PROPERTIES.decode(content)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise _invalid("", "is not a JSON object in UTF-8", "json") from None
    twice = next(name for name in names if names.count(name) > 1)
    raise _invalid("", f"has the property {twice[:64]!r} twice", "json")


def _file(name: str, url: str) -> InputFile:
    """The file of a `data:` URL (RFC 2397); its media type without parameters."""
    header, comma, text = url[len("data:") :].partition(",")
    media_type, *parameters = (part.strip().lower() for part in header.split(";"))
    media_type = media_type_of(name, media_type or "text/plain")
    pointer = _pointer(name)
    if not comma:
        raise _invalid(pointer, "is not a data: URL: it has no comma", "format")
    try:
        data = unquote_to_bytes(text) if "%" in text else text.encode("ascii")
        if "base64" in parameters:
            data = base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        raise _invalid(pointer, "is not a data: URL: its data are not what its header says", "format") from None
    return InputFile(property=name, media_type=media_type, data=data)


def media_type_of(name: str, text: str) -> str:
    """The media type of the file of a property; raises INPUT_INVALID, which names that."""
    media_type = media_types.read(text)
    if media_type is None:
        raise _invalid(_pointer(name)[:64], f"has a file whose media type is none: it {media_types.WANTED}", "format")
    return media_type


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _invalid(pointer: str, message: str, keyword: str) -> Refusal:
    text = f"the input does not fit: {pointer or 'it'} {message}"
    return Refusal("INPUT_INVALID", text, violations=[Violation(pointer, message, keyword)])


def file_properties_of(schema_json: bytes) -> frozenset[str]:
    """The names of the file-valued properties in a tool's input schema."""
    schema: dict[str, Any] = json.loads(schema_json)
    return frozenset(
        name
        for name, property_schema in schema.get("properties", {}).items()
        if isinstance(property_schema, dict) and property_schema.get("format") == FILE_FORMAT
    )
